"""Tell whether sudo asks for a password, from a rule's tags and from Defaults.

A tag of the rule decides. Without one, the Defaults `authenticate` decide: the last that is for the user, the
machine, the user as whom, or the command. sudo looks at those for commands last. Members of the group
`exempt_group` are never asked.

Defaults may be for some of those that a rule is for. So this module takes examples of users, machines and
commands that the rule is for, and looks for the Defaults of each.

Source: sudoers(5); `update_defaults` in plugins/sudoers/defaults.c of sudo 1.9.18.
"""

import platform
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from .sudoers import Policy
from .sudoers_grammar import Default, Member, Members, Rule
from .sudoers_principals import (
    Matches,
    Principal,
    command_matches,
    examples_of_commands,
    examples_of_hosts,
    examples_of_users,
    host_matches,
    list_matches,
    local_accounts,
    local_addresses,
    user_matches,
)

# By the mark behind Defaults: the kind of the list's aliases, and the function that compares.
_SCOPES: dict[str, tuple[str, Matches]] = {
    ":": ("U", user_matches),
    "@": ("H", host_matches),
    ">": ("R", user_matches),
    "!": ("C", command_matches),
}


class Answer(NamedTuple):
    """The answer to whether a rule can be used without a password.

    Attributes:
        is_free: no password is asked of some, or of all, that the rule is for.
        is_partly: it is asked of others.
        reasons: the tag or Defaults that decide it, the strongest first.
    """

    is_free: bool
    is_partly: bool = False
    reasons: tuple[str, ...] = ()


_ASKED = Answer(is_free=False)
_ROOT = "root"
# The use of a rule with a group, as by `sudo -g`: Defaults for users as whom, even ALL, are not for it.
_WITH_GROUP = Principal(groups=frozenset(("-g",)))


