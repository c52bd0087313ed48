"""Config plugins serve a correct configuration, refuse a wrong one, and keep the last correct one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kolide_plugins import FileConfig, FolderConfig, HttpsConfig
from osquery_sdk import ConfigError, ConfigPlugin, ManagerUnavailable, check_config
from osquery_sdk.wire.protocol import Response, Status

from ..support.plugins import WebServer, ask, certificates, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

GOOD: dict[str, Any] = {"schedule": {"s": {"query": "select 1", "interval": 5}}}


class Given(ConfigPlugin):
    def __init__(self, **sources: Any) -> None:
        super().__init__("given")
        self.sources: Any = sources
        self.packs: dict[str, Any] = {}

    def gen_config(self) -> Mapping[str, Any]:
        if isinstance(self.sources, Exception):
            raise self.sources
        return self.sources  # type: ignore[no-any-return]

    def gen_pack(self, name: str, value: str) -> Any:
        return self.packs[name] if name in self.packs else super().gen_pack(name, value)


class Osqueryd:
    """A substitute for osqueryd: it takes updates, and asks for the packs in them meanwhile."""

    def __init__(self, plugin: ConfigPlugin) -> None:
        self.plugin = plugin
        self.updates: list[tuple[str, Any]] = []
        self.refuse = ""

    def __call__(self, registry: str, item: str, request: Mapping[str, str]) -> Response:
        assert (registry, item, request["action"]) == ("config", "update", "update")
        if self.refuse:
            return Response(Status(1, self.refuse))
        document = json.loads(request["data"])
        self.updates.append((request["source"], document))
        for name, value in document.get("packs", {}).items():
            assert ask(self.plugin, action="genPack", name=name, value=value).status.code == 0
        return Response(Status())


def served(plugin: ConfigPlugin) -> dict[str, Any]:
    response = ask(plugin, action="genConfig")
    assert response.status.code == 0, response.status.message
    (row,) = response.rows
    return {source: json.loads(text) for source, text in row.items()}


def test_several_sources() -> None:
    plugin = Given(one=GOOD, two='# a comment\n{"options": {"verbose": true}}')
    assert served(plugin) == {"one": GOOD, "two": {"options": {"verbose": True}}}


def test_packs() -> None:
    plugin = Given(one={"packs": {"p": "somewhere"}})
    plugin.packs["p"] = {"queries": {"q": {"query": "select 1", "interval": 9}}}
    response = ask(plugin, action="genPack", name="p", value="somewhere")
    assert json.loads(response.rows[0]["p"]) == plugin.packs["p"]
    plugin.packs["p"] = {"queries": {"q": {"query": "", "interval": 9}}}
    again = ask(plugin, action="genPack", name="p", value="somewhere")
    assert again.rows == response.rows  # the last that was right
    missing = ask(plugin, action="genPack", name="other", value="x")
    assert (missing.status.code, missing.status.message) == (1, "given: no pack 'other' ('x')")


@pytest.mark.parametrize(
    "wrong",
    [
        {"one": {"schedule": []}},
        {"one": "{"},
        {"one": "[]"},
        {"one": {"x": float("nan")}},
        {"one": {"x": object()}},
        ["one"],
        ValueError("a mistake"),
        OSError("no network"),
    ],
)
def test_an_error_keeps_the_last_configuration_that_was_right(wrong: Any) -> None:
    log: list[str] = []
    plugin = Given()
    plugin.sources = wrong
    assert ask(plugin, log, action="genConfig").status.code == 1  # there is none yet
    plugin.sources = {"one": GOOD}
    assert served(plugin) == {"one": GOOD}
    plugin.sources = wrong
    log.clear()
    assert json.loads(ask(plugin, log, action="genConfig").rows[0]["one"]) == GOOD
    assert "the last configuration that was right" in log[-1]


def test_a_source_that_is_gone_is_said_to_be_empty() -> None:
    plugin = Given(one=GOOD, two=GOOD)
    served(plugin)
    del plugin.sources["two"]
    assert served(plugin) == {"one": GOOD, "two": {}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"schedule": {"s": {"query": "select 1", "interval": 0}}}, "schedule: s: interval 0"),
        ({"schedule": {"s": {"query": "select 1", "interval": "often"}}}, "interval 'often'"),
        ({"schedule": {"s": {"query": "select 1", "interval": True}}}, "interval True"),
        ({"schedule": {"s": {"query": "select 1", "interval": 604801}}}, "from 1 to 604800"),
        ({"schedule": {"s": {"interval": 5}}}, "schedule: s: query has to be a statement"),
        ({"schedule": {"s": "select 1"}}, "has to be an object with query and interval"),
        (
            {"schedule": {"s": {"query": "x", "interval": 1, "snapshot": "yes"}}},
            "snapshot 'yes' has to be true or false",
        ),
        ({"packs": {"p": 1}}, "pack p: has to be an object, or a text"),
        ({"packs": {"p": {"queries": {"q": {"query": "x", "interval": -1}}}}}, "pack p: q: interval -1"),
        ({"packs": {"*": {"p": {"discovery": "select 1"}}}}, "pack p: discovery has to be a list"),
        ({"file_paths": {"etc": "/etc/%"}}, "file_paths: etc: has to be a list"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("{" * 50_000, "not JSON"),
        ('{"a": ' * 40 + "1" + "}" * 40, "nested over 32 deep"),
    ],
)
def test_what_is_refused(document: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        check_config(document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        GOOD,
        {"schedule": {"s": {"query": "x", "interval": "60"}}},
        {"packs": {"p": "/x.conf"}},
        {"views": {"v": "x"}},
    ],
)
def test_what_is_fine(document: Any) -> None:
    assert check_config(document) == document


# -- pushing


def test_only_what_changed_is_pushed() -> None:
    plugin = Given(one=GOOD, two=GOOD)
    with pytest.raises(ManagerUnavailable):
        plugin.push()
    osqueryd = Osqueryd(plugin)
    plugin.start(osqueryd, print)
    served(plugin)
    assert plugin.push() == []
    plugin.packs["p"] = {}
    plugin.sources = {"one": GOOD, "three": {"packs": {"p": "x"}}}
    assert plugin.push() == ["three", "two"]
    assert osqueryd.updates == [("three", {"packs": {"p": "x"}}), ("two", {})]
    assert plugin.push() == []


def test_what_osqueryd_refused_is_pushed_again() -> None:
    plugin = Given(one=GOOD)
    osqueryd = Osqueryd(plugin)
    plugin.start(osqueryd, print)
    osqueryd.refuse = "too many"
    with pytest.raises(ConfigError, match="osqueryd refused source 'one': too many"):
        plugin.push()
    osqueryd.refuse = ""
    assert plugin.push() == ["one"]


def test_what_is_wrong_is_not_pushed() -> None:
    plugin = Given(one=GOOD)
    osqueryd = Osqueryd(plugin)
    plugin.start(osqueryd, print)
    plugin.push()
    plugin.sources = {"one": {"schedule": 1}}
    with pytest.raises(ConfigError):
        plugin.push()
    assert len(osqueryd.updates) == 1


# -- files


FRAGMENTS = {
    "10-base.yaml": "schedule:\n  s: {query: select 1, interval: 5}\nfile_paths:\n  etc: [/etc/%]\n",
    "20-more.toml": (
        '[schedule.t]\nquery = "select 2"\ninterval = 6\n[file_paths]\netc = ["/usr/%", "/etc/%"]\n'
    ),
    "30-last.json": '// a comment\n{"options": {"host_identifier": "uuid"}}',
    ".hidden.json": "{",
    "notes.txt": "{",
    "old.json~": "{",
}


@pytest.fixture
def fragments(tmp_path: Path) -> Path:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    for name, text in FRAGMENTS.items():
        (folder / name).write_text(text)
    return folder


def test_fragments_are_merged(fragments: Path) -> None:
    (config,) = served(FolderConfig("f", fragments)).values()
    assert config == {
        "schedule": {"s": {"query": "select 1", "interval": 5}, "t": {"query": "select 2", "interval": 6}},
        "file_paths": {"etc": ["/etc/%", "/usr/%"]},
        "options": {"host_identifier": "uuid"},
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "90.yaml",
            "schedule: {s: {interval: 7, query: select 1}}",
            "schedule: s: interval is 5 in 10-base.yaml and 7 in 90.yaml: take it out of one of them",
        ),
        (
            "90.json",
            '{"options": {"host_identifier": "hostname"}}',
            "is 'uuid' in 30-last.json and 'hostname' in 90.json",
        ),
        ("90.yaml", "schedule: [", "90.yaml: no YAML"),
        ("90.yaml", "a: &a [1]\nb: *a", "has an alias"),
        ("90.yaml", "a: 1\na: 2", "'a' stands twice"),
        ("90.yaml", "!!python/object/apply:os.system [id]", "no YAML"),
        ("90.yaml", "- 1", "has to be an object, not list"),
        ("90.toml", "x = ", "90.toml: no TOML"),
        (
            "90.json",
            '{"schedule": {"x": {"query": "select 1", "interval": "x"}}}',
            "90.json: schedule: x: interval",
        ),
    ],
)
def test_fragments_that_are_wrong(name: str, text: str, message: str, fragments: Path) -> None:
    (fragments / name).write_text(text)
    response = ask(FolderConfig("f", fragments), action="genConfig")
    assert response.status.code == 1
    assert message in response.status.message


def test_a_file_with_packs_beside_it(tmp_path: Path) -> None:
    (tmp_path / "osquery.conf").write_text(
        '# as osqueryd\n{"packs": {"p": "packs/p.yaml", "*": "packs/*.json"}}'
    )
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs/p.yaml").write_text("queries: {q: {query: select 1, interval: 3}}")
    for name in "ab":
        (tmp_path / f"packs/{name}.json").write_text(
            '{"queries": {"q": {"query": "select 2", "interval": 3}}}'
        )
    plugin = FileConfig("f", tmp_path / "osquery.conf")
    assert served(plugin)[f"{tmp_path}/osquery.conf"]["packs"]["p"] == "packs/p.yaml"
    one = ask(plugin, action="genPack", name="p", value="packs/p.yaml").rows[0]["p"]
    assert json.loads(one)["queries"]["q"]["query"] == "select 1"
    many = ask(plugin, action="genPack", name="*", value="packs/*.json").rows[0]["*"]
    assert sorted(json.loads(many)) == ["a", "b"]


def test_a_file_is_watched(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(GOOD))
    plugin = FileConfig("f", path, poll=0.05)
    osqueryd = Osqueryd(plugin)
    log: list[str] = []
    plugin.start(osqueryd, log.append)
    ask(plugin, log, action="genConfig")
    path.write_text("{")
    until(lambda: any("not JSON" in text for text in log))
    assert osqueryd.updates == []
    path.write_text('{"options": {}}')
    until(lambda: osqueryd.updates)
    assert osqueryd.updates == [(str(path), {"options": {}})]
    plugin.stop()
    assert sum("not JSON" in text for text in log) == 1


# -- HTTPS


class Configs:
    """A server of configurations, with ETags."""

    def __init__(self, folder: Path) -> None:
        self.document = json.dumps(GOOD)
        self.status = 200
        self.extra: dict[str, str] = {}
        self.asked: list[tuple[str | None, int]] = []
        self.tls = certificates(folder)
        self.server = WebServer(self._answer, self.tls)

    def _answer(self, handler: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        tag = f'"{hash(self.document)}"'
        given = handler.headers.get("If-None-Match")
        status = 304 if given == tag and self.status == 200 else self.status
        self.asked.append((given, status))
        assert handler.headers["Authorization"] == "Bearer token"
        assert handler.headers["User-Agent"] == "osquery-sdk"
        return status, {"ETag": tag, **self.extra}, self.document.encode()


@pytest.fixture
def configs(tmp_path: Path) -> Iterator[Configs]:
    made = Configs(tmp_path)
    yield made
    made.server.close()


def https(configs: Configs, **options: Any) -> HttpsConfig:
    options = {"ca": configs.tls[0], "headers": {"Authorization": "Bearer token"}, "timeout": 5.0, **options}
    return HttpsConfig("h", configs.server.url, **options)


def test_https_with_etag(configs: Configs) -> None:
    plugin = https(configs)
    assert list(served(plugin).values()) == [GOOD]
    assert list(served(plugin).values()) == [GOOD]
    assert [status for _, status in configs.asked] == [200, 304]
    configs.document = '{"options": {}}'
    assert list(served(plugin).values()) == [{"options": {}}]
    configs.document = '{"schedule": 5}'
    assert list(served(plugin).values()) == [{"options": {}}]
    assert [status for _, status in configs.asked][2:] == [200, 200]
    configs.document = '{"options": {}}'
    served(plugin)
    assert configs.asked[-1][1] == 304  # what was wrong left no ETag behind


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": 500}, "500"),
        ({"document": "{"}, "not JSON"),
        ({"document": "x" * (5 << 20)}, "more than 4,194,304 bytes"),
        ({"status": 302, "extra": {"Location": "http://localhost:1/"}}, "another place"),
        ({"extra": {"Content-Length": "1000"}}, ""),
    ],
)
def test_https_answers_that_are_not_served(change: dict[str, Any], message: str, configs: Configs) -> None:
    for name, value in change.items():
        setattr(configs, name, value)
    response = ask(https(configs), action="genConfig")
    assert response.status.code == 1
    assert message in response.status.message
    assert "token" not in response.status.message


def test_https_does_not_trust_a_stranger(configs: Configs) -> None:
    response = ask(https(configs, ca=None), action="genConfig")
    assert "CERTIFICATE_VERIFY_FAILED" in response.status.message
    assert configs.asked == []


def test_the_last_configuration_is_there_without_a_network(configs: Configs, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    served(https(configs, cache=cache))
    assert cache.stat().st_mode & 0o777 == 0o600
    configs.status = 503
    log: list[str] = []
    response = ask(https(configs, cache=cache), log, action="genConfig")
    assert [json.loads(text) for text in response.rows[0].values()] == [GOOD]
    assert any("begins with the configuration in" in text for text in log)
    cache.chmod(0o666)
    assert ask(https(configs, cache=cache), action="genConfig").status.code == 1
    cache.unlink()
    cache.symlink_to("/etc/passwd")
    assert ask(https(configs, cache=cache), action="genConfig").status.code == 1
