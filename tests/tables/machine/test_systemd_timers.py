"""kolide_systemd_timers beside systemctl and systemd-analyze, with and without a running systemd."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.machine.systemd_timers import (
    parse_properties,
    parse_span,
    parse_time,
    systemd_timers,
    timer_rows,
)
from kolide_tables.reading.unitfiles import UnitFiles
from osquery_sdk import Query, Table, TableError

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


DAILY = (
    "[Timer]\nOnCalendar=daily\nPersistent=true\nRandomizedDelaySec=1h\n[Install]\nWantedBy=timers.target\n"
)
TWICE = "[Timer]\nOnCalendar=Mon *-*-* 6:00\nOnCalendar=*-*-1 7:30\nUnit=other.service\n"
AFTER = "[Timer]\nOnBootSec=15min\nOnUnitActiveSec=1d\n"


def write(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    units = tmp_path / "root"
    daily = write(units, "usr/lib/systemd/system/day.timer", DAILY)
    write(units, "usr/lib/systemd/system/twice.timer", TWICE)
    write(units, "usr/lib/systemd/system/after.timer", AFTER)
    (units / "etc/systemd/system/timers.target.wants").mkdir(parents=True)
    (units / "etc/systemd/system/timers.target.wants/day.timer").symlink_to(daily)
    return units


def rows_of(root: Path, run: Any = None, stamps: str = "/nowhere", **options: Any) -> dict[str, Any]:
    query = Query.of(systemd_timers, **options)
    return {row.unit: row for row in timer_rows(query, UnitFiles(str(root)), run, stamps)}


def test_files_alone(root: Path, tmp_path: Path) -> None:
    (tmp_path / "stamp-day.timer").touch()
    os.utime(tmp_path / "stamp-day.timer", (1_700_000_000, 1_700_000_000))
    rows = rows_of(root, stamps=str(tmp_path))
    assert {name: tuple(row)[1:7] for name, row in rows.items()} == {
        "after.timer": ("after.service", None, None, None, 0, "static"),
        "day.timer": ("day.service", None, 1_700_000_000, "daily", 1, "enabled"),
        "twice.timer": ("other.service", None, None, "Mon *-*-* 6:00; *-*-1 7:30", 0, "static"),
    }
    assert rows["day.timer"].fragment_path == f"{root}/usr/lib/systemd/system/day.timer"


def test_drop_ins_change_what_a_timer_does(root: Path) -> None:
    write(
        root,
        "etc/systemd/system/day.timer.d/a.conf",
        "[Timer]\nOnCalendar=\nOnCalendar=weekly\nPersistent=no\n",
    )
    row = rows_of(root)["day.timer"]
    assert (row.calendar, row.persistent) == ("weekly", 0)


RULES = {
    "first.timer": "Unit=a.service\nUnit=b.service\nOnCalendar=daily",
    "self.timer": "Unit=self.timer\nUnit=no unit\nUnit=a.service\nOnCalendar=daily",
    "bad.timer": "OnCalendar=sometime\nOnCalendar=*-*-* 25:00\nOnCalendar=*-*-* 07:00:00",
    "taken.timer": "OnCalendar=daily\nOnBootSec=\nOnCalendar=*-*-* 07:00:00",
    "switch.timer": "OnCalendar=*-*-* 07:00:00\nPersistent=yes\nPersistent=\nPersistent=maybe",
    "inst@.timer": "Unit=a@%i.service\nOnCalendar=*-*-%i 00:00:00",
}


def test_what_applies_of_several_lines_is_what_systemd_loads(tmp_path: Path, compare: Compare) -> None:
    analyze = shutil.which("systemd-analyze")
    for name, text in RULES.items():
        write(tmp_path, f"etc/systemd/system/{name}", f"[Timer]\n{text}\n")
    for name in ("a", "b", "a@", "inst@", "bad", "taken", "switch"):
        write(tmp_path, f"etc/systemd/system/{name}.service", "[Service]\nExecStart=/bin/true\n")
    write(tmp_path, "etc/systemd/system/first.timer.d/x.conf", "[Timer]\nUnit=b.service\n")
    wants = tmp_path / "etc/systemd/system/timers.target.wants"
    wants.mkdir()
    (wants / "inst@05.timer").symlink_to("../inst@.timer")
    rows = rows_of(tmp_path)
    found = {name: (row.activates, row.calendar, row.persistent) for name, row in rows.items()}
    assert found == {
        "first.timer": ("a.service", "daily", 0),
        "self.timer": ("a.service", "daily", 0),
        "bad.timer": ("bad.service", "*-*-* 07:00:00", 0),
        "taken.timer": ("taken.service", "*-*-* 07:00:00", 0),
        "switch.timer": ("switch.service", "*-*-* 07:00:00", 1),
        "inst@05.timer": ("a@05.service", "*-*-05 00:00:00", 0),
    }
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    said = {}
    for name in found:
        path = f"{tmp_path}/etc/systemd/system/{name}"
        done = subprocess.run(
            [analyze, "verify", "--man=no", f"--root={tmp_path}", path],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "debug"},
        )
        shown = dict(line.strip().split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
        if "OnCalendar" in shown:
            calendar = shown["OnCalendar"].replace("*-*-* 00:00:00", "daily")
            said[name] = shown["Unit"], calendar, int(shown["Persistent"] == "yes")
    if not said:
        pytest.skip("this systemd-analyze shows no units")
    compare("systemd_timers", "systemd-analyze verify", found, said)


def test_an_alias_finds_its_timer(root: Path) -> None:
    (root / "etc/systemd/system/alias.timer").symlink_to("/usr/lib/systemd/system/twice.timer")
    assert "alias.timer" not in rows_of(root)
    row = rows_of(root, equals={"unit": ["alias.timer"]})["alias.timer"]
    assert (row.activates, row.fragment_path) == (
        "other.service",
        f"{root}/usr/lib/systemd/system/twice.timer",
    )
    loaded = SHOWN.replace("fstrim.timer", "twice.timer").replace("Id=twice.timer\nLoadState=not-found", "")
    row = rows_of(root, lambda *arguments: loaded, equals={"unit": ["alias.timer"]})["alias.timer"]
    assert row.activates == "fstrim.service"


def test_this_machine_s_timers_are_those_of_systemctl(compare: Compare) -> None:
    """Compare without a running systemd: states by its rules, directives by its own reading of the files."""
    systemctl, analyze = shutil.which("systemctl"), shutil.which("systemd-analyze")
    if systemctl is None or analyze is None or Path("/run/systemd/system").exists():
        pytest.skip("needs systemctl and systemd-analyze, and no systemd that runs")
    command = [systemctl, "--root=/", "--no-pager"]
    listed = subprocess.check_output(
        [*command, "list-unit-files", "--no-legend", "*.timer"], text=True
    ).splitlines()
    said = {}
    for unit, state, *_ in map(str.split, listed):
        if "@." in unit or state == "alias":
            continue
        text = subprocess.check_output(
            [analyze, "--no-pager", "cat-config", f"systemd/system/{unit}"], text=True
        )
        values = [line.partition("=")[2] for line in text.splitlines() if line.startswith("OnCalendar=")]
        last = {key: value for key, _, value in (line.partition("=") for line in text.splitlines())}
        persistent = int(last.get("Persistent", "no") in ("yes", "true", "1", "on"))
        activates = last.get("Unit", unit.removesuffix(".timer") + ".service")
        path = next(line[2:] for line in text.splitlines() if line.startswith("# /"))
        said[unit] = (
            activates,
            "; ".join(values) or None,
            persistent,
            state,
            path.replace("/usr/lib/", "/lib/"),
        )
    ours = {
        row.unit: (
            row.activates,
            row.calendar,
            row.persistent,
            row.enabled,
            row.fragment_path.replace("/usr/lib/", "/lib/"),
        )
        for row in systemd_timers.rows()
        if "@" not in row.unit
    }
    if not said:
        pytest.skip("no timers here")
    compare("systemd_timers", "systemctl list-unit-files, systemd-analyze cat-config", ours, said)


def test_calendars_are_ones_that_systemd_understands() -> None:
    analyze = shutil.which("systemd-analyze")
    rows = [row for row in systemd_timers.rows() if row.calendar]
    if analyze is None or not rows:
        pytest.skip("needs systemd-analyze, and timers")
    for row in rows:
        for calendar in row.calendar.split("; "):
            said = subprocess.run([analyze, "calendar", calendar], capture_output=True, text=True)
            assert said.returncode == 0, f"{row.unit}: {said.stderr}"


def test_however_many_are_looked_up_systemd_is_asked_once(root: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str) -> str:
        asked.append(arguments)
        return SHOWN

    def rows(query: Query) -> Any:
        """Timers."""
        return timer_rows(query, UnitFiles(str(root)), run)

    table = Table(systemd_timers.definition, rows)
    for name, found in (
        ("twice.timer", 1),
        ("day.timer", 1),
        ("none.timer", 0),
        ("day.service", 0),
        ("--help", 0),
    ):
        assert [row.unit for row in table.rows(unit=name)] == [name] * found
    assert len(asked) == 1


SHOWN = """\
Unit=day.service
TimersCalendar={ OnCalendar=*-*-* 00:00:00 ; next_elapse=Tue 2026-11-24 00:00:00 UTC }
NextElapseUSecRealtime=Tue 2026-11-24 00:17:05 UTC
NextElapseUSecMonotonic=0
LastTriggerUSec=Mon 2026-11-23 00:00:01 UTC
Persistent=yes
WakeSystem=no
Id=day.timer
LoadState=loaded
FragmentPath=/lib/systemd/system/day.timer
UnitFileState=enabled

