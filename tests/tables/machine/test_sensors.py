"""kolide_sensors beside `sensors`, kolide_batteries beside acpi and psutil, on made-up devices in a
namespace.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kolide_tables.machine.sensors import batteries, battery_rows, sensor_rows, sensors
from osquery_sdk import Query

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /sys, which only Linux has")

CHIPS = {
    "hwmon0": {
        "name": "k10temp",
        "temp1_input": "45125",
        "temp1_label": "Tctl",
        "temp1_max": "70000",
        "temp1_crit": "95000",
        "temp2_input": "-5000",
        "temp2_label": "Tccd1",
    },
    "hwmon1": {"name": "nct6775", "fan1_input": "1180", "fan2_input": "0", "fan2_label": "CPU Fan"},
    "hwmon2": {"name": "nvme", "temp1_input": "30850", "temp1_label": "Composite"},
    "hwmon3": {"name": "nvme", "temp1_input": "31850", "temp1_label": "Composite"},
}
SUPPLIES = {
    "BAT0": {
        "type": "Battery",
        "present": "1",
        "status": "Discharging",
        "technology": "Li-poly",
        "manufacturer": "ACME",
        "model_name": "5B10W",
        "cycle_count": "137",
        "energy_now": "28500000",
        "energy_full": "45000000",
        "energy_full_design": "57000000",
        "voltage_now": "15400000",
        "power_now": "9120000",
        "capacity": "63",
    },
    "BAT1": {
        "type": "Battery",
        "status": "Charging",
        "charge_now": "3600000",
        "charge_full": "3500000",
        "charge_full_design": "4000000",
        "voltage_now": "12000000",
        "current_now": "-1500000",
        "cycle_count": "0",
        "capacity": "100",
    },
    "hidpp_battery_0": {"type": "Battery", "scope": "Device", "status": "Unknown", "capacity": "55"},
    "AC": {"type": "Mains", "online": "0"},
    "BAT9": {"type": "Battery", "present": "0"},
}
RUN = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /sys/class
cp -r "$1/." /sys/class
shift
exec "$@"
"""
READ = (
    "import json; from kolide_tables.machine.sensors import sensors as s, batteries as b; import psutil\n"
    "from osquery_sdk import Query; used = Query.of(s, equals={'chip': 'nvme'})\n"
    "one = psutil.sensors_battery()\n"
    "print(json.dumps([s.rows(), s.rows(used), b.rows(), b.rows(name='BAT1'), one and one.percent]))"
)


