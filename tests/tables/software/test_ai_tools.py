"""kolide_ai_tools on homes and folders as the tools' installers lay them out."""

import json
import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kolide_tables.software.ai_catalog import TOOLS
from kolide_tables.software.ai_tools import AiTool, ai_tools, tool_rows
from kolide_tables.software.llm_models import llm_models
from kolide_tables.software.mcp_clients import CLIENTS
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Users
from ...support.tools import Run


def write(path: Path, content: str | bytes | list[Any] | dict[str, Any] = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, list | dict):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def of_users(**options: Any) -> list[AiTool]:
    """Return what is in the homes that a test makes, without what is installed on this machine."""
    return ai_tools.rows(Query.of(ai_tools, equals={"uid": [1001, 1002]}, **options))


def seen(rows: list[AiTool]) -> set[tuple[str, str, str | None, str | None]]:
    return {(row.tool, row.source, row.version, row.path) for row in rows}


EXTENSIONS = [
    {
        "identifier": {"id": "saoudrizwan.claude-dev", "uuid": "x"},
        "version": "3.36.1",
        "relativeLocation": "a",
    },
    {"identifier": {"id": "GitHub.copilot-chat"}, "version": "0.33.0", "relativeLocation": "b"},
    {"identifier": {"id": "ms-python.python"}, "version": "2026.1.0", "relativeLocation": "c"},
]


def test_what_is_in_a_home(users: Users) -> None:
    home = users.add(1001, "ann")
    claude = write(home / ".local/share/claude/versions/2.1.310")
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/claude").symlink_to(claude)
    node = home / ".nvm/versions/node/v24.1.0/lib/node_modules"
    write(node / "@google/gemini-cli/package.json", {"name": "@google/gemini-cli", "version": "0.70.0"})
    for name in ("@ampcode/cli", "@sourcegraph/amp"):  # it has been renamed
        write(node / name / "package.json", {"version": "0.1"})
    site = home / ".local/share/uv/tools/aider-chat/lib/python3.12/site-packages"
    write(site / "aider_chat-0.86.1.dist-info/METADATA")
    write(site / "huggingface_hub-1.0.0.dist-info/METADATA")  # another tool's dependency
    write(home / ".cursor/extensions/extensions.json", EXTENSIONS)
    (home / ".local/share/flatpak/app/ai.jan.Jan").mkdir(parents=True)
    write(home / ".lmstudio/bin/lms")
    write(home / ".lmstudio/mcp.json", {"mcpServers": {}})
    write(home / ".codex/config.toml", "")
    rows = of_users()
    assert seen(rows) == {
        ("claude-code", "program", "2.1.310", f"{home}/.local/bin/claude"),
        ("gemini-cli", "npm", "0.70.0", f"{node}/@google/gemini-cli"),
        ("amp", "npm", "0.1", f"{node}/@ampcode/cli"),
        ("amp", "npm", "0.1", f"{node}/@sourcegraph/amp"),
        ("aider", "python", "0.86.1", f"{site}/aider_chat-0.86.1.dist-info"),
        ("cline", "extension", "3.36.1", f"{home}/.cursor/extensions/a"),
        ("copilot", "extension", "0.33.0", f"{home}/.cursor/extensions/b"),
        ("jan", "flatpak", None, f"{home}/.local/share/flatpak/app/ai.jan.Jan"),
        ("lm-studio", "program", None, f"{home}/.lmstudio/bin/lms"),
        ("codex", "configuration", None, None),
    }
    configurations = {row.tool: row.config_path for row in rows if row.config_path}
    assert configurations == {
        "lm-studio": f"{home}/.lmstudio/mcp.json",
        "codex": f"{home}/.codex/config.toml",
    }
    assert {(row.uid, row.username) for row in rows} == {(1001, "ann")}
    assert {row.running for row in rows if row.source == "extension"} == {None}


def test_what_is_installed_for_all(tmp_path: Path, users: Users) -> None:
    root = tmp_path / "root"
    write(root / "usr/local/bin/ollama")
    write(root / "usr/share/cursor/resources/app/package.json", {"name": "Cursor", "version": "3.2.1"})
    write(root / "usr/lib/node_modules/@openai/codex/package.json", {"version": "0.159.3"})
    write(root / "usr/local/lib/python3.12/dist-packages/vllm-0.21.0.dist-info/METADATA")
    write(root / "snap/ollama/current/meta/snap.yaml", "name: ollama\nversion: '0.15.2'\n")
    (root / "var/lib/flatpak/app/dev.zed.Zed").mkdir(parents=True)
    zed = {"CFBundleShortVersionString": "1.2"}
    write(root / "Applications/Zed.app/Contents/Info.plist", plistlib.dumps(zed))
    users.add(1001, "ann")
    rows = list(tool_rows(Query.of(ai_tools), str(root)))
    assert seen(rows) == {
        ("ollama", "program", None, f"{root}/usr/local/bin/ollama"),
        ("cursor", "program", "3.2.1", f"{root}/usr/share/cursor"),
        ("codex", "npm", "0.159.3", f"{root}/usr/lib/node_modules/@openai/codex"),
        ("vllm", "python", "0.21.0", f"{root}/usr/local/lib/python3.12/dist-packages/vllm-0.21.0.dist-info"),
        ("ollama", "snap", "0.15.2", f"{root}/snap/ollama/current"),
        ("zed", "flatpak", None, f"{root}/var/lib/flatpak/app/dev.zed.Zed"),
        ("zed", "program", "1.2", f"{root}/Applications/Zed.app"),
    }
    assert {row.uid for row in rows} == {None}


