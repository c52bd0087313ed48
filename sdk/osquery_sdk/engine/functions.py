"""osquery's additional SQL functions and collations.

Facts from `osquery/sql/sqlite_*.cpp`: names, arguments, results and error texts. What differs is told where it does:
regular expressions are Python's, with the parts of ECMAScript's syntax translated that differ in meaning.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import math
import os
import re
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from .regex import BadRegex, compile_ecmascript
from .values import SQLiteValue, parse_decimal, value_text
from .versions import COLLATIONS, FLAVORS, compare

_REGEX_MAX = 256
_ESCAPE = "^" if os.name == "nt" else "\\"
_SOUNDEX = {
    letter: digit
    for digit, letters in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1)
    for letter in letters
}


# What SQLite 3.42 has built in, as osquery compiles it. A newer SQLite has more; a statement that used it would fail later.
_BUILT_IN = frozenset(
    [
        "->",
        "->>",
        "abs",
        "avg",
        "changes",
        "char",
        "coalesce",
        "count",
        "cume_dist",
        "current_date",
        "current_time",
        "current_timestamp",
        "date",
        "datetime",
        "dense_rank",
        "first_value",
        "format",
        "glob",
        "group_concat",
        "hex",
        "ifnull",
        "iif",
        "instr",
        "json",
        "json_array",
        "json_array_length",
        "json_error_position",
        "json_extract",
        "json_group_array",
        "json_group_object",
        "json_insert",
        "json_object",
        "json_patch",
        "json_quote",
        "json_remove",
        "json_replace",
        "json_set",
        "json_type",
        "json_valid",
        "julianday",
        "lag",
        "last_insert_rowid",
        "last_value",
        "lead",
        "length",
        "like",
        "likelihood",
        "likely",
        "load_extension",
        "lower",
        "ltrim",
        "match",
        "max",
        "min",
        "nth_value",
        "ntile",
        "nullif",
        "percent_rank",
        "printf",
        "quote",
        "random",
        "randomblob",
        "rank",
        "replace",
        "round",
        "row_number",
        "rtrim",
        "sign",
        "sqlite_compileoption_get",
        "sqlite_compileoption_used",
        "sqlite_log",
        "sqlite_source_id",
        "sqlite_version",
        "strftime",
        "substr",
        "substring",
        "subtype",
        "sum",
        "time",
        "total",
        "total_changes",
        "trim",
        "typeof",
        "unhex",
        "unicode",
        "unixepoch",
        "unlikely",
        "upper",
        "zeroblob",
    ]
)


def hide_functions(connection: apsw.Connection) -> frozenset[str]:
    """Take away the functions that osqueryd's SQLite does not have; returns their names.

    SQLite then speaks of a wrong number of arguments where it should not know the function at all.
    """
    known = _BUILT_IN | _FUNCTIONS.keys() | {"carve"}
    listed = connection.execute("select distinct name, narg from pragma_function_list").fetchall()
    # -1 stands for any number of arguments; SQLite's own functions have other negative numbers for "at least so many".
    hidden = {(str(name), max(int(str(count)), -1)) for name, count in listed if name not in known}
    for name, count in hidden:
        # A function that was added and removed again stands before the one of the same name that is built in.
        connection.createscalarfunction(name, _nothing, count)
        connection.createscalarfunction(name, None, count)
    return frozenset(name for name, _ in hidden)


def _nothing(*_: SQLiteValue) -> None:
    """Never called."""


def register_functions(connection: apsw.Connection) -> None:
    """Add every function to a connection."""
    for name, (function, arguments) in _FUNCTIONS.items():
        for count in arguments:
            connection.createscalarfunction(name, function, count, deterministic=name != "sleep")
    connection.createaggregatefunction("carve", _carve, 1)


def register_collations(connection: apsw.Connection) -> None:
    """Add every collation to a connection."""
    for collation, comparison in COLLATIONS.items():
        connection.createcollation(collation.lower(), comparison)


def _real(value: SQLiteValue) -> float:
    """A value as `sqlite3_value_double` gives it: a text or blob counts with the number that it begins with."""
    if isinstance(value, (int, float)):
        return float(value)
    text = value_text(value) or ""
    match = re.match(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII)
    return float(match[0]) if match else 0.0


def _int32(value: SQLiteValue) -> int:
    """A value as `sqlite3_value_int` gives it."""
    if isinstance(value, float):
        number = int(max(min(value, 2.0**63), -(2.0**63)))
    elif isinstance(value, int):
        number = value
    else:
        number = parse_decimal(value_text(value) or "") or 0
    return (number + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def _text(value: SQLiteValue) -> str:
    return value_text(value) or ""


def _result(data: bytes) -> str | bytes:
    """Bytes as text; as a blob if they are no UTF-8, since APSW has no such text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


# -- mathematics


