"""kolide_tpm: the trusted platform modules that the kernel drives; no command is sent to them.

Source: the kernel's Documentation/ABI/stable/sysfs-class-tpm; TCG's registry of vendors.
"""

import os
import re
from collections.abc import Iterator

from kolide_kit.text import shown
from osquery_sdk import Column, Query, Row, table

from ..reading.paths import attribute_text, names_in

_CLASS = "/sys/class/tpm"
_BANK = "pcr-"
# The vendors of TCG's registry, by the identifiers of ACPI and the names in device trees. MSFT0101, which
# most machines have, tells none.
_VENDORS = {
    "ifx": "IFX",
    "infineon": "IFX",
    "stm": "STM",
    "smo": "STM",
    "st": "STM",
    "ntc": "NTC",
    "nuvoton": "NTC",
    "winbond": "NTC",
    "intc": "INTC",
    "atm": "ATML",
    "atmel": "ATML",
    "bcm": "BRCM",
    "ibm": "IBM",
    "amd": "AMD",
    "ntz": "NTZ",
    "goog": "GOOG",
    "google": "GOOG",
    "microsoft": "MSFT",
}


class Tpm(Row):
    """A trusted platform module."""

    name: str = Column("The kernel's name: tpm0", index=True, key=True)
    version: str | None = Column("Version of the specification: 2.0 or 1.2")
    manufacturer: str | None = Column(
        "Vendor, as TCG's registry abbreviates it: IFX, STM, NTC, INTC; empty if the kernel's files "
        "do not tell it"
    )
    firmware_version: str | None = Column("Version of its firmware; only of version 1.2")
    description: str | None = Column("Description by the machine's firmware")
    device_id: str | None = Column("Identifier by ACPI, or in the device tree: MSFT0101, infineon,slb9670")
    driver: str | None = Column("The kernel's driver: tpm_tis, tpm_crb")
    pcr_banks: list[str] | None = Column(
        'JSON list of the digests of its measurements: ["sha1", "sha256"]; empty if the kernel, before 5.12, '
        "does not list them"
    )
    enabled: bool | None = Column("1 if it is enabled; only of version 1.2")
    active: bool | None = Column("1 if it is active; only of version 1.2")
    owned: bool | None = Column("1 if it has an owner; only of version 1.2")


@table(
    "kolide_tpm",
    platforms=("linux",),
    elsewhere="it is read from Linux's /sys/class/tpm; osquery itself has tpm_info for Windows",
    examples=(
        "select name, version, manufacturer, pcr_banks from kolide_tpm",
        "select count(*) as usable from kolide_tpm where version = '2.0' and pcr_banks like '%sha256%'",
    ),
)
def tpm(query: Query) -> Iterator[Tpm]:
    """Trusted platform modules: version, manufacturer, banks of measurements; no row if there is none."""
    return tpm_rows(query)


def tpm_rows(query: Query, folder: str = _CLASS) -> Iterator[Tpm]:
    """Yield the rows from the kernel's folder of modules."""
    for name in names_in(folder):
        if re.fullmatch(r"tpm[0-9]{1,6}", name) and query.matches("name", name):
            query.check()
            yield _row(name, f"{folder}/{name}")


def _row(name: str, path: str) -> Tpm:
    capabilities = _capabilities(path)
    device_id = _device_id(f"{path}/device")
    banks = [file.removeprefix(_BANK) for file in names_in(path) if file.startswith(_BANK)]
    version = _version(path, capabilities)
    if not banks and version == "1.2":
        banks = ["sha1"]
    return Tpm(
        name=name,
        version=version,
        manufacturer=_manufacturer(capabilities.get("Manufacturer"), device_id),
        firmware_version=capabilities.get("Firmware version"),
        description=attribute_text(f"{path}/device/description"),
        device_id=device_id,
        driver=_link(f"{path}/device/driver"),
        pcr_banks=banks or None,
        enabled=_flag(path, "enabled"),
        active=_flag(path, "active"),
        owned=_flag(path, "owned"),
    )


def _version(path: str, capabilities: dict[str, str]) -> str | None:
    major = attribute_text(f"{path}/tpm_version_major")  # from Linux 5.6 on
    if major is not None:
        return {"1": "1.2", "2": "2.0"}.get(major, major)
    if capabilities:
        return capabilities.get("TCG version", "1.2")
    description = attribute_text(f"{path}/device/description") or ""
    return "2.0" if "2.0" in description else None


def _capabilities(path: str) -> dict[str, str]:
    """Return the lines of a file that modules of version 1.2 have; older kernels have it with the device."""
    text = attribute_text(f"{path}/caps") or attribute_text(f"{path}/device/caps") or ""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _manufacturer(capability: str | None, device_id: str | None) -> str | None:
    if capability is not None:
        try:
            # Four letters, as a number, with blanks or zeros behind shorter names.
            return shown(int(capability, 16).to_bytes(4, "big").strip(b"\0 ")) or None
        except (ValueError, OverflowError):
            return capability
    vendor = re.match(r"[A-Za-z]+", device_id or "")
    return None if vendor is None else _VENDORS.get(vendor[0].lower())


def _device_id(device: str) -> str | None:
    """Return the identifier by ACPI, or the first one in the device tree."""
    identifier = attribute_text(f"{device}/firmware_node/hid") or attribute_text(f"{device}/hid")
    return identifier or (attribute_text(f"{device}/of_node/compatible") or "").split("\0")[0] or None


def _flag(path: str, name: str) -> bool | None:
    text = attribute_text(f"{path}/{name}") or attribute_text(f"{path}/device/{name}")
    return None if text is None else text == "1"


def _link(path: str) -> str | None:
    try:
        return shown(os.readlink(path).rpartition("/")[2]) or None  # noqa: PTH115
    except OSError:
        return None
