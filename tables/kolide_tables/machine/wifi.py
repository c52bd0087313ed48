"""kolide_wifi: wireless interfaces and the networks that they are connected to; never a passphrase.

Source: the kernel's include/uapi/linux/nl80211.h; IEEE 802.11-2020, 9.4.2.24, for what a network requires.
"""

import errno
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

from .genetlink import Attributes, Family, attributes, number
from .wifi_security import Security, security

_GET_INTERFACE, _GET_STATION, _GET_SCAN = 5, 17, 32
_INDEX, _NAME, _MODE, _ADDRESS, _STATION, _FREQUENCY = 3, 4, 5, 6, 21, 38
_NETWORK, _SSID, _POWER, _WIDTH = 47, 52, 98, 159
_BSSID, _BSS_FREQUENCY, _CAPABILITY, _ELEMENTS, _SIGNAL, _STATUS, _BEACON = 1, 2, 5, 6, 7, 9, 11
_STATION_SIGNAL, _SENT_RATE, _RECEIVED_RATE, _CONNECTED = 7, 8, 14, 16
_RATE_16, _RATE_32 = 1, 5
_JOINED = (1, 2)  # associated, or part of a network without an access point
_CLIENT_MODES = (2, 8)
_MODES = (
    *("unspecified", "ad-hoc", "station", "access-point", "access-point-vlan", "wds", "monitor", "mesh"),
    *("p2p-client", "p2p-owner", "p2p-device", "ocb", "nan"),
)
_WIDTHS = (20, 20, 40, 80, 160, 160, 5, 10, 1, 2, 4, 8, 16, 320)
_NO_WIRELESS = frozenset((errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT))
_ELEMENT_SSID = 0


class WifiInterface(Row):
    """A wireless interface, and its network."""

    interface: str = Column("Interface: wlan0", index=True, key=True)
    mac: str | None = Column("Its own address")
    mode: str | None = Column("station, access-point, monitor, mesh, ad-hoc, p2p-client, ...")
    ssid: str | None = Column("Name of the network; empty if it is in none")
    bssid: str | None = Column("Address of the access point")
    frequency: int | None = Column("Frequency, MHz", type=ColumnType.INTEGER)
    channel: int | None = Column("Number of the channel", type=ColumnType.INTEGER)
    channel_width: int | None = Column("Width of the channel, MHz", type=ColumnType.INTEGER)
    signal: int | None = Column("Strength of the signal, dBm", type=ColumnType.INTEGER)
    transmit_rate: float | None = Column("Rate of what is sent, Mbit a second")
    receive_rate: float | None = Column("Rate of what is received, Mbit a second")
    connected_seconds: int | None = Column("Seconds that it has been connected")
    transmit_power: float | None = Column("Power that it sends with, dBm")
    security: str | None = Column(
        "Weakest way into the network that it announces: open, owe, wep, wpa-psk, wpa2-psk, wpa3-sae, "
        "wpa-enterprise, wpa2-enterprise, wpa3-dpp, wpa3-enterprise-192, other"
    )
    key_managements: list[str] | None = Column("JSON list of all ways into the network that it announces")
    ciphers: list[str] | None = Column(
        "JSON list of the ciphers that it announces: ccmp, gcmp-256, tkip, wep-104"
    )
    management_frames: str | None = Column("Protection of management frames: required, optional or off")


class Wireless(Protocol):
    """An object that lists things of nl80211, as `Family` does."""

    def list(self, command: int, request: Attributes | None = None) -> list[Attributes]:
        """Return the attributes of each element of a list."""


class _Network(NamedTuple):
    facts: Attributes
    ssid: str | None
    security: Security


@table(
    "kolide_wifi",
    platforms=("linux",),
    elsewhere="it asks Linux's nl80211; osquery itself has wifi_status and wifi_networks for macOS",
    examples=(
        "select interface, ssid, security, signal from kolide_wifi where ssid <> ''",
        (
            "select interface, ssid, bssid, key_managements from kolide_wifi where security in "
            "('open', 'wep', 'wpa-psk')"
        ),
    ),
)
def wifi(query: Query) -> Iterator[WifiInterface]:
    """Wireless interfaces: their network, its security, signal, channel and rates; never a passphrase."""
    try:
        family = Family("nl80211")
    except OSError as error:
        if error.errno in _NO_WIRELESS:
            return  # the kernel has no wireless interfaces
        raise
    with family:
        yield from wifi_rows(query, family)


def wifi_rows(query: Query, wireless: Wireless) -> Iterator[WifiInterface]:
    """Yield the rows from what the kernel lists."""
    for facts in sorted(wireless.list(_GET_INTERFACE), key=lambda each: number(each.get(_INDEX, b""))):
        query.check()
        name = shown(facts.get(_NAME, b"").rstrip(b"\0"))
        if name and query.matches("interface", name):
            yield _row(name, facts, wireless)


