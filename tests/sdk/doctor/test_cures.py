"""Paste the doctor's commands in their order: another look finds every fault mended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from osquery_sdk.cli.main import main

from .support import ENVIRONMENT, OSQUERYI, Installation
from .test_breaks import BREAKS, TRUE, Break
from .test_running import Daemon, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SDK = (sys.executable, "-m", "osquery_sdk.cli.main", "doctor")
# What helps against these is that osqueryd is started, as its package's service.
OF_THE_SERVICE = ("socket", "registration")


class Said(NamedTuple):
    """A line of the doctor's, with the command below it."""

    status: str
    check: str
    message: str
    cure: str


def read(text: str) -> list[Said]:
    """The doctor's output."""
    found: list[Said] = []
    for line in text.splitlines():
        if line.lstrip().startswith("$ "):
            found[-1] = found[-1]._replace(cure=line.lstrip()[2:])
        elif line.startswith("  "):
            found.append(Said(line[2:11].strip(), line[11:29].strip(), line[29:].strip(), ""))
    return found


class Paste:
    """Looks, pastes, and looks again."""

    def __init__(self, installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
        self._installation = installation
        self._capsys = capsys

    def look(self, *arguments: str) -> list[Said]:
        given = [f"--flagfile={self._installation.flagfile}", f"--user={os.geteuid()}", f"--osqueryd={TRUE}"]
        main(["doctor", *given, *arguments])
        captured = self._capsys.readouterr()
        assert captured.err == ""
        return read(captured.out)

    def __call__(self, path: Path, *arguments: str) -> dict[str, Said]:
        """The checks that had a cure, as they were; they are well now."""
        before = {one.check: one for one in self.look(*arguments, str(path)) if one.cure}
        for name, one in before.items():
            if name not in OF_THE_SERVICE:
                paste(one.cure)
        after = {one.check: one for one in self.look(*arguments, str(path))}
        for name, one in before.items():
            assert name in OF_THE_SERVICE or after[name].status == "ok", (one, after[name])
        return before


def paste(command: str) -> None:
    # What is the machine's own is changed in a namespace alone.
    assert not any(place in command for place in ("/etc/osquery", "/usr/lib/osquery", "/var/osquery")), (
        command
    )
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, cwd="/")
    assert done.returncode == 0, (command, done.stderr)


@pytest.fixture
def cured(installation: Installation, capsys: pytest.CaptureFixture[str], root: None) -> Paste:
    return Paste(installation, capsys)


@pytest.mark.parametrize("case", [case for case in BREAKS if case.cured], ids=str)
def test_what_is_printed_for_a_break(case: Break, installation: Installation, cured: Paste) -> None:
    case.do(installation)
    assert case.check in cured(installation.path, "--no-start")


# The suffix and the load list


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("name", ["hello", "hello.py", "hello.EXT", "hel'lo & |$HOME\\1.py", "hello.v1"])
def test_another_suffix(name: str, is_listed: bool, installation: Installation, cured: Paste) -> None:
    """The commands for the suffix and for the load list fit together."""
    installation.path = installation.path.rename(installation.folder / name)
    installation.enlist(*([str(installation.path)] if is_listed else ["# nothing", "/opt/other.ext"]))
    before = cured(installation.path)
    assert before.keys() >= ({"suffix"} if is_listed else {"suffix", "load list"})
    stem = name.removesuffix(".py").removesuffix(".EXT")
    listed = installation.list.read_text().splitlines()
    assert str(installation.folder / f"{stem}.ext") in listed
    assert is_listed or listed[:2] == ["# nothing", "/opt/other.ext"]
    if OSQUERYI is not None:
        assert installation.is_loaded(seconds=3)


def test_a_name_that_is_taken(installation: Installation, cured: Paste) -> None:
    """It is not replaced."""
    other = installation.path.read_text()
    source = installation.write(path=installation.folder / "hello.py")
    installation.enlist("# nothing")
    installation.path.write_text(f"{other}# another\n")
    found = {one.check: one for one in cured.look("--no-start", str(source))}
    assert (found["suffix"].status, found["suffix"].cure) == ("failed", "")
    assert f"{installation.path} is another file" in found["suffix"].message
    installation.path.unlink()
    installation.path.symlink_to("/nonexistent")
    assert "suffix" in cured(source, "--no-start")


