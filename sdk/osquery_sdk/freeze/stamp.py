"""Make the stamp of a build: the facts that the command `version --full` shows."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kolide_kit.git import facts_of_checkout
from kolide_kit.times import source_date

from ..errors import FreezeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

UNKNOWN = "unknown"


def make_stamp(version: str, home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return version, commit, branch, date, user and Python version of a build; "unknown" if missing.

    Args:
        version: of the extension.
        home: a folder of the extension's sources.
        environment: SOURCE_DATE_EPOCH in it sets the date.
    """
    checkout = facts_of_checkout(home)
    return {
        "version": version,
        "commit": checkout.get("commit", UNKNOWN),
        "branch": checkout.get("branch", UNKNOWN),
        "date": build_date(environment).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user": _user(),
        "python": platform.python_version(),
    }


def build_date(environment: Mapping[str, str]) -> datetime:
    """Return the date of the build: SOURCE_DATE_EPOCH (see reproducible-builds.org) if it is set, else now.

    Raises:
        FreezeError: SOURCE_DATE_EPOCH is not a number of seconds.
    """
    try:
        seconds = source_date(environment)
    except ValueError as error:
        raise FreezeError(str(error)) from error
    return datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in a container
        return str(os.getuid()) if hasattr(os, "getuid") else UNKNOWN
