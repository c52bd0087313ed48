"""Faults of a running system: slow starts, taken names, old registrations, memory, osqueryd itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from osquery_sdk import ConnectionFailed, DeadlineExceeded
from osquery_sdk.doctor import context, trial
from osquery_sdk.doctor.unpacking import one_file_of
from osquery_sdk.engine import Host
from osquery_sdk.wire.client import ManagerConnection

from .support import ENVIRONMENT, Installation, python_extension

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROW = (
    "import threading; "
    "threading.Timer(2.0, lambda: globals().update(kept=bytearray(b'x' * (60 << 20)))).start()"
)


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.02)


class Daemon:
    """An osqueryd with the installation's flag file."""

    def __init__(self, installation: Installation, *flags: str, watched: bool = False) -> None:
        path = shutil.which("osqueryd")
        if path is None:
            pytest.skip("no osqueryd on PATH")
        self.log = installation.directory / "osqueryd.log"
        (installation.directory / "osquery.conf").write_text("{}")
        own = ["--ephemeral", "--disable_database", "--disable_logging", "--verbose"]
        own += [f"--config_path={installation.directory}/osquery.conf"]
        own += [f"--pidfile={installation.directory}/pid", *([] if watched else ["--disable_watchdog"])]
        self.socket = installation.socket
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [path, f"--flagfile={installation.flagfile}", *own, *flags],
                stdout=log,
                stderr=log,
                cwd="/",
                env={**ENVIRONMENT, "HOME": str(installation.directory)},
                process_group=0,
            )
        until(lambda: self.extensions() is not None)

    def extensions(self) -> dict[str, str] | None:
        """Version by name; None while nobody answers."""
        try:
            with ManagerConnection(self.socket, timeout=5) as manager:
                return {info.name: info.version for info in manager.extensions().values()}
        except (ConnectionFailed, DeadlineExceeded):
            return None

    def has(self, name: str = "hello_ext") -> bool:
        return name in (self.extensions() or {})

    def close(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


@pytest.fixture
def daemon(installation: Installation) -> Iterator[Callable[..., Daemon]]:
    started: list[Daemon] = []

    def start(*flags: str, watched: bool = False) -> Daemon:
        started.append(Daemon(installation, *flags, watched=watched))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def beside(installation: Installation) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the extension by hand."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [str(installation.path), "--socket", installation.socket, "--timeout", "60"]
        started.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


# -- how long it takes to start


@pytest.mark.parametrize(
    ("flags", "status"),
    [([], "warning"), pytest.param(["--extensions_require=hello_ext"], "failed", marks=pytest.mark.slow)],
)
def test_slow_start(installation: Installation, flags: list[str], status: str) -> None:
    installation.write("import time; time.sleep(1.2)")
    installation.set("--extensions_timeout=1", *flags)
    finding = installation.check("start")
    assert (finding.status, "--extensions_timeout" in finding.message) == (status, True), finding
    assert 1.2 < float(finding.message.split(" s ", maxsplit=1)[0].split()[-1]) < 4
    installation.cure(finding)
    assert installation.check("start").status == "ok"


@pytest.mark.slow
def test_what_osqueryd_makes_of_a_slow_start(
    installation: Installation, daemon: Callable[..., Daemon]
) -> None:
    """It says of a required one that it is not there, and takes it nevertheless when it comes."""
    installation.write("import time; time.sleep(2)")
    installation.set("--extensions_timeout=1", "--extensions_require=hello_ext")
    running = daemon()
    until(lambda: "Required extension not found or not loaded: hello_ext" in running.log.read_text())
    assert not running.has()
    until(running.has)


@pytest.mark.parametrize(("mode", "owner"), [(0o757, 0), (0o755, 65534)])
def test_nothing_is_run_that_others_wrote(
    installation: Installation, mode: int, owner: int, root: None
) -> None:
    installation.write(f"open({str(installation.directory / 'ran')!r}, 'w')")
    installation.path.chmod(mode)
    os.chown(installation.path, owner, -1)
    assert installation.check("start").status == "skipped"
    assert not (installation.directory / "ran").exists()


def test_nothing_is_left_of_it(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extension that does not end by itself, and that has children, is ended with them."""
    monkeypatch.setattr(trial, "_STOP_WITHIN", 0.5)
    installation.write(
        "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(subprocess.Popen(['sleep', '600']).pid, "
        f"file=open({str(installation.directory / 'pid')!r}, 'w'))"
    )
    temporary = installation.directory / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert installation.check("start").status == "ok"
    child = int((installation.directory / "pid").read_text())
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    assert list(temporary.iterdir()) == []


# -- names


def test_name_of_osquery_itself(installation: Installation, osquery: None) -> None:
    installation.write(table="processes")
    finding = installation.check("names")
    assert finding.status == "warning"
    assert "leaves out" in finding.message
    assert "processes (osquery itself)" in finding.message
    assert installation.is_loaded(seconds=3)


def test_name_of_osquery_itself_in_another_sdk(installation: Installation, osquery: None) -> None:
    """Such an extension is refused as a whole."""
    python_extension(installation.path, "greetings")
    assert installation.check("names").status == "ok"
    assert installation.is_loaded(seconds=5)
    python_extension(installation.path, "processes")
    finding = installation.check("names")
    assert finding.status == "failed"
    assert not installation.is_loaded(seconds=1)


def test_name_of_another_extension(installation: Installation) -> None:
    other = installation.write(path=installation.folder / "other.ext")
    other.write_text(other.read_text().replace("hello_ext", "other_ext").replace("hello_too", "other_too"))
    with Host([str(other)], socket=installation.socket):
        finding = installation.check("names")
    assert finding.status == "warning"
    assert finding.message.endswith("hello (extension other_ext)")


def test_names_of_its_own_running_copy(
    installation: Installation, beside: Callable[[], subprocess.Popen[bytes]]
) -> None:
    with Host([str(installation.path)], socket=installation.socket):
        assert installation.check("names").status == "ok"


# -- what osqueryd has registered


def test_registered_by_osqueryd(installation: Installation, daemon: Callable[..., Daemon]) -> None:
    running = daemon()
    until(running.has)
    assert installation.check("registration").message == "hello_ext 1.0 is registered and answers"
    assert installation.check("socket").status == "ok"
    flags = installation.check("flags").message
    assert flags.startswith(f"from the osqueryd that answers at {installation.socket}: ")
    assert f"--extensions_autoload={installation.list}" in flags


def test_flags_are_those_of_the_osqueryd_that_runs(
    installation: Installation, daemon: Callable[..., Daemon]
) -> None:
    """Whatever the flag file says by now."""
    daemon("--extensions_timeout=9", "--disable_extensions=false")
    installation.set("--disable_extensions")
    assert installation.context().flag("extensions_timeout") == "9"
    assert installation.check("extensions").status == "ok"


def test_list_that_was_changed_later(installation: Installation, daemon: Callable[..., Daemon]) -> None:
    installation.enlist("# nothing")
    running = daemon()
    installation.enlist(str(installation.path))
    finding = installation.check("registration")
    assert (finding.status, "only when it starts" in finding.message) == ("warning", True)
    assert "osqueryd" in finding.cure
    time.sleep(0.5)
    assert not running.has()


def test_other_version(installation: Installation, daemon: Callable[..., Daemon]) -> None:
    running = daemon()
    until(running.has)
    installation.write(version="2.0")
    finding = installation.check("registration")
    assert (finding.status, finding.message) == ("warning", "hello_ext 1.0 is registered, and this is 2.0")


def test_registration_of_the_dead(
    installation: Installation, daemon: Callable[..., Daemon], beside: Callable[[], subprocess.Popen[bytes]]
) -> None:
    installation.enlist("# nothing")
    running = daemon("--extensions_interval=60")
    process = beside()
    until(running.has)
    process.kill()
    process.wait()
    finding = installation.check("registration")
    assert finding.status == "warning"
    assert "is registered and does not answer" in finding.message
    assert "within 60 s" in finding.message


# -- memory


def limits(installation: Installation, *flags: str) -> None:
    installation.set("--enable_extensions_watchdog", *flags)


def test_memory_that_grows(installation: Installation, beside: Callable[[], subprocess.Popen[bytes]]) -> None:
    installation.write(GROW.replace("2.0", "0.5"))
    limits(installation, "--watchdog_memory_limit=30")
    process = beside_manager(installation, beside)
    finding = installation.check("memory")
    assert (finding.status, "grown by 30 MB" in finding.message) == ("failed", True), finding
    assert f"in process {process.pid}" in finding.message
    installation.cure(finding)
    assert installation.check("memory").status == "ok"
    limits(installation, "--watchdog_memory_limit=70")
    assert installation.check("memory").status == "warning"
    installation.set("--watchdog_memory_limit=30")
    assert "does not watch it" in installation.check("memory").message


def beside_manager(
    installation: Installation, beside: Callable[[], subprocess.Popen[bytes]]
) -> subprocess.Popen[bytes]:
    """The extension has grown, and its manager is gone and tells no flags: it waits for the manager."""
    process = beside()
    until(lambda: rss(process.pid) > 60 << 20 or process.poll() is not None)
    return process


def rss(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


@pytest.mark.slow
def test_memory_that_osqueryd_ends(installation: Installation, daemon: Callable[..., Daemon]) -> None:
    installation.write(GROW.replace("2.0", "5.0"))
    limits(installation, "--watchdog_memory_limit=30", "--watchdog_delay=0")
    running = daemon(watched=True)
    until(lambda: "Memory limits exceeded" in running.log.read_text(), 25)


def test_memory_from_the_start(installation: Installation) -> None:
    installation.write("globals().update(kept=bytearray(b'x' * (70 << 20)))")
    limits(installation, "--watchdog_level=1")
    finding = installation.check("memory")
    assert (finding.status, "while it still starts" in finding.message) == ("warning", True), finding
    limits(installation)
    assert installation.check("memory").status == "ok"
    limits(installation, "--watchdog_level=-1")
    assert "10000 MB" in installation.check("memory").message


# -- osqueryd


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.chmod(0o757), "may be written by anybody"),
        (lambda path: path.parent.chmod(0o1755), "sticky bit"),
        (lambda path: os.chown(path, 65534, -1), "is not root's"),
        (lambda path: path.chmod(0o644), "cannot be executed"),
    ],
)
def test_osqueryd_that_starts_no_worker(
    installation: Installation, harm: Callable[[Path], object], says: str, root: None
) -> None:
    real = shutil.which("osqueryd")
    if real is None:
        pytest.skip("no osqueryd on PATH")
    path = installation.directory / "bin" / "osqueryd"
    path.parent.mkdir(mode=0o755)
    shutil.copy(real, path)
    path.chmod(0o755)
    assert installation.check("osqueryd", osqueryd=path).status == "ok"
    harm(path)
    finding = installation.check("osqueryd", osqueryd=path)
    assert (finding.status, says in finding.message) == ("failed", True), finding
    if os.access(path, os.X_OK):
        flags = ["--ephemeral", "--disable_database", "--disable_logging", "--disable_extensions"]
        done = subprocess.run(
            [str(path), *flags, f"--pidfile={installation.directory}/pid"],
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert "osqueryd has unsafe permissions" in done.stderr
    installation.cure(finding)
    assert installation.check("osqueryd", osqueryd=path).status == "ok"


def test_no_osqueryd(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(context, "_places", list)
    assert installation.check("osqueryd").status == "warning"
    assert installation.check("names").status == "skipped"
    missing = installation.directory / "osqueryd"
    assert installation.check("osqueryd", osqueryd=missing).status == "failed"


def test_socket_that_nobody_listens_at(installation: Installation, daemon: Callable[..., Daemon]) -> None:
    finding = installation.check("socket")
    assert (finding.status, "does not run" in finding.message) == ("warning", True)
    installation.enlist("# none")  # an extension would keep the socket open, which it inherits
    running = daemon()
    Path(installation.socket).unlink()
    finding = installation.check("socket")
    assert (finding.status, f"runs as process {running.process.pid}" in finding.message) == ("warning", True)
    running.close()
    running = daemon()
    running.process.kill()
    running.process.wait()
    finding = installation.check("socket")
    assert (finding.status, "has ended" in finding.message) == ("warning", True)


# -- one file


def as_one_file(path: Path, *options: str) -> int:
    """Make it a one-file program, as PyInstaller does; returns the bytes that it unpacks."""
    writers = pytest.importorskip("PyInstaller.archive.writers", reason="PyInstaller is not installed")
    content = path.parent / "content"
    content.write_bytes(b"x" * 1_500_000)
    entries = [("lib/large.so", str(content), True, "b"), ("data.txt", str(content), False, "x")]
    entries += [("code.pyz", str(content), False, "z"), *((option, "", False, "o") for option in options)]
    writers.CArchiveWriter(f"{path}.pkg", entries, "libpython3.so")
    archive = Path(f"{path}.pkg")
    with path.open("ab") as file:
        file.write(archive.read_bytes())
    archive.unlink()
    content.unlink()
    return 2 * 1_500_000  # what is compiled stays in the file


def test_one_file_program(
    installation: Installation, mount: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that unpacks itself to a temporary folder which forbids programs, or is full."""
    assert installation.check("temporary folder").status == "ok"
    needed = as_one_file(installation.path)
    one = one_file_of(installation.path)
    assert one is not None
    assert needed <= one.size < needed + 2 * 4096
    full = installation.directory / "tmp"
    full.mkdir()
    monkeypatch.setenv("TMPDIR", str(full))
    assert (
        installation.check("temporary folder").message == f"it unpacks itself to {full}, and takes 3 MB there"
    )
    mount(full)
    assert "noexec" in installation.check("temporary folder").message
    subprocess.run(["mount", "-o", "remount,exec", str(full)], check=True)
    finding = installation.check("temporary folder")
    assert (finding.status, finding.cure) == ("failed", "")
    assert f"to {full}, where 1 MB are free of the 3 MB that it takes" in finding.message
    (installation.folder / "_internal").mkdir()
    assert installation.check("temporary folder").status == "ok"


def test_what_failed_starts_have_left_is_to_be_removed(
    installation: Installation, mount: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_one_file(installation.path)
    full = installation.directory / "tmp"
    full.mkdir()
    monkeypatch.setenv("TMPDIR", str(full))
    mount(full)
    subprocess.run(["mount", "-o", "remount,exec,size=4m", str(full)], check=True)
    with subprocess.Popen(["true"]) as process:
        pass
    left, runs, marked = (
        full / f"_MEI{pid:08x}{rest}"
        for pid, rest in ((process.pid, "abcdef"), (os.getpid(), "abcdef"), (process.pid, "marked"))
    )
    for folder in (left, runs, marked):
        folder.mkdir()
    (left / "lib.so").write_bytes(b"x" * (2 << 20))
    (marked / ".osquery-extension").touch()
    finding = installation.check("temporary folder")
    assert finding.cure.endswith(f"rm -r {left}")
    installation.cure(finding)
    assert installation.check("temporary folder").status == "ok"
    assert sorted(full.iterdir()) == sorted([runs, marked])


def test_it_may_have_been_built_for_another_folder(
    installation: Installation, mount: Callable[[Path], None]
) -> None:
    full = installation.directory / "full"
    full.mkdir()
    mount(full)
    subprocess.run(["mount", "-o", "remount,exec", str(full)], check=True)
    program = installation.path.read_bytes()
    for folder, status, says in (
        (installation.directory / "other" / "inner", "ok", "and takes 3 MB there"),
        (full / "inner", "failed", "where 1 MB are free of the 3 MB that it takes: freeze it"),
        (Path("/proc/self/inner"), "failed", "where it may not write"),
    ):
        installation.path.write_bytes(program)
        as_one_file(installation.path, f"pyi-runtime-tmpdir {folder}")
        finding = installation.check("temporary folder")
        assert (finding.status, f"{folder}, {says}" in finding.message) == (status, True), finding


def test_the_temporary_folder_is_that_of_the_osqueryd_that_runs(
    installation: Installation, daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_one_file(installation.path)
    folder = installation.directory / "daemon"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setitem(ENVIRONMENT, "TMPDIR", str(folder))
        daemon()
    assert f"unpacks itself to {folder}," in installation.check("temporary folder").message


def test_a_one_file_program_that_is_written_in_another_way(installation: Installation) -> None:
    with installation.path.open("ab") as file:
        file.write(b"#" + b"x" * 1000 + b"MEI\014\013\012\013\016" + b"\xff" * 12)
    one = one_file_of(installation.path)
    assert one is not None
    assert one.size == 3 * installation.path.stat().st_size
