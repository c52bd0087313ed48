"""kolide_systemd_timers: systemd's timers, from the unit files, and from systemd itself if it runs.

Source: systemd.timer(5), systemctl(1).
"""

import os
import re
import time
from collections.abc import Callable, Iterator

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable
from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, TableError, run_program, table

from ..reading.specifiers import Specifiers
from ..reading.tools import find_tool
from ..reading.unitfiles import Directive, Unit, UnitFiles
from ..reading.unitnames import parse_name
from ..reading.unitstates import unit_state
from ..reading.unittext import NO, YES

_STAMPS = "/var/lib/systemd/timers"
RUNNING = "/run/systemd/system"  # sd_booted(3)
_PROPERTIES = (
    "Id,LoadState,Unit,TimersCalendar,NextElapseUSecRealtime,NextElapseUSecMonotonic,LastTriggerUSec,"
    "Persistent,WakeSystem,UnitFileState,FragmentPath"
)
# Settings that make one list of moments: an empty one of them takes back all.
_MOMENTS = frozenset((
    "OnCalendar", "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec",
))  # fmt: skip
_UNITS = {"y": 31_557_600.0, "month": 2_629_800.0, "w": 604_800.0, "d": 86_400.0, "h": 3_600.0}
_UNITS |= {"min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}


class SystemdTimer(Row):
    """A timer unit of the system's systemd."""

    unit: str = Column(
        "Timer's name, with .timer; by its alias, if the statement names that", index=True, key=True
    )
    activates: str = Column("Unit that it starts")
    next: int | None = Column(
        "Time at which it elapses next, Unix seconds; NULL if it is not active, or systemd does not run"
    )
    last: int | None = Column("Time at which it elapsed last, Unix seconds; NULL if never")
    calendar: str | None = Column(
        "Calendar expressions, separated by '; ', normalized if systemd has loaded the unit; empty if "
        "it only counts from events"
    )
    persistent: bool = Column("1 if a run that was missed while the machine was off is made up for")
    enabled: str = Column(
        "enabled, enabled-runtime, disabled, static, indirect, linked, linked-runtime, masked, "
        "masked-runtime, generated or transient"
    )
    fragment_path: str | None = Column("The unit's file")


@table(
    "kolide_systemd_timers",
    platforms=("linux",),
    elsewhere="systemd is Linux's; osquery itself has launchd for macOS and scheduled_tasks for Windows",
    # systemctl takes as long for one timer as for all, so those of a join are looked up in one answer.
    snapshot=True,
    examples=(
        (
            "select unit, activates, datetime(next, 'unixepoch') as next, datetime(last, 'unixepoch') as "
            "last from kolide_systemd_timers where enabled = 'enabled'"
        ),
        (
            "select t.unit, t.calendar, f.uid, f.mode from kolide_systemd_timers t "
            "join file f on f.path = t.fragment_path where t.fragment_path like '/etc/%'"
        ),
    ),
)
def systemd_timers(query: Query) -> Iterator[SystemdTimer]:
    """systemd's timers: the units they start, their last and next time, calendar, and whether they are
    enabled.
    """
    systemctl = find_tool("systemctl") if os.path.lexists(RUNNING) else None

    def run(*arguments: str) -> str:
        assert systemctl is not None
        # The dates of the answer can be read because its time zone is fixed.
        return shown(run_program(systemctl, *arguments, query=query, environment={"TZ": "UTC"}).stdout)

    return timer_rows(query, UnitFiles(), run if systemctl is not None else None)


def timer_rows(
    query: Query, files: UnitFiles, run: Callable[..., str] | None = None, stamps: str = _STAMPS
) -> Iterator[SystemdTimer]:
    """Yield the rows from unit files and, if `run` runs systemctl with arguments, from systemd itself."""
    loaded = {} if run is None else _loaded(query, run)
    specifiers = Specifiers(files)
    for name in sorted({*files.names(".timer"), *loaded, *_aliases(query, files)}):
        query.check()
        if name in loaded:
            yield _of_systemd(name, loaded[name])
            continue
        unit = files.named(name)
        if unit is not None and unit.name in loaded:
            yield _of_systemd(name, loaded[unit.name])
        elif unit is not None:
            row = _of_files(query, name, unit, files, stamps, specifiers)
            if row is not None:
                yield row


def _aliases(query: Query, files: UnitFiles) -> Iterator[str]:
    """Yield the names that the statement looks up, and that are other timers' aliases."""
    for name in query.equals("unit") or ():
        unit = files.named(name) if name.endswith(".timer") else None
        if unit is not None and unit.name != name:
            yield name


def _loaded(query: Query, run: Callable[..., str]) -> dict[str, dict[str, str]]:
    """Return the properties of the timers that systemd has loaded, by name."""
    try:
        output = run("show", "--all", "--no-pager", f"--property={_PROPERTIES}", "--", "*.timer")
    except TableError as error:
        query.check()
        query.warn(f"systemd does not answer, what it knows is left out: {error}")
        return {}
    units = parse_properties(output)
    return {unit["Id"]: unit for unit in units if unit.get("LoadState") == "loaded" and "Id" in unit}


def parse_properties(text: str) -> Iterator[dict[str, str]]:
    """Yield the units that `systemctl show` wrote.

    The values of a repeated property are joined by newlines.
    """
    properties: dict[str, str] = {}
    for line in [*text.split("\n"), ""]:
        key, equals, value = line.partition("=")
        if equals:
            properties[key] = f"{properties[key]}\n{value}" if key in properties else value
        elif not line and properties:
            yield properties
            properties = {}


def _of_systemd(name: str, properties: dict[str, str]) -> SystemdTimer:
    calendars = re.findall(r"OnCalendar=(.*?) ; next_elapse=", properties.get("TimersCalendar", ""))
    elapses = [
        parse_time(properties.get("NextElapseUSecRealtime", "")),
        _from_now(properties.get("NextElapseUSecMonotonic", ""), wakes=properties.get("WakeSystem") == "yes"),
    ]
    return SystemdTimer(
        unit=name,
        activates=properties.get("Unit", ""),
        next=min((moment for moment in elapses if moment is not None), default=None),
        last=parse_time(properties.get("LastTriggerUSec", "")),
        calendar="; ".join(reversed(calendars)) or None,  # systemd lists the last one first
        persistent=properties.get("Persistent") == "yes",
        enabled=properties.get("UnitFileState") or "transient",
        fragment_path=properties.get("FragmentPath") or None,
    )


def parse_time(text: str) -> int | None:
    """Return a date as systemd writes it under TZ=UTC ("Tue 2026-11-24 00:00:00 UTC"), in Unix seconds."""
    from datetime import datetime

    day, _, moment = text.partition(" ")
    if not day or not moment.endswith(" UTC"):
        return None
    try:
        return int(datetime.fromisoformat(moment.removesuffix(" UTC") + "+00:00").timestamp())
    except ValueError:
        return None


def parse_span(text: str) -> float | None:
    """Return a span of time as systemd writes it ("5h 15min 9.291731s"), in seconds."""
    seconds = 0.0
    for word in text.split():
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-z]+)", word)
        unit = None if match is None else _UNITS.get(match[2]) or _UNITS.get(match[2].removesuffix("s"))
        if match is None or unit is None:
            return None
        seconds += float(match[1]) * unit
    return seconds or None


