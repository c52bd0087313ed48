"""Check whether osqueryd would load an extension: the command `doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kolide_kit.streams import stdout

from .exit_codes import Misuse
from .output import clean, colours
from .parser import Command, add_options

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Sequence

    from ..doctor import Check, Context

_HELP = "check whether osqueryd would load this extension; if not, say why and what to do"
_SETTINGS = {
    "--flagfile": ("PATH", "osqueryd's flag file (that of the running osqueryd, or osquery's default)"),
    "--extensions-autoload": ("PATH", "osqueryd's load list of extensions (as its flags say)"),
    "--socket": ("PATH", "osqueryd's extension socket (as its flags say)"),
    "--osqueryd": ("PATH", "the program osqueryd (found on PATH)"),
    "--user": ("NAME", "user that osqueryd runs as (that of its process, or root)"),
}
_COLOURS = {"ok": "32", "warning": "33", "failed": "31", "skipped": "2"}


def doctor_command() -> Command:
    """Return the command `doctor` of `osquery-sdk`, which checks named extensions, or the load list."""

    def add_arguments(parser: ArgumentParser) -> None:
        _add_options(parser)
        parser.add_argument(
            "extension",
            nargs="*",
            metavar="EXTENSION",
            help="file of an extension (all those of the load list)",
        )

    def chosen(options: Namespace, context: Context) -> Sequence[Path]:
        from ..doctor import listed_extensions

        return [Path(name) for name in options.extension] or listed_extensions(context)

    return Command(
        "doctor",
        "check whether osqueryd would load an extension; if not, say why and what to do",
        (
            "doctor",
            "doctor /usr/lib/osquery/extensions/hello/hello.ext",
            "doctor --flagfile /etc/osquery/osquery.flags --json ./hello.ext",
        ),
        add_arguments,
        lambda options: _run(options, chosen),
    )


def extension_doctor_command() -> Command:
    """Return the command `doctor` of an extension's program, which checks the program itself."""
    return Command(
        "doctor",
        _HELP,
        ("doctor", "doctor --json", "doctor --socket /var/osquery/osquery.em"),
        _add_options,
        lambda options: _run(options, lambda options, context: [_own_file()]),
    )


def _own_file() -> Path:
    """Return the file that osqueryd would start."""
    return Path(sys.executable if getattr(sys, "frozen", False) else sys.argv[0]).absolute()


def _add_options(parser: ArgumentParser) -> None:
    add_options(parser, _SETTINGS)
    parser.add_argument("--no-start", action="store_true", help="do not start the extension for the checks")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def _run(options: Namespace, chosen: Callable[[Namespace, Context], Sequence[Path]]) -> int:
    from ..doctor import Context, Settings, examine, examine_system, failed

    def path(text: str | None) -> Path | None:
        return None if text is None else Path(text).absolute()

    context = Context(
        Settings(
            flagfile=path(options.flagfile),
            autoload=path(options.extensions_autoload),
            socket=options.socket,
            osqueryd=path(options.osqueryd),
            uid=_uid(options.user),
            start=not options.no_start,
        )
    )

    def checks() -> Iterator[Check]:
        yield from examine_system(context)
        for extension in chosen(options, context):
            yield from examine(context, extension)

    done = _print_json(checks()) if options.json else _print(checks())
    return 1 if failed(done) else 0


def _uid(user: str | None) -> int | None:
    if user is None or sys.platform == "win32":
        return None
    import pwd

    try:
        return int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise Misuse(f"unknown user {user}") from None


def _print_json(checks: Iterator[Check]) -> list[Check]:
    import json

    from ..doctor import failed

    done = list(checks)
    listed = [{"extension": check.extension, "name": check.name, **check.finding._asdict()} for check in done]
    # json.dumps escapes file names that are not UTF-8.
    print(json.dumps({"loads": not failed(done), "checks": listed}, indent=2), file=stdout())
    return done


def _print(checks: Iterator[Check]) -> list[Check]:
    """Print each check when it is done: the start of an extension may take a while."""
    from ..doctor import EXTENSION_CHECKS, failed

    has_colours = colours(stdout())
    width = max(map(len, EXTENSION_CHECKS))
    done: list[Check] = []
    for check in checks:
        if not done or done[-1].extension != check.extension:
            print(clean(check.extension or "osqueryd"), file=stdout())
        status, message, cure = check.finding
        shown = f"\x1b[{_COLOURS[status]}m{status:<7}\x1b[0m" if has_colours else f"{status:<7}"
        print(f"  {shown}  {check.name:<{width}}  {clean(message)}", file=stdout())
        if cure and status != "ok":
            print(f"  {'':<7}  {'':<{width}}  $ {clean(cure)}", file=stdout())
        stdout().flush()
        done.append(check)
    extensions = {check.extension for check in done} - {""}
    subject = "it" if len(extensions) == 1 else "all of them" if extensions else "any extension"
    if wrong := failed(done):
        names = ", ".join(dict.fromkeys(check.name for check in wrong))
        print(f"osqueryd would not load {subject}: {names}", file=stdout())
    elif extensions:
        print(f"osqueryd would load {subject}", file=stdout())
    else:
        print("no extension was checked: none is named, and the load list is empty", file=stdout())
    return done
