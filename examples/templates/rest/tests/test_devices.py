"""The table my_ext, over an API that does what APIs do."""

import logging
import re
import time
from collections.abc import Callable

import pytest
from osquery_sdk import DeadlineExceeded, Query, Secret, Table, TableError
from osquery_sdk.engine import Host, SqlError

from my_ext.api import Api
from my_ext.devices import devices_table
from my_ext.settings import Settings

from . import server

Serve = Callable[..., Host]


def ask(devices: Table, timeout: float = 30.0) -> tuple[int, list[str]]:
    """Ask for all devices; returns how many there are, and the warnings."""
    said: list[str] = []
    return len(devices.rows(Query.of(devices, timeout=timeout, warn=said.append))), said


def test_all_pages_are_read(osquery_host: Serve, api: server.Api, devices: Table) -> None:
    sql = "select count(*) as n, count(distinct id) as ids from my_ext"
    assert osquery_host(devices).query(sql).rows == [{"n": "250", "ids": "250"}]
    assert len(api.paths) == 3


def test_values(osquery_host: Serve, devices: Table) -> None:
    sql = "select id, name, owner, online, seen from my_ext where id in (1, 5, 999) order by id"
    assert osquery_host(devices).query(sql).rows == [
        {"id": "1", "name": "device-1", "owner": "tom", "online": "0", "seen": "1709377200"},
        {"id": "5", "name": "device-5", "owner": "", "online": "0", "seen": ""},
    ]


def test_what_a_statement_asks_for_is_asked_of_the_api(
    osquery_host: Serve, api: server.Api, devices: Table
) -> None:
    host = osquery_host(devices)
    host.query("select name from my_ext where id = 7")
    host.query("select name from my_ext where owner = 'a&b'")
    assert api.paths == ["/v1/devices/7", "/v1/devices?limit=100&owner=a%26b"]


@pytest.mark.parametrize("fault", [429, 500, 502, 503, 504, "half", "no json", "silence"])
def test_what_may_pass_is_tried_again(api: server.Api, devices: Table, fault: int | str) -> None:
    api.faults = [fault]
    count, said = ask(devices)
    assert count == 250
    assert len(said) == 1
    assert "tries again" in said[0]


def test_each_pause_is_longer(api: server.Api, devices: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("my_ext.api.FIRST_PAUSE", 0.1)
    api.faults = [500] * 5
    with pytest.raises(TableError, match=r"/v1/devices: 500 Internal Server Error, 5 times$"):
        ask(devices)
    pauses = [after - before for before, after in zip(api.times, api.times[1:], strict=False)]
    assert len(pauses) == 4
    for number, pause in enumerate(pauses):
        assert pause >= 0.05 * 2**number


@pytest.mark.parametrize("fault", [429, "later"])
def test_the_api_says_how_long_to_wait(api: server.Api, devices: Table, fault: int | str) -> None:
    """Retry-After: as seconds, and as a date, which counts whole seconds."""
    api.faults, api.headers = [fault], {"Retry-After": "1"}
    assert ask(devices)[0] == 250
    assert api.times[1] - api.times[0] >= 0.9


def test_a_wait_that_is_too_long_is_told_at_once(api: server.Api, devices: Table) -> None:
    api.faults, api.headers = [503], {"Retry-After": "3600"}
    started = time.monotonic()
    with pytest.raises(TableError, match=r"503 Service Unavailable; try again in 3600 s$"):
        ask(devices)
    assert time.monotonic() - started < 5


def test_a_slow_answer_ends_with_the_query(api: server.Api, devices: Table) -> None:
    api.faults = ["drip"]
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        ask(devices, timeout=1.0)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (401, r"does not accept the token \(401 Unauthorized\)$"),
        (403, r"does not accept the token \(403 Forbidden\)$"),
        (400, r"/v1/devices: 400 Bad Request$"),
        (404, r"is no page of items$"),
        ("elsewhere", r"redirects to another server, http://localhost:9/v1/devices$"),
        ("other server", r"next page is on another server, http://localhost:9/v1/devices$"),
        ("forever", r"pages do not end"),
        ("huge", r"more than 16,777,216 bytes$"),
        ("other form", r"a device of the API has no 'seen'$"),
    ],
)
def test_what_does_not_pass_is_an_error(
    osquery_host: Serve, api: server.Api, devices: Table, fault: int | str, error: str
) -> None:
    api.faults = [fault] * 2 if fault == "forever" else [fault]
    with pytest.raises(SqlError, match=error) as raised:
        osquery_host(devices).query("select name from my_ext")
    assert "\n" not in str(raised.value)


def test_a_redirect_within_the_server_is_followed(api: server.Api, devices: Table) -> None:
    api.faults = ["moved"]
    assert ask(devices)[0] == 2


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("my_ext.api.FIRST_PAUSE", 0.01)
    with server.Api() as gone:
        settings = Settings(gone.url, Secret("x"))
    with pytest.raises(TableError, match=r"Connection refused, 5 times$"):
        ask(devices_table(Api(lambda: settings)))


def test_requests_keep_to_the_rate(api: server.Api) -> None:
    settings = Settings(api.url, Secret(server.TOKEN))
    assert ask(devices_table(Api(lambda: settings, per_second=5)))[0] == 250
    assert all(after - before > 0.15 for before, after in zip(api.times, api.times[1:], strict=False))


def test_the_same_question_is_asked_once(osquery_host: Serve, api: server.Api) -> None:
    settings = Settings(api.url, Secret(server.TOKEN))
    host = osquery_host(devices_table(Api(lambda: settings), cache=60))
    for _ in range(3):
        host.query("select name from my_ext where id = 1")
    assert api.paths == ["/v1/devices/1"]


def test_an_error_is_not_kept(osquery_host: Serve, api: server.Api) -> None:
    settings = Settings(api.url, Secret(server.TOKEN))
    host = osquery_host(devices_table(Api(lambda: settings), cache=60))
    api.faults = [400]
    with pytest.raises(SqlError):
        host.query("select name from my_ext where id = 1")
    rows = host.query("select name from my_ext where id = 1").rows
    assert rows == [{"name": "device-1"}]


def test_the_token_is_shown_nowhere(
    api: server.Api, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], osquery_host: Serve
) -> None:
    """Neither in errors nor in logs, even where the server gives it back."""
    caplog.set_level(logging.DEBUG)
    settings = Settings(api.url, Secret("wr0ng-t0ken"))
    seen = [repr(settings), str(settings)]
    host = osquery_host(devices_table(Api(lambda: settings)))
    for fault in (None, 403, 400, "elsewhere", "other form"):
        api.faults = [] if fault is None else [fault]
        with pytest.raises(SqlError) as raised:
            host.query("select name from my_ext")
        seen.append(str(raised.value))
    seen += [caplog.text, *capfd.readouterr()]
    assert not re.search("wr0ng-t0ken", "\n".join(seen))
