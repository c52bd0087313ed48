"""Tell from a wireless network's announcements how one gets in, and how it encrypts.

Source: IEEE 802.11-2020, 9.4.2.24 (RSN element), and its tables of suites; WPA has an element of its own.
"""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Security", "security"]

_RSN, _VENDOR = 48, 221
_RSN_SUITES, _WPA_SUITES = b"\x00\x0f\xac", b"\x00\x50\xf2"
_WPA_TYPE = b"\x00\x50\xf2\x01"
_PRIVACY = 0x10
_MOST_SUITES = 64
_FRAMES_REQUIRED, _FRAMES_POSSIBLE = 0x40, 0x80
_RSN_KEYS = {
    1: "wpa2-enterprise",
    2: "wpa2-psk",
    3: "wpa2-enterprise",
    4: "wpa2-psk",
    5: "wpa2-enterprise",
    6: "wpa2-psk",
    8: "wpa3-sae",
    9: "wpa3-sae",
    11: "wpa3-enterprise",
    12: "wpa3-enterprise-192",
    13: "wpa3-enterprise-192",
    14: "wpa2-enterprise",
    15: "wpa2-enterprise",
    16: "wpa2-enterprise",
    17: "wpa2-enterprise",
    18: "owe",
    19: "wpa2-psk",
    20: "wpa2-psk",
    22: "wpa2-enterprise",
    23: "wpa2-enterprise",
    24: "wpa3-sae",
    25: "wpa3-sae",
}
_WPA_KEYS = {1: "wpa-enterprise", 2: "wpa-psk"}
_WIFI_ALLIANCE_KEYS = {b"\x50\x6f\x9a\x01": "hotspot-osen", b"\x50\x6f\x9a\x02": "wpa3-dpp"}
_GROUP_CIPHER = 0
_CIPHERS = {
    1: "wep-40",
    2: "tkip",
    4: "ccmp",
    5: "wep-104",
    8: "gcmp",
    9: "gcmp-256",
    10: "ccmp-256",
}
# The weakest first.
_ORDER = (
    *("open", "wep", "wpa-psk", "wpa-enterprise", "owe", "wpa2-psk", "wpa2-enterprise", "wpa3-sae"),
    *("wpa3-enterprise", "wpa3-dpp", "wpa3-enterprise-192", "hotspot-osen", "other"),
)


class Security(NamedTuple):
    """The security of a network, as it announces it."""

    weakest: str
    key_managements: list[str]
    ciphers: list[str]
    management_frames: str


def security(elements: bytes, capability: int) -> Security:
    """Return the security that the elements of a beacon announce."""
    keys: list[str] = []
    ciphers: list[str] = []
    frames = "off"
    for kind, body in _elements(elements):
        if kind == _RSN:
            suites = _Suites(body[2:], _RSN_SUITES)
            ciphers += suites.names(_CIPHERS)
            keys += suites.key_names(_RSN_KEYS)
            frames = _management_frames(suites.capabilities)
        elif kind == _VENDOR and body.startswith(_WPA_TYPE):
            suites = _Suites(body[6:], _WPA_SUITES)
            ciphers += suites.names(_CIPHERS)
            keys += suites.key_names(_WPA_KEYS)
    if not keys:
        keys = ["wep" if capability & _PRIVACY else "open"]
    keys = list(dict.fromkeys(keys))
    return Security(min(keys, key=_ORDER.index), keys, list(dict.fromkeys(ciphers)), frames)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        if end > len(data):
            return
        yield data[at], data[at + 2 : end]
        at = end


class _Suites:
    """The lists of an element: the cipher for groups, those for pairs, the ways to a key, and capabilities.

    Each may be left out at the end; then the first of the standard counts: CCMP, or TKIP, with 802.1X.
    """

    def __init__(self, data: bytes, vendor: bytes) -> None:
        self._vendor = vendor
        self._group = data[:4]
        self._data = data[4:]
        self.pairs = self._list()
        self.keys = self._list()
        self.capabilities = int.from_bytes(self._data[:2], "little")

    def _list(self) -> list[bytes] | None:
        if len(self._data) < 2:
            return None
        count = min(int.from_bytes(self._data[:2], "little"), _MOST_SUITES)
        suites = [self._data[2 + 4 * index : 6 + 4 * index] for index in range(count)]
        self._data = self._data[2 + 4 * count :]
        return [suite for suite in suites if len(suite) == 4]

    def names(self, names: dict[int, str]) -> list[str]:
        if self.pairs is None:
            return ["ccmp" if self._vendor == _RSN_SUITES else "tkip"]
        return [
            self._name(self._group if suite[3] == _GROUP_CIPHER else suite, names) for suite in self.pairs
        ]

    def key_names(self, names: dict[int, str]) -> list[str]:
        if self.keys is None:
            return [names[1]]
        return [self._name(suite, names) for suite in self.keys]

    def _name(self, suite: bytes, names: dict[int, str]) -> str:
        if suite[:3] == self._vendor:
            return names.get(suite[3], "other")
        return _WIFI_ALLIANCE_KEYS.get(suite, "other")


def _management_frames(capabilities: int) -> str:
    if capabilities & _FRAMES_REQUIRED:
        return "required"
    return "optional" if capabilities & _FRAMES_POSSIBLE else "off"
