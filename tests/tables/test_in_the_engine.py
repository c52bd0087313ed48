"""Every table over files and homes through the engine: values have their columns' types, joins find what
look-ups find.
"""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kolide_tables import all_tables
from osquery_sdk.engine import SqlError

from ..support.homes import Users

Serve = Callable[..., Any]


@pytest.fixture
def host(users: Users, fixtures: Path, osquery_host: Serve) -> Any:
    """Serve the bundle, with two users whose homes have something for each table."""
    for uid, name in ((1001, "ann"), (1002, "bob")):
        home = users.add(uid, name)
        shutil.copytree(fixtures / "keys", home / ".ssh")
        site = home / "v" / "lib" / "python3.11" / "site-packages" / "one-1.dist-info"
        site.mkdir(parents=True)
        (home / "v" / "pyvenv.cfg").write_text("version = 3.11.2\n")
        (site / "METADATA").write_text("Name: one\nVersion: 1\n")
        for path, content in (
            (
                ".cursor/mcp.json",
                {"mcpServers": {"a": {"command": "x", "args": ["y"]}, "b": {"url": "http://h/"}}},
            ),
            (
                ".config/chromium/Local State",
                {"profile": {"info_cache": {"Default": {"user_name": "a@b.c"}}}},
            ),
            (".ollama/models/manifests/registry.ollama.ai/library/m/1", {"layers": [{"size": 5}]}),
        ):
            (home / path).parent.mkdir(parents=True)
            (home / path).write_text(json.dumps(content))
    (users.root / "program").write_bytes(
        gzip.decompress((fixtures / "go" / "hello-linux-amd64.gz").read_bytes())
    )
    (users.root / "sshd_config").write_text("Port 22\n")
    (users.root / "sudoers").write_text("ann ALL=ALL\n")
    (users.root / "sudoers.bad").write_text("ann ALL=ALL\nbob ALL=\n")
    return osquery_host(*all_tables(enabled=["file_lines"]))


@pytest.mark.parametrize(
    ("name", "where", "count"),
    [
        ("certificates", "path like '{fixtures}/certificates/%.pem'", 14),
        ("keyinfo", "path like '{fixtures}/keys/%'", 9),
        ("ssh_keys", "uid in (1001, 1002)", 8),
        ("ssh_keys", "uid = 1002", 4),
        ("ssh_keys", "1", 8),
        ("venv_packages", "uid = 1001", 1),
        ("venv_packages", "root = '{root}/ann'", 1),
        ("venv_packages", "1", 2),
        ("node_packages", "root in ('{fixtures}/node/npm3', '{fixtures}/node/pnpm9')", 50),
        ("go_buildinfo", "path = '{root}/program'", 5),
        ("mcp_servers", "uid = 1001", 2),
        ("llm_models", "uid = 1001", 1),
        ("browser_profiles", "uid = 1001", 1),
        ("sshd_config", "path = '{root}/sshd_config'", 1),
        ("sshd_config", "path like '{root}/sshd%' and keyword = 'port'", 1),
        ("sudo_rules", "path in ('{root}/sudoers', '{root}/nothing')", 1),
        ("sudo_rules", "path like '{root}/sudoers%'", 2),
        ("secret_scan", "raw_data = 'gh' || 'p_0123456789abcdefABCDEF0123456789abcdef'", 1),
        ("secret_scan", "path = '{root}/sshd_config'", 0),
        ("jwt", "raw_data = 'eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.' and issuer = 'joe'", 1),
        ("file_lines", "path = '{root}/sshd_config'", 1),
    ],
)
def test_rows(name: str, where: str, count: int, host: Any, users: Users, fixtures: Path) -> None:
    rows = host.query(
        f"select * from kolide_{name} where {where.format(root=users.root, fixtures=fixtures)}"
    ).rows
    assert len(rows) == count
    (errors,) = host.query(f"select errors from kolide_ext_tables where name = 'kolide_{name}'").rows
    assert int(errors["errors"]) == 0


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("sudo_rules", "line 2, column 9: sudo does not understand what is here"),
        ("sshd_config", "line 1, column 9: nothing closes this quote"),
    ],
)
def test_a_bad_line_of_a_named_file_is_an_error(name: str, problem: str, host: Any, users: Users) -> None:
    (users.root / "sshd_config").write_text("Port 22 'a\n")
    path = users.root / ("sudoers.bad" if name == "sudo_rules" else "sshd_config")
    with pytest.raises(SqlError, match=f"{path}: {problem}"):
        host.query(f"select * from kolide_{name} where path = '{path}'")


def test_a_table_that_needs_a_path_says_so(host: Any) -> None:
    for name in ("certificates", "keyinfo", "node_packages", "go_buildinfo", "secret_scan", "file_lines"):
        with pytest.raises(SqlError, match=f"kolide_{name} was queried without a required column"):
            host.query(f"select * from kolide_{name}")


PATHS = ("certificates", "keyinfo", "go_buildinfo", "secret_scan", "file_lines", "json", "ini", "csv")


@pytest.mark.parametrize("name", PATHS)
def test_a_join_may_have_an_empty_path(name: str, host: Any, users: Users) -> None:
    """Threads of the kernel have an empty path in osquery's processes: it names no file, and is no error."""
    rows = host.query(
        f"with p(path) as (values (''), (null), ('{users.root}/nothing')) select p.path from p join "
        f"kolide_{name} t using (path) "
        f"where p.path <> '{users.root}/nothing'"
    ).rows
    assert rows == []
    (errors,) = host.query(f"select errors from kolide_ext_tables where name = 'kolide_{name}'").rows
    assert int(errors["errors"]) == 0


def test_a_join_may_have_an_empty_root(host: Any) -> None:
    assert (
        host.query(
            "with p(root) as (values (''), (null)) select * from p join kolide_node_packages using (root)"
        ).rows
        == []
    )


def test_a_join_of_users_is_look_ups(host: Any, opened: list[str]) -> None:
    rows = host.query(
        "with u(uid) as (values (1001), (7)) select s.uid, count(*) as n from u cross join "
        "kolide_ssh_keys s using (uid) group by 1"
    ).rows
    assert [(int(row["uid"]), int(row["n"])) for row in rows] == [(1001, 4)]
    assert not [path for path in opened if "/bob/" in path]
