"""Extensions as processes: they start as under osqueryd, are waited for, and end without a trace."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import osquery
import psutil
import pytest

from osquery_sdk import install_command
from osquery_sdk.engine import ExtensionProcess, Host, LaunchError
from osquery_sdk.engine.launch import command_line

from ...support.commands import until
from .live import LiveExtension, table_of
from .recordings import ROUTES
from .reference import PROCESSES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A file for PyPI's `osquery` package; it does not know the engine.
PYPI_EXTENSION = """\
#!/usr/bin/env python
import osquery

@osquery.register_plugin
class MyTablePlugin(osquery.TablePlugin):
    def name(self):
        return "foobar"

    def columns(self):
        return [
            osquery.TableColumn(name="foo", type=osquery.STRING),
            osquery.TableColumn(name="baz", type=osquery.INTEGER),
        ]

    def generate(self, context):
        query_data = []
        for _ in range(2):
            row = {}
            row["foo"] = "bar"
            row["baz"] = "42"
            query_data.append(row)
        return query_data

if __name__ == "__main__":
    osquery.start_extension(name="my_awesome_extension", version="1.0.0")
"""

# Prints its command line, and registers. It ends when it is asked to, or never.
CURIOUS = """\
import json, os, signal, sys, threading
from pathlib import Path
from osquery_sdk.wire.client import ManagerConnection
from osquery_sdk.wire.protocol import ExtensionInfo, Status
from osquery_sdk.wire.server import Server
from osquery_sdk.wire.transport import listen
here = Path(__file__).parent
facts = {{
    "argv": sys.argv[1:],
    "extension": os.environ["OSQUERY_EXTENSION"],
    "extensions": os.environ["OSQUERY_EXTENSIONS"],
    "pid": os.getpid(),
    "group": os.getpgid(0),
    "sigpipe": signal.getsignal(signal.SIGPIPE) is not None,
    "stdin": os.fstat(0).st_rdev == os.stat(os.devnull).st_rdev,
}}
(here / "facts.json").write_text(json.dumps(facts))
print("about to register", file=sys.stderr, flush=True)
done = threading.Event()
class Service:
    def ping(self): return Status()
    def call(self, *_): raise RuntimeError
    def shutdown(self):
        if {obedient}: done.set()
socket = sys.argv[sys.argv.index("--socket") + 1]
if not {obedient}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        signal.pause()
    (here / "child").write_text(str(child))
with ManagerConnection(socket) as manager:
    uuid = manager.register_extension(ExtensionInfo("curious", "1", "5.0.0", "0.0.0"), {{}}).uuid
server = Server(Service(), listen(f"{{socket}}.{{uuid}}"))
server.start()
done.wait()
server.stop()
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, *, name: str = "extension.py", executable: bool = False) -> Path:
        file = tmp_path / name
        file.write_text(text)
        if executable:
            file.chmod(0o755)
        return file

    return write


def test_an_extension_for_pypis_osquery_runs_unmodified(program: Callable[..., Path]) -> None:
    with Host([program(PYPI_EXTENSION)]) as host:
        # Its columns have no options, so that osqueryd takes them for indexes; its rows have no rowid.
        assert (
            host.query("select * from foobar where baz = 42 or foo = 'x'").rows
            == [{"baz": "42", "foo": "bar"}] * 2
        )
        assert host.query("select name, version from osquery_extensions where type = 'extension'").rows == [
            {"name": "my_awesome_extension", "version": "1.0.0"}
        ]
        (process,) = host.processes
        pid = process.pid
    assert not psutil.pid_exists(pid)


def test_pypis_client_talks_to_the_manager(host: Host) -> None:
    LiveExtension(host.socket, {"t": table_of(ROUTES["ref_scan"], PROCESSES)}).server.stop()
    client = osquery.ExtensionClient(path=host.socket)
    client.open()
    try:
        manager = client.extension_manager_client()
        assert manager.ping().message == "pong"
        result = manager.query("select 1 as one, 'é' as two")
        assert (result.status.code, result.response) == (0, [{"one": "1", "two": "é"}])
        assert manager.query("selec").status.message == 'near "selec": syntax error'
        assert manager.getQueryColumns("select 1 as one").response == [{"one": "INTEGER"}]
        assert [info.name for info in manager.extensions().values()] == ["live"]
        assert manager.options()["extensions_interval"].value == "600"
        assert manager.call("table", "time", {"action": "columns"}).status.code == 0
        assert manager.deregisterExtension(1).message == "No extension UUID found"
    finally:
        client.close()


def test_started_as_osqueryd_starts_it(program: Callable[..., Path], tmp_path: Path) -> None:
    lines: list[str] = []
    options = {"extensions_timeout": "4", "extensions_interval": "7"}
    with Host(
        [program(CURIOUS.format(obedient=True))], options=options, verbose=True, on_line=lines.append
    ) as host:
        facts = json.loads((tmp_path / "facts.json").read_text())
        assert facts["argv"] == ["--verbose", "--socket", host.socket, "--timeout", "4", "--interval", "7"]
        assert facts["extension"] == str(facts["pid"]) == str(host.processes[0].pid)
        assert facts["extensions"] == "true"
        assert facts["group"] == facts["pid"], "a group of its own, which Ctrl-C does not reach"
        assert facts["stdin"]
    assert lines == ["about to register"]


@pytest.mark.parametrize(
    ("name", "executable"),
    [("extension.ext", True), ("extension.py", True), ("extension.py", False), ("a b$c.py", False)],
)
def test_programs_and_python_files(program: Callable[..., Path], name: str, *, executable: bool) -> None:
    text = f"#!{sys.executable}\n" + PYPI_EXTENSION.partition("\n")[2]
    with Host([program(text, name=name, executable=executable)]) as host:
        assert len(host.query("select * from foobar").rows) == 2


