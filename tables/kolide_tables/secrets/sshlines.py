"""Read public keys in lines: authorized_keys, known_hosts, allowed signers, and .pub files.

A line has the key's kind, the key in base64, and a comment. Before them may stand options, or host names.
Sources: sshd(8), "AUTHORIZED_KEYS FILE FORMAT" and "SSH_KNOWN_HOSTS FILE FORMAT"; ssh-keygen(1).
"""

import binascii
import re
from collections.abc import Iterator

from kolide_kit.redact import REDACTED
from kolide_kit.text import shown

from ..reading.der import Malformed
from .keyfacts import KeyFacts
from .sshkeys import is_known_kind, ssh_key

__all__ = ["public_lines"]

_FORMAT = "openssh-public"
_LONGEST_LINE = 1 << 16
_LARGEST_FOR_SSH1 = 1 << 20
_MOST_OPTIONS = 100
# Three zero bytes begin every key: the length of its kind's name, which is short.
_MARK = re.compile(rb"[ \t]AAAA")
# A blank within double quotes does not end a word, and a quote behind a backslash does not end the quotes.
_WORD = re.compile(rb'(?:\\"|"(?:\\"|[^"])*"?|[^\s"])+')
_OPTION = re.compile(r'(?:\\"|"(?:\\"|[^"])*"?|[^,"])+')
_KIND = re.compile(rb"[A-Za-z][A-Za-z0-9@.+_-]{2,79}")
_KEY = re.compile(rb"AAAA[A-Za-z0-9+/]{12,60000}={0,2}")
_SSH1_KEY = re.compile(
    rb"(?:^|[ \t])([0-9]{3,5}) ([0-9]{1,10}) ([0-9]{100,4300})(?:[ \t]+([^\r\n]*))?$", re.MULTILINE
)
# Their values may be, or have, secrets.
_HIDDEN = frozenset(("command", "environment"))


def public_lines(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys in a file's lines; lines without a key are skipped.

    A line with a kind of key that is known and a key that is broken is yielded with an error.
    """
    for number, line in _lines(content):
        key = None if line.lstrip()[:1] == b"#" else _line(line)
        if key is not None:
            yield key if key.error is None else key._replace(error=f"line {number}: {key.error}")
    if len(content) <= _LARGEST_FOR_SSH1:
        yield from _ssh1_lines(content)


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that may have a key, with their numbers, except those longer than any key.

    Most of a large file is never split.
    """
    number, counted, position = 1, 0, 0
    while (mark := _MARK.search(content, position)) is not None:
        start = max(content.rfind(b"\n", position, mark.start()) + 1, position)
        end = content.find(b"\n", mark.start())
        end = len(content) if end < 0 else end
        if end - start <= _LONGEST_LINE:
            number += content.count(b"\n", counted, start)
            counted = start
            yield number, content[start:end]
        position = end + 1


def _line(line: bytes) -> KeyFacts | None:
    words: list[bytes] = []
    for word in _WORD.finditer(line):
        if words and _KIND.fullmatch(words[-1]) and _KEY.fullmatch(word[0]):
            key = _key(shown(words[-1]), word[0])
            if key is not None:
                comment = shown(line[word.end() :].strip()) or None
                return key._replace(comment=comment, options=_options(words[:-1]) or None)
        words.append(word[0])
    return None


def _key(kind: str, text: bytes) -> KeyFacts | None:
    """Return the key behind the name of a kind; None if the name is not one."""
    try:
        blob = binascii.a2b_base64(text, strict_mode=True)
        key = ssh_key(blob, _FORMAT)
    except (binascii.Error, Malformed) as error:
        problem = "the base64 is broken" if isinstance(error, binascii.Error) else str(error)
        return KeyFacts(kind, _FORMAT, error=problem) if is_known_kind(kind) else None
    # The kind stands in the key as well.
    inner = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    if inner == kind.encode():
        return key
    return (
        key._replace(error=f"the line says {kind}, the key {shown(inner)}") if is_known_kind(kind) else None
    )


def _options(words: list[bytes]) -> list[str]:
    """Return the words before a key: each option of authorized_keys, or a mark and host names."""
    options = [option for word in words for option in _OPTION.findall(shown(word))]
    return [_shown_option(option) for option in options[:_MOST_OPTIONS]]


def _shown_option(option: str) -> str:
    name, separator, value = option.partition("=")
    if not separator or name.lower() not in _HIDDEN:
        return option.replace('"', "")
    variable = value.strip('"').partition("=")[0]
    return f"{name}={variable}={REDACTED}" if name.lower() == "environment" else f"{name}={REDACTED}"


def _ssh1_lines(content: bytes) -> Iterator[KeyFacts]:
    """Yield the keys of SSH 1: size, exponent and modulus, in decimal digits."""
    for match in _SSH1_KEY.finditer(content):
        modulus, exponent = int(match[3]), int(match[2])
        bits = modulus.bit_length()
        if abs(bits - int(match[1])) <= 1:  # the numbers of another kind of line do not fit together
            blob = b"".join(
                number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (modulus, exponent)
            )
            yield KeyFacts(
                "rsa1", _FORMAT, bits=bits, blob=blob, comment=shown(match[4] or b"").strip() or None
            )