def _from_now(span: str, *, wakes: bool) -> int | None:
    """Return a moment that is given as a span since the machine's start, in Unix seconds."""
    moment = parse_span(span)
    if moment is None:
        return None
    clock = getattr(time, "CLOCK_BOOTTIME", None) if wakes else time.CLOCK_MONOTONIC
    return None if clock is None else int(time.time() - time.clock_gettime(clock) + moment)


def _of_files(
    query: Query, name: str, unit: Unit, files: UnitFiles, stamps: str, specifiers: Specifiers
) -> SystemdTimer | None:
    try:
        directives = [
            directive for directive in files.directives(unit, query.warn) if directive.section == "Timer"
        ]
        state = unit_state(files, unit)
    except (Unreadable, LimitExceeded) as error:
        query.warn(str(error))
        return None
    switches = [each.value.lower() in YES for each in directives if _is_switch(each, "Persistent")]
    persistent = bool(switches and switches[-1])
    return SystemdTimer(
        unit=name,
        activates=_activated(unit, directives, specifiers),
        next=None,
        last=_stamp(f"{stamps}/stamp-{unit.name}") if persistent else None,
        calendar="; ".join(_calendars(unit, directives, specifiers)) or None,
        persistent=persistent,
        enabled=state,
        fragment_path=unit.path,
    )


def _is_switch(directive: Directive, key: str) -> bool:
    # systemd passes over other values, and what was said before stays.
    return directive.key == key and directive.value.lower() in YES | NO


def _activated(unit: Unit, directives: list[Directive], specifiers: Specifiers) -> str:
    """Return the unit that a timer starts: the first that it names, as systemd passes over others."""
    for directive in directives:
        if directive.key == "Unit":
            name = specifiers.resolve(directive.value, unit)
            if parse_name(name) is not None and name != unit.name:
                return name
    return unit.name.removesuffix(".timer") + ".service"


def _calendars(unit: Unit, directives: list[Directive], specifiers: Specifiers) -> list[str]:
    """Return the calendar expressions that systemd understands, as they are written."""
    from .calendarspec import is_calendar

    calendars: list[str] = []
    for directive in directives:
        if directive.key in _MOMENTS and not directive.value:
            calendars = []
        elif directive.key == "OnCalendar":
            calendar = specifiers.resolve(directive.value, unit)
            if is_calendar(calendar):
                calendars.append(calendar)
    return calendars


def _stamp(path: str) -> int | None:
    """Return when a persistent timer elapsed last: systemd keeps it as the time of an empty file."""
    try:
        return int(os.lstat(path).st_mtime)
    except OSError:
        return None