@pytest.fixture
def inside(tmp_path: Path) -> Any:
    """Run a program on a machine with these sensors and batteries."""
    for folder, entries in (("hwmon", CHIPS), ("power_supply", SUPPLIES)):
        for name, files in entries.items():
            (tmp_path / folder / name).mkdir(parents=True)
            for file, text in files.items():
                (tmp_path / folder / name / file).write_text(text + "\n")

    def run(program: str, *arguments: str) -> str:
        path = shutil.which(program)
        if path is None or shutil.which("unshare") is None or os.geteuid() != 0:
            pytest.skip(f"needs root, unshare and {program}")
        command = ["unshare", "--mount", "sh", "-c", RUN, "sh", str(tmp_path), path, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if "mount" in done.stderr and done.returncode:
            pytest.skip(f"nothing can be mounted in a namespace here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_sensors_are_those_of_lm_sensors(inside: Any, compare: Compare) -> None:
    rows, of_nvme, *_ = json.loads(inside(sys.executable, "-c", READ))
    said = json.loads(
        inside("sensors", "-j"), object_pairs_hook=list
    )  # of two chips with one name both are there
    values: list[tuple[str, str, float, float | None, float | None]] = []
    for chip, features in said:
        for _, numbers in features:
            if isinstance(numbers, list):
                kind = "fan" if any(name.startswith("fan") for name, _ in numbers) else "temperature"
                of = {name.partition("_")[2]: number for name, number in numbers}
                name = re.split(r"-(?:virtual|isa|pci)-", chip)[0]
                values.append((name, kind, of["input"], of.get("max"), of.get("crit")))
    ours = [(chip, kind, value, high, critical) for chip, kind, _, _, value, high, critical in rows]
    compare("sensors", "sensors -j", sorted(ours, key=str), sorted(values, key=str))
    by_place = {
        (chip, kind, idx): (label, value, high, critical)
        for chip, kind, idx, label, value, high, critical in rows
    }
    assert len(by_place) == len(rows) == 6
    assert by_place["k10temp", "temperature", 0] == ("Tctl", 45.125, 70.0, 95.0)
    assert by_place["nct6775", "fan", 1][:2] == ("CPU Fan", 0.0)
    assert sorted(row[4] for row in of_nvme) == [30.85, 31.85]
    assert {row[0] for row in of_nvme} == {"nvme"}


def test_batteries_are_those_of_acpi_and_psutil(inside: Any, compare: Compare) -> None:
    _, _, rows, one, percent = json.loads(inside(sys.executable, "-c", READ))
    said = inside("acpi", "--battery")
    ours = {row[0]: row for row in rows}
    assert ours.keys() == {"BAT0", "BAT1", "hidpp_battery_0"}
    shown = {(state, int(part)) for state, part in re.findall(r"Battery \d+: (\w+), (\d+)%", said)}
    # acpi says 0 of a mouse's battery, which knows only its percents.
    machine_s = {(row[5], int(row[6])) for row in rows if row[1] == "system"}
    compare("batteries", "acpi --battery", machine_s, shown - {("Unknown", 0)})
    compare("batteries", "psutil.sensors_battery", [ours["BAT0"][6]], [round(percent, 1)])
    assert one == [ours["BAT1"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, files in SUPPLIES.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text + "\n")
    return tmp_path


def test_batteries(folder: Path) -> None:
    rows = {row.name: tuple(row)[1:] for row in battery_rows(Query.of(batteries), str(folder))}
    assert rows == {
        "BAT0": ("system", "ACME", "5B10W", "Li-poly", "Discharging", 63.3, 78.9, 137, 15.4, 9.12),
        "BAT1": ("system", None, None, None, "Charging", 100.0, 87.5, None, 12.0, pytest.approx(18.0)),
        "hidpp_battery_0": ("device", None, None, None, "Unknown", 55.0, None, None, None, None),
    }


def test_a_battery_by_its_name(folder: Path, opened: list[str]) -> None:
    query = Query.of(batteries, equals={"name": "BAT1"})
    assert [row.name for row in battery_rows(query, str(folder))] == ["BAT1"]
    assert {Path(path).parent.name for path in opened} == {"BAT1"}


def test_files_of_every_kind(folder: Path) -> None:
    for file in ("status", "model_name", "energy_now", "voltage_now", "cycle_count"):
        (folder / "BAT0" / file).unlink()
    (folder / "BAT0/status").symlink_to("/etc/shadow")
    os.mkfifo(folder / "BAT0/model_name")
    (folder / "BAT0/energy_now").write_text("many")
    (folder / "BAT0/voltage_now").mkdir()
    (folder / "BAT0/manufacturer").write_bytes(b"\xff\n")
    (row,) = battery_rows(Query.of(batteries, equals={"name": "BAT0"}), str(folder))
    assert (row.status, row.model, row.voltage, row.cycles) == (None, None, None, None)
    assert (row.percent, row.manufacturer) == (63.0, "\\xff")


def test_a_machine_without_any(tmp_path: Path) -> None:
    assert list(battery_rows(Query.of(batteries), str(tmp_path / "none"))) == []
    assert list(sensor_rows(Query.of(sensors), str(tmp_path / "none"))) == []


@pytest.fixture
def monitors(tmp_path: Path) -> Path:
    for chip, files in CHIPS.items():
        (tmp_path / "hwmon" / chip).mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / "hwmon" / chip / file).write_text(text + "\n")
    return tmp_path / "hwmon"


def test_a_chip_that_is_not_asked_for_does_not_measure(monitors: Path, opened: list[str]) -> None:
    query = Query.of(sensors, equals={"chip": "nvme"})
    rows = list(sensor_rows(query, str(monitors)))
    assert [(row.idx, row.value) for row in rows] == [(0, 30.85), (1, 31.85)]
    measured = {Path(path).parent.name for path in opened if path.endswith("_input")}
    assert measured == {"hwmon2", "hwmon3"}
    opened.clear()
    assert len(list(sensor_rows(Query.of(sensors), str(monitors)))) == 6
    assert {Path(path).parent.name for path in opened if path.endswith("_input")} == CHIPS.keys()


def test_sensors_of_every_kind(monitors: Path) -> None:
    chip = monitors / "hwmon0"
    for number in (3, 10):
        (chip / f"temp{number}_input").write_text(f"{number}000\n")
    (chip / "temp4_input").write_text("nothing")
    (chip / "temp5_input").symlink_to("/etc/shadow")
    os.mkfifo(chip / "temp6_input")
    (chip / "temp3_label").write_bytes(b"\xff\n")
    (chip / "temp10_crit").mkdir()
    (monitors / "hwmon4").mkdir()  # it has no name
    (monitors / "file").touch()
    rows = list(sensor_rows(Query.of(sensors, equals={"chip": "k10temp"}), str(monitors)))
    assert [(row.idx, row.label, row.value, row.high, row.critical) for row in rows] == [
        (0, "Tctl", 45.125, 70.0, 95.0),
        (1, "Tccd1", -5.0, None, None),
        (2, "\\xff", 3.0, None, None),
        (3, "", 10.0, None, None),
    ]