def _row(name: str, facts: Attributes, wireless: Wireless) -> WifiInterface:
    mode = number(facts.get(_MODE, b""))
    request = {_INDEX: facts.get(_INDEX, b"")}
    network = _network(_listed(wireless, _GET_SCAN, request))
    station = _station(_listed(wireless, _GET_STATION, request), network) if mode in _CLIENT_MODES else {}
    own = network.facts if network is not None else {}
    frequency = _number(facts.get(_FREQUENCY)) or _number(own.get(_BSS_FREQUENCY))
    announced = network.security if network is not None else None
    return WifiInterface(
        interface=name,
        mac=_address(facts.get(_ADDRESS)),
        mode=_MODES[mode] if mode < len(_MODES) else str(mode),
        ssid=shown(facts[_SSID]) if facts.get(_SSID) else network.ssid if network is not None else None,
        bssid=_address(own.get(_BSSID)),
        frequency=frequency,
        channel=None if frequency is None else channel_of(frequency),
        channel_width=_width(facts.get(_WIDTH)),
        signal=_signal(station, own),
        transmit_rate=_rate(station.get(_SENT_RATE)),
        receive_rate=_rate(station.get(_RECEIVED_RATE)),
        connected_seconds=_number(station.get(_CONNECTED)),
        transmit_power=None if _POWER not in facts else number(facts[_POWER], signed=True) / 100,
        security=None if announced is None else announced.weakest,
        key_managements=None if announced is None else announced.key_managements,
        ciphers=None if announced is None else announced.ciphers,
        management_frames=None if announced is None else announced.management_frames,
    )


def _listed(wireless: Wireless, command: int, request: Attributes) -> list[Attributes]:
    """Return a list about an interface; an empty one if its driver, or its mode, has none."""
    try:
        return wireless.list(command, request)
    except OSError:
        return []


def _network(scan: list[Attributes]) -> _Network | None:
    """Return the network of the scan that the interface has joined."""
    for result in scan:
        facts = attributes(result.get(_NETWORK, b""))
        if _STATUS in facts and number(facts[_STATUS]) in _JOINED:
            elements = facts.get(_ELEMENTS) or facts.get(_BEACON, b"")
            capability = number(facts.get(_CAPABILITY, b""))
            return _Network(facts, _ssid(elements), security(elements, capability))
    return None


def _ssid(elements: bytes) -> str | None:
    """Return the network's name, the first element; a hidden network has zero bytes there."""
    if len(elements) < 2 or elements[0] != _ELEMENT_SSID:
        return None
    return shown(elements[2 : 2 + elements[1]].strip(b"\0")) or None


def _station(stations: list[Attributes], network: _Network | None) -> Attributes:
    """Return the facts of the connection to the access point."""
    bssid = network.facts.get(_BSSID) if network is not None else None
    for station in stations:
        if bssid is None or station.get(_ADDRESS) == bssid:
            return attributes(station.get(_STATION, b""))
    return {}


def _signal(station: Attributes, network: Attributes) -> int | None:
    if _STATION_SIGNAL in station:
        return number(station[_STATION_SIGNAL][:1], signed=True)
    return round(number(network[_SIGNAL], signed=True) / 100) if _SIGNAL in network else None


def _rate(value: bytes | None) -> float | None:
    """Return a rate in Mbit a second; the kernel counts steps of 100 kbit."""
    rates = attributes(value or b"")
    rate = rates.get(_RATE_32) or rates.get(_RATE_16)
    return None if rate is None else number(rate) / 10


def _width(value: bytes | None) -> int | None:
    index = _number(value)
    return None if index is None or index >= len(_WIDTHS) else _WIDTHS[index]


def _number(value: bytes | None) -> int | None:
    return None if value is None else number(value)


def _address(value: bytes | None) -> str | None:
    return None if value is None or len(value) != 6 else value.hex(":")


def channel_of(frequency: int) -> int | None:
    """Return the number of the channel at a frequency in MHz."""
    if frequency == 2484:
        return 14
    if 2412 <= frequency < 2484:
        return (frequency - 2407) // 5
    if 4910 <= frequency <= 4980:
        return (frequency - 4000) // 5
    if frequency == 5935:
        return 2
    if 5000 <= frequency < 5950:
        return (frequency - 5000) // 5
    if 5950 <= frequency <= 7115:
        return (frequency - 5950) // 5
    if 58320 <= frequency <= 70200:
        return (frequency - 56160) // 2160
    return None
