"""The scripts in every installed shell: the load list keeps every byte except the package's line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from osquery_sdk.packaging import maintainer
from osquery_sdk.packaging.model import Package
from osquery_sdk.packaging.version import parse_version

from .conftest import needs, off

PROGRAM = "/usr/lib/osquery/extensions/hello/hello.ext"
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
LIST = "/etc/osquery/extensions.load"
SCRIPTS = sorted((Path(maintainer.__file__).parent / "scripts").glob("*.sh"))


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    """The start of a command."""
    words = SHELLS[request.param]
    needs(words[0])
    return words


@pytest.fixture(scope="module")
def library() -> str:
    """Return the beginning of every script, for a small add-on; `$ROOT` is before every path."""
    package = Package(
        name="hello",
        version=parse_version("1.2.3"),
        release=1,
        kind="add-on",
        identifier="hello",
        platform="linux",
        machine="x86_64",
        summary="",
        description="",
        maintainer="",
        homepage="",
        license="MIT",
        entries=(),
        program=PROGRAM,
        home=PROGRAM.rpartition("/")[0],
        load_list=LIST,
        owns_load_list=False,
    )
    return maintainer.library(package, root="$ROOT")


def run(shell: list[str], library: str, root: Path, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*shell, "-eu", "-c", f"{library}\n{what}"],
        env={"ROOT": str(root), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


LINE = f"{PROGRAM}\n".encode()
ADDED = [
    (None, LINE),
    (b"", LINE),
    (b"/a.ext\n", b"/a.ext\n" + LINE),
    (b"/a.ext", b"/a.ext\n" + LINE),
    (b"# mine\r\n/a.ext\r\n", b"# mine\r\n/a.ext\r\n" + LINE),
    (LINE, LINE),
    (LINE.strip(), LINE.strip()),
    (b"  " + LINE, b"  " + LINE),
    (PROGRAM.encode() + b" \r\n", PROGRAM.encode() + b" \r\n"),
    # Switched off by somebody, who has to be asked before it is switched on again.
    (b"# " + LINE, b"# " + LINE),
    (b";#" + LINE, b";#" + LINE),
    # Longer paths are others.
    (PROGRAM.encode() + b".old\n", PROGRAM.encode() + b".old\n" + LINE),
    (b"\\t*? $HOME `x`\n", b"\\t*? $HOME `x`\n" + LINE),
]


@pytest.mark.parametrize(("before", "after"), ADDED)
def test_the_line_is_added_once(
    shell: list[str], library: str, tmp_path: Path, before: bytes | None, after: bytes
) -> None:
    file = tmp_path / LIST[1:]
    if before is not None:
        file.parent.mkdir(parents=True)
        file.write_bytes(before)
    is_off = before is not None and before.startswith((b"#", b";")) and before.endswith(LINE)
    for _ in range(2):
        done = run(shell, library, tmp_path, "installed")
        assert (done.returncode, done.stderr) == (0, f"{off(1, name='hello')}\n" if is_off else "")
        assert file.read_bytes() == after


@pytest.mark.parametrize("what", ["installed", "upgraded"])
@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"# mine\n/a.ext\n\t# \t;" + LINE + b"/b.ext\n# " + LINE, 3),
        (b"\r\n#" + PROGRAM.encode() + b"\r\n", 2),
        (b"#" + PROGRAM.encode(), 1),
        # It is on, whatever else there is.
        (b"#" + LINE + LINE, 0),
        (LINE + b"#" + LINE, 0),
        (b"#" + PROGRAM.encode() + b".old\n" + LINE, 0),
    ],
)
def test_what_is_switched_off_is_said(
    shell: list[str], library: str, tmp_path: Path, what: str, content: bytes, number: int
) -> None:
    file = tmp_path / LIST[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    done = run(shell, library, tmp_path, what)
    assert (done.returncode, done.stderr) == (0, f"{off(number, name='hello')}\n" if number else "")
    assert file.read_bytes() == content


REMOVED = [
    (None, None),
    (b"/a.ext\n", b"/a.ext\n"),
    (LINE + b"/a.ext\n", b"/a.ext\n"),
    (b"/a.ext\n" + LINE + b"/b.ext", b"/a.ext\n/b.ext"),
    (b"/a.ext\n" + LINE.strip(), b"/a.ext\n"),
    (b"\n# mine\r\n\t/a.ext \r\n" + LINE + LINE + b"\n", b"\n# mine\r\n\t/a.ext \r\n\n"),
    (b" " + PROGRAM.encode() + b"\r\n/a\n", b"/a\n"),
    (b"# " + LINE, b"# " + LINE),
    (b"a\\b %s $HOME\n" + LINE, b"a\\b %s $HOME\n"),
    (b"caf\xe9\n" + LINE, b"caf\xe9\n"),
    # Nothing is left: then the file goes that the package had made.
    (LINE, None),
]


@pytest.mark.parametrize(("before", "after"), REMOVED)
def test_the_line_is_taken_out_and_nothing_else(
    shell: list[str], library: str, tmp_path: Path, before: bytes | None, after: bytes | None
) -> None:
    file = tmp_path / LIST[1:]
    if before is not None:
        file.parent.mkdir(parents=True)
        file.write_bytes(before)
    for _ in range(2):
        done = run(shell, library, tmp_path, "purged")
        assert (done.returncode, done.stderr) == (0, "")
        assert (file.read_bytes() if file.exists() else None) == after
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == (
        ["extensions.load"] if after else []
    )


def test_mode_and_link_stay(shell: list[str], library: str, tmp_path: Path) -> None:
    file = tmp_path / LIST[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"/a\n" + LINE)
    file.chmod(0o640)
    run(shell, library, tmp_path, "purged")
    assert (file.read_bytes(), file.stat().st_mode & 0o7777) == (b"/a\n", 0o640)
    file.rename(tmp_path / "managed")
    file.symlink_to(tmp_path / "managed")
    run(shell, library, tmp_path, "installed")
    assert file.is_symlink()
    assert (tmp_path / "managed").read_bytes() == b"/a\n" + LINE
    run(shell, library, tmp_path, "purged")
    assert file.is_symlink()
    assert (tmp_path / "managed").read_bytes() == b"/a\n"


def test_a_list_that_cannot_be_written_is_said_and_fails_nothing(
    shell: list[str], library: str, tmp_path: Path
) -> None:
    (tmp_path / "etc").write_text("a file where a folder has to be")
    done = run(shell, library.replace("set -e", ""), tmp_path, "installed || exit 9; exit 0")
    assert done.returncode == 0
    assert f"could not write {LIST}; add this line to it: {PROGRAM}" in done.stderr


def test_a_new_list_is_for_all_to_read(shell: list[str], library: str, tmp_path: Path) -> None:
    run(shell, library, tmp_path, "umask 077\ninstalled")
    assert (tmp_path / LIST[1:]).stat().st_mode & 0o7777 == 0o644
    assert (tmp_path / LIST[1:]).parent.stat().st_mode & 0o7777 == 0o755


def test_an_upgrade_does_not_add_it_again(shell: list[str], library: str, tmp_path: Path) -> None:
    """Somebody has taken it out."""
    file = tmp_path / LIST[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"/a\n")
    run(shell, library, tmp_path, "upgraded")
    assert file.read_bytes() == b"/a\n"


def test_its_processes_are_ended_and_no_others(shell: list[str], library: str, tmp_path: Path) -> None:
    import time

    sleep = shutil.which("sleep")
    assert sleep is not None
    mine, other = tmp_path / "hello.ext", tmp_path / "hello.ext.other"
    for one in (mine, other):
        shutil.copy(sleep, one)
    started = [subprocess.Popen([one, "60"]) for one in (mine, other, mine)]
    try:
        time.sleep(0.2)
        mine.unlink()  # as a package manager does before it puts the new one there
        shutil.copy(sleep, mine)
        # PROGRAM itself is nowhere: with this one and no root, the function looks for real processes.
        text = library.replace(PROGRAM, str(mine)).replace('root="$ROOT"', 'root=""')
        assert run(shell, text, tmp_path, "end_extension").returncode == 0
        assert started[0].wait(5) == -15
        assert started[2].wait(5) == -15
        assert started[1].poll() is None
    finally:
        for one in started:
            one.kill()
            one.wait()


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_shellcheck(file: Path) -> None:
    needs("shellcheck")
    done = subprocess.run(["shellcheck", "-s", "sh", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