Unit=fstrim.service
TimersCalendar={ OnCalendar=Mon *-*-* 00:00:00 ; next_elapse=(null) }
TimersCalendar={ OnCalendar=*-*-01 07:30:00 ; next_elapse=(null) }
NextElapseUSecRealtime=
NextElapseUSecMonotonic=infinity
LastTriggerUSec=
Persistent=yes
WakeSystem=no
Id=fstrim.timer
LoadState=loaded
FragmentPath=/lib/systemd/system/fstrim.timer
UnitFileState=disabled

Unit=run-1.service
TimersMonotonic={ OnActiveUSec=1h ; next_elapse=2d 5h 15min 9.291731s }
NextElapseUSecRealtime=
NextElapseUSecMonotonic=2d 5h 15min 9.291731s
LastTriggerUSec=n/a
Persistent=no
WakeSystem=yes
Id=run-1.timer
LoadState=loaded
FragmentPath=/run/systemd/transient/run-1.timer
UnitFileState=transient

Unit=twice.service
Id=twice.timer
LoadState=not-found
"""


def test_systemd_s_own_words(root: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str) -> str:
        asked.append(arguments)
        return SHOWN

    rows = rows_of(root, run)
    assert tuple(rows["day.timer"])[1:] == (
        "day.service",
        1795479425,
        1795392001,
        "*-*-* 00:00:00",
        1,
        "enabled",
        "/lib/systemd/system/day.timer",
    )
    assert tuple(rows["fstrim.timer"])[2:6] == (None, None, "*-*-01 07:30:00; Mon *-*-* 00:00:00", 1)
    moment = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + 2 * 86400 + 5 * 3600 + 15 * 60 + 9.29
    assert abs(rows["run-1.timer"].next - moment) < 5
    assert (rows["run-1.timer"].last, rows["run-1.timer"].calendar) == (None, None)
    # systemd has not loaded these: their files say what they are.
    assert (rows["twice.timer"].activates, rows["after.timer"].enabled) == ("other.service", "static")
    assert len(asked) == 1


def test_a_systemd_that_does_not_answer_hides_no_files(root: Path) -> None:
    def run(*arguments: str) -> str:
        raise TableError("/usr/bin/systemctl ended with 1: Failed to connect to bus")

    said: list[str] = []
    assert len(rows_of(root, run, warn=said.append)) == 3
    assert "Failed to connect to bus" in said[0]


def test_a_file_that_cannot_be_read_does_not_hide_the_others(root: Path) -> None:
    (root / "usr/lib/systemd/system/folder.timer").mkdir()
    (root / "usr/lib/systemd/system/gone.timer").symlink_to("/nowhere/gone.timer")
    said: list[str] = []
    assert rows_of(root, warn=said.append).keys() == {"day.timer", "twice.timer", "after.timer"}
    assert len(said) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5h 15min 9.291731s", 18909.291731),
        ("1y 2month 3w 4d", 31557600 + 2 * 2629800 + 3 * 604800 + 4 * 86400),
        ("1us", 1e-6),
        ("30ms", 0.03),
        ("0", None),
        ("infinity", None),
        ("", None),
        ("5 parsecs", None),
    ],
)
def test_spans(text: str, seconds: float | None) -> None:
    assert parse_span(text) == (None if seconds is None else pytest.approx(seconds))


@given(st.text(max_size=200) | st.text(alphabet="0123456789 -:UTCdhmins=\n", max_size=60))
def test_any_text(text: str) -> None:
    parse_time(text)
    parse_span(text)
    list(parse_properties(text))


UNITS = {
    "our-day.timer": DAILY,
    "our-day.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    "our-twice.timer": (
        "[Timer]\nOnCalendar=Mon *-*-* 6:00\nOnCalendar=*-*-1 7:30\nUnit=our-day.service\nAccuracySec=1us\n"
    ),
    "our-soon.timer": "[Timer]\nOnBootSec=1s\nOnUnitActiveSec=1d\nUnit=our-day.service\nAccuracySec=1us\n",
    "our-idle.timer": "[Timer]\nOnCalendar=yearly\nUnit=our-day.service\n",
    "our-twice.timer.d/a.conf": "[Timer]\nPersistent=yes\n",
    "timers.target.wants/our-twice.timer": "-> ../our-twice.timer",
    "timers.target.wants/our-soon.timer": "-> ../our-soon.timer",
}
READ = """
import json
from kolide_tables.machine.systemd_timers import systemd_timers as t
from osquery_sdk import Query
said = []
rows = {"all": t.rows(Query.of(t, warn=said.append)), "one": t.rows(unit="our-twice.timer")}
print(json.dumps({**rows, "warnings": said}))
"""


@pytest.mark.slow
def test_a_systemd_that_runs(systemd_machine: Any, compare: Compare) -> None:
    with systemd_machine(UNITS) as run:
        deadline = time.monotonic() + 20
        while "ActiveEnterTimestampMonotonic=0\n" in run(
            "systemctl", "show", "-p", "ActiveEnterTimestampMonotonic,LastTriggerUSec", "our-soon.timer"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(2)
        before = json.loads(run("systemctl", "list-timers", "--all", "--no-pager", "-o", "json"))
        said = json.loads(run(sys.executable, "-c", READ))
        after = json.loads(run("systemctl", "list-timers", "--all", "--no-pager", "-o", "json"))
        elapses = {
            calendar: run("systemd-analyze", "calendar", calendar)
            for calendar in ("Mon *-*-* 06:00:00", "*-*-01 07:30:00")
        }
    assert said["warnings"] == []
    rows = {row[0]: row for row in said["all"]}
    known = {one["unit"]: one for one in after}
    assert known.keys() == {one["unit"] for one in before}
    assert {"our-twice.timer", "our-soon.timer"} <= known.keys() <= rows.keys()
    assert "our-idle.timer" not in known
    # A timer that elapses during the reading is another one before and after.
    known.pop("systemd-tmpfiles-clean.timer", None)
    shown, found = {}, {}
    for unit, one in known.items():
        _, activates, following, last, *_ = rows[unit]
        # A timer that counts from events has its moment on another clock, which differs a little.
        near = following is not None and one["next"] and abs(following - one["next"] / 1e6) <= 1.5
        shown[unit] = one["activates"], one["last"] // 1_000_000 or None, bool(one["next"])
        found[unit] = activates, last, following is not None and near
    compare("systemd_timers", "systemctl list-timers", found, shown)
    twice = rows["our-twice.timer"]
    assert said["one"] == [twice]
    assert twice[4:7] == ["Mon *-*-* 06:00:00; *-*-01 07:30:00", 1, "enabled"]
    next_elapse = re.compile(r"(?:Next elapse|\(in UTC\)): (.* UTC)$", re.MULTILINE)
    moments = [
        parse_time(next_elapse.search(text)[1])  # type: ignore[index]
        for text in elapses.values()
    ]
    assert twice[2] == min(moment for moment in moments if moment is not None)
    assert rows["our-soon.timer"][3] is not None
    assert rows["our-idle.timer"][1:7] == ["our-day.service", None, None, "yearly", 0, "static"]
    assert rows["our-day.timer"][6] == "disabled"