def test_a_source_as_its_author_has_it(installation: Installation, cured: Paste) -> None:
    """Not executable, without #!, and nowhere listed."""
    source = installation.folder / "hello.py"
    text = installation.path.read_text().partition("\n")[2]
    installation.path.unlink()
    source.write_text(text)
    source.chmod(0o644)
    installation.list.unlink()
    before = cured(source, "--no-start")
    assert [name for name in before if name not in OF_THE_SERVICE] == [
        "suffix",
        "mode",
        "program",
        "load list",
    ]
    found = {one.check: one.status for one in cured.look(str(source))}
    assert found["start"] == "ok"
    assert source.read_text() == f"#!{sys.executable}\n{text}"
    if OSQUERYI is not None:
        assert installation.is_loaded(seconds=3)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_bundle(slash: str, installation: Installation, cured: Paste) -> None:
    """The folder that freezing makes, which `package` takes as well."""
    bundle = installation.folder / "hello.bundle"
    (bundle / "_internal").mkdir(parents=True)
    (bundle / "_internal" / "lib.so").write_bytes(b"")
    program = installation.path.rename(bundle / "hello.ext")
    (bundle / "_internal" / "lib.so").chmod(0o666)
    installation.enlist()
    before = cured(Path(f"{bundle}{slash}"))
    assert [name for name in before if name not in OF_THE_SERVICE] == ["bundle", "load list"]
    found = {one.check: one for one in cured.look(str(bundle))}
    assert found["file"].message == "a file"
    assert found["start"].status == "ok"
    assert installation.list.read_text().split() == [str(program)]
    if OSQUERYI is not None:
        assert installation.is_loaded(seconds=3)


def test_a_folder_that_is_no_bundle(installation: Installation, cured: Paste) -> None:
    for name in ("one.ext", "two.ext"):
        shutil.copy(installation.path, installation.directory / name)
    found = {one.check: one for one in cured.look("--no-start", str(installation.directory))}
    assert (
        found["file"].message
        == "it is a folder, and not one that freezing made: no program of its name is in it"
    )


@pytest.mark.parametrize("harm", ["no folder", "dangling", "loop", "linked"])
def test_the_load_list_itself(harm: str, installation: Installation, cured: Paste) -> None:
    file = installation.directory / "etc" / "extensions.load"
    kept = installation.directory / "kept.load"
    installation.set(autoload=f"--extensions_autoload={file}")
    if harm != "no folder":
        file.parent.mkdir()
        kept.write_text(f'"{installation.path}"\n')
        file.symlink_to({"dangling": "/nonexistent/list", "loop": file.name, "linked": kept}[harm])
    found = {one.check: one for one in cured.look("--no-start", str(installation.path))}
    if harm == "loop":
        assert "a link leads to itself" in found["load list"].message
        return
    assert "load list" in cured(installation.path, "--no-start")
    assert file.is_symlink() == (harm == "linked")
    if harm == "linked":
        assert kept.read_text() == f"{installation.path}\n"


def test_a_flag_file_that_is_a_link_stays_one(installation: Installation, cured: Paste) -> None:
    kept = installation.directory / "kept.flags"
    installation.set(autoload=f"--extensions_autoload {installation.list}")
    installation.flagfile.rename(kept)
    installation.flagfile.symlink_to(kept)
    assert "flags" in cured(installation.path, "--no-start")
    assert installation.flagfile.is_symlink()


# The line after #!


