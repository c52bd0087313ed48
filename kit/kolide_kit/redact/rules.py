r"""Read the tables of programs: which of a program's arguments are secrets, and where another command begins.

In a name, a slash leads to a subcommand or to a flag that has to be there: `docker/login`, `htpasswd/-b`.
What is told of a program is a list of these items:

    -p  --pass  -passin   an option whose value is a secret: the next word, or behind a letter or `=`
    -p+  --password+      the same, but only attached: a word of its own is not its value
    /p:+                  a beginning of a word, in either case; the secret is what follows it
    set>  set>2           a word, and the secret is the next one, or the second one behind it
    set>+  set>2+         the same, and so are all the others
    NAMES>                the same for every word that is a secret's name
    @2  @2+               the second word that is no option; or that and all that follow
    *                     every word that is no option
    <stdin  <-S           standard input is a secret, always or with this option
    %abc  %--opt          options that have a value, so that the value is not taken for something else
    ^abc  ^--opt          options without a value: all others have one
    ~--secret             an option that is a switch, whatever its name
    !0  !2                a command follows at once, or behind two words that are no options
    !--  !-exec           a command follows that word
    $-c                   an option whose value is a command of the shell

`=KIND` behind an item tells which part of the value is secret; see `values`.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .programs import HARMLESS, SECRETS
from .wrappers import WRAPPERS

# 8.0 in mysql-8.0, 3.11 in python3.11: the manual is that of the name before it.
_VERSION = r"[-.]?[0-9][0-9.]*\Z"
_ENDING = r"\.(?:exe|com|bat|cmd|ps1|py|pyc|sh|pl|rb|js|phar|bin)\Z"
# `stdin` without an option: always.
ALWAYS = ""


@dataclass
class Rule:
    """A program's options and words that carry secrets; see the top of this module."""

    options: dict[str, str] = field(default_factory=dict)
    attached: dict[str, str] = field(default_factory=dict)
    words: dict[str, tuple[tuple[int, bool, str], ...]] = field(default_factory=dict)
    places: list[tuple[int, bool, str]] = field(default_factory=list)
    scripts: set[str] = field(default_factory=set)
    valued: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    switches: set[str] = field(default_factory=set)
    inner: int | None = None
    inner_words: set[str] = field(default_factory=set)
    stdin: set[str] = field(default_factory=set)
    names: bool = False

    @functools.cached_property
    def is_wrapper(self) -> bool:
        """Return whether the program runs another one."""
        return self.inner is not None or bool(self.inner_words or self.scripts)

    @functools.cached_property
    def has_letters(self) -> bool:
        """Return whether options are getopt's letters: a word may have several of them."""
        return any(len(option) == 2 for option in (*self.valued, *self.flags))

    def has_value(self, option: str) -> bool:
        """Return whether the word behind this option is its value."""
        if self.flags:
            return option not in self.flags
        return option in self.valued or option in self.options or option in self.scripts

    def add(self, other: "Rule") -> "Rule":
        """Return a rule that tells what both tell."""
        return Rule(
            self.options | other.options,
            self.attached | other.attached,
            self.words | {word: self.words.get(word, ()) + after for word, after in other.words.items()},
            self.places + other.places,
            self.scripts | other.scripts,
            self.valued | other.valued,
            self.flags | other.flags,
            self.switches | other.switches,
            self.inner if other.inner is None else other.inner,
            self.inner_words | other.inner_words,
            self.stdin | other.stdin,
            self.names or other.names,
        )


def rule_of(items: str) -> Rule:
    """Return the rule that a text of items tells."""
    rule = Rule()
    for item in items.split():
        _add(rule, item)
    return rule


