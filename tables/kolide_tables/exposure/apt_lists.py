"""Copy apt's lists with the installed packages only, where apt would read all of them anew.

Without a cache of its lists, as in a container, apt reads tens of thousands of packages for each answer, and
its policy for the installed ones follows from a hundredth of them. apt's configuration, pins, Release files
and status stay its own. Source: apt.conf(5) on Dir::State and Dir::Cache, and apt's names of lists.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from osquery_sdk import Query, TableError, program_environment

from ..reading.paths import names_in

_HELPER = "/usr/lib/apt/apt-helper"
_LIST = re.compile(r"(.*_Packages)(\.[a-z0-9]+)?")
_SETTINGS = re.compile(r"^(lists|cache)='([^'\n]*)'$", re.MULTILINE)
# Smaller lists are read by apt as quickly as they are copied here.
_WORTH = 4 << 20
_BLOCK = 1 << 18
_LONGEST = 1 << 24
_HEAD = b"Package: "


@contextmanager
def installed_only(
    packages: set[bytes], lists: str, run: Callable[..., bytes], query: Query
) -> Iterator[tuple[str, ...]]:
    """Give the options with which apt's programs read a copy of its lists; none if its own are as quick.

    Args:
        packages: names of the installed packages, without architectures.
        lists: apt's folder of lists.
        run: runs a program of apt.
        query: its end ends the copying too.
    """
    files = [f"{lists}/{name}" for name in names_in(lists) if _LIST.fullmatch(name)]
    if not _is_worth(files, lists, run):
        yield ()
        return
    from kolide_kit.processes import TemporaryFolder

    with TemporaryFolder("apt-lists-") as folder:
        try:
            os.mkdir(f"{folder}/partial")  # noqa: PTH102
            for name in names_in(lists):
                if name.endswith("Release"):
                    os.symlink(f"{lists}/{name}", f"{folder}/{name}")  # noqa: PTH211
            for path in files:
                match = _LIST.fullmatch(os.path.basename(path))  # noqa: PTH119
                assert match is not None
                with open(f"{folder}/{match[1]}", "wb") as copy:  # noqa: PTH123
                    _copy(_blocks(path, query, is_packed=bool(match[2])), packages, copy)
        except OSError:
            yield ()  # a disk that is full, or a list that apt has just replaced
        else:
            yield ("-o", f"Dir::State::lists={folder}")


def _is_worth(files: list[str], lists: str, run: Callable[..., bytes]) -> bool:
    try:
        facts = [os.stat(path) for path in files]  # noqa: PTH116
        if sum(fact.st_size for fact in facts) < _WORTH or not os.access(_HELPER, os.X_OK):
            return False
        if not all(stat.S_ISREG(fact.st_mode) for fact in facts):
            return False
        told = run("apt-config", "shell", "lists", "Dir::State::lists/d", "cache", "Dir::Cache::pkgcache/f")
        settings = dict(_SETTINGS.findall(os.fsdecode(told)))
        if settings.get("lists", "").rstrip("/") != lists:
            return False
        cache = settings.get("cache", "")
        return not cache or os.stat(cache).st_mtime < max(fact.st_mtime for fact in facts)  # noqa: PTH116
    except FileNotFoundError:
        return True
    except (OSError, TableError):
        return False


def _blocks(path: str, query: Query, *, is_packed: bool) -> Iterator[bytes]:
    """Yield the text of a list; raises OSError."""
    if not is_packed:
        with open(path, "rb") as file:  # noqa: PTH123
            yield from _read(file, query)
        return
    import subprocess

    from kolide_kit.processes import kill_group, start_process

    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    environment = program_environment(os.environ)
    with start_process((_HELPER, "cat-file", path), cwd="/", env=environment, **options) as process:
        assert process.stdout is not None
        try:
            yield from _read(process.stdout, query)
        except BaseException:
            kill_group(process)
            raise
    if process.returncode:
        raise OSError(f"{_HELPER} cannot read {path}")


def _read(file: IO[bytes], query: Query) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        query.check()
        yield block


def _copy(blocks: Iterator[bytes], packages: set[bytes], copy: IO[bytes]) -> None:
    """Write the stanzas of the named packages. Raises OSError for what is not a list."""
    rest = b""
    for block in blocks:
        *stanzas, rest = (rest + block).split(b"\n\n")
        if len(rest) > _LONGEST:
            raise OSError("a stanza is too long")
        copy.writelines(stanza + b"\n\n" for stanza in stanzas if _name(stanza) in packages)
    if _name(rest) in packages:
        copy.write(rest)


def _name(stanza: bytes) -> bytes:
    start = 0 if stanza.startswith(_HEAD) else stanza.find(b"\n" + _HEAD) + 1
    return stanza[start + len(_HEAD) :].partition(b"\n")[0].strip() if _HEAD in stanza else b""