BODY = "\nraise SystemExit(0)\n"
LONG = "x" * 300
LINES = {
    "a carriage return": (f"#!{sys.executable}\r{BODY}", "carriage return"),
    "carriage returns throughout": (f"#!{sys.executable} -B{BODY}".replace("\n", "\r\n"), "carriage return"),
    "env and a carriage return": (f"#!/usr/bin/env python3\r{BODY}", "carriage return"),
    "a blank and a carriage return": (f"#! {sys.executable}\t\r{BODY}", "carriage return"),
    "a byte order mark": (f"\ufeff#!{sys.executable}{BODY}", "byte order mark"),
    "a mark and a carriage return": (f"\ufeff#!{sys.executable}\r{BODY}", "byte order mark"),
    "empty lines": (f"\n \n#!{sys.executable}{BODY}#! again\n", "empty line"),
    "blanks": (f"  #!{sys.executable}{BODY}", "blanks before #!"),
    "no interpreter": (f"#!/nonexistent/python3 -u{BODY}", "osqueryd says error 2"),
    "a folder": (f"#!/usr/bin{BODY}# python", "osqueryd says error 13"),
    "not a program": (f"#!/etc/passwd{BODY}", "osqueryd says error 13"),
    "nothing": (f"#!{BODY}", "osqueryd says error 8"),
    "blanks alone": (f"#! \t {BODY}", "osqueryd says error 8"),
    "no whole path": (f"#!python3{BODY}", "write the whole path"),
    "too long": (f"#!/{LONG}/python3{BODY}", "has more than 255 bytes"),
    "env finds nothing": (f"#!/usr/bin/env python3.99{BODY}", "env does not find python3.99"),
    "env -S finds nothing": (f"#!/usr/bin/env -S A=b python3.99 -u{BODY}", "env does not find python3.99"),
    "env with two words": (f"#!/usr/bin/env python3 -u{BODY}", "one word without -S"),
    "env alone": (f"#!/usr/bin/env{BODY}", "not told what to run"),
}
RIGHT = (
    f"#!{sys.executable}",
    f"#! {sys.executable}",
    f"#!\t{sys.executable} -u ",
    "#!/usr/bin/env python3",
    "#!/usr/bin/env -S python3 -u",
    "#!/usr/bin/env -S X=1 python3",
    "#!/bin/sh -",
)


@pytest.mark.parametrize("name", LINES)
def test_a_first_line_that_the_system_does_not_take(
    name: str, installation: Installation, cured: Paste
) -> None:
    text, says = LINES[name]
    installation.path.unlink()
    installation.path = installation.folder / "hello.py"
    installation.path.write_bytes(text.encode())
    installation.path.chmod(0o755)
    # It does not run: the judge is the system, asked as osqueryd asks it.
    assert runs(installation.path) != 0
    found = {one.check: one for one in cured.look("--no-start", str(installation.path))}
    assert (found["program"].status, says in found["program"].message) == ("failed", True), found["program"]
    cured(installation.path, "--no-start")
    assert runs(installation.path) == 0
    assert installation.path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("line", RIGHT)
def test_a_first_line_that_the_system_takes(line: str, installation: Installation, cured: Paste) -> None:
    body = "exit 0\n" if "sh" in line else "raise SystemExit(0)\n"
    installation.path.write_text(f"{line}\n{body}")
    assert runs(installation.path) == 0
    found = {one.check: one for one in cured.look("--no-start", str(installation.path))}
    assert found["program"].status == "ok"


def runs(path: Path) -> int | None:
    """The exit status; None if the system does not even start it."""
    try:
        return subprocess.run([path], cwd="/", capture_output=True, timeout=5).returncode
    except (OSError, subprocess.TimeoutExpired):
        return None


@pytest.mark.parametrize("count", range(1, 8))
def test_scripts_for_scripts(count: int, installation: Installation, cured: Paste) -> None:
    last = "/bin/sh"
    for number in range(count):
        script = installation.folder / f"nested{number}"
        script.write_text(f"#!{last}\nexit 0\n")
        script.chmod(0o755)
        last = str(script)
    installation.path.write_text(f"#!{last}\nexit 0\n")
    found = {one.check: one for one in cured.look("--no-start", str(installation.path))}
    assert (found["program"].status == "ok") == (runs(installation.path) == 0)


# Where it is


class Namespace:
    """Mounts of one's own, in which /usr/lib/osquery may be made."""

    def __init__(self, folder: Path) -> None:
        parts = folder / "parts"
        parts.mkdir()
        script = f"mount -t tmpfs tmpfs {parts} && mkdir {parts}/upper {parts}/work && "
        script += (
            "mount -t overlay overlay "
            f"-o lowerdir=/usr/lib,upperdir={parts}/upper,workdir={parts}/work /usr/lib"
        )
        script += " && echo done && exec sleep 600"
        self.process = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        if self.process.stdout.readline() != "done\n":
            pytest.skip(f"no mounts of one's own: {self.process.stderr.read().strip()}")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        inside = ["nsenter", "-m", "-t", str(self.process.pid), "--"]
        return subprocess.run(
            [*inside, *command], capture_output=True, text=True, timeout=60, cwd="/", env=ENVIRONMENT
        )

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def namespace(directory: Path, root: None) -> Iterator[Namespace]:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("unshare and nsenter are not on PATH")
    if Path("/usr/lib/osquery").exists():
        pytest.skip("this machine has extensions of its own")
    made = Namespace(directory)
    yield made
    made.close()


