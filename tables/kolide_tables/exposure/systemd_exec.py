"""kolide_systemd_exec: the directives that confine services, from unit files and drop-ins.

Systemd need not run.
"""

from collections.abc import Iterator

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable
from osquery_sdk import Column, Query, Row, table

from ..reading.specifiers import Specifiers
from ..reading.unitfiles import Directive, Unit, UnitFiles
from ..reading.unittext import YES
from .execsettings import effective, has_specifiers


class SystemdExec(Row):
    """A directive that applies to a service, or a service that has none."""

    unit: str = Column(
        "Service's name, with .service; by its alias, if the statement names that", index=True, key=True
    )
    directive: str | None = Column(
        "NoNewPrivileges, ProtectSystem, SystemCallFilter, User, ...; empty in the one row of a service "
        "that nothing confines",
        key=True,
    )
    value: str | None = Column(
        "Its value, with specifiers such as %i replaced; a directive that takes several has a row for each "
        "line of them",
        key=True,
    )
    drop_in: str | None = Column("Drop-in that says so; empty if the unit's own file does", key=True)
    user: str = Column(
        "User that it runs as: root unless it says another one; (dynamic) if systemd makes one up"
    )
    path: str = Column("The unit's own file")
    other_names: list[str] = Column("JSON list of the unit's other names, which select it as well")


@table(
    "kolide_systemd_exec",
    platforms=("linux",),
    elsewhere="systemd is Linux's; osquery itself has launchd for macOS and services for Windows",
    examples=(
        "select unit, directive, value from kolide_systemd_exec where unit = 'ssh.service'",
        (
            "select id, fragment_path from systemd_units where id like '%.service' "
            "and active_state = 'active' and id not in (select unit from kolide_systemd_exec "
            "where directive = 'NoNewPrivileges' and value in ('yes', 'true', 'on', '1'))"
        ),
    ),
)
def systemd_exec(query: Query) -> Iterator[SystemdExec]:
    """Directives that confine systemd's services: users, capabilities, sandboxing, system call filters.

    Masked services cannot start, and have no rows.
    """
    return exec_rows(query, UnitFiles())


def exec_rows(query: Query, files: UnitFiles) -> Iterator[SystemdExec]:
    """Yield the rows from unit files."""
    specifiers = Specifiers(files)
    named = query.equals("unit")
    for name in files.names(".service") if named is None else named:
        query.check()
        if not name.endswith(".service") or not query.matches("unit", name):
            continue
        unit = files.named(name)
        if unit is None or unit.masked:
            continue
        try:
            directives = [
                _resolved(directive, unit, specifiers)
                for directive in files.directives(unit, query.warn)
                if directive.section == "Service"
            ]
        except (Unreadable, LimitExceeded) as error:
            query.warn(str(error))
            continue
        names = [unit.name, *files.aliases(unit)]
        other_names = [each for each in names if each != name]
        yield from _rows_of(name, files.shown(unit), other_names, list(effective(directives)))


def _rows_of(
    name: str, path: str, other_names: list[str], directives: list[Directive]
) -> Iterator[SystemdExec]:
    user = _user(directives)
    for directive in directives:
        yield SystemdExec(
            unit=name,
            directive=directive.key,
            value=directive.value,
            drop_in=None if directive.path == path else directive.path,
            user=user,
            path=path,
            other_names=other_names,
        )
    if not directives:
        yield SystemdExec(
            unit=name,
            directive=None,
            value=None,
            drop_in=None,
            user=user,
            path=path,
            other_names=other_names,
        )


def _resolved(directive: Directive, unit: Unit, specifiers: Specifiers) -> Directive:
    if not has_specifiers(directive.key):
        return directive
    # A value of specifiers that are empty is left as it is: it takes nothing back, as an empty one would.
    return directive._replace(value=specifiers.resolve(directive.value, unit) or directive.value)


def _user(directives: list[Directive]) -> str:
    values = {directive.key: directive.value for directive in directives}
    if values.get("DynamicUser", "").lower() in YES:
        return "(dynamic)"
    return values.get("User", "root")
