"""The users, machines and commands that lists of sudoers are about, and whether a list matches one.

A list is about users that it names, members of groups, and all others. This module has one example of each,
so that a list can be compared with another: those of this machine with the groups that they are in.

Source: plugins/sudoers/match.c and match_command.c of sudo 1.9.18.
"""

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import decode

from ..reading.homes import PASSWD
from .sudoers_grammar import Member, Members

_GROUPS = "/etc/group"
_META = re.compile(r"[*?\[\\]")


class Principal(NamedTuple):
    """A user, machine or command.

    Attributes:
        names: by which a list can name it; the first is how it is written. None has a name but the example of
            all others.
        groups: groups and netgroups that it is in, and networks, as lists write them.
    """

    names: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()


Matches = Callable[[Member, Principal], bool]
Aliases = Mapping[tuple[str, str], Members]


def list_matches(
    members: Members, principal: Principal, kind: str, aliases: Aliases, matches: Matches
) -> bool | None:
    """Return whether a list allows a principal, or forbids it, or is not about it: True, False, None.

    The last member that matches decides. `kind` is that of the aliases.
    """
    return _decision(members, principal, (kind, aliases, matches), ())


def _decision(
    members: Members,
    principal: Principal,
    means: tuple[str, Aliases, Matches],
    outer: tuple[str, ...],
) -> bool | None:
    kind, aliases, matches = means
    for member in reversed(members):
        inner = aliases.get((kind, member.name)) if member.kind == "alias" else None
        decision: bool | None
        if inner is not None and member.name not in outer:
            decision = _decision(inner, principal, means, (*outer, member.name))
        elif member.kind == "alias" and kind == "C":
            decision = None
        else:
            decision = True if member.kind == "all" or matches(member, principal) else None
        if decision is not None:
            return decision != member.negated
    return None


def user_matches(member: Member, user: Principal) -> bool:
    """Return whether a member of a list names a user, or a group that the user is in."""
    if member.kind in ("usergroup", "netgroup"):
        return member.name in user.groups
    return member.name in user.names


def host_matches(member: Member, host: Principal) -> bool:
    """Return whether a member of a list names a machine; its names are the short and the full one."""
    if member.kind in ("network", "netgroup"):
        return member.name in host.groups or (
            member.kind == "network" and any(_in_network(address, member.name) for address in host.groups)
        )
    if not host.names:
        return False
    name = host.names[-1] if "." in member.name else host.names[0]
    return fnmatch.fnmatchcase(name.lower(), member.name.lower())


def _in_network(address: str, network: str) -> bool:
    import ipaddress

    if network.endswith("/0"):
        return False  # for sudo this is no network
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def command_matches(member: Member, command: Principal) -> bool:
    """Return whether a member of a list is about a command.

    The second name of a command is its arguments; one without is called with others than lists name.
    """
    if not command.names or (member.arguments is not None and not _has_arguments(member.arguments, command)):
        return False
    path, pattern = command.names[0], member.name
    if path == pattern:
        return True
    if pattern.startswith("^"):
        return _regex_matches(pattern, path)
    if pattern.endswith("/"):
        return path.rpartition("/")[0] + "/" == pattern
    if _META.search(pattern) is not None:
        # A star stands for no separator, so the number of these is the same.
        return path.count("/") == pattern.count("/") and all(
            map(fnmatch.fnmatchcase, path.split("/"), re.sub(r"\\(.)", r"[\1]", pattern).split("/"))
        )
    return _is_same_file(path, pattern)


def _has_arguments(pattern: str, command: Principal) -> bool:
    if len(command.names) == 1:
        return False
    arguments = command.names[1]
    return (
        arguments == pattern
        or (pattern.startswith("^") and _regex_matches(pattern, arguments))
        or fnmatch.fnmatchcase(arguments, pattern)
    )


