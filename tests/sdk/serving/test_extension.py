"""Extensions within this process, with the embedded engine; their life as programs is in `tests/osqueryd`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from osquery_sdk import (
    Column,
    DefinitionError,
    Extension,
    ManagerUnavailable,
    Query,
    RegistrationError,
    Row,
    Table,
    table,
)
from osquery_sdk.engine import Host

if TYPE_CHECKING:
    from pathlib import Path


class One(Row):
    n: int = Column("number")


def one(name: str, **options: Any) -> Table:
    @table(name, rows=One, **options)
    def rows(query: Query) -> list[One]:
        """One row."""
        return [One(n=1)]

    return rows


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        ([one("t"), one("t")], "two tables are named t"),
        ([one("t"), one("T")], "two tables are named T"),
        ([one("t"), one("u", aliases=("T",))], "two tables are named T"),
        ([one("t", aliases=("v",)), one("u", aliases=("v",))], "two tables are named v"),
        ([one("t", aliases=("t",))], "two tables are named t"),
        ([one("t", platforms=("linux", "windows")), one("t", platforms=("windows", "darwin"))], "two tables"),
        ([lambda query: []], "is no table; decorate the function with @table"),
        ([One], "is no table"),
        ([one("sqlite_t")], "table sqlite_t: SQLite keeps names with sqlite_ for itself"),
    ],
)
def test_plugins_that_cannot_be_registered(plugins: list[Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Extension("e", version="1", plugins=plugins)


@pytest.mark.parametrize("name", ["", "two\nlines", "nul\0"])
def test_names_that_cannot_be_printed(name: str) -> None:
    with pytest.raises(DefinitionError, match="a name that can be printed"):
        Extension(name, version="1", plugins=[])


def test_one_table_for_each_platform_may_share_a_name() -> None:
    tables = [one("t", platforms=(platform,)) for platform in ("linux", "darwin", "windows")]
    extension = Extension("e", version="1", plugins=tables)
    assert len(extension.plugins) == 1
    assert extension.all_plugins == tuple(tables)


def test_who_starts_it_is_told_why_it_cannot_be_registered() -> None:
    started = time.monotonic()
    with (
        pytest.raises(RegistrationError, match="tables of all names of e already: rename yours"),
        Host([Extension("e", version="1", plugins=[one("time")]).start]),
    ):
        pytest.fail("it registered")
    assert time.monotonic() - started < 5


def test_who_starts_it_is_told_that_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(ManagerUnavailable, match=r"no extension manager at .*em within 0.3 s"):
        Extension("e", version="1", plugins=[one("t")]).start(str(tmp_path / "em"), timeout=0.3)


def test_it_may_be_started_again_and_at_two_hosts_at_once() -> None:
    extension = Extension("e", version="1", plugins=[one("t")])
    for _ in range(2):
        with Host([extension.start]) as first, Host([extension.start]) as second:
            assert first.query("select n from t").rows == second.query("select n from t").rows == [{"n": "1"}]
    assert not [thread for thread in threading.enumerate() if thread.name == "e"]


def test_the_end_of_the_host_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    with Host([Extension("e", version="1", plugins=[one("t")], log=lines.append).start]) as host:
        host.query("select * from t")
    assert lines == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), 1e9])
def test_any_interval_will_do(interval: float) -> None:
    """A look is due within a second at the latest."""
    lines: list[str] = []
    extension = Extension("e", version="1", plugins=[one("t")], log=lines.append)
    with Host(options={"extensions_interval": "600"}) as host:
        thread = threading.Thread(target=extension.serve, args=(host.socket,), kwargs={"interval": interval})
        thread.start()
        host.wait_for_extensions(1)
        (uuid,) = host.manager.extensions()
        host.manager.deregister_extension(uuid)
        host.wait_for_extensions(1, timeout=10)
        extension.stop()
        thread.join(10)
        assert not thread.is_alive()
        assert host.manager.extensions() == {}
    assert lines == ["e: no longer registered; registering again", "e: told to stop; leaving"]
