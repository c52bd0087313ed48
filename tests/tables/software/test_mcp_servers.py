"""kolide_mcp_servers on files in each client's documented form, and on hostile ones."""

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.software import mcp_clients
from kolide_tables.software.mcp_clients import (
    CLIENTS,
    Client,
    editor_clients,
    managed_paths,
    user_paths,
)
from kolide_tables.software.mcp_config import servers_in
from kolide_tables.software.mcp_servers import McpServer, mcp_servers, public_arguments, public_url
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Users
from ...support.tools import Run

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
# enabled, header_names.
STDIO_ROW = ("stdio", "npx", SHOWN_ARGS, None, ["DEBUG", "EXAMPLE_TOKEN"], True, [])
HTTP_ROW = ("http", None, [], SHOWN_URL, [], True, ["Authorization"])
OFF_ROW = ("stdio", "x", [], None, [], False, [])
PLAIN_ROWS = {"local": STDIO_ROW, "far": HTTP_ROW, "off": OFF_ROW}
FORMS: list[tuple[str, str, str, dict[str, tuple[Any, ...]]]] = [
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", PLAIN, PLAIN_ROWS),
    ("cursor", ".cursor/mcp.json", PLAIN, PLAIN_ROWS),
    (
        "windsurf",
        ".codeium/windsurf/mcp_config.json",
        '{"mcpServers": {"s": {"serverUrl": "https://a.example/sse"}}}',
        {"s": ("http", None, [], "https://a.example/sse", [], True, [])},
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
        {"s": ("http", None, [], "http://h/", [], True, [])},
    ),
    (
        "gemini-cli",
        ".gemini/settings.json",
        json.dumps(
            {
                "mcp": {"excluded": ["off"]},
                "mcpServers": {
                    "local": STDIO,
                    "off": {"command": "x"},
                    "h": {"httpUrl": "https://h/mcp"},
                    "u": {"url": "https://h/sse"},
                },
            }
        ),
        {
            "local": STDIO_ROW,
            "off": OFF_ROW,
            "h": ("http", None, [], "https://h/mcp", [], True, []),
            "u": ("sse", None, [], "https://h/sse", [], True, []),
        },
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
        {"local": STDIO_ROW, "extension": (None, None, [], None, [], True, [])},
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
            "'https://me:hunter2@mcp.example/v1?key=s3cr3t&x=', headers: {Authorization: hunter2}}\n"
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
    return row.transport, row.command, row.args, row.url, row.env_keys, row.enabled, row.header_names


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


# Each place as the client's own documentation writes it: client, path below a home, keys of the servers.
PLACES = """
abacus-ai .abacusai/mcp.json mcpServers
amazon-q .aws/amazonq/agents/default.json mcpServers
amazon-q .aws/amazonq/cli-agents/mine.json mcpServers
amp .config/amp/settings.json amp.mcpServers
amp .config/Code/User/settings.json amp.mcpServers
antigravity .gemini/antigravity/mcp_config.json mcpServers
antigravity .gemini/config/mcp_config.json mcpServers
anythingllm .config/anythingllm-desktop/storage/plugins/anythingllm_mcp_servers.json mcpServers
augment .augment/settings.json mcpServers
boltai .boltai/mcp.json mcpServers
cline .cline/data/settings/cline_mcp_settings.json mcpServers
kilo-code .vscode-server/data/User/globalStorage/kilocode.kilo-code/settings/mcp_settings.json mcpServers
codebuddy .codebuddy/.mcp.json mcpServers
continue .continue/mcpServers/mine.json mcpServers
code-server .local/share/code-server/User/mcp.json servers
codex .codex/work.config.toml mcp_servers
copilot-eclipse .config/github-copilot/eclipse/mcp.json servers
copilot-xcode .config/github-copilot/xcode/mcp.json servers
deepagents .deepagents/.mcp.json mcpServers
devin .config/devin/mcp_config.json mcpServers
factory-droid .factory/mcp.json mcpServers
firebender .firebender/firebender.json mcpServers
gemini-cli .gemini/extensions/one/gemini-extension.json mcpServers
iflow .iflow/settings.json mcpServers
jan .local/share/Jan/data/mcp_config.json mcpServers
jan jan/mcp_config.json mcpServers
jetbrains-ai .ai/mcp/mcp.json mcpServers
kilo-code .config/kilo/kilo.jsonc mcp
kilo-code .config/Code/User/globalStorage/kilocode.kilo-code/settings/mcp_settings.json mcpServers
kimi-code .kimi-code/mcp.json mcpServers
llxprt .llxprt/settings.json mcpServers
lingma .config/Lingma/SharedClientCache/mcp.json mcpServers
mastra-code .mastracode/mcp.json mcpServers
qoder .config/QoderCN/1f/SharedClientCache/mcp.json mcpServers
trae .trae-server/data/Machine/mcp.json mcpServers
openclaw .openclaw/openclaw.json mcp servers
opencode .config/opencode/opencode.json mcp servers
openhands .openhands/mcp.json mcpServers
pi .pi/agent/mcp.json mcpServers
qoder .qoder/settings.json mcpServers
rovo-dev .rovodev/mcp.json mcpServers
tabnine .tabnine/mcp_servers.json mcpServers
trae .config/Trae/User/mcp.json mcpServers
trae .config/Trae/mcp.json mcpServers
visual-studio .mcp.json servers
vscode .vscode-server/data/Machine/mcp.json servers
vscode .var/app/com.visualstudio.code/config/Code/User/mcp.json servers
vscode .vscode-remote/data/Machine/settings.json mcp servers
openvscode-server .openvscode-server/data/User/profiles/1f/mcp.json servers
vscodium .config/VSCodium/User/mcp.json servers
void .void-editor/mcp.json mcpServers
warp .warp/.mcp.json mcpServers
witsy .config/Witsy/settings.json mcpServers
zcode .agents/mcp.json mcpServers
zcode .zcode/cli/config.json mcp servers
zed .var/app/dev.zed.Zed/config/zed/settings.json context_servers
"""
PROJECT_PLACES = """
amazon-q      .amazonq/mcp.json                 mcpServers
amp           .amp/settings.json                amp.mcpServers
antigravity   .agents/mcp_config.json           mcpServers
augment       .augment/settings.json            mcpServers
claude-code   .mcp.json                         mcpServers
continue      .continue/mcpServers/mine.json    mcpServers
copilot-cli   .github/mcp.json                  mcpServers
crush         .crush.json                       mcp
crush         crush.json                        mcp
cursor        .cursor/mcp.json                  mcpServers
factory-droid .factory/mcp.json                 mcpServers
gemini-cli    .gemini/settings.json             mcpServers
jetbrains-ai  .ai/mcp/mcp.json                  mcpServers
junie         .junie/mcp/mcp.json               mcpServers
kilo-code     .kilo/kilo.jsonc                  mcp
kilo-code     .kilocode/mcp.json                mcpServers
kilo-code     .kilo/mcp.json                    mcpServers
devin         .devin/mcp_config.local.json      mcpServers
kilo-code     kilo.json                         mcp
kimi-code     .kimi-code/mcp.json               mcpServers
kiro          .kiro/settings/mcp.json           mcpServers
opencode      .opencode/opencode.jsonc          mcp
opencode      opencode.jsonc                    mcp
opencode      opencode.json                     mcp servers
copilot-eclipse .github/copilot/mcp.json        servers
zcode         zcode.json                        mcp servers
pi            .pi/mcp.json                      mcpServers
qwen-code     .qwen/settings.json               mcpServers
roo-code      .roo/mcp.json                     mcpServers
tabnine       .tabnine/mcp_servers.json         mcpServers
trae          .trae/mcp.json                    mcpServers
visual-studio .vs/mcp.json                      servers
vscode        .devcontainer/devcontainer.json   customizations vscode mcp servers
vscode        .vscode/mcp.json                  servers
vscode        .vscode/settings.json             mcp servers
vscode        work.code-workspace               settings mcp servers
warp          .warp/.mcp.json                   mcpServers
zed           .zed/settings.json                context_servers
"""


def places(text: str) -> list[tuple[str, str, list[str]]]:
    """Return client, path and keys of each line."""
    return [(client, path, keys) for client, path, *keys in map(str.split, text.strip().splitlines())]


def nested(keys: list[str], servers: dict[str, Any]) -> str:
    document = servers
    for key in reversed(keys):
        document = {key: document}
    return json.dumps(document)


def toml_of(document: dict[str, dict[str, dict[str, str]]]) -> str:
    """Return tables of texts."""
    return "".join(
        f"[{table}.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items())
        for table, tables in document.items()
        for name, values in tables.items()
    )


def test_the_places_that_clients_document(users: Users) -> None:
    home = users.add(1001, "ann")
    for number, (_, path, keys) in enumerate(places(PLACES)):
        file = home / path
        old = json.loads(file.read_text()) if file.exists() else {}
        new = json.loads(nested(keys, {str(number): {"command": "x"}}))
        write(home, path, toml_of(new) if path.endswith(".toml") else json.dumps(old | new))
    rows = mcp_servers.rows()
    expected = [
        (client, str(home / path), str(number)) for number, (client, path, _) in enumerate(places(PLACES))
    ]
    assert sorted((row.client, row.config_path, row.server_name) for row in rows) == sorted(expected)


def test_the_files_of_projects_that_no_client_lists(users: Users) -> None:
    """A project needs no client that knows it, in a home three levels deep."""
    home = users.add(1001, "ann")
    expected = []
    for number, (client, path, keys) in enumerate(places(PROJECT_PLACES)):
        project = ("p2", "src/deep/er", f"p{number}")[number % 3] + f"/{number}"[: 2 * (number % 3 == 0)]
        file = write(home, f"{project}/{path}", nested(keys, {str(number): {"command": "x"}}))
        expected.append((client, "project", str(file), str(number)))
    rows = mcp_servers.rows()
    ours = [(row.client, row.scope, row.config_path, row.server_name) for row in rows]
    assert sorted(ours) == sorted(expected)


LISTS = [
    (".claude.json", '{{"projects": {{"{project}": {{}}}}}}'),
    (".codex/config.toml", '[projects."{project}"]\ntrust_level = "trusted"\n'),
    (".gemini/trustedFolders.json", '{{"{project}": "TRUST_FOLDER"}}'),
    (".copilot/config.json", '{{"trusted_folders": ["{project}"]}}'),
    (".config/Code/User/workspaceStorage/a1b2/workspace.json", '{{"folder": "file://{project}"}}'),
    (
        ".config/Cursor/User/workspaceStorage/a1b2/workspace.json",
        '{{"workspace": "file://{project}/all.code-workspace"}}',
    ),
    (
        ".vscode-server/data/User/workspaceStorage/a1b2/workspace.json",
        '{{"folder": "file://{project}"}}',
    ),
    (
        ".config/JetBrains/PyCharm2026.1/options/recentProjects.xml",
        (
            '<application><component name="RecentProjectsManager"><option name="additionalInfo"><map><entry '
            'key="$USER_HOME$/../far/one two"><value/></entry></map></option></component></application>'
        ),
    ),
    (".local/share/opencode/storage/project/0f.json", '{{"id": "0f", "worktree": "{project}"}}'),
    (".codex/.codex-global-state.json", '{{"electron-saved-workspace-roots": ["{project}"]}}'),
    (".qwen/trustedFolders.json", '{{"{project}": "TRUST_FOLDER"}}'),
    (".gemini/projects.json", '{{"projects": {{"{project}": "one-two"}}}}'),
    (".copilot/config.json ", '// made by the program\n{{"trustedFolders": ["{project}",],}}'),
    (
        ".config/VSCodium/User/globalStorage/storage.json",
        '{{"backupWorkspaces": {{"folders": [{{"folderUri": "file://{project}"}}]}}}}',
    ),
    (
        ".config/Trae/User/globalStorage/storage.json",
        '{{"profileAssociations": {{"workspaces": {{"file://{project}": "-1b2c"}}}}}}',
    ),
    (
        ".cursor/projects/home-ann-one-two/.workspace-trusted",
        '{{"trustedAt": "2026-11-27T00:00:00Z", "workspacePath": "{project}"}}',
    ),
    (
        (
            ".var/app/com.visualstudio.code/config/Code/User/globalStorage/saoudrizwan.claude-dev/state/"
            "taskHistory.json"
        ),
        '[{{"id": "1", "cwdOnTaskInitialization": "{project}"}}]',
    ),
    (
        ".config/Kiro/User/globalStorage/rooveterinaryinc.roo-cline/tasks/_index.json",
        '{{"version": 1, "entries": [{{"id": "1", "workspace": "{project}"}}]}}',
    ),
    (".continue/sessions/sessions.json", '[{{"workspaceDirectory": "file://{project}"}}]'),
    (".config/goose/projects.json", '{{"projects": {{"{project}": {{"last_session_id": null}}}}}}'),
    (".local/share/crush/projects.json", '{{"projects": [{{"path": "{project}", "data_dir": "x"}}]}}'),
    (".kimi/kimi.json", '{{"work_dirs": [{{"path": "{project}"}}]}}'),
    (".vibe/trusted_folders.toml", 'trusted = ["{project}"]\nuntrusted = []\n'),
    (".grok/trusted_folders.toml", '[folders."{project}"]\ntrusted = true\n'),
    (
        ".config/JetBrains/Rider2026.1/options/recentSolutions.xml",
        '<application><entry key="{project}/Shop.sln"><value/></entry></application>',
    ),
    (
        ".config/Google/AndroidStudio2025.2/options/trusted-paths.xml",
        '<application><entry key="{project}" value="true"/></application>',
    ),
    (
        ".config/JetBrains/IdeaIC2019.3/options/recentProjectDirectories.xml",
        '<application><list><option value="{project}"/></list></application>',
    ),
]


@pytest.mark.parametrize(("path", "content"), LISTS, ids=[path for path, _ in LISTS])
def test_the_files_of_projects_that_some_client_lists(path: str, content: str, users: Users) -> None:
    """The client that lists a project need not be the one whose file is in it."""
    home = users.add(1001, "ann")
    project = users.root / "far" / "one two"
    write(project, ".vscode/mcp.json", SERVERS)
    assert mcp_servers.rows() == []
    name = str(project).replace(" ", "%20") if "file://" in content else str(project)
    write(home, path.strip(), content.format(project=name))
    (row,) = mcp_servers.rows()
    assert (row.client, row.scope, Path(row.config_path).resolve()) == (
        "vscode",
        "project",
        project / ".vscode/mcp.json",
    )


DATABASES = [
    (
        ".local/share/zed/db/0-stable/db.sqlite",
        [
            (
                "create table workspaces (paths text, remote_connection_id integer, "
                "timestamp text default current_timestamp)"
            ),
            "insert into workspaces (paths) values ('/elsewhere' || char(10) || '{project}')",
            "insert into workspaces (paths, remote_connection_id) values ('{other}', 1)",
        ],
    ),
    (
        ".var/app/dev.zed.Zed/data/zed/db/0-preview/db.sqlite",
        [
            "create table workspaces (local_paths_array text, timestamp text)",
            "insert into workspaces (local_paths_array) values ('/elsewhere,{project}')",
        ],
    ),
    (
        ".local/share/zed/db/0-nightly/db.sqlite",
        [
            "create table trusted_worktrees (absolute_path text, host_name text)",
            "insert into trusted_worktrees values ('{project}', null), ('{other}', 'far')",
        ],
    ),
    (
        ".config/Windsurf/User/globalStorage/state.vscdb",
        [
            "create table ItemTable (key text unique on conflict replace, value blob)",
            (
                "insert into ItemTable values ('history.recentlyOpenedPathsList', cast("
                '\'{{"entries": [{{"folderUri": "vscode-remote://ssh-remote%2Bh{other}"}}, '
                '{{"folderUri": "file://{project}"}}]}}\' as blob))'
            ),
        ],
    ),
    (
        ".local/share/opencode/opencode.db",
        ["create table project (worktree text)", "insert into project values ('/'), ('{project}')"],
    ),
    (
        ".local/share/goose/sessions/sessions.db",
        ["create table sessions (working_dir text)", "insert into sessions values ('{project}')"],
    ),
    (
        ".local/share/kiro-cli/data.sqlite3",
        ["create table conversations_v2 (key text)", "insert into conversations_v2 values ('{project}')"],
    ),
]


@pytest.mark.parametrize("journal", ["delete", "wal"])
@pytest.mark.parametrize(("path", "statements"), DATABASES, ids=[path for path, _ in DATABASES])
def test_the_files_of_projects_in_the_database_of_some_client(
    path: str, statements: list[str], journal: str, users: Users
) -> None:
    """The client may run: what it has written is in its log only, and nothing there is changed."""
    home = users.add(1001, "ann")
    project, other = users.root / "far/one", users.root / "far/other"
    for folder in (project, other):
        write(folder, ".vscode/mcp.json", SERVERS)
    file = write(home, path, "")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(f"pragma journal_mode = {journal}")
        for statement in statements:
            connection.execute(statement.format(project=project, other=other))
        connection.commit()
        before = {each.name: each.stat().st_mtime_ns for each in file.parent.iterdir()}
        rows = mcp_servers.rows()
        assert {each.name: each.stat().st_mtime_ns for each in file.parent.iterdir()} == before
    assert [row.config_path for row in rows] == [str(project / ".vscode/mcp.json")]


def test_what_is_no_database_is_told(users: Users) -> None:
    home = users.add(1001, "ann")
    write(home, ".cursor/mcp.json", PLAIN)
    write(home, ".local/share/kiro-cli/data.sqlite3", "no database")
    os.mkfifo(write(home, ".local/share/zed/db/0-stable/x", "").with_name("db.sqlite"))
    warnings: list[str] = []
    assert len(mcp_servers.rows(Query.of(mcp_servers, warn=warnings.append))) == len(PLAIN_ROWS)
    (warning,) = warnings
    assert "kiro-cli/data.sqlite3: file is not a database" in warning


@pytest.mark.slow
def test_a_database_that_does_not_end(users: Users) -> None:
    home = users.add(1001, "ann")
    with contextlib.closing(sqlite3.connect(write(home, ".local/share/opencode/opencode.db", ""))) as file:
        file.execute(
            "create view project as with recursive n (worktree) as "
            "(select '/a' union all select worktree || '/a' from n) select max(worktree) as worktree from n"
        )
    warnings: list[str] = []
    started = time.monotonic()
    mcp_servers.rows(Query.of(mcp_servers, warn=warnings.append))
    assert time.monotonic() - started < 10
    assert "opencode.db: interrupted" in warnings[0]


def test_a_list_that_does_not_parse_names_the_place(users: Users) -> None:
    home = users.add(1001, "ann")
    write(home, ".gemini/trustedFolders.json", '{\n  "/a": }')
    warnings: list[str] = []
    mcp_servers.rows(Query.of(mcp_servers, warn=warnings.append))
    (warning,) = warnings
    assert f"{home}/.gemini/trustedFolders.json: Expecting value: line 2 column 9" in warning


@pytest.mark.parametrize("name", ["all.code-workspace", "workspace.json"])
def test_the_folders_of_a_workspace(name: str, users: Users) -> None:
    """A workspace has its folders elsewhere; each may have servers of its own."""
    home = users.add(1001, "ann")
    folders = [users.root / "far" / name for name in ("one", "two", "three")]
    for folder in folders:
        write(folder, ".vscode/mcp.json", SERVERS)
    content = f'''{{ // mine
        "folders": [{{"path": "../far/one"}}, {{"path": "{folders[1]}"}}, {{"uri": "file://{folders[2]}"}},
        {{"name": "broken"}}, 5],
        "settings": {{"mcp": {{"servers": {{"all": {{"command": "x"}}}}}}}},
    }}'''
    file = write(users.root / "work", name, content)
    write(
        home,
        ".config/Code/User/workspaceStorage/a1/workspace.json",
        json.dumps({"workspace": f"file://{file}"}),
    )
    rows = mcp_servers.rows()
    expected = [(str(folder / ".vscode/mcp.json"), "local") for folder in folders]
    if name.endswith(".code-workspace"):
        expected.append((str(file), "all"))
    assert sorted((row.config_path, row.server_name) for row in rows) == sorted(expected)


def test_a_project_that_is_found_twice(users: Users) -> None:
    home = users.add(1001, "ann")
    project = home / "p2"
    write(project, ".mcp.json", PLAIN)
    write(
        home,
        ".claude.json",
        json.dumps({"projects": {str(project): {}, f"{project}/": {}, f"{home}/x/../p2": {}}}),
    )
    write(home, ".gemini/trustedFolders.json", json.dumps({str(project): "TRUST_FOLDER"}))
    assert len(mcp_servers.rows()) == len(PLAIN_ROWS)


def test_folders_in_which_no_project_is_looked_for(users: Users) -> None:
    home = users.add(1001, "ann")
    for folder in (".cache/p", ".local/share/p", "node_modules/p", "a/b/c/d", "Library/p"):
        write(home, f"{folder}/.vscode/mcp.json", SERVERS)
    assert mcp_servers.rows() == []
    write(home, "a/b/c/.vscode/mcp.json", SERVERS)
    assert len(mcp_servers.rows()) == 1


def test_a_home_of_too_many_folders_keeps_what_was_found(users: Users) -> None:
    home = users.add(1001, "ann")
    for number in range(30):
        write(home, f"p{number:02}/.mcp.json", json.dumps({"mcpServers": {"s": {"command": "x"}}}))
    write(home, ".cursor/mcp.json", PLAIN)
    warnings: list[str] = []
    table = mcp_servers.configured(limits=Limits(max_folders=20))
    rows = table.rows(Query.of(table, warn=warnings.append))
    assert len(rows) == len(PLAIN_ROWS) + 19
    (warning,) = warnings
    assert "more than 20 folders" in warning
    assert "raise max_folders" in warning


def test_every_client_has_a_source_and_every_form_a_test() -> None:
    assert all(client.source.startswith("https://") for client in CLIENTS)
    tested = {client for client, _, _, _ in FORMS} | {client for client, _, _ in places(PLACES)}
    tested |= {client for client, _, _ in places(PROJECT_PLACES)}
    # Of these, one file is like the others'.
    like_others = {"5ire", "raycast", "claude-desktop", "vscodium-insiders", "code-oss", "positron"}
    like_others |= {"grok-build", "hermes", "mistral-vibe"}
    assert {client.name for client in (*CLIENTS, *editor_clients("linux"))} - tested <= like_others


NAMED = [
    ({"url": "u", "transport": "sse"}, "sse", [], []),
    ({"url": "u", "transport": "streamable-http"}, "http", [], []),
    ({"url": "u", "type": "streamableHttp"}, "http", [], []),
    ({"url": "u", "type": "http_stream"}, "http", [], []),
    ({"url": "u", "transportType": "sse"}, "sse", [], []),
    ({"serverUrl": "u", "type": "ws"}, "ws", [], []),
    ({"transport": {"type": "stdio", "command": "c", "env": {"A": "hunter2"}}}, "stdio", ["A"], []),
    ({"transport": {"type": "streamableHttp", "url": "u", "headers": {"X": "hunter2"}}}, "http", [], ["X"]),
    ({"type": "local", "command": ["c", "-v"], "environment": {"B": "hunter2"}}, "stdio", ["B"], []),
    ({"command": "c", "env_vars": ["C", {"name": "D", "source": "local"}]}, "stdio", ["C", "D"], []),
    ({"command": "c", "env": ["E=hunter2", {"name": "F", "value": "hunter2"}, 5]}, "stdio", ["E", "F"], []),
    (
        {"url": "u", "http_headers": {"X": "hunter2"}, "env_http_headers": {"Y": "NAME"}},
        "http",
        [],
        ["X", "Y"],
    ),
    ({"url": "u", "bearer_token_env_var": "NAME"}, "http", [], ["Authorization"]),
    ({"url": "u", "api_key_env": "NAME", "api_key_header": "X-Key"}, "http", [], ["X-Key"]),
    ({"url": "u", "requestInit": {"headers": {"X": "hunter2"}}}, "http", [], ["X"]),
    ({"url": "u", "requestOptions": {"headers": {"X": "hunter2"}}}, "http", [], ["X"]),
    ({"url": "u", "headers": ["X: hunter2", "Bearer hunter2"]}, "http", [], ["X"]),
]


@pytest.mark.parametrize(("entry", "transport", "env_keys", "header_names"), NAMED)
def test_the_names_that_clients_have(
    entry: dict[str, Any], transport: str, env_keys: list[str], header_names: list[str], users: Users
) -> None:
    write(users.add(1001, "ann"), ".cursor/mcp.json", json.dumps({"mcpServers": {"s": entry}}))
    (row,) = mcp_servers.rows()
    assert (row.transport, row.env_keys, row.header_names) == (transport, env_keys, header_names)
    assert row.enabled is True
    assert "hunter2" not in repr(row)


@pytest.mark.parametrize(
    "off", [{"disabled": True}, {"enabled": False}, {"isActive": False}, {"active": False}]
)
def test_how_clients_say_that_a_server_is_off(off: dict[str, bool], users: Users) -> None:
    content = json.dumps({"mcpServers": {"s": {"command": "x", **off}}})
    write(users.add(1001, "ann"), ".cursor/mcp.json", content)
    assert [row.enabled for row in mcp_servers.rows()] == [False]


@pytest.mark.parametrize(
    "rules",
    [
        {"mcp": {"excluded": ["off"]}},
        {"mcp": {"allowed": ["on"]}},
        {"excludeMCPServers": ["off"]},
        {"allowMCPServers": ["on"]},
    ],
)
def test_lists_of_allowed_and_excluded_servers(rules: dict[str, Any], users: Users) -> None:
    content = json.dumps({"mcpServers": {"on": {"command": "x"}, "off": {"command": "x"}}, **rules})
    write(users.add(1001, "ann"), ".qwen/settings.json", content)
    assert {row.server_name: row.enabled for row in mcp_servers.rows()} == {"on": True, "off": False}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (".mcp.json", "mcpServers"),
        (".claude.json", "mcpServers"),
        (".copilot/mcp-config.json", "mcpServers"),
        (".config/Code/User/mcp.json", "servers"),
        (".vscode-server/data/Machine/mcp.json", "servers"),
        ("p/.vscode/mcp.json", "servers"),
        (".gemini/settings.json", "mcpServers"),
        (".config/amp/settings.json", "amp.mcpServers"),
    ],
)
def test_a_key_that_means_nothing_to_a_client_switches_nothing_off(path: str, key: str, users: Users) -> None:
    home = users.add(1001, "ann")
    answers = {"projects": {str(home): {"enabledMcpjsonServers": ["s"]}}}
    write(home, ".claude.json", json.dumps(answers))
    document = answers if path == ".claude.json" else {}
    write(home, path, json.dumps({**document, key: {"s": {"command": "x", "disabled": True}}}))
    rows = [row for row in mcp_servers.rows() if row.client != "visual-studio"]
    assert [row.enabled for row in rows] == [True]


