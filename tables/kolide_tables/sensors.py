"""kolide_sensors and kolide_batteries: what the machine measures of itself.

Source: the kernel's Documentation/hwmon/sysfs-interface.rst (by psutil) and Documentation/ABI/testing/sysfs-class-power.
"""

import os
from collections.abc import Iterator
from types import ModuleType

from kolide_tables.files import Unreadable, read_file
from kolide_tables.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

_SUPPLIES = "/sys/class/power_supply"
_PAGE = 4096
_MICRO = 1_000_000


class Sensor(Row):
    """A temperature or a fan."""

    chip: str = Column("Chip that measures: coretemp, nvme, k10temp", index=True, key=True)
    kind: str = Column("temperature or fan", key=True)
    idx: int = Column(
        "Number among those of that kind of that chip, from 0", type=ColumnType.INTEGER, key=True
    )
    label: str = Column("What is measured: Core 0, Composite; empty if the chip does not say it")
    value: float | None = Column("Degrees Celsius, or rotations a minute")
    high: float | None = Column("Degrees Celsius from which it is too hot; NULL for a fan, or if not known")
    critical: float | None = Column("Degrees Celsius at which it takes harm; NULL for a fan, or if not known")


@table(
    "kolide_sensors",
    platforms=("linux",),
    examples=(
        "select chip, label, value, high from kolide_sensors where kind = 'temperature' and value > coalesce(high, 90)",
        "select chip, label, value from kolide_sensors where kind = 'fan' and value = 0",
    ),
)
def sensors(query: Query) -> Iterator[Sensor]:
    """Temperatures and fans of processor, disks and board."""
    import psutil

    return sensor_rows(query, psutil)


def sensor_rows(query: Query, psutil: ModuleType) -> Iterator[Sensor]:
    """The rows as psutil has them."""
    if query.matches("kind", "temperature"):
        for chip, temperatures in psutil.sensors_temperatures().items():
            if query.matches("chip", shown(chip)):
                for idx, one in enumerate(temperatures):
                    yield Sensor(
                        chip=shown(chip),
                        kind="temperature",
                        idx=idx,
                        label=shown(one.label),
                        value=one.current,
                        high=one.high,
                        critical=one.critical,
                    )
    if query.matches("kind", "fan"):
        for chip, fans in psutil.sensors_fans().items():
            if query.matches("chip", shown(chip)):
                for idx, one in enumerate(fans):
                    yield Sensor(
                        chip=shown(chip),
                        kind="fan",
                        idx=idx,
                        label=shown(one.label),
                        value=float(one.current),
                        high=None,
                        critical=None,
                    )


class Battery(Row):
    """A battery of the machine, or of a device that is connected to it."""

    name: str = Column("The kernel's name: BAT0, hidpp_battery_0", index=True, key=True)
    scope: str = Column("system if the machine runs on it, device if only a mouse, keyboard or the like does")
    manufacturer: str | None = Column("Maker, by its own account")
    model: str | None = Column("Model, by its own account")
    technology: str | None = Column("Li-ion, Li-poly, NiMH, ...")
    status: str | None = Column("Charging, Discharging, Full, Not charging, Unknown")
    percent: float | None = Column("Charge in percent of what it holds when full")
    health_percent: float | None = Column("What it holds when full, in percent of what it did when new")
    cycles: int | None = Column(
        "Times it was charged and discharged; NULL if it does not count", type=ColumnType.INTEGER
    )
    voltage: float | None = Column("Volts")
    power: float | None = Column("Watts that go into it or come out of it")


@table(
    "kolide_batteries",
    platforms=("linux",),
    examples=(
        "select name, percent, status, health_percent, cycles from kolide_batteries where scope = 'system'",
        "select s.hostname, b.manufacturer, b.model, b.health_percent from kolide_batteries b cross join system_info s where b.health_percent < 60",
    ),
)
def batteries(query: Query) -> Iterator[Battery]:
    """Batteries: charge, what is left of their capacity, cycles, voltage and power."""
    return battery_rows(query)


def battery_rows(query: Query, folder: str = _SUPPLIES) -> Iterator[Battery]:
    """The rows from the kernel's folder of power supplies."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return
    for file in names:
        query.check()
        if not query.matches("name", shown(file)):
            continue
        supply = _Supply(f"{folder}/{file}")
        if supply.text("type") != "Battery" or supply.text("present") == "0":
            continue
        voltage, power = supply.number("voltage_now"), supply.number("power_now")
        current = supply.number("current_now")
        if power is None and voltage is not None and current is not None:
            power = voltage * current / _MICRO
        yield Battery(
            name=shown(file),
            scope=(supply.text("scope") or "System").lower(),
            manufacturer=supply.text("manufacturer"),
            model=supply.text("model_name"),
            technology=supply.text("technology"),
            status=supply.text("status"),
            percent=supply.percent(),
            health_percent=supply.share("full", "full_design"),
            cycles=int(supply.number("cycle_count") or 0) or None,  # 0 is what those say that do not count
            voltage=None if voltage is None else voltage / _MICRO,
            power=None if power is None else abs(power) / _MICRO,
        )


class _Supply:
    """A power supply's folder."""

    def __init__(self, path: str) -> None:
        self._path = path

    def text(self, name: str) -> str | None:
        try:
            return shown(read_file(f"{self._path}/{name}", max_bytes=_PAGE).strip()) or None
        except Unreadable:
            return None  # what a battery does not know has no file, or one that cannot be read

    def number(self, name: str) -> float | None:
        text = self.text(name)
        try:
            return None if text is None else float(int(text))
        except ValueError:
            return None

    def percent(self) -> float | None:
        """By energy or charge, which are finer than the battery's own percents; at most 100."""
        share = self.share("now", "full")
        return self.number("capacity") if share is None else min(share, 100.0)

    def share(self, part: str, whole: str) -> float | None:
        for unit in ("energy", "charge"):
            small, large = self.number(f"{unit}_{part}"), self.number(f"{unit}_{whole}")
            if small is not None and large:
                return round(100 * small / large, 1)
        return None