def _add(rule: Rule, item: str) -> None:
    mark, rest = item[0], item[1:]
    if mark in "%^":
        names = [rest] if rest.startswith("-") else [f"-{letter}" for letter in rest]
        (rule.valued if mark == "%" else rule.flags).update(names)
    elif mark == "!" and rest.isdigit():
        rule.inner = int(rest)
    elif mark == "!":
        rule.inner_words.add(rest)
    elif mark == "~":
        rule.switches.add(rest)
    elif mark == "$":
        rule.scripts.add(rest)
    elif mark == "<":
        rule.stdin.add(ALWAYS if rest == "stdin" else rest)
    elif item == "NAMES>":
        rule.names = True
    else:
        _add_secret(rule, item)


def _add_secret(rule: Rule, item: str) -> None:
    match = re.fullmatch(r"(?:@(\d)|(\*)|(.+?)>(\d?)|(.+?))(\+?)(?:=([a-z]+))?", item)
    assert match is not None, item
    place, every, word, number, option, plus, kind = match.groups()
    if place or every:
        rule.places.append((int(place or 1), bool(plus or every), kind or ""))
    elif word:
        after = (int(number or 1), bool(plus), kind or "")
        rule.words[word.lower()] = (*rule.words.get(word.lower(), ()), after)
    elif plus:
        rule.attached[option.lower() if option.startswith("/") else option] = kind or ""
    else:
        rule.options[option] = kind or ""


@functools.cache
def _table() -> dict[str, list[tuple[tuple[str, ...], Rule]]]:
    table: dict[str, list[tuple[tuple[str, ...], Rule]]] = {}
    for names, items, _source in (*SECRETS, *WRAPPERS):
        rule = rule_of(items)
        for name in names.split():
            program, *needed = name.split("/")
            table.setdefault(program, []).append((tuple(needed), rule))
    for name in HARMLESS.split():
        table.setdefault(name, [])
    return table


def program_name(word: str) -> str:
    """Return the name that the table may have for a program: of `/usr/bin/Mysql`, `mysql`."""
    name = word[max(word.rfind("/"), word.rfind("\\")) + 1 :]
    return name.lower() if len(name) <= 64 else ""


def known(word: str) -> str | None:
    """Return the name under which the table knows a program; None for a program that it does not know."""
    name = program_name(word)
    table = _table()
    if name in table:
        return name
    if not name or not (name[-1].isdigit() or "." in name):
        return None
    name = re.sub(_ENDING, "", name.rstrip("."))
    if name not in table:
        name = re.sub(_VERSION, "", name)
    return name if name in table else None


def is_harmless(name: str) -> bool:
    """Return whether no argument of a known program is a secret or another program."""
    return not _table()[name]


def rule_for(name: str, arguments: Sequence[str]) -> Rule | None:
    """Return the rule for a known program with these arguments; None if nothing is told of them.

    The first dozen of arguments is enough.
    """
    lines = _table()[name]
    if not lines:
        return None
    if len(lines) == 1 and not lines[0][0]:
        return lines[0][1]
    first = _subcommands(arguments)
    numbers = tuple(
        number
        for number, (needed, _) in enumerate(lines)
        if all(_is_there(word, first, arguments) for word in needed)
    )
    return _sum(name, numbers) if numbers else None


@functools.cache
def _sum(name: str, numbers: tuple[int, ...]) -> Rule:
    """Return what some lines tell of a program together; there are few combinations."""
    return functools.reduce(Rule.add, (_table()[name][number][1] for number in numbers), Rule())


def _subcommands(arguments: Sequence[str]) -> list[str]:
    """Return the words that may be the subcommand: two that are no options, or the values of such."""
    found: list[str] = []
    sure = 0
    after_option = False
    for word in arguments[:12]:
        if word.startswith("-"):
            after_option = "=" not in word
            continue
        found.append(word.lower())
        sure += not after_option
        after_option = False
        if sure == 2:
            break
    return found


def _is_there(needed: str, first: Sequence[str], arguments: Sequence[str]) -> bool:
    if not needed.startswith("-"):
        return needed in first
    if needed.startswith("--"):
        return any(word.partition("=")[0] == needed for word in arguments[:12])
    return any(
        word.startswith("-") and not word.startswith("--") and needed[1] in word for word in arguments[:12]
    )