def test_what_copilot_and_amp_list_apart(users: Users) -> None:
    home = users.add(1001, "ann")
    servers = {"on": {"command": "x"}, "off": {"command": "npx", "args": ["-y", "bad"]}}
    far = {"far": {"url": "https://bad.example/mcp"}, "good": {"url": "https://h/mcp"}}
    write(home, ".copilot/settings.json", '// mine\n{"disabledMcpServers": ["off"],}')
    write(home, ".copilot/mcp-config.json", json.dumps({"mcpServers": servers}))
    permissions = [
        5,
        {"matches": {"url": "https://h/*"}, "action": "allow"},
        {"matches": {"command": "npx", "args": "*bad*"}, "action": "reject"},
        {"matches": {"url": "https://*"}, "action": "reject"},
        {"matches": {}, "action": "reject"},
    ]
    amp = {"amp.mcpServers": {**servers, **far}}
    write(home, ".config/amp/settings.json", json.dumps({**amp, "amp.mcpPermissions": permissions}))
    write(home, "p/.amp/settings.json", json.dumps(amp))
    expected = {"on": True, "off": False, "far": False, "good": True}
    for row in mcp_servers.rows():
        assert row.enabled is expected[row.server_name], (row.config_path, row.server_name)
    assert len(mcp_servers.rows()) == 10


