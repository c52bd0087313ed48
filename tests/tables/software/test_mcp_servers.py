"""kolide_mcp_servers on files in each client's documented form, and on hostile ones."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.software import mcp_clients
from kolide_tables.software import mcp_servers as module
from kolide_tables.software.mcp_clients import clients, managed_files, servers_in
from kolide_tables.software.mcp_servers import McpServer, mcp_servers, public_arguments, public_url
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Users
from ...support.tools import Run

Seen = tuple[
    str, str, str, str | None, str | None, list[str] | None, str | None, list[str] | None, bool | None
]

SECRETS = ("hunter2", "s3cr3t", "sk-ant-0123456789abcdef0123")
STDIO = {
    "command": "npx",
    "args": ["-y", "@example/server", "--api-key", "hunter2", "--root", "/srv"],
    "env": {"EXAMPLE_TOKEN": "hunter2", "DEBUG": "1"},
}
SHOWN_ARGS = ["-y", "@example/server", "--api-key", "[redacted]", "--root", "/srv"]
HTTP = {
    "type": "http",
    "url": "https://me:hunter2@mcp.example/v1?key=s3cr3t&x=",
    "headers": {"Authorization": "Bearer hunter2"},
}
SHOWN_URL = "https://[redacted]@mcp.example/v1?key=[redacted]&x="
PLAIN = json.dumps({"mcpServers": {"local": STDIO, "far": HTTP, "off": {"command": "x", "disabled": True}}})
SERVERS = json.dumps(
    {"servers": {"local": {"type": "stdio", **STDIO}}, "inputs": [{"id": "k", "password": True}]}
)

# Each row: path, content, and the expected rows: client, name, transport, command, args, url, env_keys,
# enabled.
STDIO_ROW = ("stdio", "npx", SHOWN_ARGS, None, ["DEBUG", "EXAMPLE_TOKEN"], True)
HTTP_ROW = ("http", None, [], SHOWN_URL, [], True)
OFF_ROW = ("stdio", "x", [], None, [], False)
PLAIN_ROWS = {"local": STDIO_ROW, "far": HTTP_ROW, "off": OFF_ROW}
FORMS: list[tuple[str, str, str, dict[str, tuple[Any, ...]]]] = [
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", PLAIN, PLAIN_ROWS),
    ("cursor", ".cursor/mcp.json", PLAIN, PLAIN_ROWS),
    (
        "windsurf",
        ".codeium/windsurf/mcp_config.json",
        '{"mcpServers": {"s": {"serverUrl": "https://a.example/sse"}}}',
        {"s": ("http", None, [], "https://a.example/sse", [], True)},
    ),
    (
        "vscode",
        ".config/Code/User/mcp.json",
        "// mine\n" + SERVERS.replace("}}}", "}},}", 1),
        {"local": STDIO_ROW},
    ),
    ("vscode", ".config/Code/User/profiles/-5a6b/mcp.json", SERVERS, {"local": STDIO_ROW}),
    (
        "vscode",
        ".config/Code/User/settings.json",
        json.dumps({"editor": 1, "mcp": json.loads(SERVERS)}),
        {"local": STDIO_ROW},
    ),
    ("vscode-insiders", ".config/Code - Insiders/User/mcp.json", SERVERS, {"local": STDIO_ROW}),
    (
        "cline",
        ".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        PLAIN,
        PLAIN_ROWS,
    ),
    (
        "roo-code",
        ".config/VSCodium/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        '{"mcpServers": {"s": {"type": "streamable-http", "url": "http://h/"}}}',
        {"s": ("http", None, [], "http://h/", [], True)},
    ),
    (
        "gemini-cli",
        ".gemini/settings.json",
        json.dumps(
            {
                "mcp": {"excluded": ["off"]},
                "mcpServers": {"local": STDIO, "off": {"command": "x"}, "h": {"httpUrl": "https://h/mcp"}},
            }
        ),
        {"local": STDIO_ROW, "off": OFF_ROW, "h": ("http", None, [], "https://h/mcp", [], True)},
    ),
    (
        "codex",
        ".codex/config.toml",
        (
            '[mcp_servers.local]\ncommand = "npx"\nargs = ["-y", "@example/server", "--api-key", '
            '"hunter2", "--root", "/srv"]\n[mcp_servers.local.env]\nEXAMPLE_TOKEN = "hunter2"\nDEBUG = '
            '"1"\n[mcp_servers.off]\ncommand = "x"\nenabled = false\n[mcp_servers.far]\nurl = '
            '"https://me:hunter2@mcp.example/v1?key=s3cr3t&x="\nbearer_token_env_var = "T"\n'
        ),
        PLAIN_ROWS,
    ),
    (
        "zed",
        ".config/zed/settings.json",
        json.dumps(
            {
                "context_servers": {
                    "local": {
                        "source": "custom",
                        "command": {"path": "npx", "args": STDIO["args"], "env": {}},
                        "env": STDIO["env"],
                    },
                    "extension": {"settings": {"k": "hunter2"}},
                }
            }
        ),
        {"local": STDIO_ROW, "extension": (None, None, [], None, [], True)},
    ),
    (
        "continue",
        ".continue/config.yaml",
        (
            "name: x\nmcpServers:\n  - name: local\n    command: npx\n    args: [-y, '@example/server', "
            "--api-key, hunter2, --root, /srv]\n    env: {EXAMPLE_TOKEN: hunter2, DEBUG: 1}\n"
        ),
        {"local": STDIO_ROW},
    ),
    (
        "continue",
        ".continue/config.json",
        json.dumps(
            {"experimental": {"modelContextProtocolServers": [{"transport": {"type": "stdio", **STDIO}}]}}
        ),
        {"0": STDIO_ROW},
    ),
    (
        "goose",
        ".config/goose/config.yaml",
        (
            "extensions:\n  developer: {type: builtin, enabled: true}\n  local: {type: stdio, cmd: npx, "
            "args: [-y, '@example/server', --api-key, hunter2, --root, /srv], envs: {EXAMPLE_TOKEN: "
            "hunter2}, env_keys: [DEBUG], enabled: true}\n  off: {type: stdio, cmd: x, args: [], enabled: "
            "false}\n  far: {type: streamable_http, uri: "
            "'https://me:hunter2@mcp.example/v1?key=s3cr3t&x='}\n"
        ),
        PLAIN_ROWS,
    ),
    (
        "opencode",
        ".config/opencode/opencode.jsonc",
        json.dumps(
            {
                "mcp": {
                    "local": {
                        "type": "local",
                        "command": ["npx", *STDIO["args"]],
                        "environment": STDIO["env"],
                    },
                    "off": {"type": "local", "command": ["x"], "enabled": False},
                    "far": {**HTTP, "type": "remote"},
                }
            }
        ),
        PLAIN_ROWS,
    ),
    (
        "crush",
        ".config/crush/crush.json",
        json.dumps({"mcp": {"local": {"type": "stdio", **STDIO}}}),
        {"local": STDIO_ROW},
    ),
    (
        "copilot-cli",
        ".copilot/mcp-config.json",
        json.dumps({"mcpServers": {"local": {"type": "local", **STDIO, "tools": ["*"]}}}),
        {"local": STDIO_ROW},
    ),
    ("copilot-intellij", ".config/github-copilot/intellij/mcp.json", SERVERS, {"local": STDIO_ROW}),
    *[
        (client, path, PLAIN, PLAIN_ROWS)
        for client, path in (
            ("qwen-code", ".qwen/settings.json"),
            ("amazon-q", ".aws/amazonq/mcp.json"),
            ("lm-studio", ".lmstudio/mcp.json"),
            ("junie", ".junie/mcp/mcp.json"),
            ("kiro", ".kiro/settings/mcp.json"),
        )
    ],
]


def write(home: Path, path: str, content: str | bytes) -> Path:
    file = home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def seen(row: McpServer) -> tuple[Any, ...]:
    return row.transport, row.command, row.args, row.url, row.env_keys, row.enabled


@pytest.mark.parametrize(
    ("client", "path", "content", "expected"), FORMS, ids=[f"{f[0]}-{Path(f[1]).name}" for f in FORMS]
)
def test_a_client_s_form(
    client: str, path: str, content: str, expected: dict[str, Any], users: Users
) -> None:
    file = write(users.add(1001, "ann"), path, content)
    rows = mcp_servers.rows()
    assert {row.server_name: seen(row) for row in rows} == expected
    assert len(rows) == len(expected)
    assert {(row.uid, row.username, row.client, row.scope, row.config_path) for row in rows} == {
        (1001, "ann", client, "user", str(file))
    }
    assert {row.config_sha256 for row in rows} == {hashlib.sha256(content.encode()).hexdigest()}
    assert not [secret for secret in SECRETS if secret in repr(rows)]


# The place at which jq finds the servers, and its view of one: name, program, names of variables.
JQ = (
    "(.mcpServers // .servers // .context_servers // .mcp.servers // .mcp) | to_entries[] | "
    "[input_filename, .key, "
    '(.value.command | if type == "object" then .path elif type == "array" then .[0] else . end), '
    "((.value.env // .value.environment // {}) | keys)]"
)


def test_servers_are_those_that_jq_reads(users: Users, run: Run, compare: Compare) -> None:
    """Compare each form that is JSON without comments and keeps its servers in an object."""
    home = users.add(1001, "ann")
    files: list[Path] = []
    ours: dict[str, list[list[Any]]] = {}
    theirs: dict[str, list[list[Any]]] = {}
    for _, path, content, _ in FORMS:
        if not content.startswith("{") or "modelContextProtocolServers" in content:
            continue
        files.append(write(home, path, content))
    for path, *server in map(json.loads, run("jq", "-c", JQ, *files).splitlines()):
        theirs.setdefault(path, []).append(server)
    for row in mcp_servers.rows():
        ours.setdefault(row.config_path, []).append([row.server_name, row.command, row.env_keys])
    assert len(ours) == len(files) > 10
    ours, theirs = ({path: sorted(rows) for path, rows in said.items()} for said in (ours, theirs))
    compare("mcp_servers", "jq", ours, theirs, rows=sum(map(len, ours.values())))


def test_hashes_are_those_of_sha256sum(users: Users, run: Run, compare: Compare) -> None:
    home = users.add(1001, "ann")
    files = [write(home, path, content) for _, path, content, _ in FORMS]
    said = run("sha256sum", *files)
    theirs = {path: digest for digest, path in (line.split("  ", 1) for line in said.splitlines())}
    compare(
        "mcp_servers",
        "sha256sum",
        {row.config_path: row.config_sha256 for row in mcp_servers.rows()},
        theirs,
    )


def test_every_client_s_form_is_tested() -> None:
    tested = {path.replace("/-5a6b/", "/*/") for _, path, _, _ in FORMS}
    names = {client for client, _, _, _ in FORMS}
    assert {one.name for one in clients("linux")} - names == {"vscodium"}
    assert len(tested) > len(names)


def test_claude_code(users: Users) -> None:
    home = users.add(1001, "ann")
    project = users.root / "project"
    project.mkdir()
    write(
        project,
        ".mcp.json",
        json.dumps({"mcpServers": {name: {"command": name} for name in ("yes", "no", "unasked")}}),
    )
    write(project, ".vscode/mcp.json", SERVERS)
    write(
        home,
        ".claude.json",
        json.dumps(
            {
                "oauthAccount": {"token": "hunter2"},
                "mcpServers": {"mine": STDIO},
                "projects": {
                    str(project): {
                        "mcpServers": {"here": HTTP, "off": {"command": "x"}},
                        "disabledMcpServers": ["off"],
                        "enabledMcpjsonServers": ["yes"],
                        "disabledMcpjsonServers": ["no"],
                    },
                    str(home): {"mcpServers": {"at-home": STDIO}},
                    "relative": {},
                    str(users.root / "gone"): {},
                    "/broken\0": 5,
                },
            }
        ),
    )
    rows = mcp_servers.rows()
    assert [(row.client, row.scope, row.server_name, row.enabled) for row in rows] == [
        ("claude-code", "user", "mine", True),
        ("claude-code", "local", "here", True),
        ("claude-code", "local", "off", False),
        ("claude-code", "project", "yes", True),
        ("claude-code", "project", "no", False),
        ("claude-code", "project", "unasked", None),
        ("vscode", "project", "local", True),
        ("claude-code", "local", "at-home", True),
    ]
    assert not [secret for secret in SECRETS if secret in repr(rows)]


def test_what_an_administrator_laid_down(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(users.root, "managed-mcp.json", PLAIN)
    managed = mcp_clients.Client("claude-code", str(file))
    monkeypatch.setattr(module, "managed_files", lambda: [managed])
    users.add(1001, "ann")
    rows = mcp_servers.rows()
    assert {(row.uid, row.username, row.scope, row.client) for row in rows} == {
        (None, None, "managed", "claude-code")
    }
    assert mcp_servers.rows(uid=1001) == []


def test_only_the_user_s_files_are_read(users: Users, opened: list[str]) -> None:
    for uid, name in ((1001, "ann"), (1002, "bob")):
        home = users.add(uid, name)
        for _, path, content, _ in FORMS:
            write(home, path, content)
    assert len({row.uid for row in mcp_servers.rows()}) == 2
    del opened[:]
    rows = mcp_servers.rows(uid=1002)
    assert {row.username for row in rows} == {"bob"}
    assert len([path for path in opened if "/bob/" in path]) == len(FORMS)
    assert not [path for path in opened if "/ann/" in path]


def test_places_on_other_systems() -> None:
    for platform, config in (("darwin", "Library/Application Support"), ("win32", "AppData/Roaming")):
        paths = {one.path for one in clients(platform)}
        assert {
            f"{config}/Claude/claude_desktop_config.json",
            f"{config}/Code/User/mcp.json",
            ".cursor/mcp.json",
        } <= paths
    assert ".config/zed/settings.json" in {one.path for one in clients("darwin")}
    assert "AppData/Roaming/Zed/settings.json" in {one.path for one in clients("win32")}
    assert [one.path for one in managed_files("darwin")] == [
        "/Library/Application Support/ClaudeCode/managed-mcp.json"
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://mcp.example/sse", "https://mcp.example/sse"),
        ("https://u:p@mcp.example:8443/a?b=c#d", "https://[redacted]@mcp.example:8443/a?b=[redacted]"),
        ("https://h.example/s/0123456789abcdef0123456789/mcp", "https://h.example/s/[redacted]/mcp"),
        (
            "https://h.example/api/v1/some-long-readable-name",
            "https://h.example/api/v1/some-long-readable-name",
        ),
        ("http://[::1]:80/x?a&b=1", "http://[::1]:80/x?a&b=[redacted]"),
        ("${input:url}", "${input:url}"),
        ("", ""),
    ],
)
def test_urls(url: str, expected: str) -> None:
    assert public_url(url) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["run", "-i", "-e", "PLAIN=hunter2", "-e", "NAME", "image"],
            ["run", "-i", "-e", "PLAIN=[redacted]", "-e", "NAME", "image"],
        ),
        (
            ["--env=A=hunter2", "-eB=hunter2", "--env", "C=s3cr3t"],
            ["--env=A=[redacted]", "-eB=[redacted]", "--env", "C=[redacted]"],
        ),
        (
            ["mcp-remote", "https://h/?k=hunter2", "--header", "Authorization: Bearer hunter2"],
            ["mcp-remote", "https://h/?k=[redacted]", "--header", "Authorization: [redacted]"],
        ),
        (["postgresql://me:hunter2@db/x"], ["postgresql://[redacted]@db/x"]),
        (["0123456789abcdef0123456789abcdef"], ["[redacted]"]),
        (
            ["@modelcontextprotocol/server-filesystem", "/home/ann/Documents"],
            ["@modelcontextprotocol/server-filesystem", "/home/ann/Documents"],
        ),
    ],
)
def test_arguments(arguments: list[str], expected: list[str]) -> None:
    assert public_arguments("docker", arguments) == expected


def test_what_is_broken_does_not_hide_the_rest(users: Users) -> None:
    home = users.add(1001, "ann")
    write(home, ".config/Claude/claude_desktop_config.json", b"{")
    write(home, ".cursor/mcp.json", b"[" * 200_000)
    write(home, ".gemini/settings.json", b'{"mcpServers": [1, null, {"name": 5, "command": "c"}], "mcp": 1}')
    write(home, ".qwen/settings.json", b"\xff{}")
    write(home, ".codex/config.toml", b"= 1")
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    )
    write(home, ".continue/config.yaml", bomb)
    (home / ".kiro" / "settings").mkdir(parents=True)
    os.mkfifo(home / ".kiro" / "settings" / "mcp.json")
    (home / ".lmstudio").mkdir()
    (home / ".lmstudio" / "mcp.json").symlink_to("/etc/shadow")
    with write(home, ".claude.json", b"{").open("wb") as large:
        large.truncate(1 << 30)
    write(
        home,
        ".copilot/mcp-config.json",
        (
            '{"mcpServers": {"s": {"command": 5, "args": {"a": 1}, "env": [1], "url": []}, "t": 1, "u": '
            '{"command": "\ud800"}}}'
        ).encode("utf-8", "surrogatepass"),
    )
    write(home, ".junie/mcp/mcp.json", b"")
    warnings: list[str] = []
    started = time.monotonic()
    rows = mcp_servers.rows(Query.of(mcp_servers, warn=warnings.append))
    assert time.monotonic() - started < 20
    assert [(row.client, row.server_name) for row in rows] == [
        ("gemini-cli", "5"),
        ("copilot-cli", "s"),
        ("copilot-cli", "u"),
    ]
    repr(rows).encode()
    assert len(warnings) == 8


def test_profiles_that_are_not_looked_at_are_told(users: Users) -> None:
    home = users.add(1001, "ann")
    for number in range(101):
        write(home, f".config/Code/User/profiles/{number:03}/mcp.json", SERVERS)
    warnings: list[str] = []
    assert len(mcp_servers.rows(Query.of(mcp_servers, warn=warnings.append))) == 100
    assert "of its 101 folders only the first 100 are looked at" in warnings[0]


def test_limits(users: Users) -> None:
    write(
        users.add(1001, "ann"),
        ".cursor/mcp.json",
        json.dumps({"mcpServers": {str(n): {"command": "x"} for n in range(20)}}),
    )
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        mcp_servers.configured(limits=Limits(max_rows=10)).rows()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "command",
                    "args",
                    "env",
                    "url",
                    "type",
                    "transport",
                    "mcpServers",
                    "mcp",
                    "disabled",
                    "path",
                    "cmd",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)  # the machine may be busy
@given(document=_JSON, secret=st.text(min_size=6, max_size=12, alphabet="Zz9"))
def test_any_document_has_servers_or_none(document: object, secret: str) -> None:
    assume(secret not in repr(document))
    for made in servers_in(
        {"mcpServers": {"s": document, "t": {"env": {"A": secret}, "command": "c"}}}, ("mcpServers",)
    ):
        assert secret not in repr(made)
        assert all(isinstance(one, str) for one in (*made.args, *made.env_keys))
