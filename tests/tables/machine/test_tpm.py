"""kolide_tpm on folders like the kernel's, of both versions, and on this machine."""

import sys
from pathlib import Path
from typing import Any

import pytest

from kolide_tables.machine.tpm import Tpm, tpm, tpm_rows
from osquery_sdk import Query

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /sys, which only Linux has")

# Files as the kernel's documentation describes them; no machine of these tests has a module.
MODULES: dict[str, dict[str, str]] = {
    "tpm0": {
        "tpm_version_major": "2\n",
        "device/description": "TPM 2.0 Device\n",
        "device/firmware_node/hid": "MSFT0101\n",
        "pcr-sha1/0": "0000000000000000000000000000000000000000\n",
        "pcr-sha256/0": "00" * 32 + "\n",
    },
    "tpm1": {
        "tpm_version_major": "1\n",
        "caps": "Manufacturer: 0x49465800\nTCG version: 1.2\nFirmware version: 133.32\n",
        "enabled": "1\n",
        "active": "0\n",
        "owned": "1\n",
    },
    "tpm2": {"device/of_node/compatible": "nuvoton,npct601\0tcg,tpm-tis-i2c\0"},
    "tpm3": {"device/description": "TPM 2.0 Device", "device/firmware_node/hid": "STM0125\n"},
    "tpm4": {"device/caps": "Manufacturer: odd\nbroken\n", "device/owned": "0\n"},
    "tpm10": {"tpm_version_major": "3\n"},
    "other": {"tpm_version_major": "2\n"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, files in MODULES.items():
        for file, text in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    (tmp_path / "tpm0" / "device" / "driver").symlink_to("../../../bus/acpi/drivers/tpm_crb")
    return tmp_path


def rows(folder: Path, **equals: Any) -> dict[str, dict[str, Any]]:
    found = tpm_rows(Query.of(tpm, equals=equals), str(folder))
    return {row.name: {column: getattr(row, column) for column in Tpm.__columns__} for row in found}


def test_modules_of_both_versions(folder: Path) -> None:
    found = rows(folder)
    assert found.keys() == {"tpm0", "tpm1", "tpm2", "tpm3", "tpm4", "tpm10"}
    assert found["tpm0"] == dict.fromkeys(Tpm.__columns__) | {
        "name": "tpm0",
        "version": "2.0",
        "description": "TPM 2.0 Device",
        "device_id": "MSFT0101",
        "driver": "tpm_crb",
        "pcr_banks": ["sha1", "sha256"],
    }
    assert found["tpm1"] == dict.fromkeys(Tpm.__columns__) | {
        "name": "tpm1",
        "version": "1.2",
        "manufacturer": "IFX",
        "firmware_version": "133.32",
        "pcr_banks": ["sha1"],
        "enabled": True,
        "active": False,
        "owned": True,
    }
    assert (found["tpm2"]["manufacturer"], found["tpm2"]["device_id"]) == ("NTC", "nuvoton,npct601")
    assert (found["tpm3"]["version"], found["tpm3"]["manufacturer"]) == ("2.0", "STM")
    assert (found["tpm4"]["version"], found["tpm4"]["manufacturer"], found["tpm4"]["owned"]) == (
        "1.2",
        "odd",
        False,
    )
    assert found["tpm10"]["version"] == "3"


def test_only_the_module_that_is_asked_for(folder: Path) -> None:
    assert rows(folder, name="tpm1").keys() == {"tpm1"}


def test_a_machine_without_a_module_has_no_row(tmp_path: Path) -> None:
    assert rows(tmp_path / "nothing") == {}


def test_this_machine(compare: Compare) -> None:
    names = sorted(path.name for path in Path("/sys/class/tpm").glob("tpm*"))
    ours = sorted(row.name for row in tpm.rows())
    if not names:
        assert ours == []
        pytest.skip("this machine has no TPM")
    compare("tpm", "/sys/class/tpm", ours, names)
