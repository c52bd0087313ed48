"""Parse sudoers into rules: users, hosts, and commands; aliases stay unresolved, Defaults are skipped.

Source: sudoers(5).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

MOST_LINE = 1 << 16
_ALIASES = ("User_Alias", "Host_Alias", "Cmnd_Alias", "Runas_Alias", "Cmd_Alias")
_TAG = re.compile(
    r"(?:(NOPASSWD|PASSWD)|(?:NO)?(?:EXEC|FOLLOW|INTERCEPT|LOG_INPUT|LOG_OUTPUT|MAIL|SETENV))\s*:\s*",
    re.ASCII,
)
_OPTION = re.compile(
    r"(?:ROLE|TYPE|APPARMOR_PROFILE|PRIVS|LIMITPRIVS|NOTBEFORE|NOTAFTER|TIMEOUT|CWD|CHROOT)"
    r'\s*=\s*(?:"[^"]*"|\S+)\s*',
    re.ASCII,
)
# A character of a word, an escaped one with its backslash. There is only one way to read each text: with two,
# a word of n such characters that does not fit could be read in 2 to the power of n ways, and `re` would try
# them all.
_CHARACTER = r"(?:\\.|\\(?!.)|[^\s\\])"


class SudoRule(NamedTuple):
    """A command that somebody may run."""

    users: str
    hosts: str
    runas: str | None
    nopasswd: bool
    command: str


def logical_lines(text: str) -> Iterator[tuple[int, str | None]]:
    """Yield the number and text of each line without comments.

    Lines that end in a backslash are joined with the next.

    The number is that of the first line. None stands for a line that is too long to be a rule.
    """
    begun, parts = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        begun = begun or number
        goes_on = line.endswith("\\") and not line.endswith("\\\\")
        parts += line[:-1] + " " if goes_on else line
        if goes_on and len(parts) < MOST_LINE:
            continue
        if len(parts) > MOST_LINE:
            yield begun, None
        elif stripped := _uncommented(parts).strip():
            yield begun, stripped
        begun, parts = 0, ""


def included(line: str) -> tuple[str, bool] | None:
    """Return the file that a line includes, and whether it is a folder of files; None for any other line."""
    match = re.match(rf'[@#]include(dir)?\s+(?:"([^"]+)"|((?:{_CHARACTER})+))\s*$', line)
    if match is None:
        return None
    return match[2] or re.sub(r"\\(.)", r"\1", match[3]), match[1] is not None


def rules_in(line: str) -> Iterator[SudoRule]:
    """Yield the rules of a line; none for aliases, Defaults and other lines."""
    first = line.split(None, 1)[0]
    if first in _ALIASES or first.startswith("Defaults") or "=" not in line:
        return
    # A line is: users hosts = commands : hosts = commands
    specs = [_split(spec, "=") for spec in _split(line, ":", tags=True)]
    users, hosts = _users_and_hosts(specs[0][0])
    if not users or not hosts:
        return
    for index, (head, *commands) in enumerate(specs):
        if not commands:
            return
        yield from _commands(users, _listed(head) if index else hosts, "=".join(commands))


def _commands(users: str, hosts: str, text: str) -> Iterator[SudoRule]:
    runas: str | None = None
    nopasswd = False
    for part in _split(text, ","):
        rest = part.strip()
        # Runas and tags apply to the commands behind this one too.
        if rest.startswith("("):
            inside, closed, rest = rest[1:].partition(")")
            if not closed:
                return
            runas = re.sub(r"\s*([,:])\s*", r"\1", inside.strip())
            rest = rest.strip()
        while (match := _OPTION.match(rest) or _TAG.match(rest)) is not None:
            if match.re is _TAG and match[1]:
                nopasswd = match[1] == "NOPASSWD"
            rest = rest[match.end() :]
        if rest:
            command = re.sub(r"\\([,:=\\])", r"\1", " ".join(rest.split()))
            yield SudoRule(users, hosts, runas, nopasswd, command)


def _users_and_hosts(head: str) -> tuple[str, str]:
    """Split a line's head into users and hosts, at the first blank without a comma beside it."""
    joined = re.sub(r"\s*,\s*", ",", re.sub(r"!\s+", "!", head.strip()))
    match = re.match(rf'((?:"[^"]*"|"(?![^"]*")|(?!"){_CHARACTER})+)\s+(.*)', joined)
    return (match[1], _listed(match[2])) if match is not None else (joined, "")


def _listed(text: str) -> str:
    return re.sub(r"\s*,\s*", ",", text.strip())


def _split(text: str, mark: str, *, tags: bool = False) -> list[str]:
    """Split a text at marks that are not escaped, quoted or in parentheses.

    With `tags`, the colon of a tag is not a mark.
    """
    parts: list[str] = []
    start = depth = 0
    quoted = False
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character == '"':
            quoted = not quoted
        elif quoted:
            pass
        elif character == "(":
            depth += 1
        elif character == ")":
            depth = max(0, depth - 1)
        elif character == mark and not depth and not (tags and _is_inner(text, position)):
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return parts


def _is_inner(text: str, colon: int) -> bool:
    """Return whether a colon ends a tag or a digest's name, or is in an address, and so separates no
    specifications.
    """
    before = text[max(0, colon - 16) : colon].rstrip()
    if re.search(
        r"(?:^|[\s,=):])(?:(?:NO)?(?:PASSWD|EXEC|FOLLOW|INTERCEPT|LOG_INPUT|LOG_OUTPUT|MAIL|SETENV)"
        r"|sha(?:224|256|384|512))$",
        before,
    ):
        return True
    return not (text[colon - 1 : colon].isspace() or text[colon + 1 : colon + 2].isspace())


def _uncommented(line: str) -> str:
    """Return the line up to a comment; `#include`, and # before a user's number, begin no comment."""
    if re.match(r"\s*#include(dir)?\s", line):
        return line
    position, quoted = 0, False
    while position < len(line):
        character = line[position]
        if character == "\\":
            position += 2
            continue
        if character == '"':
            quoted = not quoted
        if character == "#" and not quoted and not re.match(r"#-?\d", line[position:]):
            return line[:position]
        position += 1
    return line