def test_python_that_is_executable_and_does_not_say_that_it_is_python(program: Callable[..., Path]) -> None:
    with Host([program(PYPI_EXTENSION.partition("\n")[2], executable=True)]) as host:
        assert len(host.query("select * from foobar").rows) == 2


@pytest.mark.parametrize(
    ("first", "ours"),
    [
        ("", True),
        ("#!/usr/bin/env python3\n", True),
        ("#! /usr/bin/env python\r\n", True),
        ("#!/usr/bin/env python3.9\n", False),
        ("#!/opt/other/bin/python3\n", False),
        ("#!/bin/sh\n", False),
    ],
)
def test_whose_python_runs_a_file(program: Callable[..., Path], first: str, *, ours: bool) -> None:
    file = program(f"{first}print()\n", executable=True)
    assert command_line(file) == ([sys.executable] if ours else []) + [str(file)]


def test_several_at_once(program: Callable[..., Path]) -> None:
    second = PYPI_EXTENSION.replace("foobar", "other").replace("my_awesome_extension", "second")
    with Host([program(PYPI_EXTENSION), program(second, name="second.py")]) as host:
        assert host.query("select count(*) n from foobar join other using (baz)").rows == [{"n": "4"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys; sys.exit('no licence')", "exited with status 1: no licence"),
        ("raise SystemExit(3)", "exited with status 3"),
        ("1/0", "ZeroDivisionError: division by zero"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
    ],
)
def test_an_extension_that_ends_before_it_registers(
    program: Callable[..., Path], text: str, message: str
) -> None:
    file = program(text)
    with pytest.raises(LaunchError) as caught, Host([file]):
        pass
    assert str(file) in str(caught.value)
    assert message in str(caught.value)
    assert "before it had registered" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_extension_that_does_not_register_in_time(program: Callable[..., Path]) -> None:
    started = time.monotonic()
    file = program("import time\ntime.sleep(60)")
    with (
        pytest.raises(LaunchError, match=r"0 of 1 extensions registered within 0\.3 s"),
        Host([file], timeout=0.3),
    ):
        pass
    assert time.monotonic() - started < 10


def test_files_that_cannot_be_started(program: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"no such extension: .*nosuch"), Host([tmp_path / "nosuch"]):
        pass
    with pytest.raises(LaunchError, match=r"is a folder without a __main__\.py$"), Host([tmp_path]):
        pass
    with (
        pytest.raises(LaunchError, match=r"is not executable; run chmod \+x on it"),
        Host([program("", name="x.ext")]),
    ):
        pass


def test_one_that_does_not_want_to_end_is_killed_with_its_children(
    program: Callable[..., Path], tmp_path: Path
) -> None:
    with Host([program(CURIOUS.format(obedient=False))]) as host:
        pid = host.processes[0].pid
        child = int((tmp_path / "child").read_text())
        assert psutil.pid_exists(child)
        host.processes[0].stop(grace=0.2)
    assert not psutil.pid_exists(pid)
    gone = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < gone
        time.sleep(0.02)


def test_respawn(program: Callable[..., Path]) -> None:
    with Host([program(PYPI_EXTENSION)], respawn=True, options={"extensions_interval": "1"}) as host:
        first = host.processes[0].pid
        os.kill(first, signal.SIGKILL)
        end = time.monotonic() + 10
        while host.processes[0].pid == first:
            assert time.monotonic() < end
            time.sleep(0.05)
        host.wait_for_extensions(1)
        assert len(host.query("select * from foobar").rows) == 2
        last = host.processes[0].pid
    assert not psutil.pid_exists(last)


def test_an_extension_within_this_process() -> None:
    stopped = []

    def start(socket: str) -> Callable[[], None]:
        extension = LiveExtension(socket, {"t": table_of(ROUTES["ref_scan"], PROCESSES)})

        def stop() -> None:
            extension.stop()
            stopped.append(True)

        return stop

    with Host([start]) as host:
        assert host.query("select count(*) n from t").rows == [{"n": "12"}]
    assert stopped == [True]


def test_given_socket(tmp_path: Path) -> None:
    path = tmp_path / "o.em"
    with Host(socket=str(path)) as host:
        assert host.socket == str(path)
        assert stat.S_ISSOCK(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_was_not_started_says_so() -> None:
    host = Host()
    with pytest.raises(RuntimeError, match="with"):
        host.query("select 1")
    host.close()


def test_its_last_lines_are_waited_for_on_a_busy_machine(tmp_path: Path) -> None:
    path = tmp_path / "ends.py"
    path.write_text("print('one', 'two', 'three', sep='\\n')\nraise SystemExit(3)\n")
    process = ExtensionProcess(str(path), on_line=lambda line: time.sleep(0.4))
    try:
        until(lambda: process.exit_status is not None, 20)
        assert process.describe_exit() == f"{path} exited with status 3: one | two | three"
    finally:
        process.stop()


def test_apsw_is_asked_for_only_when_needed() -> None:
    code = (
        "import sys; sys.modules['apsw'] = None\n"
        "import osquery_sdk.engine as engine\n"
        "engine.OPERATORS\n"
        "try:\n"
        "    engine.Host\n"
        "except ImportError as exc:\n"
        "    print(exc)\n"
        "try:\n"
        "    engine.nosuch\n"
        "except AttributeError as exc:\n"
        "    print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"the embedded engine needs apsw; run: {install_command('engine')}",
        "module 'osquery_sdk.engine' has no attribute 'nosuch'",
    ]


def test_exported_names_are_all_there() -> None:
    import osquery_sdk.engine as engine

    assert all(getattr(engine, name) is not None for name in engine.__all__)
