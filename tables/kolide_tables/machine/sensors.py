"""kolide_sensors and kolide_batteries: temperatures, fans and batteries of the machine.

Source: the kernel's Documentation/hwmon/sysfs-interface.rst and Documentation/ABI/testing/sysfs-class-power.
"""

import re
from collections.abc import Iterator

from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading.paths import attribute_text, names_in

_MONITORS = "/sys/class/hwmon"
_SUPPLIES = "/sys/class/power_supply"
_MICRO = 1_000_000
_KINDS = (("temperature", "temp", 1_000), ("fan", "fan", 1))  # millidegrees, rotations a minute


class Sensor(Row):
    """A temperature or a fan."""

    chip: str = Column("Chip that measures: coretemp, nvme, k10temp", index=True, key=True)
    kind: str = Column("temperature or fan", key=True)
    idx: int = Column(
        "Number among those of that kind of that chip, from 0", type=ColumnType.INTEGER, key=True
    )
    label: str = Column("Label of the measurement: Core 0, Composite; empty if the chip has none")
    value: float | None = Column("Degrees Celsius, or rotations a minute")
    high: float | None = Column("Degrees Celsius from which it is too hot; NULL for a fan, or if not known")
    critical: float | None = Column("Degrees Celsius at which it takes harm; NULL for a fan, or if not known")


@table(
    "kolide_sensors",
    platforms=("linux",),
    elsewhere="they are read from Linux's /sys/class/hwmon; osquery itself has temperature_sensors and "
    "fan_speed_sensors for macOS",
    examples=(
        (
            "select chip, label, value, high from kolide_sensors where kind = 'temperature' "
            "and value > coalesce(high, 90)"
        ),
        "select chip, label, value from kolide_sensors where kind = 'fan' and value = 0",
    ),
)
def sensors(query: Query) -> Iterator[Sensor]:
    """Temperatures and fans of processor, disks and board."""
    return sensor_rows(query)


def sensor_rows(query: Query, folder: str = _MONITORS) -> Iterator[Sensor]:
    """Yield the rows from the kernel's folder of chips.

    Other chips than the wanted ones are not read, which can be slow.
    """
    numbered: dict[tuple[str, str], int] = {}  # several chips may share a name, as disks do
    for chip in _folders(query, folder):
        name = chip.text("name")
        if name is None or not query.matches("chip", name):
            continue
        for kind, prefix, unit in _KINDS:
            for feature in chip.features(prefix):
                value = chip.number(f"{feature}_input")
                if value is None:
                    continue  # nothing is connected there
                idx = numbered[name, kind] = numbered.get((name, kind), -1) + 1
                hot = kind == "temperature"
                yield Sensor(
                    chip=name,
                    kind=kind,
                    idx=idx,
                    label=chip.text(f"{feature}_label") or "",
                    value=value / unit,
                    high=_over(chip.number(f"{feature}_max"), unit) if hot else None,
                    critical=_over(chip.number(f"{feature}_crit"), unit) if hot else None,
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
    health_percent: float | None = Column("Capacity when full, in percent of the capacity when new")
    cycles: int | None = Column(
        "Times it was charged and discharged; NULL if it does not count", type=ColumnType.INTEGER
    )
    voltage: float | None = Column("Volts")
    power: float | None = Column("Watts that go into it or come out of it")


@table(
    "kolide_batteries",
    platforms=("linux",),
    elsewhere=(
        "they are read from Linux's /sys/class/power_supply; osquery itself has battery for macOS and Windows"
    ),
    examples=(
        "select name, percent, status, health_percent, cycles from kolide_batteries where scope = 'system'",
        (
            "select s.hostname, b.manufacturer, b.model, b.health_percent from kolide_batteries b "
            "cross join system_info s where b.health_percent < 60"
        ),
    ),
)
def batteries(query: Query) -> Iterator[Battery]:
    """Batteries: charge, what is left of their capacity, cycles, voltage and power."""
    return battery_rows(query)


def battery_rows(query: Query, folder: str = _SUPPLIES) -> Iterator[Battery]:
    """Yield the rows from the kernel's folder of power supplies."""
    for supply in _folders(query, folder):
        if not query.matches("name", supply.name):
            continue
        if supply.text("type") != "Battery" or supply.text("present") == "0":
            continue
        voltage, power = supply.number("voltage_now"), supply.number("power_now")
        current = supply.number("current_now")
        if power is None and voltage is not None and current is not None:
            power = voltage * current / _MICRO
        yield Battery(
            name=supply.name,
            scope=(supply.text("scope") or "System").lower(),
            manufacturer=supply.text("manufacturer"),
            model=supply.text("model_name"),
            technology=supply.text("technology"),
            status=supply.text("status"),
            percent=_percent(supply),
            health_percent=_share(supply, "full", "full_design"),
            cycles=int(supply.number("cycle_count") or 0) or None,  # a battery that does not count says 0
            voltage=_over(voltage, _MICRO),
            power=_over(None if power is None else abs(power), _MICRO),
        )


class _Folder:
    """A folder of small files, one fact each, as the kernel has for a device.

    A fact that cannot be read is None.
    """

    def __init__(self, path: str, name: str) -> None:
        self._path = path
        self.name = shown(name)

    def text(self, name: str) -> str | None:
        return attribute_text(f"{self._path}/{name}")

    def number(self, name: str) -> float | None:
        text = self.text(name)
        try:
            return None if text is None else float(int(text))
        except ValueError:
            return None

    def features(self, prefix: str) -> list[str]:
        """Return the chip's features of a kind, sorted by number: temp1, temp2, temp10."""
        found = [re.fullmatch(rf"({prefix}([0-9]{{1,4}}))_input", file) for file in names_in(self._path)]
        return [match[1] for match in sorted(filter(None, found), key=lambda match: int(match[2]))]


def _folders(query: Query, folder: str) -> Iterator[_Folder]:
    for name in sorted(names_in(folder), key=lambda name: (len(name), name)):
        query.check()
        yield _Folder(f"{folder}/{name}", name)


def _over(value: float | None, unit: int) -> float | None:
    return None if value is None else value / unit


def _percent(supply: _Folder) -> float | None:
    """Return the charge in percent, at most 100.

    Counters of energy or charge are finer than the battery's own percents.
    """
    share = _share(supply, "now", "full")
    return supply.number("capacity") if share is None else min(share, 100.0)


def _share(supply: _Folder, part: str, whole: str) -> float | None:
    for unit in ("energy", "charge"):
        small, large = supply.number(f"{unit}_{part}"), supply.number(f"{unit}_{whole}")
        if small is not None and large:
            return round(100 * small / large, 1)
    return None
