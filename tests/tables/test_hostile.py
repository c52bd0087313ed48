"""Every table over files and homes still shows the good files beside a hostile one.

Attacks that only some tables can meet (a billion laughs, aliases, wrong lengths) are tested with those
tables.
"""

import gzip
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kolide_kit import files
from kolide_tables import Limits, all_tables
from kolide_tables.exposure.sudo_rules import SudoCommand, rule_rows
from osquery_sdk import Query, Table, table

from ..support.homes import Link, Users
from ..support.paths import FIXTURES

SECRET = "hunter2-of-somebody-else"

INPUTS = FIXTURES / "tables"
LIMITS = Limits(max_seconds=120)  # the machine may be busy
TABLES = {one.name.removeprefix("kolide_"): one for one in all_tables(limits=LIMITS, enabled=["file_lines"])}
DATA = {
    "json": '{"a": 1}',
    "jsonc": '{"a": 1} // b',
    "jsonl": '{"a": 1}\n{"a": 2}\n',
    "yaml": "a: 1\n",
    "toml": "a = 1\n",
    "xml": "<a>1</a>",
    "ini": "[a]\nb = 1\n",
    "plist": "<plist><dict><key>a</key><string>1</string></dict></plist>",
    "csv": "a,b\n1,2\n",
}
BY_PATH = (*DATA, "certificates", "keyinfo", "go_buildinfo", "secret_scan", "file_lines")


class Scene(NamedTuple):
    """A table's good file and the place of a hostile one.

    Attributes:
        table: the table.
        query: makes the query, with a list for the warnings.
        theirs: place of the hostile file, before the good one in the order in which the table reads.
        good: a good file, in its place already.
    """

    table: Table
    query: Callable[[list[str]], Query]
    theirs: Path
    good: Path


def by_path(name: str, content: bytes) -> Callable[[Path, Users], Scene]:
    def make(folder: Path, _users: Users) -> Scene:
        good = folder / f"z.{name}"
        good.write_bytes(content)
        table = TABLES[name]
        like = {"path": f"{folder}/_.{name}"}
        return Scene(
            table,
            lambda warnings: Query.of(table, like=like, warn=warnings.append),
            folder / f"b.{name}",
            good,
        )

    return make


def by_home(name: str, place: str, content: bytes, *, good: str = "") -> Callable[[Path, Users], Scene]:
    def make(_folder: Path, users: Users) -> Scene:
        ann, bob = users.add(1001, "ann"), users.add(1002, "bob")
        theirs, own = ann / place, bob / (good or place)
        for path in (theirs, own):
            path.parent.mkdir(parents=True)
        own.write_bytes(content)
        if name == "venv_packages":
            for home in (ann, bob):
                (home / "v" / "pyvenv.cfg").write_text("version = 3.11.2\n")
        table = TABLES[name]
        return Scene(table, lambda warnings: Query.of(table, warn=warnings.append), theirs, own)

    return make


def firefox(folder: Path, users: Users) -> Scene:
    make = of_users("firefox_preferences", ".mozilla/firefox/p/prefs.js", b'user_pref("a", 1);\n')
    scene = make(folder, users)
    for file in (scene.theirs, scene.good):
        (file.parents[1] / "profiles.ini").write_text("[Profile0]\nIsRelative=1\nPath=p\n")
    return scene


def of_users(name: str, place: str, content: bytes) -> Callable[[Path, Users], Scene]:
    """Return a scene without what is installed on this machine for all users."""

    def make(folder: Path, users: Users) -> Scene:
        scene = by_home(name, place, content)(folder, users)
        equals = {"uid": [1001, 1002]}
        return scene._replace(
            query=lambda warnings: Query.of(scene.table, equals=equals, warn=warnings.append)
        )

    return make


def node(folder: Path, _users: Users) -> Scene:
    for name in ("b", "z"):
        (folder / name).mkdir()
    good = folder / "z" / "package-lock.json"
    shutil.copy(INPUTS / "node" / "npm3" / "package-lock.json", good)
    table = TABLES["node_packages"]
    equals = {"root": str(folder)}
    return Scene(
        table,
        lambda warnings: Query.of(table, equals=equals, warn=warnings.append),
        folder / "b" / "package-lock.json",
        good,
    )


def sshd(folder: Path, _users: Users) -> Scene:
    (folder / "sshd_config").write_text("Include ?.conf\nPort 22\n")
    (folder / "z.conf").write_text("PermitRootLogin no\n")
    table = TABLES["sshd_config"]
    like = {"path": str(folder / "sshd_config")}
    return Scene(
        table,
        lambda warnings: Query.of(table, like=like, warn=warnings.append),
        folder / "b.conf",
        folder / "z.conf",
    )


def sudo(folder: Path, _users: Users) -> Scene:
    (folder / "d").mkdir()
    (folder / "sudoers").write_text(f"root ALL=(ALL) ALL\n@includedir {folder}/d\n")
    (folder / "d" / "z").write_text("ann ALL=(ALL) NOPASSWD: ALL\n")

    @table("kolide_sudo_rules")
    def rules(query: Query) -> Iterator[SudoCommand]:
        """Rules of the scene's own sudoers."""
        return rule_rows(query, str(folder / "sudoers"))

    return Scene(
        rules, lambda warnings: Query.of(rules, warn=warnings.append), folder / "d" / "b", folder / "d" / "z"
    )


