"""osquery's SQL functions on paths and command lines."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from .values import Functions, SQLiteValue, encoded, text_of, value_int32

_ESCAPE = "^" if os.name == "nt" else "\\"


def _program(shortest: bool, values: tuple[SQLiteValue, ...]) -> str | None:
    """Return the program in a command line: the shortest or longest start of it that is a file, else "".

    Args:
        shortest: return the shortest program, not the longest.
        values: the SQL function's arguments: the command line, whether quotes count, and the escape
            character.

    Returns:
        None if the arguments are not valid.
    """
    if not values or any(value is None for value in values):
        return None
    quoting = len(values) > 1 and value_int32(values[1]) != 0
    escape = text_of(values[2]) if len(values) > 2 else _ESCAPE
    if len(encoded(escape)) != 1:
        return None
    program, word, quoted, escaped = "", "", False, False
    for letter in text_of(values[0]).lstrip():
        if escaped:
            word, escaped = word + letter, False
        elif quoting and letter == '"':
            quoted = not quoted
        elif letter == escape:
            escaped = True
        else:
            if not quoted and letter.isspace() and _is_program(word):
                program = word
                if shortest:
                    break
            word += letter
    if (not program or not shortest) and _is_program(word):
        program = word
    return program


def _is_program(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists() and not Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _find_file_path_in_cmd(*values: SQLiteValue) -> str:
    program = _program(True, values)
    if program is None:
        raise apsw.SQLError("Invalid inputs to find_binary_path_from_cmd")
    return program


def _is_path_deterministic(*values: SQLiteValue) -> int:
    shortest, longest = _program(True, values), _program(False, values)
    if shortest is None or longest is None:
        raise apsw.SQLError("Invalid inputs to is_path_deterministic")
    return int(not shortest or len(shortest) in (len(text_of(values[0])), len(longest)))


def _parent_directory(value: SQLiteValue) -> str | None:
    if not isinstance(value, str):
        raise apsw.SQLError("Invalid inputs to parent_directory, TEXT was expected")
    parent, separator, _ = text_of(value).rpartition(os.sep)
    return parent if separator else None


FUNCTIONS: Functions = {
    "find_file_path_in_cmd": (_find_file_path_in_cmd, (-1,)),
    "is_path_deterministic": (_is_path_deterministic, (-1,)),
    "parent_directory": (_parent_directory, (1,)),
}
