"""Extensions register, survive troubles, and leave.

Most tests run with osqueryd and with the embedded engine. Those of osqueryd's watcher are at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket as sockets
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from osquery_sdk import WireError
from osquery_sdk.wire.client import ExtensionConnection, ManagerConnection

from ..support.osqueryd import PROGRAM, Manager, SqlFailed, ended, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def served_by(manager: Manager) -> int:
    """Return the id of the process that serves the table."""
    return int(manager.query("select pid from served")[0]["pid"])


# -- how it comes


def test_it_waits_for_the_manager(directory: Path) -> None:
    environment = {**os.environ, "NAME": "life"}
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "--socket", f"{directory}/em", "--timeout", "20"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.5)
    assert process.poll() is None
    manager = Manager.engine(directory)
    try:
        until(lambda: manager.has("life"))
        assert served_by(manager) == process.pid
    finally:
        process.terminate()
        assert ended(process)[0] == 0
        manager.close()


def test_no_manager_within_the_timeout(directory: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, PROGRAM, "--socket", f"{directory}/em", "--timeout", "1"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert 1 <= time.monotonic() - started < 10
    assert done.returncode == 1
    assert done.stderr == (
        f"life: no extension manager at {directory}/em within 1 s (cannot connect to {directory}/em: "
        "No such file or directory); is osqueryd running with this socket?\n"
    )
    assert list(directory.iterdir()) == []


def test_a_manager_that_says_nothing(directory: Path) -> None:
    with sockets.socket(sockets.AF_UNIX) as silent:
        silent.bind(f"{directory}/em")
        silent.listen()
        done = subprocess.run(
            [sys.executable, PROGRAM, "--socket", f"{directory}/em", "--timeout", "1"],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 1
    assert f"no extension manager at {directory}/em within 1 s (no answer from" in done.stderr
    assert done.stderr.endswith("; is osqueryd running with this socket?\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_told_to_stop_while_the_manager_says_nothing(directory: Path) -> None:
    with sockets.socket(sockets.AF_UNIX) as silent:
        silent.bind(f"{directory}/em")
        silent.listen()
        process = subprocess.Popen(
            [sys.executable, PROGRAM, "--socket", f"{directory}/em", "--timeout", "60"],
            env={**os.environ, "NAME": "life"},
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:
            started = time.monotonic()
            process.terminate()
            assert ended(process) == (1, "life: still there 8 s after SIGTERM; ending as it is\n")
    assert 8 <= time.monotonic() - started < 10


def test_told_to_stop_while_it_waits(directory: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "--socket", f"{directory}/em", "--timeout", "60"],
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(1)
    process.terminate()
    assert ended(process) == (0, "life: stopped by SIGTERM; leaving\n")


def test_a_path_that_is_no_sockets_fails_at_once(directory: Path) -> None:
    path = f"{directory}/{'x' * 100}"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, PROGRAM, "--socket", path, "--timeout", "30"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert time.monotonic() - started < 20
    assert done.returncode == 1
    assert "path too long); give another --socket" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_socket_is_misuse() -> None:
    done = subprocess.run([sys.executable, PROGRAM], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "--socket" in done.stderr


def test_a_path_too_long_for_the_extensions_own_socket(request: pytest.FixtureRequest) -> None:
    """Check the longest path that osqueryd can listen on: the extensions' paths are longer."""
    directory = Path(f"/tmp/osq-{os.getpid()}-{'x' * 100}"[:103])
    directory.mkdir()
    request.addfinalizer(lambda: shutil.rmtree(directory))
    manager = Manager.engine(directory)
    request.addfinalizer(manager.close)
    process = manager.start(wait=False)
    code, said = ended(process)
    assert code == 1
    assert "life: socket path is longer than" in said
    assert said.endswith("choose a shorter --socket\n")
    assert manager.extensions() == {}
    with pytest.raises(SqlFailed, match=r"no such table: served|vtable constructor failed: served"):
        manager.query("select * from served")


def test_another_extension_of_its_name(manager: Manager) -> None:
    first = manager.start()
    second = manager.start("life", "--timeout", "0.5", wait=False)
    code, said = ended(second)
    assert code == 1
    assert said == (
        "life: osqueryd refused life: Duplicate extension registered; an extension of this name is running: "
        "stop it, or choose another name\n"
    )
    assert served_by(manager) == first.pid
    assert len(manager.sockets()) == 1


def test_it_waits_for_another_one_of_its_name_to_go(manager: Manager) -> None:
    first = manager.start()
    second = manager.start("life", "--timeout", "20", wait=False)
    time.sleep(0.5)
    assert second.poll() is None
    first.terminate()
    assert ended(first)[0] == 0
    until(lambda: manager.has("life"))
    assert served_by(manager) == second.pid


def test_a_killed_one_is_succeeded_at_once(manager: Manager) -> None:
    first = manager.start()
    first.kill()
    first.wait()
    started = time.monotonic()
    second = manager.start(wait=False)
    until(lambda: manager.has("life") and len(manager.sockets()) > 1)
    assert time.monotonic() - started < 5
    assert served_by(manager) == second.pid


