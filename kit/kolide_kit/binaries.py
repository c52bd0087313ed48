"""Read the first bytes of a program file: the system and machine it is for, and whether this machine runs it.

Only the standard library is needed, so frozen programs can carry this module. `elf.py` beside it reads Linux
programs further, with pyelftools.
"""

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
_PT_INTERP = 3
_MOST_MACHINES = 16
BLANKS = b" \t"
SCRIPT_HEAD = 512 if sys.platform == "darwin" else 256
"""Bytes at the beginning of a script that the system reads to find its interpreter."""


class Program(NamedTuple):
    """A program file."""

    system: str
    """`linux`, `darwin`, `win32` or `script`; empty if the file is not a program."""
    machines: tuple[str, ...] = ()
    """`x86_64`, `arm64`, ...; several for a universal binary of macOS, none for a script."""
    loader: str = ""
    """The interpreter of a script, or the dynamic loader of a Linux program; empty if it needs neither."""


class ScriptLine(NamedTuple):
    """The first line of a script, `#!interpreter argument`."""

    interpreter: str
    argument: str = ""

    @property
    def words(self) -> str:
        """Return the line as it is written, without `#!`; "nothing" if it is empty."""
        return f"{self.interpreter} {self.argument}".strip() or "nothing"


def parse_script_line(head: bytes) -> ScriptLine:
    """Split a script's first line as the system does: everything after the interpreter is one argument.

    Args:
        head: the first bytes of the file, beginning with `#!`.
    """
    line = head[2:SCRIPT_HEAD].split(b"\n", 1)[0].strip(BLANKS)
    interpreter, _, argument = line.replace(b"\t", b" ").partition(b" ")
    return ScriptLine(os.fsdecode(interpreter), os.fsdecode(argument.strip(BLANKS)))


def read_program(path: Path) -> Program:
    """Return the kind of program that a file is.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    try:
        return _parse_head(head)
    except (struct.error, IndexError):
        return Program("")


def _parse_head(head: bytes) -> Program:
    if head.startswith(b"#!"):
        return Program("script", (), parse_script_line(head).interpreter)
    if head.startswith(b"\x7fELF"):
        return _parse_elf(head)
    if head.startswith(b"MZ"):
        # A program of Windows begins with one for DOS; 0x3C holds the offset of the real header.
        (offset,) = struct.unpack_from("<I", head, 0x3C)
        if head[offset : offset + 4] == b"PE\0\0":
            return Program("win32", (_machine("<H", head, offset + 4, _PE_MACHINES),))
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):
        return Program("darwin", (_machine("<I", head, 4, _MACH_MACHINES),))
    if head[:4] == b"\xca\xfe\xba\xbe":
        # A universal binary: the number of machines, then 20 bytes for each. Java's classes begin with the
        # same four bytes, and the number that follows is large there.
        (count,) = struct.unpack_from(">I", head, 4)
        if count <= _MOST_MACHINES:
            machines = (_machine(">I", head, 8 + 20 * i, _MACH_MACHINES) for i in range(count))
            return Program("darwin", tuple(machines))
    return Program("")


def _machine(layout: str, head: bytes, offset: int, names: dict[int, str]) -> str:
    (number,) = struct.unpack_from(layout, head, offset)
    return names.get(number, f"machine {number:#x}")


def _parse_elf(head: bytes) -> Program:
    """Read machine and loader from an ELF header and its program headers.

    ::

        offset              32 bits  64 bits
        class (2 = 64 bit)        4        4
        byte order (1 = little)   5        5
        machine                  18       18
        program headers begin    28       32
        size of one, number      42       54
        in each: kind             0        0
                 file offset      4        8
                 length in file  16       32
    """
    order = "<" if head[5] == 1 else ">"
    is_wide = head[4] == 2
    word = f"{order}{'Q' if is_wide else 'I'}"
    (machine,) = struct.unpack_from(f"{order}H", head, 18)
    (start,) = struct.unpack_from(word, head, 32 if is_wide else 28)
    size, count = struct.unpack_from(f"{order}HH", head, 54 if is_wide else 42)
    loader = ""
    for entry in range(start, start + size * count, size):
        if struct.unpack_from(f"{order}I", head, entry)[0] == _PT_INTERP:
            (offset,) = struct.unpack_from(word, head, entry + (8 if is_wide else 4))
            (length,) = struct.unpack_from(word, head, entry + (32 if is_wide else 16))
            loader = head[offset : offset + length].rstrip(b"\0").decode("utf-8", "surrogateescape")
    name = _ELF_MACHINES.get(machine, f"machine {machine}")
    return Program("linux", (name if is_wide or name in ("x86", "arm") else f"{name} of 32 bits",), loader)


def this_machine() -> str:
    """Return the kind of this machine, in the words of `Program.machines`."""
    name = platform.machine().lower()
    return _NAMES.get(name, name)


def runs_here(program: Program) -> bool:
    """Return True if this system and machine can execute the program."""
    if program.system == "script":
        return sys.platform != "win32"
    machine = this_machine()
    return program.system == sys.platform and (
        machine in program.machines
        # A newer machine runs programs of the one before it.
        or (machine == "x86_64" and "x86" in program.machines)
        or (sys.platform in ("darwin", "win32") and machine == "arm64" and "x86_64" in program.machines)
    )