@pytest.mark.skipif(os.name == "nt", reason="a script with an interpreter's line is Unix's")
def test_what_runs(tmp_path: Path, users: Users) -> None:
    sleep = shutil.which("sleep")
    assert sleep is not None
    home = users.add(os.getuid(), "ann")
    server = tmp_path / "local-ai"
    shutil.copy(sleep, server)
    write(tmp_path / "usr/local/bin/local-ai")
    write(tmp_path / "usr/local/bin/llama-server")
    script = write(
        home / ".npm-global/lib/node_modules/@google/gemini-cli/dist/index.js", "#!/bin/sh\nsleep 60\n"
    )
    write(script.parents[1] / "package.json", {"version": "1"})
    interpreter = tmp_path / "node"
    shell = shutil.which("sh")
    assert shell is not None
    shutil.copy(Path(shell).resolve(), interpreter)
    programs = [[server, "60"], [interpreter, script, "--yolo"]]
    processes = [subprocess.Popen(list(map(str, program)), start_new_session=True) for program in programs]
    try:
        rows = {row.tool: row.running for row in tool_rows(Query.of(ai_tools), str(tmp_path))}
    finally:
        for process in processes:
            os.killpg(process.pid, 9)
            process.wait()
    assert rows == {"localai": True, "llama.cpp": False, "gemini-cli": True}


def test_names_are_those_of_the_other_tables() -> None:
    names = {tool.name for tool in TOOLS}
    assert len(names) == len(TOOLS)
    assert all(tool.source.startswith("https://") for tool in TOOLS)
    described = next(column.definition.description for column in llm_models.columns if column.name == "tool")
    assert set(described.partition(": ")[2].split(", ")) <= names
    editors = {"vscode", "visual-studio"}  # no tools of this kind by themselves
    rest = {"devin", "copilot-xcode", "5ire", "firebender", "rovo-dev"}
    rest |= {"grok-build", "abacus-ai", "copilot-eclipse", "llxprt", "zcode"}
    assert {client.name for client in CLIENTS} - names - editors <= rest


def test_extensions_are_those_that_jq_reads(users: Users, run: Run, compare: Compare) -> None:
    home = users.add(1001, "ann")
    known = sorted(id_ for tool in TOOLS for id_ in tool.extensions)
    theirs = set()
    for number, folder in enumerate((".vscode", ".vscode-oss", ".windsurf", ".kiro")):
        entries = [
            {"identifier": {"id": id_}, "version": f"{number}.{index}", "relativeLocation": f"{id_}-{number}"}
            for index, id_ in enumerate([*known[number::4], "other.extension"])
        ]
        file = write(home / folder / "extensions/extensions.json", entries)
        wanted = f".[] | select(.identifier.id | IN({json.dumps(known)[1:-1]}))"
        program = wanted + " | [.version, .relativeLocation]"
        theirs |= {
            (version, str(file.parent / place))
            for version, place in map(json.loads, run("jq", "-c", program, file).splitlines())
        }
    ours = {(row.version, row.path) for row in of_users()}
    compare("ai_tools", "jq", ours, theirs, rows=len(ours))


def test_broken_files(users: Users) -> None:
    home = users.add(1001, "ann")
    write(home / ".vscode/extensions/extensions.json", b"{")
    write(home / ".cursor/extensions/extensions.json", [1, {"identifier": 5}, {"identifier": {"id": [1]}}])
    write(home / ".kiro/extensions/extensions.json", b"[" * 100_000)
    os.mkfifo(home / ".vscode/extensions/x")
    os.mkfifo(write(home / ".windsurf/extensions/y").parent / "extensions.json")
    node = home / ".npm-global/lib/node_modules"
    write(node / "@openai/codex/package.json", b"\xff")
    write(node / "opencode-ai/package.json", {"version": 5})
    (home / ".local/bin").mkdir(parents=True)
    (home / ".local/bin/claude").symlink_to("/nowhere/at/all")
    warnings: list[str] = []
    assert seen(of_users(warn=warnings.append)) == {
        ("opencode", "npm", None, f"{node}/opencode-ai"),
        ("claude-code", "program", None, f"{home}/.local/bin/claude"),
    }
    assert len(warnings) == 4


def test_only_the_user_s_files_are_read(users: Users, opened: list[str]) -> None:
    for uid, name in ((1001, "ann"), (1002, "bob")):
        write(users.add(uid, name) / ".vscode/extensions/extensions.json", EXTENSIONS)
    assert len(of_users()) == 4
    del opened[:]
    assert {row.username for row in ai_tools.rows(uid=1002)} == {"bob"}
    assert not [path for path in opened if "/ann/" in path]
