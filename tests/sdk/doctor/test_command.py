"""Run the command like a person or a script: exit codes, forms of output, no changes, no secrets shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.doctor import EXTENSION_CHECKS, SYSTEM_CHECKS

from .support import ENVIRONMENT, Installation

if TYPE_CHECKING:
    from pathlib import Path

SDK = [sys.executable, "-m", "osquery_sdk.cli.main", "doctor"]


def run(
    command: list[str], installation: Installation, *arguments: str, **env: str
) -> subprocess.CompletedProcess[str]:
    given = [f"--flagfile={installation.flagfile}", f"--user={os.geteuid()}", *arguments]
    return subprocess.run(
        [*command, *given], capture_output=True, text=True, timeout=30, env={**ENVIRONMENT, **env}
    )


def snapshot(folder: Path) -> dict[str, tuple[int, int, int, int]]:
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)
    return found


def test_all_is_well_and_nothing_is_changed(installation: Installation) -> None:
    home = installation.directory / "home"
    home.mkdir()
    before = snapshot(installation.directory)
    done = run(SDK, installation, str(installation.path), HOME=str(home))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "osqueryd"
    assert str(installation.path) in lines
    assert lines[-1] == "osqueryd would load it"
    assert [
        line for name in (*SYSTEM_CHECKS, *EXTENSION_CHECKS) for line in lines if line[11:].startswith(name)
    ]
    assert snapshot(installation.directory) == before


def test_something_is_wrong(installation: Installation) -> None:
    installation.path.chmod(0o757)
    done = run(SDK, installation, str(installation.path))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[-1] == "osqueryd would not load it: mode"
    at = next(number for number, line in enumerate(lines) if line.startswith("  failed   mode"))
    assert lines[at + 1].strip() == f"$ chmod o-w {installation.path}"


def test_json(installation: Installation) -> None:
    installation.path.chmod(0o757)
    done = run(SDK, installation, "--json", str(installation.path))
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["loads"] is False
    checks = report["checks"]
    assert [check["name"] for check in checks] == [*SYSTEM_CHECKS, *EXTENSION_CHECKS]
    assert {check["extension"] for check in checks} == {"", str(installation.path)}
    assert all(set(check) == {"extension", "name", "status", "message", "cure"} for check in checks)
    assert {check["status"] for check in checks} <= {"ok", "warning", "failed", "skipped"}
    assert [check["cure"] for check in checks if check["status"] == "failed"] == [
        f"chmod o-w {installation.path}"
    ]


def test_extensions_of_the_load_list(installation: Installation) -> None:
    other = installation.write(path=installation.folder / "other.ext")
    other.chmod(0o655)
    installation.enlist(str(installation.path), str(other), f"{installation.folder}/nosuch.ext")
    done = run(SDK, installation, "--no-start")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "osqueryd would not load all of them: mode, file"
    installation.enlist("# none")
    done = run(SDK, installation)
    assert done.returncode == 0
    assert "no extension was checked" in done.stdout


def test_no_start(installation: Installation) -> None:
    installation.write(f"open({str(installation.directory / 'ran')!r}, 'w')")
    done = run(SDK, installation, "--no-start", str(installation.path))
    assert done.returncode == 0
    assert not (installation.directory / "ran").exists()
    assert run(SDK, installation, str(installation.path)).returncode == 0
    assert (installation.directory / "ran").exists()


def test_the_program_looks_at_itself(installation: Installation) -> None:
    done = run([str(installation.path), "doctor"], installation)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"\n{installation.path}\n" in done.stdout
    assert "hello_ext 1.0 registers" in done.stdout
    installation.enlist("# none")
    assert run([str(installation.path), "doctor", "--no-start"], installation).returncode == 1


def test_options_say_where_to_look(installation: Installation) -> None:
    autoload = installation.directory / "other.load"
    autoload.write_text(f"{installation.path}\n")
    installation.enlist("# none")
    checked = str(installation.path)
    done = run(SDK, installation, "--no-start", "--extensions-autoload", str(autoload), checked)
    assert done.returncode == 0
    done = run(SDK, installation, "--no-start", "--socket", f"{installation.directory}/other", checked)
    assert f"there is no {installation.directory}/other" in done.stdout
    done = run(SDK, installation, "--no-start", "--osqueryd", "/nonexistent/osqueryd", checked)
    assert "/nonexistent/osqueryd: No such file or directory" in done.stdout


@pytest.mark.parametrize("arguments", [["--nosuch"], ["--user", "no such user"], ["--socket"]])
def test_misuse(installation: Installation, arguments: list[str]) -> None:
    done = run(SDK, installation, *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_no_secret_is_shown(installation: Installation) -> None:
    """Neither values of other flags nor of lines that are no flags at all, in files or in the environment."""
    secret = "hunter2hunter2"
    installation.set(
        f"--enroll_secret={secret}",
        f"--tls_client_key={secret}",
        f"--aws_secret_access_key {secret}",
        f"proxy_password={secret}",
        secret,
    )
    for form in ([], ["--json"]):
        done = run(SDK, installation, *form, str(installation.path), AWS_SECRET_ACCESS_KEY=secret)
        assert secret not in done.stdout + done.stderr
        assert "begins without a dash" in done.stdout


def test_another_user(installation: Installation, root: None) -> None:
    """Checks that this user may not make are skipped with a reason; commands for root begin with sudo."""
    from osquery_sdk.engine import Host

    installation.flagfile.chmod(0o600)
    installation.list.chmod(0o600)
    installation.path.chmod(0o757)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*as_nobody, *SDK, "--help"], capture_output=True).returncode:
        pytest.skip("another user cannot start this Python, or may not look at the SDK")
    with Host(socket=installation.socket):
        done = subprocess.run(
            [
                *as_nobody,
                *SDK,
                "--json",
                f"--flagfile={installation.flagfile}",
                f"--extensions-autoload={installation.list}",
                f"--socket={installation.socket}",
                str(installation.path),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            env={**ENVIRONMENT, "HOME": "/nonexistent"},
        )
    assert done.stderr == ""
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert {
        name for name in ("flags", "socket", "load list", "start") if found[name]["status"] == "skipped"
    } == {
        "flags",
        "socket",
        "load list",
        "start",
    }
    assert "may not connect" in found["socket"]["message"]
    assert found["mode"]["cure"] == f"sudo chmod o-w {installation.path}"


def test_control_characters_do_not_reach_the_terminal(installation: Installation) -> None:
    path = installation.folder / "he\x1b[2Jllo.ext"
    installation.path.rename(path)
    done = run(SDK, installation, "--no-start", str(path))
    assert "\x1b" not in done.stdout
    assert "he\\x1b[2Jllo.ext" in done.stdout


@pytest.mark.parametrize(
    ("environment", "has_colours"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_verdicts_have_colours_on_a_terminal_that_wants_them(
    installation: Installation, environment: dict[str, str], has_colours: bool
) -> None:
    import pty

    leader, follower = pty.openpty()
    command = [*SDK, f"--flagfile={installation.flagfile}", f"--user={os.geteuid()}", "--no-start"]
    with subprocess.Popen(
        [*command, str(installation.path)],
        stdout=follower,
        stderr=follower,
        env={**ENVIRONMENT, **environment},
    ):
        os.close(follower)
        shown = b""
        while True:
            try:
                data = os.read(leader, 65536)
            except OSError:  # Linux: the other side is closed
                break
            if not data:
                break
            shown += data
    os.close(leader)
    assert b"osqueryd would" in shown
    assert (b"\x1b[32mok" in shown) == has_colours
    assert (b"\x1b" in shown) == has_colours