@pytest.mark.parametrize("form", ["program", "link", "bundle", "unlisted", "folder"])
def test_a_place_that_is_not_safe(form: str, installation: Installation, namespace: Namespace) -> None:
    """The extension is copied to its proper folder, and the list names it there."""
    named = installation.path
    if form == "link":
        named = installation.folder / "hello.py"
        installation.path.rename(named)
        installation.path.symlink_to(named)
    elif form == "bundle":
        named = installation.folder / "hello.bundle"
        (named / "_internal").mkdir(parents=True)
        installation.path = installation.path.rename(named / "hello.ext")
        installation.enlist(str(installation.path))
    elif form == "folder":
        installation.enlist(str(installation.folder))
    elif form == "unlisted":
        installation.enlist("/opt/other.ext")
    (named if form == "bundle" else installation.folder).chmod(0o1777)

    def look() -> dict[str, Said]:
        done = namespace.run(
            *SDK, f"--flagfile={installation.flagfile}", f"--user={os.geteuid()}", str(named)
        )
        assert done.stderr == ""
        return {one.check: one for one in read(done.stdout)}

    before = look()
    assert (before["folder"].status, "sticky bit" in before["folder"].message) == ("failed", True)
    done = namespace.run("/bin/sh", "-c", before["folder"].cure)
    assert done.returncode == 0, done.stderr
    after = look()
    assert [name for name, one in after.items() if one.status == "failed"] == []
    assert after["folder"].status == "ok"
    assert after["start"].status == "ok"
    place = "/usr/lib/osquery/extensions/hello/hello.ext"
    assert place in installation.list.read_text().split()
    assert "copy of" in after["file"].message
    assert namespace.run("stat", "-c", "%F %U", place).stdout == "regular file root\n"


# What osqueryd is restarted for


@pytest.fixture
def service(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Daemon]]:
    """Return a function that starts an osqueryd, which `systemctl restart osqueryd` restarts."""
    if shutil.which("osqueryd") is None:
        pytest.skip("no osqueryd on PATH")  # here, for a thread starts it and cannot skip the test
    running: list[Daemon] = []
    asked = tmp_path / "asked"
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {asked}\nwhile [ -e {asked} ]; do sleep 0.05; done\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def start() -> Daemon:
        for one in running:
            one.close()
        running.append(Daemon(installation))
        return running[-1]

    def restart() -> None:
        import threading

        def wait() -> None:
            # The file is there a moment before its text.
            until(lambda: asked.exists() and asked.read_text() == "restart osqueryd\n", 30)
            start()
            asked.unlink()

        threading.Thread(target=wait, daemon=True).start()

    start.restart = restart  # type: ignore[attr-defined]
    yield start
    for one in running:
        one.close()


def test_an_osqueryd_that_does_not_run_and_one_with_an_old_list(
    installation: Installation, cured: Paste, service: Callable[[], Daemon]
) -> None:
    found = {one.check: one for one in cured.look(str(installation.path))}
    assert found["socket"].status == "warning"
    service.restart()  # type: ignore[attr-defined]
    paste(found["socket"].cure)
    until(
        lambda: {one.check: one.status for one in cured.look(str(installation.path))}["registration"] == "ok"
    )
    assert {one.check: one.status for one in cured.look("--no-start", str(installation.path))}[
        "socket"
    ] == "ok"
    # One that was listed later.
    other = installation.write(path=installation.folder / "other.ext")
    text = other.read_text().replace("hello", "other")
    other.write_text(text)
    found = {one.check: one for one in cured.look(str(other))}
    paste(found["load list"].cure)
    found = {one.check: one for one in cured.look(str(other))}
    assert (found["registration"].status, "only when it starts" in found["registration"].message) == (
        "warning",
        True,
    )
    service.restart()  # type: ignore[attr-defined]
    paste(found["registration"].cure)
    until(lambda: {one.check: one.status for one in cured.look(str(other))}["registration"] == "ok")


def test_a_flag_of_an_osqueryd_that_runs(
    installation: Installation, cured: Paste, service: Callable[[], Daemon]
) -> None:
    """The flag file is changed, and osqueryd has to read it."""
    installation.write("import time; time.sleep(1.5)")
    installation.set("--extensions_timeout=1")
    service()
    found = {one.check: one for one in cured.look(str(installation.path))}
    assert found["start"].status == "warning"
    service.restart()  # type: ignore[attr-defined]
    paste(found["start"].cure)
    assert {one.check: one.status for one in cured.look(str(installation.path))}["start"] == "ok"
