"""Make packages of bundles: check all input, write to a work folder, put the files in place."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit import elf
from kolide_kit.atomic import move_files, place_of, work_folder
from kolide_kit.installed import install_hint
from kolide_kit.times import source_date

from ..errors import PackagingError
from . import msi, nfpm, pkg, tarball
from .bundle import SYSTEMS, Bundle, read_bundle
from .inputs import Osqueryd, read_flags, read_osqueryd, read_secret
from .layout import Added, lay_out
from .manifest import Made, checksums, describe_file, make_manifest
from .model import Package
from .names import check_identifier, check_name
from .sbom import make_sbom
from .signing import Keys
from .texts import check_text, check_texts
from .version import parse_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kolide_kit.progress import Progress

    from .model import Kind

FORMS = {
    "deb": ("linux",),
    "rpm": ("linux",),
    "apk": ("linux",),
    "arch": ("linux",),
    "msi": ("win32",),
    "pkg": ("darwin",),
    "tar": ("linux", "darwin"),
}
"""The forms of packages, each with its platforms."""


class Options(NamedTuple):
    """The choices for packaging."""

    output: Path = Path("build/packages")
    forms: tuple[str, ...] = ()
    """Names in `FORMS`; if none is named, all that fit the bundles."""
    kind: Kind = "add-on"
    osqueryd: tuple[Path, ...] = ()
    """The osqueryd of a full package, one for each platform and machine."""
    flags: Path | None = None
    secret: Path | None = None
    identifier: str = ""
    name: str = ""
    version: str = ""
    release: int = 1
    root: str = ""
    load_list: str = ""
    summary: str = ""
    description: str = ""
    maintainer: str = ""
    homepage: str = ""
    license: str = "LicenseRef-unstated"
    depends: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    keys: Keys = Keys()
    force: bool = False
    """Replace files that are there."""


class Packaged(NamedTuple):
    """The result of packaging."""

    packages: tuple[Made, ...]
    manifest: Path
    sboms: tuple[Path, ...]
    checksums: Path
    warnings: tuple[str, ...] = ()
    """A line for each fact that does no harm here but should be looked at."""


class _Job(NamedTuple):
    form: str
    package: Package
    file: str


def package(
    bundles: Sequence[Path],
    options: Options = Options(),  # noqa: B008
    *,
    progress: Progress | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Packaged:
    """Make packages of a bundle, or of several for different platforms.

    Args:
        bundles: see `read_bundle`.
        options: the choices.
        progress: is told of each step.
        environment: SOURCE_DATE_EPOCH in it dates everything; otherwise the bundle's date does.

    Raises:
        PackagingError: an option or a file is wrong, or a tool failed; nothing was written.
    """
    step = (lambda _: None) if progress is None else progress.step
    step("looking at what goes in")
    contents = [read_bundle(path) for path in bundles]
    osqueryds = [read_osqueryd(path) for path in options.osqueryd]
    packages = [(bundle, _package(bundle, osqueryds, options, environment)) for bundle in _distinct(contents)]
    jobs = list(_jobs(packages, options))
    osquery = next((osqueryd.version for osqueryd in osqueryds if osqueryd.version), "")
    _check_output(jobs, options)
    output = options.output.absolute()
    work = None
    try:
        with work_folder(output, ".package-") as work:
            results = []
            for job in jobs:
                step(f"writing {job.file}")
                folder = work / f"{job.file}.work"
                folder.mkdir()
                file = _render(job, folder, options.keys)
                if job.package.secret:
                    file.chmod(0o600)
                signed = options.keys.key(job.form) is not None
                results.append(describe_file(job.form, file, job.package, signed=signed))
            step("writing bills of materials, manifest and checksums")
            done = _finish(results, packages, osquery, work, output)
            return done._replace(warnings=tuple(line for bundle in contents for line in _warnings(bundle)))
    except OSError as error:
        if work is None:
            raise PackagingError(f"cannot write to {options.output}: {error.strerror}") from error
        raise PackagingError(f"{place_of(error, work, options.output)}: {error.strerror or error}") from error


def forms_for(bundles: Sequence[Path], options: Options) -> tuple[str, ...]:
    """Return the forms to be made: those that were named, or all that fit the bundles.

    Raises:
        PackagingError: one of the paths is not a bundle.
    """
    return _forms((read_bundle(path).platform for path in bundles), options)


def count_steps(bundles: Sequence[Path], options: Options) -> int:
    """Return the number of steps that `package` will report.

    Raises:
        PackagingError: one of the paths is not a bundle.
    """
    platforms = [read_bundle(path).platform for path in bundles]
    forms = options.forms or tuple(FORMS)
    return 2 + sum(platform in FORMS.get(form, ()) for form in dict.fromkeys(forms) for platform in platforms)


def _forms(platforms: Iterable[str], options: Options) -> tuple[str, ...]:
    known = frozenset(platforms)
    return tuple(dict.fromkeys(options.forms)) or tuple(
        form for form, fitting in FORMS.items() if not known.isdisjoint(fitting)
    )


def _distinct(bundles: Sequence[Bundle]) -> Sequence[Bundle]:
    seen: dict[tuple[str, str], Bundle] = {}
    for bundle in bundles:
        other = seen.setdefault((bundle.platform, bundle.machine), bundle)
        if other is not bundle:
            raise PackagingError(
                f"{other.given} and {bundle.given} are both for {SYSTEMS[bundle.platform]} "
                f"on {bundle.machine}; give one"
            )
        if bundle.name.lower() != bundles[0].name.lower():
            raise PackagingError(
                f"{bundle.given} holds {bundle.name}, and {bundles[0].given} {bundles[0].name}"
            )
    return bundles


def _package(
    bundle: Bundle, osqueryds: Sequence[Osqueryd], options: Options, environment: Mapping[str, str]
) -> Package:
    full = options.kind == "full"
    if not full and (options.osqueryd or options.flags or options.secret):
        raise PackagingError(
            "--osqueryd, --flags and --secret belong to a --full package; an add-on has none of them"
        )
    given = options.version or bundle.stamp.get("version", "")
    if not given or given == "unknown":
        raise PackagingError(f"{bundle.given}: the bundle has no version in it; give --version")
    plain = bundle.name.lower().replace("_", "-").replace(".", "-")
    identifier = check_identifier(options.identifier or plain)
    name = check_name(options.name or (identifier if full else bundle.name))
    if options.release < 1:
        raise PackagingError("--release begins with 1")
    for option, path in (("--root", options.root), ("--load-list", options.load_list)):
        if path and (not path.startswith("/") or ".." in path.split("/") or not path.isprintable()):
            raise PackagingError(f"{option} {path}: has to be an absolute path")
    summary = f"Tables for osquery, by {bundle.name}"
    description = f"The extension {bundle.name}, which the osqueryd of this machine starts by itself."
    if full:
        summary = f"Osqueryd with the extension {bundle.name}"
        description = (
            f"An osqueryd that runs as the service {identifier} and loads the extension {bundle.name}."
        )
    draft = Package(
        name=name,
        version=parse_version(given),
        release=options.release,
        kind=options.kind,
        identifier=identifier,
        platform=bundle.platform,
        machine=bundle.machine,
        summary=check_text("--summary", options.summary) or summary,
        description=check_text("--description", options.description, lines=True) or description,
        maintainer=check_text("--maintainer", options.maintainer) or f"{identifier} <root@localhost>",
        homepage=check_text("--homepage", options.homepage),
        license=check_text("--license", options.license) or Options().license,
        load_list=options.load_list,
        depends=check_texts("--depends", options.depends),
        recommends=() if full else ("osquery",),
        conflicts=check_texts("--conflicts", options.conflicts),
        build_time=_date(bundle, environment),
        libc=bundle.libc,
    )
    added = Added(
        _osqueryd(bundle, osqueryds).path if full else None,
        read_flags(options.flags) if options.flags else None,
        read_secret(options.secret) if options.secret else None,
    )
    return lay_out(draft._replace(glibc=_glibc(bundle)), bundle, options.root, added)


def _osqueryd(bundle: Bundle, osqueryds: Sequence[Osqueryd]) -> Osqueryd:
    for osqueryd in osqueryds:
        fits = bundle.machine in osqueryd.machines or len(osqueryd.machines) > 1
        if osqueryd.platform == bundle.platform and fits:
            return osqueryd
    where = f"{SYSTEMS[bundle.platform]} on {bundle.machine}"
    if not osqueryds:
        raise PackagingError(f"a --full package carries an osqueryd: give --osqueryd PATH, for {where}")
    raise PackagingError(
        f"--osqueryd {osqueryds[0].path}: is for another platform; {bundle.given} is for {where}"
    )


def _date(bundle: Bundle, environment: Mapping[str, str]) -> int:
    try:
        seconds = source_date(environment)
    except ValueError as error:
        raise PackagingError(str(error)) from error
    if seconds is not None:
        return seconds
    try:
        return int(datetime.fromisoformat(bundle.stamp["date"]).timestamp())
    except (KeyError, ValueError):
        return int(datetime.now(UTC).timestamp())


def _glibc(bundle: Bundle) -> str:
    if bundle.libc != "glibc":
        return ""
    try:
        return elf.oldest_glibc(bundle.files)
    except ImportError as error:
        hint = install_hint(error.name or "elftools", "build")
        raise PackagingError(f"{error.name} is not installed; {hint}") from error


def _warnings(bundle: Bundle) -> Sequence[str]:
    if bundle.platform != "linux":
        return ()
    return [
        f"{count} of the bundle's binaries look for libraries in {folder}: "
        "who can make that folder on a machine runs code in osqueryd"
        for folder, count in elf.foreign_folders(bundle.files).items()
    ]


def _jobs(packages: Sequence[tuple[Bundle, Package]], options: Options) -> Sequence[_Job]:
    jobs = []
    for form in _forms((package.platform for _, package in packages), options):
        if form not in FORMS:
            raise PackagingError(f"no form {form!r}; there are {', '.join(FORMS)}")
        matching = [pair for pair in packages if pair[1].platform in FORMS[form]]
        if not matching:
            bundle = packages[0][0]
            names = " or ".join(SYSTEMS[platform] for platform in FORMS[form])
            raise PackagingError(
                f"{form}: needs a bundle for {names}; {bundle.given} is for {SYSTEMS[bundle.platform]} "
                "(freezing makes one for the system it runs on)"
            )
        for bundle, package in matching:
            if form in ("deb", "rpm", "arch") and package.libc == "musl":
                raise PackagingError(
                    f"{form}: {bundle.given} is linked with musl, and these systems have glibc"
                )
            jobs.append(_Job(form, package, _file_name(form, package)))
        _check_tool(form)
    return jobs


def _file_name(form: str, package: Package) -> str:
    if form in nfpm.FORMS:
        return nfpm.file_name(package, form)
    return {"msi": msi.file_name, "pkg": pkg.file_name, "tar": tarball.file_name}[form](package)


def _check_tool(form: str) -> None:
    if form != "tar":
        {"msi": msi.find_wixl, "pkg": pkg.find_bsdtar}.get(form, nfpm.find_nfpm)()


def _render(job: _Job, folder: Path, keys: Keys) -> Path:
    if job.form in nfpm.FORMS:
        return nfpm.render(job.package, job.form, folder, keys)
    if job.form == "msi":
        return msi.render(job.package, folder, keys)
    if job.form == "pkg":
        return pkg.render(job.package, folder)
    return tarball.render(job.package, folder)


def _stem(package: Package) -> str:
    return f"{package.name}-{package.version.text}"


def _check_output(jobs: Sequence[_Job], options: Options) -> None:
    """Refuse to replace a file that is there, unless --force allows it."""
    if options.output.exists() and not options.output.is_dir():
        raise PackagingError(f"{options.output} is a file; --output names a folder")
    if options.force:
        return
    stem = _stem(jobs[0].package)
    for name in (*(job.file for job in jobs), f"{stem}.manifest.json", f"{stem}.sha256"):
        if (options.output / name).exists():
            raise PackagingError(f"{options.output / name} is there already; --force replaces it")


def _finish(
    results: list[Made], packages: Sequence[tuple[Bundle, Package]], osquery: str, work: Path, output: Path
) -> Packaged:
    stem = _stem(results[0].package)
    sboms = []
    for bundle, laid_out in packages:
        if any(result.package is laid_out for result in results):
            osqueryd = next(
                (e for e in laid_out.entries if e.path.rpartition("/")[2].startswith("osqueryd")), None
            )
            sboms.append(work / f"{_stem(laid_out)}-{laid_out.platform}-{laid_out.machine}.cdx.json")
            _write_json(sboms[-1], make_sbom(laid_out, bundle, osqueryd, osquery))
    manifest = work / f"{stem}.manifest.json"
    _write_json(manifest, make_manifest(results, osquery))
    described = [*(result.file for result in results), *sboms, manifest]
    sums = work / f"{stem}.sha256"
    sums.write_text(checksums(described), encoding="utf-8")
    # The checksums come last: once they are there, every other file is.
    move_files([*described, sums], output)
    return Packaged(
        tuple(result._replace(file=output / result.file.name) for result in results),
        output / manifest.name,
        tuple(output / sbom.name for sbom in sboms),
        output / sums.name,
    )


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
