"""Find the secrets of files whose form says what they are: .netrc, .pgpass, JSON Web Keys, chap-secrets,
sasl_passwd, and secrets of Kubernetes.

Sources, read 2026-11-27: netrc(5) and the manual of GNU inetutils, 11.7; PostgreSQL's documentation, "The
Password File"; containers-auth.json(5); RFC 7517 and RFC 7518, section 6; pppd(8), "Authentication";
Postfix's SASL_README.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from .secret_values import decoded, entropy, is_password, is_placeholder, is_sealed, is_template

__all__ = ["FileSecret", "is_login", "sealed_blocks", "secrets_of_files"]


class FileSecret(NamedTuple):
    """A secret, and its place."""

    rule_id: str
    start: int
    value: str


_ITEM = r"(?:\"[^\"\n]{1,200}\"|[^\s\"]\S{0,200})"
_NETRC = re.compile(
    rf"(?<!\S)(?:machine\s{{1,40}}{_ITEM}|default(?=\s{{1,40}}(?:login|user)\s))\s{{1,40}}"
    rf"(?:(?:login|user|account|port|protocol)\s{{1,40}}{_ITEM}\s{{1,40}}){{0,4}}"
    rf"(?:password|passwd)\s{{1,40}}({_ITEM})"
)
_NETRC_USED = re.compile(r"\s{1,40}(?:login|account|macdef|machine)\s|\s{0,40}\Z|\n")
# host:port:database:user:password, in which a backslash stands before a colon and another backslash.
_FIELD = r"(?:[^\s:\\#]|\\[:\\]){1,128}"
_PGPASS = re.compile(
    rf"(?=[\w*/.\[]){_FIELD}:(?:\d{{2,5}}|\*):{_FIELD}:(?!\d{{1,20}}:){_FIELD}:"
    rf"((?:[^\s:\\]|\\[:\\]){{1,256}})[ \t]{{0,8}}(?=[\r\n]|\Z)"
)
_PORT = re.compile(r":(?:\d{2,5}|\*):")
_KIND = re.compile(r"(?im)^[ \t]{0,40}[\"']?kind[\"']?:[ \t]{0,8}[\"']?secret[\"']?[ \t,]{0,8}\r?$")
_DOCUMENT = re.compile(r"(?m)^---(?:\s|\Z)")
_BLOCK = re.compile(r"^([ \t]{0,40})[\"']?(data|stringData)[\"']?:[ \t]{0,8}\{?[ \t]{0,8}\r?$")
_ENTRY = re.compile(r"^([ \t]{1,60})[\"']?([\w.\-]{1,253})[\"']?:[ \t]{0,8}(.{0,20000}?)[ \t\r]{0,8}$")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{2,16384}={0,2}")
_SEALED_BLOCK = re.compile(r"(?m)^([ \t]{0,40})encryptedData:[ \t]{0,8}\r?$")
# A key in JSON has no braces within; the member that is private is d, or k of a symmetric one.
_KEY_TYPE = re.compile(r"\bkty\b")
_PRIVATE_MEMBER = re.compile(
    r"(?<![\w\-])[dk]\\?[\"']?\s{0,4}:\s{0,4}\\?[\"']([A-Za-z0-9_\-]{16,4000})={0,2}\\?[\"']"
)
_LONGEST_KEY = 12_000
_LEAST_OF_KEY = 3
# client server secret addresses
_CHAP = re.compile(
    r"(?m)^[ \t]{0,8}[^\s#]\S{0,64}[ \t]{1,40}\S{1,128}[ \t]{1,40}(\"[^\"\n]{1,200}\"|[^\s\"]{1,200})"
)
_SASL = re.compile(
    r"(?m)^(?:\[[\w.\-:]{1,128}\]|[\w.\-@]{1,128})(?::\w{1,16})?"
    r"[ \t]{1,40}[^\s:#]{1,128}:(\S{1,200})[ \t\r]{0,8}$"
)
# Names of an entry that is no secret.
_OPEN_ENTRY = re.compile(
    r"(?i)(?:.{0,200}[.\-_])?(?:crt|cer|cert|certs?\.pem|ca|cabundle|ca-bundle|cacerts?|ca\.pem"
    r"|user|username|user-name|"
    r"host|hostname|port|namespace|email|region|endpoint|database|dbname|name|type|"
    r"(?:client|tenant|app|account|subscription)[\-_]?id)"
)
_A_WORD = re.compile(r"[\w.!@#$%^&*\-]{1,64}")
_LONGEST_BLOCK = 100_000
_MOST_LINES = 20_000


def secrets_of_files(text: str, path: str = "") -> Iterator[FileSecret]:
    """Yield the secrets of a text in one of these forms."""
    name = re.split(r"[/\\]", path)[-1].lower()
    if "passw" in text and ("machine" in text or "default" in text):
        yield from _of_netrc(text, sure=name in (".netrc", "_netrc", "netrc"))
    if ":" in text:
        yield from _of_pgpass(text, sure=name in (".pgpass", "pgpass", "pgpass.conf"))
    if "kty" in text:
        yield from _of_json_web_keys(text)
    if name in _BY_LINES:
        yield from _of_lines(text, *_BY_LINES[name])
    if "ecret" in text and ("data:" in text or "Data:" in text):
        yield from _of_kubernetes(text)


def _of_netrc(text: str, *, sure: bool) -> Iterator[FileSecret]:
    for match in _NETRC.finditer(text):
        value, start = match[1], match.start(1)
        if value.startswith('"'):
            value, start = value[1:-1], start + 1
        if _NETRC_USED.match(text, match.end()) and not (
            is_template(value) or (not sure and is_placeholder(value))
        ):
            yield FileSecret("netrc-password", start, value)


def _of_pgpass(text: str, *, sure: bool) -> Iterator[FileSecret]:
    end = 0
    for port in _PORT.finditer(text):
        if port.start() < end:
            continue
        start = max(text.rfind("\n", max(end, port.start() - 256), port.start()) + 1, end)
        end = port.end() + 1024
        match = _PGPASS.match(text, start)
        end = text.find("\n", port.end(), end) + 1 or port.end()
        if match is None:
            continue
        value = match[1]
        if is_template(value) or is_sealed(value) or value in ("x", "*", "!"):
            continue
        if sure or (not is_placeholder(value) and is_password(value, quoted=False, sure=True)):
            yield FileSecret("pgpass-password", match.start(1), value)


def _of_json_web_keys(text: str) -> Iterator[FileSecret]:
    looked = 0
    for kind in _KEY_TYPE.finditer(text):
        if kind.start() < looked:
            continue  # in the same braces as the one before
        start = text.rfind("{", max(0, kind.start() - _LONGEST_KEY), kind.start())
        end = text.find("}", kind.end(), kind.end() + _LONGEST_KEY)
        member = _PRIVATE_MEMBER.search(text, start, end) if 0 <= start < end else None
        looked = max(end, kind.end())
        if member is not None and entropy(member[1]) >= _LEAST_OF_KEY:
            yield FileSecret("json-web-key", member.start(1), member[1])


def _of_lines(text: str, rule_id: str, line: re.Pattern[str]) -> Iterator[FileSecret]:
    for match in line.finditer(text):
        value = match[1].strip('"')
        if not is_template(value):
            yield FileSecret(rule_id, match.start(1) + match[1].startswith('"'), value)


_BY_LINES = {
    "chap-secrets": ("chap-secret", _CHAP),
    "pap-secrets": ("chap-secret", _CHAP),
    "sasl_passwd": ("sasl-password", _SASL),
}


def _of_kubernetes(text: str) -> Iterator[FileSecret]:
    starts = [0, *(match.start() for match in _DOCUMENT.finditer(text)), len(text)]
    for start, end in pairwise(starts):
        if _KIND.search(text, start, end):
            yield from _of_manifest(text, start, end)


def _of_manifest(text: str, start: int, end: int) -> Iterator[FileSecret]:
    """Yield the values under `data`, in base64, and `stringData` of a manifest."""
    block, depth, at = "", -1, start
    folded = False
    for line in text[start:end].split("\n", _MOST_LINES):
        opening = _BLOCK.match(line)
        indent = len(line) - len(line.lstrip())
        if opening is not None:
            block, depth, folded = opening[2], len(opening[1]), False
        elif line.strip() and indent <= depth and not line.lstrip().startswith("#"):
            block = ""
        elif block and (entry := _ENTRY.match(line)) is not None:
            value = entry[3].rstrip(",")
            is_open = _OPEN_ENTRY.fullmatch(entry[2]) is not None
            folded = value[:1] in ("|", ">") and not is_open
            if not is_open:
                yield from _of_entry(value, block, at + entry.start(3))
        elif block and folded:
            yield from _of_entry(line.strip(), block, at + indent)
            folded = False
        at += len(line) + 1


def _of_entry(value: str, block: str, start: int) -> Iterator[FileSecret]:
    if value[:1] in ("'", '"') and value[-1:] == value[:1]:
        value, start = value[1:-1], start + 1
    if not value or is_placeholder(value) or is_sealed(value):
        return
    if block == "stringData":
        if len(value) >= 6 and value[:1] not in "|>" and not value.startswith("-----BEGIN"):
            yield FileSecret("kubernetes-secret", start, value)
    elif len(value.rstrip("=")) >= 10 and _BASE64.fullmatch(value) and _is_of_note(decoded(value)):
        yield FileSecret("kubernetes-secret", start, value)


def _is_of_note(content: bytes | None) -> bool:
    """Return whether what an entry stands for is no certificate, no hash, and no placeholder.

    A key in PEM that is open was found before.
    """
    if content is None or content.lstrip().startswith(b"-----BEGIN "):
        return False
    text = content.decode("latin-1").strip()
    return bool(text) and not (is_sealed(text) or (_A_WORD.fullmatch(text) and is_placeholder(text)))


def sealed_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the encrypted values of sealed secrets begin and end."""
    end = 0
    for block in _SEALED_BLOCK.finditer(text) if "encryptedData" in text else ():
        if block.start() < end:
            continue
        end = block.end()
        for line in text[end : end + _LONGEST_BLOCK].splitlines(keepends=True):
            if line.strip() and len(line) - len(line.lstrip()) <= len(block[1]):
                break
            end += len(line)
        yield block.end(), end


def is_login(value: str) -> bool:
    """Return whether a value in base64 stands for a user's name, a colon and a password."""
    content = decoded(value)
    if content is None:
        return False
    user, colon, password = content.partition(b":")
    shown = password.decode("latin-1")
    if not (user and colon and shown and user.isascii() and user.decode().isprintable()):
        return False
    if is_template(shown) or is_sealed(shown) or shown.lower() in ("pass", "password", "passwd"):
        return False
    return password.isascii() or len(value) >= 32
