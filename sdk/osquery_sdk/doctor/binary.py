"""What kind of program a file is, from its first bytes, and whether this machine runs it."""

from __future__ import annotations

import os
import platform
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_ELF_MACHINES = {3: "x86", 40: "arm", 62: "x86_64", 183: "arm64", 243: "riscv64"}
_PE_MACHINES = {0x14C: "x86", 0x8664: "x86_64", 0xAA64: "arm64"}
_MACH_MACHINES = {7: "x86", 0x01000007: "x86_64", 0x0100000C: "arm64"}
_NAMES = {"amd64": "x86_64", "aarch64": "arm64", "i386": "x86", "i686": "x86", "armv7l": "arm"}
_HEAD = 64 << 10
BLANKS = b" \t"
LOOKED_AT = 512 if sys.platform == "darwin" else 256
"""Bytes of a script that the system looks at."""


class Program(NamedTuple):
    """A program file."""

    system: str
    """`linux`, `darwin`, `win32`, `script` or empty for no program."""
    machines: tuple[str, ...] = ()
    needs: str = ""
    """The script's interpreter, or the loader of a program that is linked dynamically."""


class Line(NamedTuple):
    """The first line of a script."""

    interpreter: str
    argument: str = ""

    @property
    def words(self) -> str:
        """It as one writes it."""
        return f"{self.interpreter} {self.argument}".strip() or "nothing"


def first_line(head: bytes) -> Line:
    """Read a script's first line as the system does."""
    line = head[2:LOOKED_AT].split(b"\n", 1)[0].strip(BLANKS)
    words = line.replace(b"\t", b" ").split(b" ", 1)
    interpreter, argument = words[0], words[1].strip(BLANKS) if len(words) > 1 else b""
    return Line(os.fsdecode(interpreter), os.fsdecode(argument))


def program_of(path: Path) -> Program:
    """Look at a file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    try:
        return _program(head)
    except (struct.error, IndexError):
        return Program("")


def _program(head: bytes) -> Program:
    if head.startswith(b"#!"):
        return Program("script", (), first_line(head).interpreter)
    if head.startswith(b"\x7fELF"):
        return _elf(head)
    if head.startswith(b"MZ"):
        (at,) = struct.unpack_from("<I", head, 0x3C)
        if head[at : at + 4] == b"PE\0\0":
            (machine,) = struct.unpack_from("<H", head, at + 4)
            return Program("win32", (_PE_MACHINES.get(machine, f"machine {machine:#x}"),))
        return Program("")
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):
        (machine,) = struct.unpack_from("<I", head, 4)
        return Program("darwin", (_MACH_MACHINES.get(machine, f"machine {machine:#x}"),))
    if head[:4] == b"\xca\xfe\xba\xbe":
        (count,) = struct.unpack_from(">I", head, 4)
        if count > 16:
            return Program("")  # Java's classes begin likewise
        kinds = [struct.unpack_from(">I", head, 8 + 20 * i)[0] for i in range(count)]
        return Program("darwin", tuple(_MACH_MACHINES.get(kind, f"machine {kind:#x}") for kind in kinds))
    return Program("")


def _elf(head: bytes) -> Program:
    order = "<" if head[5] == 1 else ">"
    (machine,) = struct.unpack_from(f"{order}H", head, 18)
    wide = head[4] == 2
    (start,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}HH", head, 54 if wide else 42)
    loader = ""
    for at in range(start, start + size * count, size):
        if struct.unpack_from(f"{order}I", head, at)[0] == 3:  # PT_INTERP
            where, length = (
                (
                    struct.unpack_from(f"{order}Q", head, at + 8)[0],
                    struct.unpack_from(f"{order}Q", head, at + 32)[0],
                )
                if wide
                else (
                    struct.unpack_from(f"{order}I", head, at + 4)[0],
                    struct.unpack_from(f"{order}I", head, at + 16)[0],
                )
            )
            loader = head[where : where + length].rstrip(b"\0").decode("utf-8", "surrogateescape")
    name = _ELF_MACHINES.get(machine, f"machine {machine}")
    return Program("linux", (name if wide or name in ("x86", "arm") else f"{name} of 32 bits",), loader)


def this_machine() -> str:
    """The kind of this machine, in the same words."""
    name = platform.machine().lower()
    return _NAMES.get(name, name)


def runs_here(program: Program) -> bool:
    """Whether this system executes such a program, as far as its machine and system tell."""
    if program.system == "script":
        return sys.platform != "win32"
    return program.system == sys.platform and (
        this_machine() in program.machines
        # These run on their successors.
        or (this_machine() == "x86_64" and "x86" in program.machines)
        or (
            sys.platform in ("darwin", "win32") and this_machine() == "arm64" and "x86_64" in program.machines
        )
    )


__all__ = ["BLANKS", "LOOKED_AT", "Line", "Program", "first_line", "program_of", "runs_here", "this_machine"]