# -- troubles


def forgotten(manager: Manager) -> None:
    with ManagerConnection(manager.socket) as connection:
        assert connection.deregister_extension(manager.extensions()["life"]).code == 0


def socket_removed(manager: Manager) -> None:
    Path(f"{manager.socket}.{manager.extensions()['life']}").unlink()


def socket_replaced(manager: Manager) -> None:
    path = Path(f"{manager.socket}.{manager.extensions()['life']}")
    path.unlink()
    path.write_text("not a socket")


@pytest.mark.parametrize("misfortune", [forgotten, socket_removed, socket_replaced])
def test_it_registers_again_in_place(misfortune: Callable[[Manager], None], manager: Manager) -> None:
    process = manager.start("life", "--interval", "0.2")
    before = manager.extensions()["life"]
    misfortune(manager)
    seconds = until(lambda: manager.extensions().get("life", before) != before and manager.has("life"), 15)
    print(f"{misfortune.__name__}: {seconds:.2f} s")
    assert served_by(manager) == process.pid
    process.terminate()
    assert ended(process) == (
        0,
        "life: no longer registered; registering again\nlife: stopped by SIGTERM; leaving\n",
    )
    assert manager.sockets() == ([f"em.{before}"] if misfortune is socket_replaced else [])


def test_a_call_that_runs_does_not_hold_up_registering_again(manager: Manager) -> None:
    process = manager.start("life", "--interval", "0.2", TABLES="served,asleep")
    address = f"{manager.socket}.{manager.extensions()['life']}"
    context = {"constraints": [{"name": "seconds", "list": [{"op": 2, "expr": "20"}], "affinity": "BIGINT"}]}

    def sleep() -> None:
        # Call the extension directly: osqueryd does not let go of a table that it is reading.
        with suppress(WireError), ExtensionConnection(address, timeout=60) as connection:
            connection.call("table", "asleep", {"action": "generate", "context": json.dumps(context)})

    threading.Thread(target=sleep, daemon=True).start()
    time.sleep(0.3)
    forgotten(manager)
    until(lambda: manager.has("life"), 15)
    assert served_by(manager) == process.pid


def test_a_log_that_nobody_reads_any_more(manager: Manager) -> None:
    process = manager.start("life", "--interval", "0.2")
    before = manager.extensions()["life"]
    assert process.stderr is not None
    process.stderr.close()
    forgotten(manager)
    until(lambda: manager.extensions().get("life", before) != before and manager.has("life"), 15)
    assert served_by(manager) == process.pid
    process.terminate()
    assert process.wait(20) == 0
    assert manager.sockets() == []


def test_a_manager_that_stands_still_for_a_while(lasting_manager: Manager) -> None:
    manager = lasting_manager
    process = manager.start()
    manager.process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    manager.process.send_signal(signal.SIGCONT)
    until(lambda: manager.has("life"))
    assert process.poll() is None
    assert served_by(manager) == process.pid


# -- how it leaves


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(number: signal.Signals, manager: Manager) -> None:
    process = manager.start()
    assert len(manager.sockets()) == 1
    process.send_signal(number)
    assert ended(process) == (0, f"life: stopped by {number.name}; leaving\n")
    assert manager.extensions() == {}
    assert manager.sockets() == []
    with pytest.raises(SqlFailed, match=r"no such table: served|vtable constructor failed: served"):
        manager.query("select * from served")


@pytest.mark.parametrize(
    ("arguments", "said"), [((), ""), (("--verbose",), "life: stopped by SIGTERM; leaving\n")]
)
def test_ended_by_osquery_that_started_it_it_says_so_if_it_is_verbose(
    arguments: tuple[str, ...], said: str, manager: Manager
) -> None:
    process = manager.start("life", *arguments, OSQUERY_EXTENSION="1")
    process.terminate()
    assert ended(process) == (0, said)


