"""Read sudoers and the files that it includes as one policy: rules, aliases and Defaults.

Source: sudoers(5), and plugins/sudoers/toke.l of sudo 1.9.18 for includes.
"""

import os
import platform
from typing import NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.limits import Budget

from ..reading.paths import names_in, past_trusted_links
from .faults import BadLines, Faults
from .sudoers_grammar import Alias, BadLine, Default, Include, Member, Members, Rule, statements
from .sudoers_tokens import MOST_LINE, Entry, entries

_DEEPEST = 16
_MOST_FILES = 1_000
# Most members that an alias may stand for; one that stands for more is left as it is.
_MOST_MEMBERS = 10_000
# Aliases, and Defaults. Each rule may be compared with all of them.
_MOST_SETTINGS = 20_000


class PlacedRule(NamedTuple):
    """A rule, and the file and line that it is in."""

    source: str
    line: int
    rule: Rule


class Policy(NamedTuple):
    """The content of all files together.

    Attributes:
        aliases: members by kind and name. They hold for all files, whatever the order.
        defaults: in the order of the files.
    """

    rules: list[PlacedRule]
    aliases: dict[tuple[str, str], Members]
    defaults: list[Default]

    def expanded(self, kind: str, members: Members) -> Members:
        """Return members with those of aliases in their place.

        An alias that is not defined is a name, as it is for sudo; for commands it stands for none.
        """
        result = self._expanded(kind, members, (), [_MOST_MEMBERS])
        return members if result is None else tuple(result)

    def _expanded(
        self, kind: str, members: Members, outer: tuple[str, ...], left: list[int]
    ) -> list[Member] | None:
        """Return the members; None if there are too many. An alias within itself is not defined."""
        result: list[Member] = []
        for member in members:
            left[0] -= 1
            if left[0] < 0:
                return None
            inner = self.aliases.get((kind, member.name)) if member.kind == "alias" else None
            if inner is None or member.name in outer:
                if member.kind != "alias" or kind != "C":
                    result.append(member)
                continue
            parts = self._expanded(kind, inner, (*outer, member.name), left)
            if parts is None:
                return None
            result += [part._replace(negated=part.negated != member.negated) for part in parts]
        return result


def read_policy(path: str, faults: Faults, budget: Budget) -> Policy:
    """Return what `path` and the files that it includes say.

    What cannot be read or understood is reported to `faults`.
    """
    reader = _Reader(faults, budget)
    reader.read(path, ())
    return reader.policy


class _Reader:
    def __init__(self, faults: Faults, budget: Budget) -> None:
        self.policy = Policy([], {}, [])
        self._faults = faults
        self._budget = budget
        self._files = 0
        self._lists: dict[Members, Members] = {}
        self._settings: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}

    def read(self, path: str, outer: tuple[str, ...]) -> None:
        """Read a file; `outer` are those that include it."""
        self._files += 1
        if path in outer or self._files > _MOST_FILES or len(outer) > _DEEPEST:
            self._faults.report(
                f"{path} is not read: it includes itself, is too deep, or after too many others"
            )
            return
        try:
            most = self._budget.limits.max_file_bytes
            content = read_file(past_trusted_links(path), max_bytes=most)
        except (Unreadable, LimitExceeded) as error:
            # A machine without sudo has no such file.
            if outer or os.path.lexists(path):
                self._faults.report(str(error))
            return
        bad = BadLines()
        for entry in entries(content):
            self._budget.step()
            try:
                self._add(path, entry, (*outer, path))
            except BadLine as error:
                bad.add(*entry.place(error.at), error.problem)
        if bad:
            self._faults.report(f"{path}: {bad}")

    def _add(self, path: str, entry: Entry, files: tuple[str, ...]) -> None:
        if entry.tokens is None:
            raise BadLine(entry.begin, f"more than {MOST_LINE:,} characters, and is not read")
        if len(self.policy.aliases) + len(self.policy.defaults) > _MOST_SETTINGS:
            raise LimitExceeded(f"{path} and others have more than {_MOST_SETTINGS:,} aliases and Defaults")
        for statement in statements(entry.tokens):
            if isinstance(statement, Rule):
                self._budget.add_rows()
                self.policy.rules.append(PlacedRule(path, entry.line, self._shared(statement)))
            elif isinstance(statement, Default):
                self.policy.defaults.append(statement)
            elif isinstance(statement, Alias):
                if (statement.kind, statement.name) in self.policy.aliases:
                    raise BadLine(statement.at, f"there is an alias {statement.name} already")
                self.policy.aliases[statement.kind, statement.name] = statement.members
            else:
                self._include(path, statement, files)

    def _shared(self, rule: Rule) -> Rule:
        """Return a rule that has its lists in common with others: most are the same."""
        return rule._replace(
            users=self._lists.setdefault(rule.users, rule.users),
            hosts=self._lists.setdefault(rule.hosts, rule.hosts),
            runas=self._lists.setdefault(rule.runas, rule.runas) if rule.runas else None,
            tags=self._settings.setdefault(tuple(rule.tags.items()), rule.tags),
            options=self._settings.setdefault(tuple(rule.options.items()), rule.options),
        )

    def _include(self, path: str, include: Include, files: tuple[str, ...]) -> None:
        target = include.path.replace("%h", short_host().replace("/", "_"))
        if not target.startswith("/"):
            target = os.path.join(os.path.dirname(path), target)  # noqa: PTH118, PTH120
        for file in _files(target) if include.is_folder else [target]:
            self.read(file, files)


def short_host() -> str:
    """Return the name of this machine, without its domain."""
    return platform.node().partition(".")[0]


def _files(folder: str) -> list[str]:
    """Return the files of an included folder.

    Like sudo, skip names with a dot in them or a tilde at the end, and what is no file.
    """
    names = [name for name in names_in(folder) if "." not in name and not name.endswith("~")]
    paths = [f"{folder.rstrip('/')}/{name}" for name in names]
    return [path for path in paths if not os.path.isdir(path)]  # noqa: PTH112
