"""The settings of kolide_ext: the tables' limits, their prefix, and which of them are left out."""

import os
from typing import Annotated, NamedTuple

from osquery_sdk import Limits, Setting

# osqueryd waits 300 s for the answer to a call.
_MAX_SECONDS = 300
_USUAL = Limits()


def _begins_a_name(prefix: str) -> bool:
    return prefix.isascii() and f"{prefix}x".isidentifier()


def _is_whole_path(path: str) -> bool:
    return path == "" or os.path.isabs(path)  # noqa: PTH117  pathlib is not loaded for this


def _over_zero(number: int) -> bool:
    return number > 0


def _seconds(number: float) -> bool:
    return 0 < number <= _MAX_SECONDS


def _limit(text: str) -> Setting:
    return Setting(text, "a whole number over 0", _over_zero, section="limits")


class Settings(NamedTuple):
    """The settings; a NamedTuple, because importing dataclasses would take a tenth of the start."""

    prefix: Annotated[
        str,
        Setting(
            "Beginning of the tables' names",
            "letters, digits and underscores, not beginning with a digit",
            _begins_a_name,
        ),
    ] = "kolide_"
    disabled: Annotated[tuple[str, ...], Setting("Tables to leave out", "a list of tables' names")] = ()
    notes: Annotated[
        str, Setting("File of the table of notes", "the whole path of a file", _is_whole_path)
    ] = ""
    enabled: Annotated[
        tuple[str, ...], Setting("Tables to serve that are left out otherwise", "a list of tables' names")
    ] = ()
    max_file_bytes: Annotated[int, _limit("Largest file that is read")] = _USUAL.max_file_bytes
    max_rows: Annotated[int, _limit("Rows of an answer")] = _USUAL.max_rows
    max_seconds: Annotated[
        float,
        Setting(
            "Deadline of a table", f"a number over 0 and at most {_MAX_SECONDS}", _seconds, section="limits"
        ),
    ] = _USUAL.max_seconds
    max_folders: Annotated[int, _limit("Folders that a search enters")] = _USUAL.max_folders

    @property
    def limits(self) -> Limits:
        """The bounds of every table's work."""
        return Limits(self.max_file_bytes, self.max_rows, self.max_seconds, self.max_folders)
