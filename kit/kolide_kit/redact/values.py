"""Find the secret part of a value, by the kind that the table of programs gives it."""

import re

from .names import is_path, is_random, is_secret

# Ports and addresses, for options that are a port to one program and a password to another.
_PORT = r"[0-9.:,\-]*(?:/(?:tcp|udp))?"

Span = tuple[int, int]

# Kinds that are a part of a value with a certain beginning, in group 1.
_PARTS = {
    kind: re.compile(pattern)
    for kind, pattern in {
        "cookie": r"=([^;]+)",
        "fields": r"(?:(?:\A|,)p|data|password|pass|secret)=([^,]+)",
        "mount": r"(?:\A|,)user(?:name)?=[^,:%]*[:%]([^,]+)",
        "proxyauth": r"proxyauth=[^:,]*:([^,]+)",
        "passphrase": r"passphrase\s([^\s]+)",
        "keyword": r"(?:key|pass|password|passwd|secret|psk|pin|token)[0-9]?=(.+)",
        "echo": r"\A(?:\S*/)?(?:echo|printf|print)\s(?:-\w+\s)?(.+)",
        "account": r"\A([A-Za-z_][\w.@\-]*):(?!\1\Z|//|[0-9]+\Z)([^:/]+)\Z",
        "gateway": r"(?:\A|,)p:([^,]+)",
        "connect": r"\Aconnect\s\S+\s\S+\s(\S+)",
        "word": r"\A(?!/)(.+)",
        "croc": r"\A(?!(?:send|relay|help)\Z)(.+)",
        "rule": r"\A>(.+)",
    }.items()
}


def secret_part(value: str, kind: str) -> list[Span]:
    """Return where in a value its secrets are.

    Kinds: "" the whole value; "login" behind a colon, "percent" behind a percent sign, "comma" behind a
    comma; "slash" between a slash and @; "pass" behind `pass:`; "keyed" behind a colon, except a file's
    name; "pair" behind an equals sign; "path" and "port" the whole value, unless it is a path or a port;
    "key" a value that looks random, "bare" one without an equals sign; "last" behind the last colon; "name"
    a value that a secret's name has; "string" the last quoted string; "tpm" a value that is not a file or a
    session. `_PARTS` has others.
    """
    end = len(value)
    if kind in ("login", "percent", "comma", "pair"):
        at = value.find({"login": ":", "percent": "%", "comma": ",", "pair": "="}[kind])
        return [(at + 1, end)] if 0 <= at < end - 1 and not _is_file(kind, value, at) else []
    if kind == "pass":
        if value.startswith("pass:"):
            return [(5, end)]
        return [] if re.match(r"(?:env|file|fd|pkcs12):|stdin\Z", value) or is_path(value) else [(0, end)]
    if kind == "keyed":
        at = value.find(":")
        return [] if at < 0 or value.startswith("file:") or at == end - 1 else [(at + 1, end)]
    if kind == "slash":
        return _behind_slash(value)
    if kind in _PARTS:
        return [match.span(match.lastindex or 0) for match in _PARTS[kind].finditer(value)]
    if kind == "name":
        return [(0, end)] if is_secret("password", value) else []
    if kind == "last":
        return [(value.rfind(":") + 1, end)] if not value.endswith(":") else []
    if kind == "string":
        closing = value.rfind('"')
        return [(value.rfind('"', 0, closing) + 1, closing)] if closing > 0 else [(0, end)]
    if kind == "tpm":
        return [] if value.startswith(("file:", "session:")) else [(0, end)]
    shown = (
        (kind == "path" and is_path(value))
        or (kind == "port" and (re.fullmatch(_PORT, value) is not None or is_path(value) or "://" in value))
        or (kind == "bare" and "=" in value)
        or (kind == "key" and not is_random(value))
    )
    return [] if shown or not value else [(0, end)]


def _is_file(kind: str, value: str, at: int) -> bool:
    r"""Return whether the part behind the mark is a file: of `kv put x key=@file`, or C:\x of a login."""
    if kind == "pair":
        return value.startswith("@", at + 1) or is_path(value[at + 1 :])
    return kind == "login" and at == 1 and value.startswith("\\", 2)


def _behind_slash(value: str) -> list[Span]:
    """Return the password of `user/password@database`; a path has none."""
    match = re.match(r"(?:[^/@\s=]+=)?[^/@\s]+/([^@]+)", value)
    if match is None or is_path(value):
        return []
    is_file = "@" not in value and ("/" in match[1] or re.search(r"\.\w{2,4}\Z", match[1]) is not None)
    return [] if is_file else [match.span(1)]