def _mathematics(function: Callable[[float], float], value: SQLiteValue) -> float | None:
    if value is None:
        return None
    return _checked(function, _real(value))


def _checked(function: Callable[..., float], *arguments: float) -> float | None:
    try:
        number = function(*arguments)
    except ValueError as exc:
        if any(map(math.isnan, arguments)):
            return None
        # log(0) is a pole: C calls that a range error, Python a value error like log(-1).
        pole = function in (math.log, math.log10) and arguments == (0.0,)
        raise apsw.SQLError(
            "Numerical result out of range" if pole else "Numerical argument out of domain"
        ) from exc
    except OverflowError as exc:
        raise apsw.SQLError("Numerical result out of range") from exc
    return None if math.isnan(number) else number


def _power(base: SQLiteValue, exponent: SQLiteValue) -> float | None:
    if base is None or exponent is None:
        return None
    numbers = _real(base), _real(exponent)
    if numbers[0] == 0 and numbers[1] < 0:
        raise apsw.SQLError("Numerical result out of range")
    return _checked(math.pow, *numbers)


def _exp(number: float) -> float:
    try:
        return math.exp(number)
    except OverflowError:
        # osquery computes in long double, which has no error before e**11356.
        if number < 11356.5:
            return math.inf
        raise


def _cot(number: float) -> float:
    tangent = math.tan(number)
    return 1.0 / tangent if tangent else math.copysign(math.inf, tangent)


def _whole(function: Callable[[float], int], value: SQLiteValue) -> int | None:
    if value is None or isinstance(value, int):
        return value
    number = _real(value)
    if not -(2.0**63) <= number < 2.0**63:
        return -(2**63)  # what x86 makes of a double that no int64 can hold
    return function(number)


# -- text


def _split(value: SQLiteValue, tokens: SQLiteValue, index: SQLiteValue) -> str | None:
    if value is None or tokens is None or index is None:
        return None
    if not _text(tokens):
        raise apsw.SQLError("Invalid input to split function")
    parts = [part.strip() for part in re.split(f"[{re.escape(_text(tokens))}]", _text(value)) if part]
    number = _int32(index)
    return parts[number] if 0 <= number < len(parts) else None


def _pattern(value: SQLiteValue) -> re.Pattern[bytes]:
    try:
        return compile_ecmascript(_text(value).encode(errors="surrogateescape"))
    except BadRegex as exc:
        raise apsw.SQLError("Invalid regex") from exc


def _regex_split(value: SQLiteValue, pattern: SQLiteValue, index: SQLiteValue) -> str | bytes | None:
    if value is None or pattern is None or index is None:
        return None
    text = _text(value).encode(errors="surrogateescape")
    source = _text(pattern)
    if not source:
        raise apsw.SQLError("Invalid input to split function")
    if len(source.encode(errors="surrogateescape")) > _REGEX_MAX:
        raise apsw.SQLError("Invalid regex")
    parts, end = [], 0
    for match in _pattern(pattern).finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
    if end < len(text) or not parts:
        parts.append(text[end:])
    number = _int32(index)
    return _result(parts[number]) if 0 <= number < len(parts) else None


def _regex_match(value: SQLiteValue, pattern: SQLiteValue, index: SQLiteValue) -> str | bytes | None:
    if value is None or pattern is None or index is None:
        return None
    if len(_text(pattern).encode(errors="surrogateescape")) > _REGEX_MAX:
        raise apsw.SQLError(f"Invalid regex: too big, max size is {_REGEX_MAX} bytes")
    match = _pattern(pattern).search(_text(value).encode(errors="surrogateescape"))
    number = _int32(index)
    if match is None or not 0 <= number <= match.re.groups:
        return None
    return _result(match[number] or b"")


def _joined(separator: str, values: tuple[SQLiteValue, ...]) -> str | None:
    if not values:
        return None
    out = ""
    for position, value in enumerate(values, 1):
        if value is not None:
            # As osquery: a separator follows each value but the last argument, so NULLs at the end leave one behind.
            out += _text(value) + (separator if position < len(values) else "")
    return out


def _concat(*values: SQLiteValue) -> str | None:
    return _joined("", values)


def _concat_ws(*values: SQLiteValue) -> str | None:
    if not values:
        raise apsw.SQLError("Missing separator to concat_ws")
    return _joined(_text(values[0]), values[1:])


def _soundex(value: SQLiteValue) -> str:
    letters = re.sub(rb"^[^A-Za-z]+", b"", _text(value).encode(errors="surrogateescape"))
    if not letters:
        return "?000"
    # As SQLite: of a byte beyond ASCII the other seven bits count.
    digits = [_SOUNDEX.get(chr(byte & 0x7F).upper(), 0) for byte in letters]
    code, previous = chr(letters[0]).upper(), digits[0]
    for digit in digits[1:]:
        if digit and digit != previous:
            code += str(digit)
        previous = digit
    return code[:4].ljust(4, "0")