def test_what_is_off_in_another_file(users: Users) -> None:
    """What a user allows, excludes and switches off holds in projects and extensions as well."""
    home = users.add(1001, "ann")
    servers = {name: {"command": "x"} for name in ("on", "Excluded", "Switched")}
    rules = {"mcp": {"excluded": [" excluded"]}, "mcpServers": {"tcp": {"tcp": "wss://h/mcp"}}}
    write(home, ".gemini/settings.json", json.dumps(rules))
    write(home, ".gemini/mcp-server-enablement.json", json.dumps({"switched": {"enabled": False}, "x": 1}))
    for place in ("p/.gemini/settings.json", ".gemini/extensions/e/gemini-extension.json"):
        write(home, place, json.dumps({"mcpServers": servers}))
    rows = mcp_servers.rows()
    assert [(row.scope, row.server_name, row.enabled) for row in rows] == [
        ("user", "tcp", True),
        *((scope, name, name == "on") for scope in ("plugin", "project") for name in servers),
    ]
    assert rows[0].url == "wss://h/mcp"


def test_the_servers_of_agents(users: Users) -> None:
    """An agent's file is its prompt, with YAML before it."""
    home = users.add(1001, "ann")
    copilot = (
        "---\nname: x\nmcp-servers:\n  s:\n    type: local\n    command: npx\n    args: [-y, x]\n---\nPrompt."
    )
    claude = (
        "---\nname: x\nmcpServers:\n  - known\n  - inner:\n      type: http\n      url: https://h/mcp\n---\n"
        "---\nmcpServers: {no: {command: x}}\n"
    )
    write(home, ".copilot/agents/a.agent.md", copilot)
    write(home, "p/.github/agents/a.agent.md", copilot.replace("\n", "\r\n"))
    write(home, ".claude/agents/a.md", claude)
    write(home, "p/.claude/agents/a.md", claude)
    write(home, ".claude/agents/b.md", "---\ndescription: a: b: c\n---\n")  # of no interest here
    write(home, ".claude/agents/c.md", "---\nname: x\nmcpServers: [\n---\n")
    write(home, ".claude/agents/d.md", "# No YAML, mcp\n---\n")
    warnings: list[str] = []
    rows = mcp_servers.rows(Query.of(mcp_servers, warn=warnings.append))
    assert sorted((row.client, row.scope, row.server_name, row.transport, row.enabled) for row in rows) == [
        ("claude-code", "project", "inner", "http", True),
        ("claude-code", "user", "inner", "http", True),
        ("copilot-cli", "project", "s", "stdio", True),
        ("copilot-cli", "user", "s", "stdio", True),
    ]
    (warning,) = warnings
    assert "c.md: line " in warning


