"""Make packages from a frozen program: the command `package`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kolide_kit.author_code import to_stderr

from .exit_codes import Misuse
from .parser import Command, add_options, fields_of, given, given_path

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ..packaging import Options, Packaged

# These forms have no field for a maintainer.
_NAMELESS = frozenset(("pkg", "tar"))
_FORMS = "deb, rpm, apk, arch, msi, pkg, tar"
_KINDS = {
    "add-on": "package the extension alone, for machines that have osquery (the default)",
    "full": "package the extension with osqueryd, its settings and a service",
}
_FILES = {
    "--flags": ("FILE", "flag file for a full package"),
    "--secret": ("FILE", "enrollment secret for a full package"),
    "--output": ("DIR", "write to this folder (build/packages)"),
}
_NAMES = {
    "--name": ("NAME", "name of the package (the bundle's)"),
    "--version": ("VERSION", "version of the package (the bundle's)"),
}
_DESCRIPTIONS = {
    "--identifier": ("ID", "short name of the publisher, for folders and the service"),
    "--root": ("PATH", "install below this folder (the platform's)"),
    "--load-list": ("PATH", "add the extension to this load list of osqueryd (osquery's default)"),
    "--summary": ("TEXT", "describe the extension in one line"),
    "--description": ("TEXT", "describe the extension in more than a line"),
    "--maintainer": ("NAME", 'maintainer, as "Name <mail address>"'),
    "--homepage": ("URL", "web page of the extension"),
    "--license": ("SPDX", "licence of the extension, as an SPDX identifier"),
}
_SEVERAL = {
    "--depends": ("NAME", "require this package; may be given several times"),
    "--conflicts": ("NAME", "exclude this package; may be given several times"),
    "--sign": (
        "KIND=FILE",
        "sign with this private key: gpg=FILE for deb and rpm, rsa=FILE for apk, authenticode=FILE for msi",
    ),
}


def package_command() -> Command:
    """Return the command `package` of `osquery-sdk`."""
    return Command(
        "package",
        "make packages of a bundle, for every system's own installer",
        (
            "package build/hello.bundle --to deb,rpm",
            "package build/hello.bundle --to tar --version 1.2.3 --output dist",
            (
                "package build/hello.bundle --full --identifier acme --osqueryd /usr/bin/osqueryd"
                " --flags acme.flags --secret acme.secret"
            ),
        ),
        _add_arguments,
        _run,
    )


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "bundle",
        nargs="+",
        type=given_path,
        metavar="BUNDLE",
        help="folder that osquery-sdk build made, or its program; one for each platform",
    )
    to = f"make these packages: any of {_FORMS} (those that fit the bundle)"
    add_options(parser, {"--to": ("FORMS", to)}, action="append", type=given)
    kind = parser.add_mutually_exclusive_group()
    for name, text in _KINDS.items():
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name, help=text)
    add_options(
        parser, {"--osqueryd": ("PATH", "osqueryd for a full package")}, action="append", type=given_path
    )
    add_options(parser, _FILES, type=given_path)
    add_options(parser, _NAMES, type=given)
    parser.add_argument("--release", type=int, metavar="N", help="release of this version (1)")
    add_options(parser, _DESCRIPTIONS, type=given)
    add_options(parser, _SEVERAL, action="append", type=given)
    parser.add_argument("--force", action="store_true", help="replace existing packages")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")


def _run(options: Namespace) -> int:
    from kolide_kit.progress import Progress

    from ..packaging import count_steps, forms_for, package

    wanted = _options(options)
    if not wanted.maintainer and not _NAMELESS.issuperset(forms_for(options.bundle, wanted)):
        wanted = wanted._replace(maintainer=_ask_maintainer())
    progress = Progress(steps=count_steps(options.bundle, wanted))
    try:
        done = package(options.bundle, wanted, progress=progress)
    finally:
        progress.close()
    if not wanted.maintainer and not _NAMELESS.issuperset(package.form for package in done.packages):
        done = done._replace(warnings=(*done.warnings, _placeholder(done)))
    if options.json:
        print(done.manifest.read_text(encoding="utf-8"), end="")
        for line in done.warnings:
            to_stderr(f"osquery-sdk package: {line}")
    else:
        _print(done)
    return 0


def _ask_maintainer() -> str:
    """Ask at the terminal who maintains the package; return "" without a terminal or an answer."""
    # A closed stream is None.
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        return ""
    from kolide_kit.git import git_identity

    known = git_identity(Path.cwd())
    hint = f" [{known}]" if known else ""
    print(f"Maintainer, as in Jane Doe <jane@example.com>{hint}: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        to_stderr("")
        return answer.strip()  # the end of input does not accept the suggestion
    return answer.strip() or known


def _placeholder(done: Packaged) -> str:
    """Return a warning about packages without a maintainer, which says how to name one."""
    import shlex

    from kolide_kit.git import git_identity

    known = git_identity(Path.cwd()) or "Jane Doe <jane@example.com>"
    name = done.packages[0].package.maintainer
    return f"their maintainer is a placeholder, {name}; to name one: --maintainer {shlex.quote(known)}"


def _options(options: Namespace) -> Options:
    from ..packaging import FORMS, Options, read_keys

    forms = tuple(form for names in options.to or () for form in names.split(",") if form)
    if options.to and not forms:
        raise Misuse(f"--to is empty; name some of {_FORMS}")
    for form in forms:
        if form not in FORMS:
            raise Misuse(f"--to {form}: unknown form; name some of {_FORMS}")
    return Options(**fields_of(Options, options), forms=forms, keys=read_keys(options.sign or ()))


def _print(done: Packaged) -> None:
    """Print the packages that were made, and what they contain for each platform."""
    first = done.packages[0].package
    print(f"{first.name} {first.version.text}, {first.kind}")
    contents = []
    for file in done.packages:
        if file.package not in contents:
            contents.append(file.package)
        marks = ", ".join(
            ("signed" if file.signed else "unsigned", *(["holds the secret"] if file.package.secret else []))
        )
        print(f"  {file.form:<5} {file.file.name}  {file.size / (1 << 20):.1f} MiB, {marks}")
        print(f"        sha256 {file.sha256}")
    for package in contents:
        inside = [entry for entry in package.entries if entry.path.startswith(f"{package.home}/")]
        files = sum(entry.kind in ("file", "link") for entry in inside)
        print(f"  contents for {package.platform} on {package.machine}:")
        print(f"    {package.program}, one of {files} files in {package.home}")
        for entry in package.entries:
            if entry not in inside and entry.kind != "folder":
                print(f"    {entry.path}  {entry.mode:04o}  {entry.kind}")
        how = "holds the line" if package.owns_load_list else "gets a line"
        print(f"    {package.load_list}  {how}")
    beside = ", ".join(file.name for file in (*done.sboms, done.manifest, done.checksums))
    print(f"  beside  {beside}")
    for line in done.warnings:
        print(f"  warning  {line}")
    sys.stdout.flush()
