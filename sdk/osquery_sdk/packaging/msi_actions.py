"""Choose the actions of an msi's script, and their places in the installation: see `scripts/actions.js`."""

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
# The places of Windows Installer's own actions: InstallValidate 1400, InstallInitialize 1500, RemoveFiles
# 3500, CreateFolders 3700, InstallFiles 4000, InstallServices 5800, StartServices 5900, InstallFinalize 6600.
# https://learn.microsoft.com/windows/win32/msi/suggested-installexecutesequence


class Action(NamedTuple):
    """A function of the script that runs during the installation."""

    name: str
    number: int
    """The action's place in the sequence."""
    condition: str = ""
    data: str | None = None
    """The value of its property CustomActionData; None for an action that runs before anything is changed."""


def actions(package: Package, defaults: tuple[Default, ...], formatted: Callable[[str], str]) -> list[Action]:
    """Return the actions that the package needs.

    Args:
        package: the package.
        defaults: settings that are copied into place.
        formatted: returns a path for Windows Installer to complete.
    """
    if package.owns_load_list:
        settings = package.load_list.rpartition("/")[0]
        pairs = "|".join(f"{formatted(default.source)}|{formatted(default.path)}" for default in defaults)
        return [
            Action("Protect", 3710, _PRESENT, f"{formatted(settings)}|{formatted(package.state)}"),
            Action("PutDefaults", 4010, _PRESENT, pairs),
            Action("RestartOnFailure", 5810, _PRESENT, package.services[0].name),
        ]
    both = f"{formatted(package.load_list)}|{formatted(package.program)}"
    return [
        # osqueryd holds files of the installed version open. It is stopped before InstallValidate looks for
        # such files.
        Action("StopOsqueryd", 1390),
        Action("RemoveFromList", 3510, _REMOVING, both),
        Action("AddToList", 4010, _NEW, both),
        Action("StartOsqueryd", 6590, 'OSQUERYD_RAN="1"', "osqueryd"),
    ]


def declare(top: Element, listed: list[Action], script: str) -> None:
    """Add the actions to a WiX source, without their places, as wixl would change these."""
    SubElement(top, "Binary", Id="Actions", SourceFile=script)
    for action in listed:
        call = {"Id": action.name, "BinaryKey": "Actions", "JScriptCall": action.name, "Return": "ignore"}
        if action.data is not None:
            # An action that changes something is deferred. It can read only one property, the one of its own
            # name.
            SubElement(top, "CustomAction", Id=f"Set{action.name}", Property=action.name, Value=action.data)
            call |= {"Execute": "deferred", "Impersonate": "no"}
        SubElement(top, "CustomAction", call)


def steps(listed: list[Action]) -> list[tuple[str, str, int]]:
    """Return the rows of the table that orders the actions: (name, condition, number)."""
    deferred = [action for action in listed if action.data is not None]
    return [(action.name, action.condition, action.number) for action in listed] + [
        (f"Set{action.name}", action.condition, 1510 + place) for place, action in enumerate(deferred)
    ]
