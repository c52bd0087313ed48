"""Build a program from an extension: find, probe, freeze and run it, report, put it in place."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.atomic import move_files, place_of, work_folder
from kolide_kit.elf import oldest_glibc
from kolide_kit.processes import run_process
from kolide_kit.signals import stop_handler

from ..errors import FreezeError
from ..tables.deferred import RECORD
from ..vocabulary import PROGRAM_SUFFIX
from . import pyinstaller
from .data import data_files
from .distributions import Installed
from .graph import RARE
from .report import Report, size_of, sizes_by_package
from .sbom import make_sbom
from .stamp import build_date, make_stamp
from .target import find_target

if TYPE_CHECKING:
    from kolide_kit.progress import Progress

    from .target import Target

_STAMP = "build.json"
_PROBE_TIMEOUT = 120


class Options(NamedTuple):
    """The choices for a build."""

    output: Path = Path("build")
    name: str | None = None
    onefile: bool = False
    tmpdir: str | None = None
    """The folder to which the one-file form unpacks itself at run time; the temporary folder unless given."""
    include: tuple[str, ...] = ()
    """Modules that the extension imports in ways that no analysis sees."""
    exclude: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    """Packages whose data files the extension reads."""
    metadata: tuple[str, ...] = ()
    """Distributions that the extension asks `importlib.metadata` for without having a module of them."""
    entry_points: tuple[str, ...] = ()
    """Groups of entry points that the extension loads without naming them in its code."""


class Built(NamedTuple):
    """The result of a build."""

    program: Path
    """The file that osqueryd autoloads."""
    link: Path | None
    """A link to the program, for a person to run; None in the one-file form."""
    sbom: Path
    report_file: Path
    report: Report


def build(
    extension: str,
    options: Options = Options(),  # noqa: B008  a constant
    *,
    progress: Progress | None = None,
) -> Built:
    """Freeze an extension and run the result.

    Args:
        extension: see `find_target`.
        options: the choices.
        progress: is told of each step.

    Raises:
        TargetError: there is no such extension.
        FreezeError: it cannot be frozen, or the result does not run. The result of an earlier build is kept.
    """
    step, say = (progress.step, progress.detail) if progress is not None else (_silent, _silent)
    target = find_target(extension, name=options.name)
    pyinstaller.require()
    if options.metadata or options.entry_points:
        Installed().require(metadata=options.metadata, groups=options.entry_points)
    output = options.output.absolute()
    date = build_date(os.environ)
    work = None
    try:
        with work_folder(output, f".{target.name}-") as work:
            step(f"looking into {target.name}")
            facts = probe(target, work)
            stamp = make_stamp(facts["version"], target.home, os.environ)
            (work / _STAMP).write_text(json.dumps({"name": target.name, **stamp}, indent=2), encoding="utf-8")
            # Python's library loads some modules for rare occasions. The extension did not ask for them: see
            # graph.py.
            loaded = [name for name in facts["modules"] if name.partition(".")[0] not in RARE]
            data = data_files(options.data, target.folders)
            record = write_record(facts["record"], work)
            step("freezing")
            recipe = pyinstaller.Recipe(
                modules=[RECORD, *loaded, *options.include, *options.data],
                excludes=options.exclude,
                kept=options.include,
                datas=[(str(work / _STAMP), "."), *data],
                data=options.data,
                metadata=options.metadata,
                groups=options.entry_points,
                program=target.name + PROGRAM_SUFFIX,
                folder=f"{target.name}.bundle",
                onefile=options.onefile,
                tmpdir=options.tmpdir,
            )
            contents = pyinstaller.run(
                target._replace(folders=(*target.folders, record)), recipe, work=work, say=say
            )
            bundle = work / "dist" / (recipe.program if options.onefile else recipe.folder)
            set_modes(bundle, int(date.timestamp()) if "SOURCE_DATE_EPOCH" in os.environ else None)
            program = bundle if options.onefile else bundle / recipe.program
            step("running it")
            from .smoke import smoke  # imports the engine, which `require` has made sure of

            trial = smoke(program, facts["tables"], folders=target.folders, tmpdir=options.tmpdir, say=say)
            step("writing the report")
            report = Report(
                name=target.name,
                version=facts["version"],
                form="one-file" if options.onefile else "one-folder",
                size=size_of(bundle),
                packages=sizes_by_package(program, contents),
                **trial._asdict(),
                glibc=oldest_glibc([program, *map(Path, contents["binaries"].values())])
                if sys.platform == "linux"
                else "",
                missing=contents["missing"],
                stamp=stamp,
            )
            digest = hashlib.sha256(program.read_bytes()).hexdigest()
            sbom = make_sbom(target.name, facts["version"], contents, date=date, digest=digest)
            return _install(bundle, output, target, options.onefile, report, sbom)
    except OSError as error:
        if work is None:
            raise FreezeError(f"cannot write to {options.output}: {error.strerror}") from error
        raise FreezeError(f"{place_of(error, work, options.output)}: {error.strerror or error}") from error


def _silent(text: str) -> None:
    """Ignore a step of a build without a progress."""


def probe(target: Target, work: Path) -> dict[str, Any]:
    """Return the facts that `probe.py` finds out about the extension.

    Raises:
        FreezeError: it cannot be imported, runs no Extension, or has no plugins.
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


def write_record(facts: dict[str, Any], work: Path) -> Path:
    """Write the module with the facts of the tables, see `tables/deferred.py`; return its folder."""
    folder = work / "record"
    folder.mkdir()
    (folder / f"{RECORD}.py").write_text(f"TABLES = {facts!r}\n", encoding="utf-8")
    return folder


def set_modes(path: Path, seconds: int | None) -> None:
    """Give files the modes that osqueryd wants: only the owner may write.

    Args:
        path: a file or folder.
        seconds: the time of change for all files; None leaves it.
    """
    for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
        if not file.is_symlink():
            runs = file.is_dir() or file.suffix == PROGRAM_SUFFIX
            file.chmod(0o755 if runs else 0o644)
        if seconds is not None and os.utime in os.supports_follow_symlinks:
            os.utime(file, (seconds, seconds), follow_symlinks=False)


def _install(
    bundle: Path, output: Path, target: Target, onefile: bool, report: Report, sbom: dict[str, Any]
) -> Built:
    """Put the result in the place of an earlier build's."""
    stem = target.name + PROGRAM_SUFFIX if onefile else target.name
    files = bundle.parent / f"{stem}.cdx.json", bundle.parent / f"{stem}.report.json"
    for file, content in zip(files, (sbom, report.as_json()), strict=True):
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    place = output / bundle.name
    link = None
    program = place
    with stop_handler():
        _replace(bundle, place)
        if not onefile:
            program = place / (target.name + PROGRAM_SUFFIX)
            if os.name == "posix":
                link = output / target.name
                new = bundle.parent / "link"
                new.symlink_to(Path(place.name, program.name))
                _replace(new, link)
        move_files(files, output)
    sbom_file, report_file = (output / file.name for file in files)
    return Built(program, link, sbom_file, report_file, report)


def _replace(new: Path, place: Path) -> None:
    """Move a file or folder to a place. A folder that is there moves to the work folder, which is removed."""
    old = new.with_name(f"{new.name}.old")
    if place.is_dir() and not place.is_symlink():
        place.rename(old)
    new.rename(place) if place.is_dir() or not os.path.lexists(place) else new.replace(place)
