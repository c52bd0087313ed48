"""Read the tokens of sudoers as rules, aliases, Defaults and includes.

Source: plugins/sudoers/gram.y of sudo 1.9.13 to 1.9.18, and sudoers(5).
"""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from .sudoers_tokens import Token

USER = ("alias", "all", "netgroup", "usergroup", "word")
HOST = ("alias", "all", "netgroup", "network", "word")
GROUP = ("alias", "all", "word")
_LISTS = {"U": USER, "R": USER, "H": HOST}
_TIME = re.compile(r"\d{10}(\d\d)?(\d\d)?([.,]\d+)?(Z|[+-]\d\d(\d\d)?)?", re.ASCII)
_TIMEOUT = re.compile(
    r"(?=.)(\d{1,12}d)*(\d{1,12}h)*(\d{1,12}m)*(\d{1,12}s)*(\d{1,12})?", re.ASCII | re.IGNORECASE
)
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60}
_MOST_SECONDS = (1 << 31) - 1
_VALID = {
    "CWD": re.compile(r"[/~].*|\*", re.DOTALL),
    "CHROOT": re.compile(r"[/~].*|\*", re.DOTALL),
    "NOTBEFORE": _TIME,
    "NOTAFTER": _TIME,
    "TIMEOUT": _TIMEOUT,
}
# Options that a command takes over from the one before it only together.
_TOGETHER = (("ROLE", "TYPE"), ("PRIVS", "LIMITPRIVS"))


class BadLine(ValueError):
    """sudo does not understand a line, and takes no rule from it.

    Attributes:
        at: the index in the text of what sudo does not understand.
        problem: what is wrong.
    """

    def __init__(self, at: int, problem: str = "sudo does not understand what is here") -> None:
        """Keep the place."""
        super().__init__(problem)
        self.at = at
        self.problem = problem


class Member(NamedTuple):
    """A member of a list: a user, group, host or command.

    Attributes:
        kind: the token's: alias, all, netgroup, usergroup, network, word, command; or self for the user who
            calls sudo.
        name: without quotes and escapes.
        negated: whether it is excluded.
        arguments: those of a command; None for any, '""' for none.
        digests: of which a command's file must have one, such as "sha224:...".
    """

    kind: str
    name: str
    negated: bool = False
    arguments: str | None = None
    digests: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = "ALL" if self.kind == "all" else self.name
        text = name if self.arguments is None else f"{name} {self.arguments}"
        return f"!{text}" if self.negated else text


Members = tuple[Member, ...]


class Rule(NamedTuple):
    """A command that somebody may run.

    Attributes:
        runas, groups: users and groups as which; None if they are not given.
        tags: NOPASSWD, NOEXEC and others in effect, by what they are about.
        options: CWD, TIMEOUT and others in effect.
    """

    users: Members
    hosts: Members
    runas: Members | None
    groups: Members | None
    tags: dict[str, str]
    options: dict[str, str]
    command: Member


class Alias(NamedTuple):
    """A name for a list; `kind` is U, R, H or C, for users, runas, hosts and commands; `at` is its place."""

    kind: str
    name: str
    members: Members
    at: int


class Default(NamedTuple):
    """A setting.

    Attributes:
        scope: the mark behind Defaults: empty for all, ":" users, "@" hosts, ">" runas, "!" commands.
        members: those that it is for.
        name: of the setting.
        value: True without one; False if the setting is turned off.
    """

    scope: str
    members: Members
    name: str
    value: str | bool


class Include(NamedTuple):
    """A file or a folder of files to read at this place."""

    path: str
    is_folder: bool


Statement = Rule | Alias | Default | Include