MANIFEST = json.dumps(
    {"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "d", "size": 5}]}
)
STATE = json.dumps({"profile": {"info_cache": {"Default": {"user_name": "a@b.example"}}}})
PROGRAM = gzip.decompress((INPUTS / "go" / "hello-linux-amd64.gz").read_bytes())
SCENES = {name: by_path(name, content.encode()) for name, content in DATA.items()} | {
    "certificates": by_path("certificates", (INPUTS / "certificates" / "p256.pem").read_bytes()),
    "keyinfo": by_path("keyinfo", (INPUTS / "keys" / "ed25519").read_bytes()),
    "go_buildinfo": by_path("go_buildinfo", PROGRAM),
    "secret_scan": by_path("secret_scan", b"token = gh" + b"p_0123456789abcdefABCDEF0123456789abcdef\n"),
    "file_lines": by_path("file_lines", b"one\ntwo\n"),
    "ssh_keys": by_home("ssh_keys", ".ssh/id_ed25519", (INPUTS / "keys" / "ed25519").read_bytes()),
    "venv_packages": by_home(
        "venv_packages", "v/lib/python3.11/site-packages/one-1.dist-info/METADATA", b"Name: one\nVersion: 1\n"
    ),
    "mcp_servers": by_home("mcp_servers", ".cursor/mcp.json", b'{"mcpServers": {"a": {"command": "x"}}}'),
    "llm_models": by_home(
        "llm_models", ".ollama/models/manifests/registry.ollama.ai/library/m/1", MANIFEST.encode()
    ),
    "browser_profiles": by_home("browser_profiles", ".config/chromium/Local State", STATE.encode()),
    "firefox_preferences": firefox,
    "ai_tools": of_users(
        "ai_tools", ".vscode/extensions/extensions.json", b'[{"identifier": {"id": "openai.chatgpt"}}]'
    ),
    "node_packages": node,
    "sshd_config": sshd,
    "sudo_rules": sudo,
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder that others may enter, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="hostile"))
    path.chmod(0o755)
    (path / "files").mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def scene(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Return the scene of the table that the test names."""
    made = SCENES[request.param](folder / "files", Users(folder, monkeypatch))
    assert of(made.good, answer(made, [])), "there is nothing to be told of the good file"
    return made


every_table = pytest.mark.parametrize("scene", SCENES, indirect=True)


def answer(scene: Scene, warnings: list[str]) -> list[Any]:
    return scene.table.rows(scene.query(warnings))


def of(path: Path, rows: list[Any]) -> list[tuple[Any, ...]]:
    """Return the rows about a file, by a path, by a folder of it, or by its user."""
    uid = {"ann": 1001, "bob": 1002}.get(next((part for part in path.parts if part in ("ann", "bob")), ""))
    if uid is not None:
        return [tuple(row) for row in rows if getattr(row, "uid", None) == uid]
    names = ("lockfile", "source", "path")
    return [tuple(row) for row in rows if str(path) in (getattr(row, name, None) for name in names)]


def a_link(path: Path, link: Link, secret: Path) -> None:
    link(path, secret)


def a_fifo(path: Path, _link: Link, _secret: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path, _link: Link, _secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        server.bind(f"/proc/self/fd/{folder}/{path.name}")  # its whole path is too long for one
        os.close(folder)


def a_folder(path: Path, _link: Link, _secret: Path) -> None:
    path.mkdir()


def a_large_file(path: Path, _link: Link, _secret: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def a_closed_file(path: Path, _link: Link, _secret: Path) -> None:
    path.write_text(SECRET)
    path.chmod(0)


def an_empty_file(path: Path, _link: Link, _secret: Path) -> None:
    path.touch()


def no_text(path: Path, _link: Link, _secret: Path) -> None:
    path.write_bytes(bytes(range(128, 256)) * 1000)


def a_deep_document(path: Path, _link: Link, _secret: Path) -> None:
    path.write_bytes(b"[" * 50_000)


def a_deep_map(path: Path, _link: Link, _secret: Path) -> None:
    path.write_bytes(b'{"a":' * 50_000)


def a_wide_document(path: Path, _link: Link, _secret: Path) -> None:
    path.write_bytes(b"[" + b"1," * 20_000 + b"1]")


def one_long_line(path: Path, _link: Link, _secret: Path) -> None:
    path.write_bytes(b"a = " + b"x" * 1_000_000)


KINDS = (
    *(a_link, a_fifo, a_socket, a_folder, a_large_file, a_closed_file, an_empty_file),
    *(no_text, a_deep_document, a_deep_map, a_wide_document, one_long_line),
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@every_table
def test_others_are_told(kind: Callable[..., None], scene: Scene, link: Link, folder: Path) -> None:
    """The answer takes little time, shows nothing of others' files, and warns of an unreadable file."""
    secret = folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    alone = of(scene.good, answer(scene, []))
    kind(scene.theirs, link, secret)
    warnings: list[str] = []
    started = time.monotonic()
    with others_than_root() if kind is a_closed_file else as_it_is():
        rows = answer(scene, warnings)
    assert time.monotonic() - started < 20
    assert of(scene.good, rows) == alone
    assert SECRET not in repr(rows) + repr(warnings)
    if kind in (a_link, a_fifo, a_socket, a_large_file, a_closed_file):
        assert warnings or "error" in scene.table.row.__columns__ or not is_read(scene, kind)
    for warning in warnings:
        assert "\n" not in warning
        assert kind is not a_large_file or "raise max_file_bytes" in warning


def is_read(scene: Scene, kind: Callable[..., None]) -> bool:
    """Return whether the table opens such a file: of programs it reads the headers, in .ssh only regular
    files.
    """
    name = scene.table.name.removeprefix("kolide_")
    return not (
        (name == "go_buildinfo" and kind is a_large_file)
        or (name == "ssh_keys" and kind in (a_link, a_fifo, a_socket))
    )


@every_table
def test_a_file_that_changes_while_it_is_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file grows and is replaced after each reading."""
    alone = of(scene.good, answer(scene, []))
    scene.theirs.write_bytes(scene.good.read_bytes())
    real = files._read_up_to  # noqa: SLF001

    def read(file: Any, *arguments: Any) -> bytes:
        content = real(file, *arguments)
        if os.path.samestat(os.fstat(file.fileno()), scene.theirs.stat()):
            with scene.theirs.open("ab") as other:
                other.write(b"\n")
        return content

    monkeypatch.setattr(files, "_read_up_to", read)
    warnings: list[str] = []
    assert of(scene.good, answer(scene, warnings)) == alone
    if scene.table.name not in ("kolide_go_buildinfo", "kolide_certificates"):
        assert [warning for warning in warnings if "changes while it is read" in warning]


@every_table
def test_a_file_that_vanishes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file vanishes between the listing of its folder and its opening."""
    alone = of(scene.good, answer(scene, []))
    scene.theirs.write_bytes(scene.good.read_bytes())
    real = os.lstat

    def look(path: Any, **options: Any) -> os.stat_result:
        if os.fspath(path) == str(scene.theirs):
            scene.theirs.unlink(missing_ok=True)
        return real(path, **options)

    monkeypatch.setattr(files.os, "lstat", look)
    assert of(scene.good, answer(scene, [])) == alone
    assert not scene.theirs.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that is closed to the test itself")
@pytest.mark.parametrize("name", BY_PATH)
def test_a_folder_without_permission(name: str, folder: Path, users: Users) -> None:
    for inner in ("a", "b", "c"):
        (folder / "files" / inner).mkdir()
        scene = SCENES[name](folder / "files" / inner, users)
    (folder / "files" / "b").chmod(0)
    query = Query.of(scene.table, like={"path": f"{folder}/files/%/%"})
    assert (
        len({row.path for row in scene.table.rows(query)}) == 3
    )  # whoever may, and what is imported is imported
    with others_than_root():
        rows = scene.table.rows(query)
    assert {Path(row.path).parent.name for row in rows} == {"a", "c"}


HOMES = ("ssh_keys", "venv_packages", "mcp_servers", "llm_models", "browser_profiles", "node_packages")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that is closed to the test itself")
@pytest.mark.parametrize("scene", HOMES, indirect=True)
def test_somebody_s_folder_without_permission(scene: Scene) -> None:
    """Homes that are closed show nothing, and all others everything."""
    alone = of(scene.good, answer(scene, []))
    scene.theirs.write_bytes(scene.good.read_bytes())
    assert len(answer(scene, [])) == 2 * len(alone)
    scene.theirs.parent.chmod(0)
    with others_than_root():
        rows = answer(scene, [])
    assert [tuple(row) for row in rows] == alone


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_PATH)
def test_ten_thousand_files(name: str, folder: Path, users: Users) -> None:
    scene = SCENES[name](folder / "files", users)
    each = len(answer(scene, []))
    for number in range(9_999):
        os.link(scene.good, folder / "files" / f"{number}.{name}")
    query = Query.of(scene.table, like={"path": f"{folder}/files/%.{name}"})
    assert len(scene.table.rows(query)) == 10_000 * each


@pytest.mark.parametrize("name", BY_PATH)
def test_only_the_files_that_are_named_are_opened(
    name: str, folder: Path, users: Users, opened: list[str]
) -> None:
    scene = SCENES[name](folder / "files", users)
    del opened[:]
    assert scene.table.rows(path=str(scene.good))
    assert opened == [str(scene.good)]
    del opened[:]
    shutil.copy(scene.good, folder / "files" / f"b.{name}")
    assert scene.table.rows(scene.query([]))
    assert opened == [str(folder / "files" / f"b.{name}"), str(scene.good)]


def others_than_root() -> Any:
    """Drop root's rights; without root the test has no others already."""
    from contextlib import contextmanager

    @contextmanager
    def switched() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    return switched()


def as_it_is() -> Any:
    from contextlib import nullcontext

    return nullcontext()