class Authentication:
    """Tells of each rule of a policy whether a password is asked for.

    `step` is called for each comparison, so that many of them can be stopped.
    """

    def __init__(self, policy: Policy, step: Callable[[], None]) -> None:
        self._policy = policy
        self._step = step
        self._settings = _in_order(policy.defaults, "authenticate")
        self._exemptions = _in_order(policy.defaults, "exempt_group")
        # sudo looks for the user as whom before Defaults for such users and for commands count.
        self._runas = [
            one for one in _in_order(policy.defaults, "runas_default") if one.scope in ("", ":", "@")
        ]
        self._in_defaults: dict[str, list[Member]] = {}
        self._known: dict[tuple[object, ...], Answer] = {}

    def of(self, rule: Rule) -> Answer:
        """Return what holds for a rule."""
        tag = rule.tags.get("PASSWD")
        if tag == "NOPASSWD":
            return Answer(is_free=True, reasons=(tag,))
        if not self._exemptions and (tag is not None or not self._settings):
            return _ASKED
        key = (tag, rule.users, rule.hosts, rule.runas, rule.groups is None, rule.command)
        answer = self._known.get(key)
        if answer is None:
            answer = self._known[key] = self._answer(rule, has_tag=tag is not None)
        return answer

    def _answer(self, rule: Rule, *, has_tag: bool) -> Answer:
        examples = {scope: self._examples(scope, rule) for scope in _SCOPES}
        if not all(examples.values()):
            return _ASKED
        exempt = self._exempt(examples)
        if exempt.is_free and not exempt.is_partly:
            return exempt
        answer = _ASKED if has_tag else self._decided(examples)
        if not exempt.is_free or (answer.is_free and not answer.is_partly):
            return answer
        return Answer(is_free=True, is_partly=True, reasons=(*exempt.reasons, *answer.reasons))

    def _decided(self, examples: dict[str, list[Principal]]) -> Answer:
        """Apply the Defaults from the last to the first, each to the examples that no later one is for."""
        outcomes: dict[bool, None] = {}
        reasons: list[str] = []
        left = dict(examples)
        for setting in reversed(self._settings):
            others: list[Principal] = []
            if setting.scope:
                others = [one for one in left[setting.scope] if not self._is_for(setting, one)]
                if len(others) == len(left[setting.scope]):
                    continue
            outcomes[setting.value is False] = None
            reasons.append(_text(setting))
            if not others:
                break
            left[setting.scope] = others
        else:
            outcomes[False] = None
        if True not in outcomes:
            return _ASKED
        return Answer(is_free=True, is_partly=len(outcomes) > 1, reasons=tuple(reasons))

    def _is_for(self, setting: Default, example: Principal) -> bool:
        return example is not _WITH_GROUP and self._matches(setting.scope, setting.members, example) is True

    def _matches(self, scope: str, members: Members, example: Principal) -> bool | None:
        self._step()
        kind, matches = _SCOPES[scope]
        return list_matches(members, example, kind, self._policy.aliases, matches)

    def _exempt(self, examples: dict[str, list[Principal]]) -> Answer:
        """Return whether the group of `exempt_group` has all or some of the users."""
        is_whole = True
        for setting in reversed(self._exemptions):
            users = examples[":"]
            if setting.scope:
                for_these = [one for one in examples[setting.scope] if self._is_for(setting, one)]
                if not for_these:
                    continue
                is_whole = is_whole and len(for_these) == len(examples[setting.scope])
                users = for_these if setting.scope == ":" else users
            if isinstance(setting.value, str):
                group = Member("usergroup", f"%{setting.value}")
                exempt = [user for user in users if user_matches(group, user)]
                is_partly = not is_whole or len(exempt) < len(users)
                return Answer(bool(exempt), is_partly, (_text(setting),)) if exempt else _ASKED
            if is_whole:
                break
        return _ASKED

    def _examples(self, scope: str, rule: Rule) -> list[Principal]:
        """Return examples of what a rule is for."""
        if scope == "@":
            return self._hosts(rule)
        members: Members
        if scope == "!":
            # A rule that forbids a command has the same authentication as one that allows it.
            members = (rule.command._replace(negated=False),)
            return self._allowed(scope, members, examples_of_commands(self._named(scope, members)))
        if scope == ":":
            return self._allowed(
                scope, rule.users, examples_of_users(self._named(scope, rule.users), self._accounts)
            )
        return self._users_as_whom(rule) + ([_WITH_GROUP] if rule.groups is not None else [])

    def _users_as_whom(self, rule: Rule) -> list[Principal]:
        members = rule.runas if rule.runas is not None else self._runas_defaults(rule)
        if any(member.kind == "self" for member in members):
            return self._examples(":", rule)
        root = Member("word", _ROOT)
        named = [*self._named(">", members), root]
        return self._allowed(">", members, examples_of_users(named, self._accounts))

    def _runas_defaults(self, rule: Rule) -> Members:
        """Return the users as whom if a rule names none, which may differ by user."""
        names: dict[str, None] = {}
        settings = [
            one
            for one in self._runas
            if one.scope != "@" or any(self._is_for(one, host) for host in self._hosts(rule))
        ]
        for user in self._examples(":", rule) if settings else ():
            values = [one.value for one in settings if one.scope != ":" or self._is_for(one, user)]
            names[next((value for value in reversed(values) if isinstance(value, str)), _ROOT)] = None
        return tuple(Member("word", name) for name in names or (_ROOT,))

    def _hosts(self, rule: Rule) -> list[Principal]:
        """Return this machine if the rule is for it, else examples of those that it is for."""
        named = self._named("@", rule.hosts)
        name = platform.node()
        has_networks = any(member.kind == "network" for member in named)
        own = Principal((name.partition(".")[0], name), self._addresses if has_networks else frozenset())
        return self._allowed("@", rule.hosts, [own]) or self._allowed(
            "@", rule.hosts, examples_of_hosts(named)
        )

    @cached_property
    def _accounts(self) -> list[Principal]:
        return local_accounts()

    @cached_property
    def _addresses(self) -> frozenset[str]:
        return frozenset(local_addresses())

    def _allowed(self, scope: str, members: Members, examples: Iterable[Principal]) -> list[Principal]:
        return [one for one in dict.fromkeys(examples) if self._matches(scope, members, one)]

    def _named(self, scope: str, members: Members) -> list[Member]:
        """Return the members of a rule's list, and of those of the Defaults for the same scope."""
        kind, _ = _SCOPES[scope]
        if scope not in self._in_defaults:
            self._in_defaults[scope] = list(dict.fromkeys(self._named_by_defaults(scope, kind)))
        return [*self._policy.expanded(kind, members), *self._in_defaults[scope]]

    def _named_by_defaults(self, scope: str, kind: str) -> Iterator[Member]:
        for setting in chain(self._settings, self._exemptions):
            if setting.scope == scope:
                yield from self._policy.expanded(kind, setting.members)
            if setting.name == "exempt_group" and scope == ":" and isinstance(setting.value, str):
                yield Member("usergroup", f"%{setting.value}")


def _in_order(defaults: Iterable[Default], name: str) -> list[Default]:
    """Return the settings of a name in the order in which sudo applies them."""
    settings = [one for one in defaults if one.name == name]
    return sorted(settings, key=lambda one: one.scope == "!")


def _text(setting: Default) -> str:
    members = ",".join(map(str, setting.members))
    sign = "!" if setting.value is False else ""
    value = f"={setting.value}" if isinstance(setting.value, str) else ""
    return f"Defaults{setting.scope}{members} {sign}{setting.name}{value}"