# -- addresses


def _inet_aton(value: SQLiteValue) -> int | None:
    try:
        return None if value is None else int(ipaddress.IPv4Address(_text(value)))
    except ipaddress.AddressValueError:
        return None


def _in_cidr_block(block: SQLiteValue, address: SQLiteValue) -> int:
    if not isinstance(block, str):
        raise apsw.SQLError("CIDR must be a string")
    if not isinstance(address, str):
        raise apsw.SQLError("IP address must be a string")
    try:
        host = ipaddress.ip_address(_text(address))
    except ValueError as exc:
        raise apsw.SQLError("IP address cannot be parsed") from exc
    try:
        if not re.fullmatch(r"[^/]+/\d{1,3}", _text(block), re.ASCII):
            raise ValueError(block)
        network = (ipaddress.IPv4Network if host.version == 4 else ipaddress.IPv6Network)(
            _text(block), strict=False
        )
    except ValueError as exc:
        raise apsw.SQLError(f"CIDR for IP address v{host.version} cannot be parsed") from exc
    if host not in network:
        return 0
    if host.version == 4 and network.prefixlen < 32:
        # As osquery: the network's own and its broadcast address are no hosts of an IPv4 block, unless it is one address.
        return int(host not in (network[0], network[-1]))
    # As osquery: it counts up to the address behind the block, and there is none behind the last of all.
    return int(int(network.broadcast_address) != 2**network.max_prefixlen - 1)


def _community_id(*values: SQLiteValue) -> str:
    seed = 0
    if len(values) == 6:
        if not isinstance(values[5], int):
            raise apsw.SQLError("Community ID seed must be an integer")
        seed = values[5]
        if not -0x8000 <= seed <= 0x7FFF:
            raise apsw.SQLError("Community ID seed must fit in 2 bytes")
    source, target, source_port, target_port, protocol = values[:5]
    if not isinstance(source, str) or not isinstance(target, str):
        raise apsw.SQLError("Community ID IPs must be strings")
    addresses = []
    for name, text in (("saddr", source), ("daddr", target)):
        try:
            addresses.append(ipaddress.ip_address(_text(text)))
        except ValueError as exc:
            raise apsw.SQLError(f"Community ID {name} cannot be parsed as IP") from exc
    if not isinstance(source_port, int) or not isinstance(target_port, int):
        raise apsw.SQLError("Community ID ports must be integers")
    if not (0 <= source_port <= 0xFFFF and 0 <= target_port <= 0xFFFF):
        raise apsw.SQLError("Community ID ports must fit in 2 bytes")
    if not isinstance(protocol, int):
        raise apsw.SQLError("Community ID protocol must be an integer")
    if not 0 <= protocol <= 0xFF:
        raise apsw.SQLError("Community ID protocol must fit in 1 byte")
    one, other = (
        (address.version, address.packed, port)
        for address, port in zip(addresses, (source_port, target_port), strict=True)
    )
    if not one < other:
        one, other = other, one
    data = struct.pack(">h", seed) + one[1] + other[1] + struct.pack(">BBHH", protocol, 0, one[2], other[2])
    return "1:" + base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def _community_id_or_null(*values: SQLiteValue) -> str | None:
    try:
        return _community_id(*values)
    except apsw.SQLError:
        return None


# -- encodings and hashes


def _bytes(value: SQLiteValue) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode(errors="surrogateescape") if isinstance(value, str) else _text(value).encode()


def _to_base64(value: SQLiteValue) -> str | None:
    return None if value is None else base64.b64encode(_bytes(value)).decode()


def _conditional_to_base64(value: SQLiteValue) -> str | None:
    if value is None:
        return None
    data = _bytes(value)
    return (
        data.decode()
        if data.isascii() and not any(byte < 0x20 or byte == 0x7F for byte in data)
        else _to_base64(value)
    )


def _from_base64(value: SQLiteValue) -> str | bytes | None:
    if value is None:
        return None
    data = _bytes(value).replace(b"\r\n", b"").replace(b"\n", b"").rstrip(b"=")
    if not re.fullmatch(rb"[A-Za-z0-9+/=]*", data):
        return ""
    data = data.replace(b"=", b"A")  # as osquery: it stands for six bits of 0
    if len(data) % 4 == 1:
        data = data[:-1]  # six bits make no byte
    return _result(base64.b64decode(data + b"=" * (-len(data) % 4)))


def _hash(algorithm: str, value: SQLiteValue) -> str | None:
    if value is None:
        return None
    data = _text(value).encode(errors="surrogateescape")
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


# -- the rest