def test_a_server_on_the_hub_of_continue(users: Users) -> None:
    content = "mcpServers:\n  - uses: owner/files\n    with: {KEY: hunter2}\n"
    write(users.add(1001, "ann"), ".continue/config.yaml", content)
    (row,) = mcp_servers.rows()
    assert (row.server_name, row.transport, row.enabled) == ("owner/files", None, True)


def test_the_script_of_crush(users: Users) -> None:
    script = r"""
        # mcp add commented --command x
        mcp add far --type http \
          --url "https://me:hunter2@h/mcp" --header Authorization "Bearer $(op read
          hunter2)" --env=TOKEN=hunter2
        if [[ $HOSTNAME == "x" ]]; then mcp add near --command npx --args -y --args --api-key \
            --args=hunter2 --env KEY hunter2 --disabled true; fi
        mcp add gone --command x
        mcp rm gone
        echo 'no end
    """
    write(users.add(1001, "ann"), "p/.crushrc", script)
    rows = mcp_servers.rows()
    assert [(row.client, row.server_name, seen(row)) for row in rows] == [
        ("crush", "far", ("http", None, [], "https://[redacted]@h/mcp", ["TOKEN"], True, ["Authorization"])),
        ("crush", "near", ("stdio", "npx", ["-y", "--api-key", "[redacted]"], None, ["KEY"], False, [])),
    ]
    assert "hunter2" not in repr(rows)


