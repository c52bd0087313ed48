"""kolide_wifi on messages as nl80211 describes them, and its netlink on the families that this kernel has.

No machine of these tests has a radio, and mac80211_hwsim cannot be loaded: the messages are written by an
encoder in this file from the constants in linux/nl80211.h, and are not recorded.
"""

import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.machine.genetlink import Attributes, Family, attributes
from kolide_tables.machine.wifi import WifiInterface, channel_of, wifi, wifi_rows
from kolide_tables.machine.wifi_security import security
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.tools import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")

AP = bytes.fromhex("0242ac110002")
OWN = bytes.fromhex("5c5181000001")


def u32(value: int) -> bytes:
    return struct.pack("=I", value)


def nested(**values: bytes) -> bytes:
    """Encode attributes; a name ends with the number of its kind."""
    parts = []
    for name, value in values.items():
        parts.append(struct.pack("=HH", len(value) + 4, int(name.rpartition("_")[2])) + value)
        parts.append(bytes(-len(value) % 4))
    return b"".join(parts)


def element(kind: int, body: bytes) -> bytes:
    return bytes((kind, len(body))) + body


def rsn(pairs: list[int], keys: list[int], capabilities: int = 0) -> bytes:
    suites = b"".join(
        struct.pack("<H", len(each)) + b"".join(b"\x00\x0f\xac" + bytes((kind,)) for kind in each)
        for each in (pairs, keys)
    )
    return element(48, b"\1\0\x00\x0f\xac\4" + suites + struct.pack("<H", capabilities))


def wpa(pairs: list[int], keys: list[int]) -> bytes:
    suites = b"".join(
        struct.pack("<H", len(each)) + b"".join(b"\x00\x50\xf2" + bytes((kind,)) for kind in each)
        for each in (pairs, keys)
    )
    return element(221, b"\x00\x50\xf2\1\1\0\x00\x50\xf2\2" + suites)


class Kernel:
    """Answers as nl80211 does for the interfaces of a laptop."""

    def __init__(self, elements: bytes = b"", status: int | None = 1) -> None:
        joined = {} if status is None else {"status_9": u32(status)}
        self.scan = nested(
            bssid_1=AP,
            frequency_2=u32(5180),
            capability_5=struct.pack("=H", 0x11),
            elements_6=element(0, b"caf\xc3\xa9") + elements,
            signal_7=struct.pack("=i", -5400),
            **joined,
        )
        self.station = nested(
            signal_7=struct.pack("=b", -53) + b"\0\0\0",
            tx_8=nested(rate_1=struct.pack("=H", 8667), wide_5=u32(8667)),
            rx_14=nested(rate_1=struct.pack("=H", 7800)),
            connected_16=u32(3600),
        )
        self.asked: list[tuple[int, Attributes | None]] = []

    def list(self, command: int, request: Attributes | None = None) -> list[Attributes]:
        self.asked.append((command, request))
        if command == 5:
            station = {3: u32(3), 4: b"wlan0\0", 5: u32(2), 6: OWN, 38: u32(5180), 159: u32(3), 98: u32(2200)}
            return [{3: u32(7), 4: b"mon0\0", 5: u32(6), 6: OWN}, station]
        if request != {3: u32(3)}:
            raise OSError(95, "Operation not supported")
        return [{47: self.scan}] if command == 32 else [{6: AP, 21: self.station}]


def rows(kernel: Kernel, **equals: Any) -> list[dict[str, Any]]:
    found = wifi_rows(Query.of(wifi, equals=equals), kernel)
    return [{name: getattr(row, name) for name in WifiInterface.__columns__} for row in found]


def test_a_connected_interface() -> None:
    first, second = rows(Kernel(rsn([4], [2, 8], 0x80)))
    assert first == {
        "interface": "wlan0",
        "mac": "5c:51:81:00:00:01",
        "mode": "station",
        "ssid": "café",
        "bssid": "02:42:ac:11:00:02",
        "frequency": 5180,
        "channel": 36,
        "channel_width": 80,
        "signal": -53,
        "transmit_rate": 866.7,
        "receive_rate": 780.0,
        "connected_seconds": 3600,
        "transmit_power": 22.0,
        "security": "wpa2-psk",
        "key_managements": ["wpa2-psk", "wpa3-sae"],
        "ciphers": ["ccmp"],
        "management_frames": "optional",
    }
    assert (second["interface"], second["mode"], second["ssid"]) == ("mon0", "monitor", None)


