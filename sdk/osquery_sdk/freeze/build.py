"""A build from its beginning to its end: find, probe, freeze, put in place, run, report."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from osquery_sdk.files import move_files, place_of, work_folder
from osquery_sdk.leftovers import run_process
from osquery_sdk.signals import stop_handler

from ..errors import FreezeError
from . import pyinstaller
from .data import data_files
from .distributions import Installed
from .elf import oldest_glibc
from .graph import RARE
from .report import Report, size_of, sizes_by_package
from .sbom import make_sbom
from .stamp import build_date, make_stamp
from .target import find_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .progress import Progress
    from .target import Target

SUFFIX = ".exe" if sys.platform == "win32" else ".ext"
"""What osqueryd takes for an extension when it is given a folder to load."""
_STAMP = "build.json"
_PROBE_TIMEOUT = 120


class Options(NamedTuple):
    """How to build."""

    output: Path = Path("build")
    name: str | None = None
    onefile: bool = False
    tmpdir: str | None = None
    """Where the one-file form unpacks itself at run time, in place of the temporary folder."""
    include: tuple[str, ...] = ()
    """Modules that the extension imports in ways that nobody can see."""
    exclude: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    """Packages whose data files it reads."""
    metadata: tuple[str, ...] = ()
    """Distributions that it asks `importlib.metadata` for and has no module of."""
    entry_points: tuple[str, ...] = ()
    """Groups of entry points that it loads and does not name in its code."""


class Built(NamedTuple):
    """What came of it."""

    program: Path
    """The file that osqueryd autoloads."""
    link: Path | None
    """What a person runs: a link to the program; None in the one-file form, where that is the program itself."""
    sbom: Path
    report_file: Path
    report: Report


def build(extension: str, options: Options = Options(), *, progress: Progress | None = None) -> Built:  # noqa: B008
    """Freeze an extension and run what came out.

    Args:
        extension: see `find_target`.
        options: how.
        progress: gets the steps.

    Raises:
        TargetError: there is no such extension.
        FreezeError: it cannot be frozen, or the result does not run; what was there before is still there.
    """
    step = progress.step if progress is not None else _silent
    say = progress.detail if progress is not None else _silent
    target = find_target(extension, name=options.name)
    pyinstaller.require()
    if options.metadata or options.entry_points:
        Installed().require(metadata=options.metadata, groups=options.entry_points)
    output = options.output.absolute()
    made = build_date(os.environ)
    stack = contextlib.ExitStack()
    try:
        work = stack.enter_context(work_folder(output, f".{target.name}-"))
    except OSError as error:
        raise FreezeError(f"cannot write to {options.output}: {error.strerror}") from error
    try:
        step(f"looking into {target.name}")
        facts = probe(target, work)
        stamp = make_stamp(facts["version"], target.home, os.environ)
        (work / _STAMP).write_text(json.dumps({"name": target.name, **stamp}, indent=2), encoding="utf-8")
        # What Python's library has loaded for a rare occasion is no wish of the extension's: see graph.py.
        loaded = [name for name in facts["modules"] if name.partition(".")[0] not in RARE]
        data = data_files(options.data, target.folders)
        step("freezing")
        contents = pyinstaller.run(
            target,
            modules=[*loaded, *options.include, *options.data],
            exclude=options.exclude,
            kept=options.include,
            datas=[(str(work / _STAMP), "."), *data],
            data=options.data,
            metadata=options.metadata,
            groups=options.entry_points,
            program=target.name + SUFFIX,
            folder=f"{target.name}.bundle",
            onefile=options.onefile,
            tmpdir=options.tmpdir,
            work=work,
            say=say,
        )
        made_of = work / "dist" / (target.name + SUFFIX if options.onefile else f"{target.name}.bundle")
        set_modes(made_of, int(made.timestamp()) if "SOURCE_DATE_EPOCH" in os.environ else None)
        program = made_of if options.onefile else made_of / (target.name + SUFFIX)
        step("running it")
        from .smoke import smoke  # needs the engine, which `require` has seen

        seen = smoke(program, facts["tables"], folders=target.folders, tmpdir=options.tmpdir, say=say)
        step("writing the report")
        report = Report(
            name=target.name,
            version=facts["version"],
            form="one-file" if options.onefile else "one-folder",
            size=size_of(made_of),
            packages=sizes_by_package(program, contents),
            start=seen.start,
            idle=seen.idle,
            queried=seen.queried,
            tables=seen.tables,
            glibc=oldest_glibc(_binaries(program, contents)) if sys.platform == "linux" else "",
            missing=contents["missing"],
            stamp=stamp,
        )
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        sbom = make_sbom(target.name, facts["version"], contents, made=made, digest=digest)
        return _install(made_of, output, target, options.onefile, report, sbom)
    except OSError as error:
        raise FreezeError(f"{place_of(error, work, options.output)}: {error.strerror or error}") from error
    finally:
        stack.close()


def _silent(text: str) -> None:
    """For a build that nobody watches."""


def probe(target: Target, work: Path) -> dict[str, Any]:
    """What the extension serves; see `probe.py`.

    Raises:
        FreezeError: it cannot be imported, is none, or has no plugins.
    """
    script = target.script
    if script is None:
        script = work / "start.py"
        script.write_text(target.source, encoding="utf-8")
    command = [sys.executable, str(pyinstaller.HERE / "probe.py"), str(script), target.name]
    try:
        done = run_process([*command, *map(str, target.folders)], timeout=_PROBE_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise FreezeError(f"{target.name} did not get to serving within {_PROBE_TIMEOUT} s") from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        raise FreezeError(f"{target.name} cannot be loaded: {lines[-1] if lines else 'it said nothing'}")
    facts: dict[str, Any] = json.loads(done.stdout)
    if not facts["plugins"]:
        raise FreezeError(f"{target.name} has no plugins: there is nothing to serve")
    return facts


def set_modes(path: Path, seconds: int | None) -> None:
    """Give files the modes that osqueryd wants: nobody but the owner may write.

    Args:
        path: a file or folder.
        seconds: the time of change that all files get; None leaves it.
    """
    for one in (path, *path.rglob("*")) if path.is_dir() else (path,):
        if not one.is_symlink():
            runs = one.is_dir() or one.suffix == SUFFIX
            one.chmod(0o755 if runs else 0o644)
        if seconds is not None and os.utime in os.supports_follow_symlinks:
            os.utime(one, (seconds, seconds), follow_symlinks=False)


def _binaries(program: Path, contents: dict[str, Any]) -> Iterator[Path]:
    """The program and the binaries that it holds, as they were before they were packed."""
    yield program
    yield from (Path(path) for path in contents["binaries"].values())


def _install(
    made: Path, output: Path, target: Target, onefile: bool, report: Report, sbom: dict[str, Any]
) -> Built:
    """Put the result in place of the one before it."""
    stem = target.name + SUFFIX if onefile else target.name
    files = made.parent / f"{stem}.cdx.json", made.parent / f"{stem}.report.json"
    for file, content in zip(files, (sbom, report.as_json()), strict=True):
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    place = output / made.name
    link = None
    program = place
    with stop_handler():
        _replace(made, place)
        if not onefile:
            program = place / (target.name + SUFFIX)
            if os.name == "posix":
                link = output / target.name
                new = made.parent / "link"
                new.symlink_to(Path(place.name, program.name))
                _replace(new, link)
        move_files(files, output)
    sbom_file, report_file = (output / file.name for file in files)
    return Built(program, link, sbom_file, report_file, report)


def _replace(new: Path, place: Path) -> None:
    """Move a file or folder, the one that is there aside and away."""
    old = new.with_name(f"{new.name}.old")
    if place.is_dir() and not place.is_symlink():
        place.rename(old)
    new.rename(place) if place.is_dir() or not os.path.lexists(place) else new.replace(place)