def test_lists_of_servers_in_toml_and_yaml(users: Users) -> None:
    home = users.add(1001, "ann")
    write(
        home,
        ".vibe/config.toml",
        '[[mcp_servers]]\nname = "far"\ntransport = "streamable-http"\nurl = "https://h/mcp"\n'
        '[[mcp_servers]]\nname = "near"\ntransport = "stdio"\ncommand = "npx"\nargs = ["-y", "x"]\n',
    )
    write(home, ".hermes/config.yaml", "model: x\nmcp_servers:\n  s: {command: npx, args: [-y, x]}\n")
    write(home, ".config/5ire/mcp.json", '{"mcpServers": {"s": {"command": "x", "isActive": true}}}')
    rows = mcp_servers.rows()
    assert [(row.client, row.server_name, row.transport) for row in rows] == [
        ("5ire", "s", "stdio"),
        ("hermes", "s", "stdio"),
        ("mistral-vibe", "far", "http"),
        ("mistral-vibe", "near", "stdio"),
    ]


def test_servers_in_the_settings_of_jetbrains(users: Users) -> None:
    """Both layouts of the file, and the one without servers of its own."""
    home = users.add(1001, "ann")
    near = (
        '<McpServerCommand><option name="name" value="near"/><option name="programPath" value="npx"/>'
        '<option name="arguments" value="-y x --api-key hunter2 &quot;a b&quot;"/>'
        '<envs><env name="KEY" value="hunter2"/></envs></McpServerCommand>'
    )
    far = (
        '<Remote><option name="name" value="far"/><option name="url" value="https://h/mcp"/>'
        '<option name="headers"><map><entry key="X-Key" value="hunter2"/></map></option>'
        '<option name="enabled" value="false"/></Remote>'
    )
    state = (
        '<McpServerConfigurationProperties><option name="name" value="s"/></McpServerConfigurationProperties>'
    )
    for ide, inner in {
        "PyCharm2025.1": near,
        "CLion2025.2": f"<commands>{near}</commands><urls>{far}</urls>",
        "GoLand2026.1": f"<commands>{state}</commands>",
    }.items():
        content = (
            f'<application><component name="Other">{near}</component>'
            f'<component name="McpApplicationServerCommands">{inner}</component></application>'
        )
        write(home, f".config/JetBrains/{ide}/options/llm.mcpServers.xml", content)
    write(home, ".config/JetBrains/X/options/llm.mcpServers.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")
    write(home, ".config/JetBrains/Y/options/llm.mcpServers.xml", "<a>")
    warnings: list[str] = []
    rows = mcp_servers.rows(Query.of(mcp_servers, warn=warnings.append))
    row = ("stdio", "npx", ["-y", "x", "--api-key", "[redacted]", "a b"], None, ["KEY"], True, [])
    assert [(one.client, one.server_name, seen(one)) for one in rows] == [
        ("jetbrains-ai", "near", row),
        ("jetbrains-ai", "far", ("http", None, [], "https://h/mcp", [], False, ["X-Key"])),
        ("jetbrains-ai", "near", row),
    ]
    assert len(warnings) == 2
    assert "hunter2" not in repr(rows)