def test_an_interface_that_is_in_no_network() -> None:
    first = rows(Kernel(rsn([4], [8]), status=None))[0]
    assert (first["ssid"], first["bssid"], first["security"]) == (None, None, None)


def test_only_the_interface_that_is_asked_for() -> None:
    kernel = Kernel()
    assert [row["interface"] for row in rows(kernel, interface="mon0")] == ["mon0"]
    assert {number for command, request in kernel.asked if request for number in request.values()} == {u32(7)}


@pytest.mark.parametrize(
    ("elements", "capability", "expected"),
    [
        (b"", 0x01, ("open", ["open"], [], "off")),
        (b"", 0x11, ("wep", ["wep"], [], "off")),
        (wpa([2], [2]), 0x11, ("wpa-psk", ["wpa-psk"], ["tkip"], "off")),
        (
            wpa([2], [2]) + rsn([4, 2], [2]),
            0x11,
            ("wpa-psk", ["wpa-psk", "wpa2-psk"], ["tkip", "ccmp"], "off"),
        ),
        (rsn([4], [8], 0xC0), 0x11, ("wpa3-sae", ["wpa3-sae"], ["ccmp"], "required")),
        (rsn([4], [18], 0xC0), 0x11, ("owe", ["owe"], ["ccmp"], "required")),
        (
            rsn([9], [12], 0xC0),
            0x11,
            ("wpa3-enterprise-192", ["wpa3-enterprise-192"], ["gcmp-256"], "required"),
        ),
        (rsn([4], [1, 5]), 0x11, ("wpa2-enterprise", ["wpa2-enterprise"], ["ccmp"], "off")),
        (rsn([4], [99]), 0x11, ("other", ["other"], ["ccmp"], "off")),
        (rsn([4], [22, 23], 0xC0), 0x11, ("wpa2-enterprise", ["wpa2-enterprise"], ["ccmp"], "required")),
        (rsn([0], [2]), 0x11, ("wpa2-psk", ["wpa2-psk"], ["ccmp"], "off")),  # the cipher for groups
        (
            rsn([4], [2]).replace(b"\x00\x0f\xac\2", b"\x50\x6f\x9a\2"),
            0x11,
            ("wpa3-dpp", ["wpa3-dpp"], ["ccmp"], "off"),
        ),
        (element(48, b"\1\0\x00\x0f\xac\4"), 0x11, ("wpa2-enterprise", ["wpa2-enterprise"], ["ccmp"], "off")),
    ],
)
def test_the_security_that_a_network_announces(
    elements: bytes, capability: int, expected: tuple[Any, ...]
) -> None:
    assert tuple(security(elements, capability)) == expected


@pytest.mark.parametrize(
    ("frequency", "channel"),
    [
        (2412, 1),
        (2472, 13),
        (2484, 14),
        (5180, 36),
        (5825, 165),
        (5955, 1),
        (7115, 233),
        (5935, 2),
        (60480, 2),
        (1, None),
    ],
)
def test_channels(frequency: int, channel: int | None) -> None:
    assert channel_of(frequency) == channel


@given(st.binary(max_size=200), st.integers(0, 0xFFFF))
def test_no_announcement_is_refused(elements: bytes, capability: int) -> None:
    security(elements, capability)
    kernel = Kernel()
    kernel.scan = kernel.station = elements
    rows(kernel)


def test_the_families_of_this_kernel(run: Run) -> None:
    with Family("nlctrl") as controller:
        names = {family[2].rstrip(b"\0").decode() for family in controller.list(3)}
    assert "nlctrl" in names
    with pytest.raises(OSError, match="No such file"):
        Family("nosuch")
    assert attributes(b"\3\0") == {}


def test_this_machine_s_interfaces(run: Run, compare: Compare) -> None:
    said = run("iw", "dev", check=False)
    theirs = sorted(line.split()[1] for line in said.splitlines() if line.strip().startswith("Interface"))
    if not theirs:
        assert wifi.rows() == []
        pytest.skip("this machine has no wireless interface")
    compare("wifi", "iw dev", sorted(row.interface for row in wifi.rows()), theirs)