def test_a_statement_of_osqueryi_has_nothing_but_its_rows(directory: Path) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    program = directory / "life.ext"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAM} "$@"\n')
    program.chmod(0o755)
    flags = ["--extension", program, "--extensions_require=life", f"--extensions_socket={directory}/em"]
    done = subprocess.run(
        [osqueryi, *flags, "--csv", "select count(*) as n from served"],
        env={**os.environ, "HOME": str(directory), "NAME": "life"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "n\n1\n", "")


def test_it_answers_shutdown(manager: Manager) -> None:
    process = manager.start()
    with ExtensionConnection(f"{manager.socket}.{manager.extensions()['life']}") as connection:
        connection.shutdown()
    assert ended(process) == (0, "life: osqueryd asked it to shut down; leaving\n")
    assert manager.extensions() == {}
    assert manager.sockets() == []


def test_it_leaves_when_the_manager_is_stopped(manager: Manager) -> None:
    process = manager.start()
    manager.process.terminate()
    code, said = ended(process)
    assert code == 0
    assert said.endswith("leaving\n")
    assert manager.sockets() == []
    manager.process.wait(20)


def test_it_leaves_within_five_seconds_when_the_manager_is_killed(lasting_manager: Manager) -> None:
    manager = lasting_manager
    process = manager.start()
    manager.kill()
    started = time.monotonic()
    assert ended(process) == (0, f"life: osqueryd has gone from {manager.socket}; leaving\n")
    seconds = time.monotonic() - started
    print(f"left after {seconds:.2f} s")
    assert seconds < 5
    assert manager.sockets() == []


@pytest.mark.parametrize("table", ["asleep", pytest.param("spinning", marks=pytest.mark.slow)])
def test_a_call_that_runs_does_not_keep_it(table: str, lasting_manager: Manager) -> None:
    manager = lasting_manager
    process = manager.start(TABLES=table)
    client = manager.query_meanwhile(f"select * from {table} where seconds = 30")
    time.sleep(0.5)
    started = time.monotonic()
    process.terminate()
    assert ended(process) == (0, "life: stopped by SIGTERM; leaving\n")
    assert time.monotonic() - started < 8
    assert manager.sockets() == []
    client.join(20)
    assert not client.is_alive()
    until(lambda: manager.extensions() == {})


def test_a_thread_that_never_ends_does_not_keep_it(manager: Manager) -> None:
    process = manager.start(TABLES="stubborn")
    manager.query("select * from stubborn")
    process.terminate()
    assert ended(process) == (0, "life: stopped by SIGTERM; leaving\n")
    assert manager.sockets() == []


# -- osqueryd's watcher


@pytest.fixture
def watched(directory: Path) -> Iterator[Manager]:
    """Run osqueryd with a watcher, which starts an extension with the table `autoloaded`."""
    extension = directory / "auto.ext"
    extension.write_text(
        f"#!{sys.executable}\nimport os, runpy\nos.environ.update(NAME='auto', TABLES='autoloaded')\n"
        f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n"
    )
    extension.chmod(0o755)
    (directory / "extensions.load").write_text(f"{extension}\n")
    made = Manager.osqueryd(directory, f"--extensions_autoload={directory}/extensions.load", watched=True)
    yield made
    made.close()


@pytest.mark.osqueryd
def test_a_restarted_worker_has_its_extensions_again(watched: Manager) -> None:
    process = watched.start()
    until(lambda: watched.has("auto"))
    autoloaded = int(watched.query("select pid from autoloaded")[0]["pid"])
    old = watched.worker()
    assert old is not None
    old.kill()
    until(lambda: not watched.is_serving())
    # Up to 3 s, and 7 s more for a worker that ended so soon after its start.
    until(watched.is_serving, 40)
    started = time.monotonic()
    until(lambda: watched.has("life") and watched.has("auto"), 10)
    seconds = time.monotonic() - started
    print(f"registered again {seconds:.2f} s after the new worker's socket was there")
    new = watched.worker()
    assert new is not None
    assert new.pid != old.pid
    assert seconds < 2
    # The processes are the same: none was killed and started again.
    assert served_by(watched) == process.pid
    assert int(watched.query("select pid from autoloaded")[0]["pid"]) == autoloaded
    assert len(watched.sockets()) == 2


@pytest.mark.osqueryd
def test_extensions_leave_when_worker_and_watcher_are_killed(watched: Manager) -> None:
    process = watched.start()
    until(lambda: watched.has("auto"))
    autoloaded = psutil.Process(int(watched.query("select pid from autoloaded")[0]["pid"]))
    watched.kill()
    started = time.monotonic()
    until(lambda: not autoloaded.is_running() or autoloaded.status() == psutil.STATUS_ZOMBIE, 10)
    print(f"the autoloaded one left after {time.monotonic() - started:.2f} s")
    assert ended(process) == (0, f"life: osqueryd has gone from {watched.socket}; leaving\n")
    seconds = time.monotonic() - started
    print(f"the other one left after {seconds:.2f} s")
    assert seconds < 5
    assert watched.sockets() == []


@pytest.mark.slow
@pytest.mark.osqueryd
def test_the_watcher_starts_a_killed_extension_again(watched: Manager) -> None:
    until(lambda: watched.has("auto"))
    first = psutil.Process(int(watched.query("select pid from autoloaded")[0]["pid"]))
    first.kill()
    until(lambda: not first.is_running())

    def succeeded() -> bool:
        try:
            return int(watched.query("select pid from autoloaded")[0]["pid"]) != first.pid
        except SqlFailed:
            return False

    until(succeeded, 40)


@pytest.mark.osqueryd
def test_a_one_shot_osqueryi_starts_and_ends_it(directory: Path) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    extension = directory / "life.ext"
    extension.write_text(
        f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(PROGRAM)!r}, run_name='__main__')\n"
    )
    extension.chmod(0o755)
    command = [osqueryi, "--json", "--extension", str(extension), "--extensions_require=life"]
    command += [f"--extensions_socket={directory}/em", "select pid from served"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(directory)}
    )
    pid = int(done.stdout.partition('"pid":"')[2].partition('"')[0])
    until(lambda: not psutil.pid_exists(pid), 5)
    assert list(directory.glob("em*")) == []