def _version_compare(*values: SQLiteValue) -> int:
    if len(values) < 2 or not isinstance(values[0], str) or not isinstance(values[1], str):
        raise apsw.SQLError("Must provide two version strings to compare.")
    arguments: dict[str, Any] = {}
    if len(values) > 2:
        if not isinstance(values[2], str):
            raise apsw.SQLError("The optional third parameter is not a string.")
        flavor = FLAVORS.get(_text(values[2]).upper())
        if flavor is None:
            raise apsw.SQLError("The optional third parameter does not match one of: (ARCH, DPKG, RHEL).")
        arguments["flavor"] = flavor
    difference = compare(_text(values[0]), _text(values[1]), **arguments)
    return (difference > 0) - (difference < 0)


def _sleep(value: SQLiteValue) -> int:
    seconds = _int32(value)
    if seconds < 0:
        return 0
    time.sleep(seconds)
    return seconds


def _carve() -> tuple[None, Callable[..., None], Callable[..., str]]:
    """`carve(path)` where carving is disabled, as it is unless osqueryd is told otherwise: only the answer's head."""
    return None, lambda *_: None, lambda *_: "Carve Failed:"


def _program(shortest: bool, values: tuple[SQLiteValue, ...]) -> str | None:
    """The program in a command line: the shortest or longest start of it that is an existing file, else ""."""
    if not values or any(value is None for value in values):
        return None
    quoting = len(values) > 1 and _int32(values[1]) != 0
    escape = _text(values[2]) if len(values) > 2 else _ESCAPE
    if len(escape.encode(errors="surrogateescape")) != 1:
        return None
    found, word, quoted, escaped = "", "", False, False
    for letter in _text(values[0]).lstrip():
        if escaped:
            word, escaped = word + letter, False
        elif quoting and letter == '"':
            quoted = not quoted
        elif letter == escape:
            escaped = True
        else:
            if not quoted and letter.isspace() and _is_program(word):
                found = word
                if shortest:
                    break
            word += letter
    if (not found or not shortest) and _is_program(word):
        found = word
    return found


def _is_program(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists() and not Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _find_file_path_in_cmd(*values: SQLiteValue) -> str:
    found = _program(True, values)
    if found is None:
        raise apsw.SQLError("Invalid inputs to find_binary_path_from_cmd")
    return found


def _is_path_deterministic(*values: SQLiteValue) -> int:
    shortest, longest = _program(True, values), _program(False, values)
    if shortest is None or longest is None:
        raise apsw.SQLError("Invalid inputs to is_path_deterministic")
    return int(not shortest or len(shortest) in (len(_text(values[0])), len(longest)))


def _parent_directory(value: SQLiteValue) -> str | None:
    if not isinstance(value, str):
        raise apsw.SQLError("Invalid inputs to parent_directory, TEXT was expected")
    parent, separator, _ = _text(value).rpartition(os.sep)
    return parent if separator else None


_Function = Callable[..., SQLiteValue]

_FUNCTIONS: dict[str, tuple[_Function, tuple[int, ...]]] = {
    **{
        name: (partial(_mathematics, function), (1,))
        for name, function in {
            "sqrt": math.sqrt,
            "acos": math.acos,
            "asin": math.asin,
            "atan": math.atan,
            "cos": math.cos,
            "sin": math.sin,
            "tan": math.tan,
            "cot": _cot,
            "exp": _exp,
            "log": math.log,
            "log10": math.log10,
            "degrees": math.degrees,
            "radians": math.radians,
        }.items()
    },
    "power": (_power, (2,)),
    "ceil": (partial(_whole, math.ceil), (1,)),
    "floor": (partial(_whole, math.floor), (1,)),
    "pi": (lambda: math.pi, (0,)),
    "split": (_split, (3,)),
    "regex_split": (_regex_split, (3,)),
    "regex_match": (_regex_match, (3,)),
    "concat": (_concat, (-1,)),
    "concat_ws": (_concat_ws, (-1,)),
    "soundex": (_soundex, (1,)),
    "inet_aton": (_inet_aton, (1,)),
    "in_cidr_block": (_in_cidr_block, (2,)),
    "community_id_v1": (_community_id_or_null, (5, 6)),
    "community_id_v1_strict": (_community_id, (5, 6)),
    "to_base64": (_to_base64, (1,)),
    "conditional_to_base64": (_conditional_to_base64, (1,)),
    "from_base64": (_from_base64, (1,)),
    "md5": (partial(_hash, "md5"), (1,)),
    "sha1": (partial(_hash, "sha1"), (1,)),
    "sha256": (partial(_hash, "sha256"), (1,)),
    "version_compare": (_version_compare, (-1,)),
    "sleep": (_sleep, (1,)),
    "find_file_path_in_cmd": (_find_file_path_in_cmd, (-1,)),
    "is_path_deterministic": (_is_path_deterministic, (-1,)),
    "parent_directory": (_parent_directory, (1,)),
}