def test_an_extension_of_claude_desktop(users: Users) -> None:
    manifest = {
        "manifest_version": "0.3",
        "name": "files",
        "server": {
            "type": "node",
            "mcp_config": {
                "command": "node",
                "args": ["${__dirname}/i.js"],
                "env": {"KEY": "${user_config.k}"},
            },
        },
    }
    path = ".config/Claude/Claude Extensions/ant.dir.example.files/manifest.json"
    write(users.add(1001, "ann"), path, json.dumps(manifest))
    (row,) = mcp_servers.rows()
    assert (row.client, row.scope, row.server_name, row.command, row.env_keys) == (
        "claude-desktop",
        "plugin",
        "files",
        "node",
        ["KEY"],
    )
    assert row.enabled is True
    settings = path.replace("Extensions/", "Extensions Settings/").removesuffix("/manifest.json")
    write(users.root / "ann", f"{settings}.json", '{"isEnabled": false, "userConfig": {"k": "hunter2"}}')
    assert [row.enabled for row in mcp_servers.rows()] == [False]


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
        ("claude-code", "local", "at-home", True),
        ("claude-code", "project", "yes", True),
        ("claude-code", "project", "no", False),
        ("claude-code", "project", "unasked", None),
        ("vscode", "project", "local", True),
    ]
    assert not [secret for secret in SECRETS if secret in repr(rows)]


