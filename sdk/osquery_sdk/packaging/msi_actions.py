"""What an msi's script does and when: see `scripts/actions.js`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from xml.etree.ElementTree import Element, SubElement

if TYPE_CHECKING:
    from collections.abc import Callable

    from .maintainer import Default
    from .model import Package

_REMOVING = 'REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE'
_NEW = "NOT Installed AND NOT WIX_UPGRADE_DETECTED"
_PRESENT = "NOT REMOVE"
# Where Windows Installer's own actions are: InstallValidate 1400, InstallInitialize 1500, RemoveFiles 3500, CreateFolders
# 3700, InstallFiles 4000, InstallServices 5800, StartServices 5900, InstallFinalize 6600.
# https://learn.microsoft.com/windows/win32/msi/suggested-installexecutesequence


class Action(NamedTuple):
    """A function of the script."""

    name: str
    number: int
    """Its place in the sequence."""
    condition: str = ""
    told: str | None = None
    """What it is told; none for one that runs before anything is changed."""


class Step(NamedTuple):
    """A row of the sequence."""

    name: str
    condition: str
    number: int


def actions(package: Package, defaults: tuple[Default, ...], formatted: Callable[[str], str]) -> list[Action]:
    """Those that the package needs.

    Args:
        package: described.
        defaults: settings that are copied into place.
        formatted: makes a path one that Windows Installer completes.
    """
    if package.owns_load_list:
        settings = package.load_list.rpartition("/")[0]
        pairs = "|".join(f"{formatted(one.source)}|{formatted(one.path)}" for one in defaults)
        return [
            Action("Protect", 3710, _PRESENT, f"{formatted(settings)}|{formatted(package.state)}"),
            Action("PutDefaults", 4010, _PRESENT, pairs),
            Action("RestartOnFailure", 5810, _PRESENT, package.services[0].name),
        ]
    both = f"{formatted(package.load_list)}|{formatted(package.program)}"
    return [
        # osqueryd holds the files of the version that is there: it is stopped before anybody looks which are in use.
        Action("StopOsqueryd", 1390),
        Action("RemoveFromList", 3510, _REMOVING, both),
        Action("AddToList", 4010, _NEW, both),
        Action("StartOsqueryd", 6590, 'OSQUERYD_RAN="1"', "osqueryd"),
    ]


def declare(top: Element, listed: list[Action], script: str) -> None:
    """Add the actions to a WiX source, without their places: wixl would change these."""
    SubElement(top, "Binary", {"Id": "Actions", "SourceFile": script})
    for action in listed:
        call = {"Id": action.name, "BinaryKey": "Actions", "JScriptCall": action.name, "Return": "ignore"}
        if action.told is not None:
            # One that changes something runs later, by itself, and knows nothing but the property of its name.
            SubElement(
                top,
                "CustomAction",
                {"Id": f"Set{action.name}", "Property": action.name, "Value": action.told},
            )
            call |= {"Execute": "deferred", "Impersonate": "no"}
        SubElement(top, "CustomAction", call)


def steps(listed: list[Action]) -> list[Step]:
    """The rows of the sequence."""
    rows = [Step(action.name, action.condition, action.number) for action in listed]
    told = [action for action in listed if action.told is not None]
    return rows + [
        Step(f"Set{action.name}", action.condition, 1510 + place) for place, action in enumerate(told)
    ]