def statements(tokens: list[Token]) -> Iterator[Statement]:
    """Yield what a line says.

    Raises BadLine if sudo does not understand it. What was yielded before that counts: aliases before the bad
    part of a line, and rules if only what is behind a colon is bad.
    """
    return _Parser(tokens).statements()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def statements(self) -> Iterator[Statement]:
        kind = self._kind()
        if kind in ("include", "includedir"):
            self._at += 1
            yield Include(self._expect("word").text, kind == "includedir")
        elif kind == "defaults":
            yield from self._defaults(self._take().text)
        elif kind == "aliases":
            yield from self._aliases(self._take().text)
        else:
            yield from self._rules()

    def _kind(self) -> str:
        return self._tokens[self._at].kind

    def _bad(self, at: int | None = None) -> BadLine:
        """Return the error of a token, the next one unless its index in the text is given."""
        return BadLine(self._tokens[self._at].at if at is None else at)

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, *kinds: str) -> Token:
        if self._kind() not in kinds:
            raise self._bad()
        return self._take()

    def _skip(self, kind: str) -> bool:
        """Skip a token of this kind, and return whether it was there."""
        is_there = self._kind() == kind
        self._at += is_there
        return is_there

    def _aliases(self, kind: str) -> Iterator[Alias]:
        while True:
            name = self._expect("alias")
            self._expect("=")
            members = self._commands() if kind == "C" else self._members(_LISTS[kind])
            yield Alias(kind, name.text, members, name.at)
            if not self._skip(":"):
                self._expect("\n")
                return

    def _defaults(self, scope: str) -> list[Default]:
        members: Members = ()
        if scope:
            members = self._commands() if scope == "!" else self._members(HOST if scope == "@" else USER)
        settings = []
        while True:
            is_on = not self._skip("!")
            name = self._expect("variable").text
            value: str | bool = is_on
            if is_on and self._kind() in ("=", "+=", "-="):
                self._at += 1
                value = self._expect("word").text
            settings.append(Default(scope, members, name, value))
            if not self._skip(","):
                self._expect("\n")
                return settings

    def _rules(self) -> Iterator[Rule]:
        users = self._members(USER)
        rules = self._privilege(users)
        bad: BadLine | None = None
        while self._skip(":"):
            try:
                rules += self._privilege(users)
            except BadLine as error:
                # Like sudo, leave out what is behind the colon, if the line goes on in a known way.
                bad = bad or error
                if self._kind() not in (":", "\n"):
                    raise
        self._expect("\n")
        yield from rules
        if bad is not None:
            raise bad

    def _privilege(self, users: Members) -> list[Rule]:
        hosts = self._members(HOST)
        self._expect("=")
        rules: list[Rule] = []
        while True:
            rule = self._command_spec(users, hosts)
            rules.append(_inherited(rule, rules[-1]) if rules else rule)
            if not self._skip(","):
                return rules

    def _command_spec(self, users: Members, hosts: Members) -> Rule:
        runas, groups = self._runas() if self._skip("(") else (None, None)
        options: dict[str, str] = {}
        while self._kind() == "option":
            name = self._take().text
            self._expect("=")
            value = self._expect("word", "path")
            if not _is_valid(name, value.text):
                raise BadLine(value.at, f"{name} cannot have this value")
            options[name] = value.text
        tags: dict[str, str] = {}
        while self._kind() == "tag":
            tag = self._take().text
            # A tag and its opposite are about the same: NOEXEC and EXEC.
            tags[tag.removeprefix("NO")] = tag
        return Rule(users, hosts, runas, groups, tags, options, self._command())

    def _runas(self) -> tuple[Members, Members | None]:
        """Return users and groups; no users stand for the one who calls sudo."""
        users: Members = (Member("self", ""),)
        groups = None
        if self._kind() not in (":", ")"):
            users = self._members(USER)
            if self._skip(":"):
                groups = self._members(GROUP)
        elif self._skip(":") and self._kind() != ")":
            groups = self._members(GROUP)
        self._expect(")")
        return users, groups

    def _members(self, kinds: Collection[str]) -> Members:
        members = []
        while True:
            negated = self._skip("!")
            token = self._expect(*kinds)
            members.append(Member(token.kind, token.text, negated))
            if not self._skip(","):
                return tuple(members)

    def _commands(self) -> Members:
        members = [self._command()]
        while self._skip(","):
            members.append(self._command())
        return tuple(members)

    def _command(self) -> Member:
        digests = []
        while self._kind() == "digest_type":
            kind = self._take().text
            self._expect(":")
            digests.append(f"{kind}:{self._expect('digest').text}")
            if not self._skip(","):
                break
            if self._kind() != "digest_type":
                raise self._bad()
        negated = self._skip("!")
        token = self._expect("all", "alias", "command", "word")
        if (token.kind == "alias" and digests) or (token.kind == "word" and token.text != "list"):
            raise self._bad(token.at)
        kind = "command" if token.kind == "word" else token.kind
        return Member(kind, token.text, negated, token.arguments, tuple(digests))


def _is_valid(option: str, value: str) -> bool:
    if option in _VALID and _VALID[option].fullmatch(value) is None:
        return False
    parts = re.findall(r"(\d+)(\D?)", value) if option == "TIMEOUT" else ()
    return sum(int(number) * _SECONDS.get(unit.lower(), 1) for number, unit in parts) <= _MOST_SECONDS


def _inherited(rule: Rule, before: Rule) -> Rule:
    """Return a rule with what it takes over from the one before it in the same list."""
    options = dict(before.options)
    for names in _TOGETHER:
        if any(name in rule.options for name in names):
            for name in names:
                options.pop(name, None)
    runas, groups = rule.runas, rule.groups
    if runas is None:
        runas, groups = before.runas, before.groups
    return rule._replace(
        runas=runas, groups=groups, tags=before.tags | rule.tags, options=options | rule.options
    )