@pytest.mark.parametrize(
    ("path", "settings", "enabled"),
    [
        ("project/.claude/settings.local.json", {"enabledMcpjsonServers": ["s"]}, True),
        ("project/.claude/settings.local.json", {"disabledMcpjsonServers": ["s"]}, False),
        ("project/.claude/settings.json", {"enableAllProjectMcpServers": True}, True),
        ("ann/.claude/settings.json", {"enableAllProjectMcpServers": True}, True),
        ("ann/.claude/settings.json", {"deniedMcpServers": [{"serverName": "s"}]}, False),
        ("ann/.claude/settings.json", {"enabledMcpjsonServers": ["t"]}, None),
    ],
)
def test_where_claude_code_keeps_answers(
    path: str, settings: dict[str, Any], enabled: bool | None, users: Users
) -> None:
    home = users.add(1001, "ann")
    project = users.root / "project"
    write(project, ".mcp.json", json.dumps({"mcpServers": {"s": {"command": "x"}}}))
    write(home, ".claude.json", json.dumps({"projects": {str(project): {}}}))
    write(users.root, path, json.dumps(settings))
    assert [row.enabled for row in mcp_servers.rows()] == [enabled]


def test_plugins_of_claude_code(users: Users) -> None:
    home = users.add(1001, "ann")
    cache = home / ".claude/plugins/cache"
    server = {"command": "${CLAUDE_PLUGIN_ROOT}/run", "env": {"KEY": "hunter2"}}
    for name, files in {
        "flat": {".mcp.json": {"flat": server}},
        "nested": {".mcp.json": {"mcpServers": {"nested": server}}},
        "inline": {".claude-plugin/plugin.json": {"name": "inline", "mcpServers": {"inline": server}}},
        "named": {
            ".claude-plugin/plugin.json": {"name": "named", "mcpServers": "./servers/all.json"},
            "servers/all.json": {"mcpServers": {"named": server}},
        },
        "escaping": {".claude-plugin/plugin.json": {"name": "e", "mcpServers": "../../../../.mcp.json"}},
        "off": {".mcp.json": {"off": server}},
    }.items():
        for path, content in files.items():
            write(cache / name, path, json.dumps(content))
    names = ("flat", "nested", "inline", "named", "escaping", "off")
    installed = {f"{name}@m": [{"scope": "user", "installPath": str(cache / name)}] for name in names}
    broken = {"gone@m": [{"installPath": str(cache / "gone")}], "bad@m": 5, "worse@m": [{"installPath": 5}]}
    write(home, ".claude/plugins/installed_plugins.json", json.dumps({"plugins": {**installed, **broken}}))
    enabled = {f"{name}@m": name != "off" for name in names}
    write(home, ".claude/settings.json", json.dumps({"enabledPlugins": enabled}))
    rows = mcp_servers.rows()
    assert [(row.scope, row.server_name, row.enabled) for row in rows] == [
        ("plugin", "flat", True),
        ("plugin", "nested", True),
        ("plugin", "inline", True),
        ("plugin", "named", True),
        ("plugin", "off", False),
    ]
    assert "hunter2" not in repr(rows)