def _regex_matches(pattern: str, path: str) -> bool:
    # sudo has POSIX's extended expressions, and runs them on the path alone.
    try:
        return len(pattern) < 1024 and re.fullmatch(pattern, path) is not None
    except re.error:
        return False


def _is_same_file(path: str, other: str) -> bool:
    """Return whether two paths with the same last name lead to one file, as /bin/ls and /usr/bin/ls may."""
    if os.path.basename(path) != os.path.basename(other):  # noqa: PTH119
        return False
    try:
        return os.path.samefile(path, other)  # noqa: PTH121
    except (OSError, ValueError):
        return False


def examples_of_users(members: Iterable[Member], accounts: Iterable[Principal]) -> Iterator[Principal]:
    """Yield the users that members name, those of this machine's `accounts` in groups that they name, one
    other member of each group, and one user in none.
    """
    members = list(members)
    names = {member.name for member in members if member.kind in ("word", "alias")}
    groups = {member.name for member in members if member.kind in ("usergroup", "netgroup")}
    known: set[str] = set()
    for account in accounts:
        if not names.isdisjoint(account.names) or not groups.isdisjoint(account.groups):
            known.update(account.names)
            yield account
    for name in sorted(names - known):
        yield Principal((name,))
    for group in sorted(groups):
        yield Principal(groups=frozenset((group,)))
    yield Principal()


def local_accounts() -> list[Principal]:
    """Return the users of this machine, by its own files alone, so that no directory service is asked."""
    names_by_gid: dict[str, str] = {}
    groups_by_user: dict[str, set[str]] = {}
    for name, _, gid, users in _fields(_GROUPS, 4):
        names_by_gid[gid] = name
        for user in users.split(","):
            groups_by_user.setdefault(user, set()).update((f"%{name}", f"%#{gid}"))
    accounts = []
    for name, _, uid, gid, *_ in _fields(PASSWD, 7):
        groups = {f"%#{gid}", *groups_by_user.get(name, ())}
        if gid in names_by_gid:
            groups.add(f"%{names_by_gid[gid]}")
        accounts.append(Principal((name, f"#{uid}"), frozenset(groups)))
    return accounts


def _fields(path: str, count: int) -> Iterator[list[str]]:
    try:
        text = decode(read_file(path))
    except Unreadable:
        return
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) == count:
            yield fields


def local_addresses() -> Iterator[str]:
    """Yield the addresses of this machine and those of its networks; sudo leaves out the loopback's."""
    import ipaddress

    import psutil

    for address in chain.from_iterable(psutil.net_if_addrs().values()):
        try:
            own = ipaddress.ip_address(address.address.partition("%")[0])
            mask = ipaddress.ip_address(address.netmask or "")
        except ValueError:
            continue  # of another family, or without a mask
        if not own.is_loopback:
            yield str(own)
            yield str(type(own)(int(own) & int(mask)))


def examples_of_hosts(members: Iterable[Member]) -> Iterator[Principal]:
    """Yield the machines that members name, one in each network and netgroup, and one more."""
    for member in dict.fromkeys(members):
        if member.kind in ("network", "netgroup"):
            yield Principal(groups=frozenset((member.name,)))
        elif member.kind != "all":
            yield Principal((member.name.partition(".")[0], member.name))
    yield Principal()


def examples_of_commands(members: Iterable[Member]) -> Iterator[Principal]:
    """Yield the commands that members name, with each of the arguments that they name and without, and one
    more.
    """
    arguments_by_name: dict[str, dict[str, None]] = {}
    of_patterns: dict[str, None] = {}
    for member in members:
        if member.kind == "command":
            arguments = arguments_by_name.setdefault(member.name, {})
            if member.arguments is not None:
                arguments[member.arguments] = None
                if _META.search(member.name) is not None or member.name.startswith("^"):
                    of_patterns[member.arguments] = None
    for name, arguments in arguments_by_name.items():
        yield Principal((name,))
        yield from (Principal((name, text)) for text in arguments | of_patterns)
    yield Principal()
