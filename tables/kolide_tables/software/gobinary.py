"""Read the build information that Go leaves in every program, found through the headers of its file:
ELF, PE, Mach-O, XCOFF or Plan 9's.

Little is read, however large the program is. Source: Go's debug/buildinfo and runtime/debug packages; both
the form in use since Go 1.18 and the one before it are read.
"""

import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from kolide_kit.text import printable, shown

__all__ = ["BrokenProgram", "BuildInfo", "Module", "build_info"]

_MAGIC = b"\xff Go buildinf:"
_ALIGN = 16
_HEADER = 32
# Without a section of its own the information is in the data, which is searched in such blocks.
_SEARCHED = 1 << 20
_MOST_SEARCHED = 64 << 20
_LONGEST = 4 << 20
_MOST_PARTS = 4096
_SENTINEL = 16
_PT_LOAD, _PF_X, _PF_W = 1, 1, 2
# For each magic number: the order of bytes, and whether addresses have 64 bits.
_MACHO = {
    b"\xcf\xfa\xed\xfe": ("<", True),
    b"\xce\xfa\xed\xfe": ("<", False),
    b"\xfe\xed\xfa\xcf": (">", True),
    b"\xfe\xed\xfa\xce": (">", False),
}
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SETTING = re.compile(rf"({_QUOTED}|[^=]*)=({_QUOTED}|.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_FAT = {b"\xca\xfe\xba\xbe": 20, b"\xca\xfe\xba\xbf": 32}
# Magic numbers of AIX and Plan 9; the sizes of AIX's headers of a file and a section, and a section's form.
_XCOFF = {b"\x01\xdf": (20, 40, ">4xIII12xI"), b"\x01\xf7": (24, 72, ">8xQQQ24xI")}
_STYP_DATA = 0x40
_PLAN9 = (b"\0\0\x01\xeb", b"\0\0\x8a\x97", b"\0\0\x06\x47")


class Module(NamedTuple):
    """A module in a program; `version` is None if it was built from sources without one."""

    path: str
    version: str | None


class BuildInfo(NamedTuple):
    """The Go version, modules and settings that a program was built from."""

    go_version: str
    main: Module | None
    dependencies: list[Module]
    settings: dict[str, str]
    package: str | None


class _Part(NamedTuple):
    """A stretch of the file, its address in memory, and whether the program writes there."""

    address: int
    offset: int
    size: int
    is_data: bool


# The section of the information, if there is one, and the parts of memory.
_Image = tuple[_Part | None, list[_Part]]


class BrokenProgram(Exception):
    """The file has the mark of Go's build information, but not the information."""


class _NotGo(Exception):
    """The file is not a Go program, is broken, or has no build information."""


def build_info(file: BinaryIO) -> BuildInfo | None:
    """Return the information in a program; None if it has none, or is not a program.

    Raises BrokenProgram and OSError.
    """
    try:
        section, parts = _image(file)
        start = section or next((part for part in parts if part.is_data), None)
        if start is None:
            return None
        place = _find(file, start)
    except (_NotGo, struct.error):
        return None
    try:
        version, modules = _strings(file, *place, parts)
    except (_NotGo, struct.error) as error:
        raise BrokenProgram from error
    return _parsed(shown(version), shown(modules))


def _parsed(version: str, text: str) -> BuildInfo:
    main = package = None
    dependencies: list[Module] = []
    settings: dict[str, str] = {}
    for line in text.split("\n"):
        kind, _, rest = line.partition("\t")
        fields = rest.split("\t")
        if kind == "path":
            package = rest
        elif kind == "mod":
            main = _module(fields)
        elif kind == "dep":
            dependencies.append(_module(fields))
        elif kind == "=>" and dependencies:
            dependencies[-1] = _replaced(dependencies[-1], _module(fields))
        elif kind == "build":
            setting = _SETTING.fullmatch(rest)
            if setting is not None:
                settings[_unquoted(setting[1])] = _unquoted(setting[2])
    return BuildInfo(version, main, dependencies, settings, package)


def _unquoted(text: str) -> str:
    """Return a name or value that Go quotes, as its own literals are, if it has blanks or quotes."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return printable(_ESCAPE.sub(_unescaped, text[1:-1]))


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 1:
        return _LETTERS.get(escape, escape)
    number = int(escape[1:], 16)
    if escape[0] == "x":
        return bytes((number,)).decode("utf-8", "surrogateescape")
    return chr(number) if number < 0x110000 else match[0]


def _module(fields: list[str]) -> Module:
    version = fields[1] if len(fields) > 1 else ""
    return Module(fields[0], version if version and version != "(devel)" else None)


def _replaced(module: Module, other: Module) -> Module:
    """Return the replacement, which is what the program contains.

    A local folder has no name that means anything elsewhere.
    """
    is_folder = other.path.startswith((".", "/")) or other.path[1:3] in (":\\", ":/")
    return module._replace(version=None) if is_folder else other


# -- the two forms of the information


def _strings(file: BinaryIO, at: int, data: bytes, parts: list[_Part]) -> tuple[bytes, bytes]:
    """Return Go's version, and the text about modules."""
    if data[15] & 2:
        version, at = _inline(file, at + _HEADER)
        modules, _ = _inline(file, at)
    else:
        width, order = data[14], ">" if data[15] & 1 else "<"
        if width not in (4, 8):
            raise _NotGo
        kind = f"{order}{'Q' if width == 8 else 'I'}"
        version, modules = (_pointed(file, parts, kind, width, data[16 + width * n :]) for n in (0, 1))
    if not version:
        raise _NotGo
    # The text is between two marks of 16 bytes, by which debuggers find it in memory.
    has_marks = len(modules) >= 2 * _SENTINEL + 1 and modules[-_SENTINEL - 1 : -_SENTINEL] == b"\n"
    return version, modules[_SENTINEL:-_SENTINEL] if has_marks else b""


def _find(file: BinaryIO, start: _Part) -> tuple[int, bytes]:
    """Return where the information is in a part: its address is a multiple of 16."""
    for skipped in range(-start.address % _ALIGN, min(start.size, _MOST_SEARCHED), _SEARCHED):
        data = _read(file, start.offset + skipped, min(start.size - skipped, _SEARCHED))
        at = data.find(_MAGIC)
        while at >= 0 and at % _ALIGN:
            at = data.find(_MAGIC, at + 1)
        if at >= 0:
            header = _read(file, start.offset + skipped + at, _HEADER)
            if len(header) < _HEADER:
                raise BrokenProgram
            return start.offset + skipped + at, header
    raise _NotGo


def _inline(file: BinaryIO, at: int) -> tuple[bytes, int]:
    """Return a text that follows its length (a varint), and where the next one begins."""
    length = shift = 0
    for byte in _read(file, at, 10):
        length |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if not byte & 0x80:
            text = _read(file, at, min(length, _LONGEST))
            if len(text) < length:
                raise _NotGo
            return text, at + length
    raise _NotGo


def _pointed(file: BinaryIO, parts: list[_Part], kind: str, width: int, data: bytes) -> bytes:
    """Return a text by the address of its header, which holds address and length."""
    (header,) = struct.unpack_from(kind, data)
    place = _in_memory(file, parts, header, 2 * width)
    address, length = struct.unpack(f"{kind[0]}2{kind[1]}", place)
    return _in_memory(file, parts, address, length) if 0 < length <= _LONGEST else b""


def _in_memory(file: BinaryIO, parts: list[_Part], address: int, length: int) -> bytes:
    for part in parts:
        inside = address - part.address
        if inside >= 0 and inside + length <= part.size:
            data = _read(file, part.offset + inside, length)
            if len(data) == length:
                return data
    raise _NotGo


# -- the headers


def _image(file: BinaryIO) -> _Image:
    magic = _read(file, 0, 8)
    if magic.startswith(b"\x7fELF"):
        return _elf(file, magic)
    if magic.startswith(b"MZ"):
        return _pe(file)
    if magic[:4] in _MACHO:
        return _macho(file, 0, magic[:4])
    if magic[:4] in _FAT and 0 < int.from_bytes(magic[4:8], "big") < 32:
        # A program for several machines: each part was built from the same modules.
        first = _read(file, 8, _FAT[magic[:4]])
        offset = int.from_bytes(first[8:16] if magic[3] == 0xBF else first[8:12], "big")
        return _macho(file, offset, _read(file, offset, 4))
    if magic[:2] in _XCOFF:
        return _xcoff(file, *_XCOFF[magic[:2]])
    if magic[:4] in _PLAN9:
        return _plan9(file)
    raise _NotGo


def _elf(file: BinaryIO, magic: bytes) -> _Image:
    wide, order = magic[4] == 2, "<" if magic[5] == 1 else ">"
    head = _read(file, 0, 64)
    form, at = ("QQ4x6H", 32) if wide else ("II4x6H", 28)
    segments_at, sections_at, _, *sizes = struct.unpack_from(order + form, head, at)
    segment_size, segment_count, section_size, section_count, names_index = sizes
    parts: list[_Part] = []
    for entry in _entries(file, segments_at, segment_size, segment_count):
        if wide:
            kind, flags, offset, address, _, size = struct.unpack_from(f"{order}IIQQQQ", entry)
        else:
            kind, offset, address, _, size, _, flags = struct.unpack_from(f"{order}7I", entry)
        if kind == _PT_LOAD:
            parts.append(_Part(address, offset, size, flags & (_PF_X | _PF_W) == _PF_W))
    found: _Part | None = None
    sections = list(_entries(file, sections_at, section_size, section_count))
    form = f"{order}IIQQQQ" if wide else f"{order}6I"
    if names_index < len(sections):
        *_, names_at, names_size = struct.unpack_from(form, sections[names_index])
        names = _read(file, names_at, min(names_size, _SEARCHED))
        for section in sections:
            name, _, _, address, offset, size = struct.unpack_from(form, section)
            if names[name : name + 14] == b".go.buildinfo\0":
                found = _Part(address, offset, size, is_data=True)
    return found, parts


def _pe(file: BinaryIO) -> _Image:
    (at,) = struct.unpack("<I", _read(file, 0x3C, 4))
    head = _read(file, at, 24)
    if head[:4] != b"PE\0\0":
        raise _NotGo
    count, optional_size = struct.unpack_from("<H", head, 6)[0], struct.unpack_from("<H", head, 20)[0]
    optional = _read(file, at + 24, min(optional_size, 256))
    wide = optional[:2] == b"\x0b\x02"
    (base,) = struct.unpack_from("<Q" if wide else "<I", optional, 24 if wide else 28)
    parts: list[_Part] = []
    for section in _entries(file, at + 24 + optional_size, 40, count):
        address, size, offset, flags = struct.unpack_from("<3I12xI", section, 12)
        # Initialized data that may be read and written.
        is_data = flags & 0xC0000040 == 0xC0000040 and size > 0
        parts.append(_Part(base + address, offset, size, is_data))
    return None, parts


def _macho(file: BinaryIO, base: int, magic: bytes) -> _Image:
    if magic not in _MACHO:
        raise _NotGo
    order, wide = _MACHO[magic]
    head = _read(file, base, 32)
    count, size = struct.unpack_from(f"{order}II", head, 16)
    commands = _read(file, base + (32 if wide else 28), min(size, _SEARCHED))
    parts: list[_Part] = []
    found: _Part | None = None
    at = 0
    for _ in range(min(count, _MOST_PARTS)):
        kind, length = struct.unpack_from(f"{order}II", commands, at)
        if kind == (0x19 if wide else 0x1):
            form = f"{order}QQQQ4xII" if wide else f"{order}IIII4xII"
            address, _, offset, file_size, flags, sections = struct.unpack_from(form, commands, at + 24)
            parts.append(_Part(address, base + offset, file_size, flags & 3 == 3))
            found = _macho_section(commands, at, sections, wide=wide, order=order, base=base) or found
        if length < 8:
            raise _NotGo
        at += length
    return found, parts


def _macho_section(
    commands: bytes, at: int, count: int, *, wide: bool, order: str, base: int
) -> _Part | None:
    size, first = (80, 72) if wide else (68, 56)
    for index in range(min(count, _MOST_PARTS)):
        section = at + first + index * size
        if commands[section : section + 16].rstrip(b"\0") == b"__go_buildinfo":
            form = f"{order}QQI" if wide else f"{order}III"
            address, length, offset = struct.unpack_from(form, commands, section + 32)
            return _Part(address, base + offset, length, is_data=True)
    return None


def _xcoff(file: BinaryIO, header: int, size: int, form: str) -> _Image:
    head = _read(file, 0, header)
    (count,) = struct.unpack_from(">H", head, 2)
    (optional,) = struct.unpack_from(">H", head, 16)
    parts: list[_Part] = []
    for entry in _entries(file, header + optional, size, count):
        address, length, offset, flags = struct.unpack_from(form, entry, 8)
        parts.append(_Part(address, offset, length, bool(flags & _STYP_DATA)))
    return None, parts


def _plan9(file: BinaryIO) -> _Image:
    magic, text, data = struct.unpack(">3I", _read(file, 0, 12))
    start = text + (40 if magic & 0x8000 else 32)
    return None, [_Part(start, start, data, is_data=True)]


def _entries(file: BinaryIO, offset: int, size: int, count: int) -> Iterator[bytes]:
    if not 0 < size <= 256:
        return
    table = _read(file, offset, size * min(count, _MOST_PARTS))
    yield from (table[at : at + size] for at in range(0, len(table), size))


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    """Return up to `size` bytes, fewer at the end of the file."""
    if offset < 0 or offset >= 1 << 62:
        raise _NotGo
    file.seek(offset)
    return file.read(size) or b""