@pytest.fixture
def managed(users: Users, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of Claude Code's administrator."""
    folder = users.root / "managed"
    folder.mkdir()

    def paths(client: Client, platform: str) -> list[str]:
        return [f"{folder}/managed-mcp.json"] if client.name == "claude-code" and client.managed else []

    monkeypatch.setattr(mcp_clients, "managed_paths", paths)
    return folder


def test_what_an_administrator_laid_down(users: Users, managed: Path) -> None:
    write(managed, "managed-mcp.json", PLAIN)
    home = users.add(1001, "ann")
    write(home, ".claude.json", PLAIN)
    write(home, ".cursor/mcp.json", PLAIN)
    rows = mcp_servers.rows()
    assert {(row.uid, row.scope, row.client, row.enabled) for row in rows if row.server_name == "local"} == {
        (None, "managed", "claude-code", True),
        (1001, "user", "claude-code", False),  # only the administrator's servers are started
        (1001, "user", "cursor", True),
    }
    assert {row.client for row in mcp_servers.rows(uid=1001)} == {"claude-code", "cursor"}


NPX = {"serverCommand": ["npx", "-y", "x"]}


@pytest.mark.parametrize(
    ("settings", "enabled"),
    [
        ({}, {"near", "far"}),
        ({"allowedMcpServers": []}, set()),
        ({"allowedMcpServers": [{"serverName": "near"}]}, {"near"}),
        ({"allowedMcpServers": [NPX]}, {"near"}),
        ({"allowedMcpServers": [{"serverName": "near"}, {"serverCommand": ["other"]}]}, set()),
        ({"allowedMcpServers": [{"serverUrl": "https://*.example/*"}]}, {"far"}),
        ({"allowedMcpServers": [{"serverUrl": "https://[a-z]*"}, {"serverName": "far"}]}, set()),
        ({"deniedMcpServers": [{"serverName": "near"}]}, {"far"}),
        ({"deniedMcpServers": [NPX]}, {"far"}),
        ({"deniedMcpServers": [{"serverUrl": "*"}], "allowedMcpServers": [{"serverName": "far"}]}, set()),
        ({"allowedMcpServers": "x", "deniedMcpServers": [5, {"serverName": [1]}]}, set()),
    ],
)
def test_what_an_administrator_allows(
    settings: dict[str, Any], enabled: set[str], users: Users, managed: Path
) -> None:
    """The rules are those of the page managed-mcp in Claude Code's documentation."""
    write(managed, "managed-settings.json", json.dumps({"deniedMcpServers": [{"serverName": "no"}]}))
    write(managed, "managed-settings.d/20-mcp.json", json.dumps(settings))
    servers = {
        "near": {"command": "npx", "args": ["-y", "x"]},
        "far": {"type": "http", "url": "https://mcp.example/v1"},
        "no": {"command": "x"},
    }
    write(users.add(1001, "ann"), ".claude.json", json.dumps({"mcpServers": servers}))
    assert {row.server_name for row in mcp_servers.rows() if row.enabled} == enabled


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
        clients = (*CLIENTS, *editor_clients(platform))
        paths = {path for client in clients for path in user_paths(client.user, platform)}
        assert {
            f"{config}/Claude/claude_desktop_config.json",
            f"{config}/Code/User/mcp.json",
            f"{config}/Trae/User/mcp.json",
            ".cursor/mcp.json",
            "AppData/Roaming/Zed/settings.json" if platform == "win32" else ".config/zed/settings.json",
        } <= paths
        assert not [path for path in paths if "{" in path or path.startswith("/")]
    managed = [path for client in CLIENTS for path in managed_paths(client, "darwin")]
    assert "/Library/Application Support/ClaudeCode/managed-mcp.json" in managed
    assert all(path.startswith("/") for path in managed)


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
            ["--env=A=hunter2", "-eB=hunter2", "-e=D=hunter2", "--env", "C=s3cr3t"],
            ["--env=A=[redacted]", "-eB=[redacted]", "-e=D=[redacted]", "--env", "C=[redacted]"],
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
    assert "of its 101 names like * only the first 100 are looked at" in warnings[0]


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
