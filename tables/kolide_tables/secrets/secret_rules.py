"""Load the rules of kolide_secret_scan from their data file.

A text is searched once for the beginnings of all secrets that have one, and a rule's own pattern is tried
only there. Patterns are compiled when they are first needed: few rules meet a text that they could match.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

__all__ = ["Rule", "Rules", "load"]

_FILE = "secret_rules.toml"
# A secret begins a word. In JSON and in code a written-out line feed may be before it.
# None is shorter than 16 characters, which few words of a text are not.
_BEFORE = r"[^A-Za-z0-9](?=[\w\-.=~+/]{16})"
_ESCAPE = r"(?:(?<=\\)[nrt])?"


class Rule:
    """A rule: what tells that a text may have its secret, and the pattern of that secret."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """Take the facts of a rule from the data file, which describes them."""
        self.rule_id: str = facts["id"]
        self.gitleaks: tuple[str, ...] = tuple(facts.get("gitleaks", ()))
        self.source: str = facts.get("source", "")
        self.starts: tuple[str, ...] = tuple(facts.get("starts", ()))
        self.contains: tuple[str, ...] = tuple(facts.get("contains", ()))
        self.before: int | None = facts.get("before")
        self.services: tuple[str, ...] = tuple(facts.get("services", ()))
        self.least_entropy: float = facts.get("entropy", 0)
        self.check: str = facts.get("check", "")
        self.text: str = facts["pattern"]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled pattern."""
        return re.compile(self.text)


class Rules(NamedTuple):
    """All rules, by the way in which they find their secrets."""

    every: Sequence[Rule]
    beginnings: re.Pattern[str]
    """Matches before a beginning; its group is the beginning."""
    by_beginning: Mapping[str, Sequence[Rule]]
    containing: Sequence[Rule]
    services: re.Pattern[str]
    by_service: Mapping[str, Sequence[Rule]]
    examples: frozenset[str]
    """The SHA-256 of secrets that are public."""
    elsewhere: Mapping[str, str]
    """Rules of gitleaks that are not in the file, each with the reason."""


@cache
def load() -> Rules:
    """Return the rules of the data file."""
    import tomllib
    from importlib.resources import files

    text = (files(__package__) / _FILE).read_text(encoding="utf-8")
    facts = tomllib.loads(text)
    rules = [Rule(rule) for rule in facts["rule"]]
    by_beginning = _grouped((start, rule) for rule in rules for start in rule.starts)
    by_service = _grouped((service, rule) for rule in rules for service in rule.services)
    return Rules(
        every=rules,
        beginnings=re.compile(f"{_BEFORE}(?={_ESCAPE}({_trie(by_beginning)}))"),
        # A longer beginning may have a shorter one, with rules of its own, at its start.
        by_beginning={
            start: [rule for other in by_beginning if start.startswith(other) for rule in by_beginning[other]]
            for start in by_beginning
        },
        containing=[rule for rule in rules if rule.contains],
        services=re.compile("|".join(sorted(by_service, key=len, reverse=True))),
        by_service=by_service,
        examples=frozenset(facts["examples"]["sha256"]),
        elsewhere={other["gitleaks"]: other["reason"] for other in facts["other"]},
    )


def _grouped(pairs: Iterable[tuple[str, Rule]]) -> dict[str, list[Rule]]:
    groups: dict[str, list[Rule]] = defaultdict(list)
    for key, rule in pairs:
        groups[key].append(rule)
    return dict(groups)


def _trie(words: Iterable[str]) -> str:
    """Return a pattern that matches the longest of the words, and looks at few of them at any place."""
    by_first: dict[str, list[str]] = defaultdict(list)
    for word in words:
        by_first[word[:1]].append(word[1:])
    ends = by_first.pop("", None) is not None
    branches = list(_branches(by_first))
    joined = (
        branches[0] if len(branches) == 1 and not ends else f"(?:{'|'.join(branches)})" if branches else ""
    )
    return f"{joined}?" if ends and joined else joined


def _branches(by_first: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for first, rests in sorted(by_first.items()):
        yield re.escape(first) + _trie(rests)
