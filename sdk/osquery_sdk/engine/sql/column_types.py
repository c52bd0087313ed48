"""Guess the types of columns that are expressions, as osqueryd does: from SQLite's program for a statement.

Facts from `QueryPlanner::applyTypes` (osquery/sql/sqlite_util.cpp). An opcode's registers differ among
versions of SQLite; the guess is osqueryd's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# opcode -> the operand (1, 2 or 3 for P1, P2 or P3) that is the result's register, and the type of the result
_RESULTS: dict[str, tuple[int, str]] = {
    "Concat": (3, "TEXT"),
    "AggStep": (3, "BIGINT"),
    "AggStep0": (3, "BIGINT"),
    "Integer": (2, "INTEGER"),
    "Int64": (2, "BIGINT"),
    "String": (2, "TEXT"),
    "String8": (2, "TEXT"),
    "Or": (3, "INTEGER"),
    "And": (3, "INTEGER"),
    **dict.fromkeys(
        ("BitAnd", "BitOr", "ShiftLeft", "ShiftRight", "Add", "Subtract", "Multiply", "Divide", "Remainder"),
        (3, "BIGINT"),
    ),
    **dict.fromkeys(
        ("Not", "IsNull", "NotNull", "Ne", "Eq", "Gt", "Le", "Lt", "Ge", "IfNeg", "IfNotZero"), (2, "INTEGER")
    ),
}
_CASTS = {ord("A"): "BLOB", ord("B"): "TEXT", ord("C"): "UNKNOWN", ord("D"): "BIGINT", ord("E"): "DOUBLE"}


def expression_types(
    columns: Sequence[tuple[str, str]], program: Iterable[Mapping[str, str]]
) -> list[tuple[str, str]]:
    """Return `columns` with the types that the program shows.

    Args:
        columns: name and declared type.
        program: rows of EXPLAIN.
    """
    typed = list(columns)
    registers: dict[int, str] = {}
    for row in program:
        opcode, operands = row["opcode"], [int(row[operand]) for operand in ("p1", "p2", "p3")]
        if opcode == "ResultRow":
            for register, kind in registers.items():
                position = register - operands[0]
                if 0 <= position < len(typed):
                    typed[position] = typed[position][0], kind
        elif opcode == "Copy":
            source, target, more = operands
            for offset in range(more + 1):
                if source + offset in registers:
                    registers[target + offset] = registers.pop(source + offset)
        elif opcode == "Cast":
            registers[operands[0]] = _CASTS.get(operands[1], "UNKNOWN")
        if opcode in _RESULTS:
            place, kind = _RESULTS[opcode]
            registers[operands[place - 1]] = kind
    return typed
