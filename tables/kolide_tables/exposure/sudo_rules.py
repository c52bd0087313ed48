"""kolide_sudo_rules: the commands that users may run as other users, by sudoers and the files that it
includes.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kolide_kit.limits import Budget
from kolide_kit.redact import redact_text
from osquery_sdk import Column, ColumnType, Query, Row, table

if TYPE_CHECKING:
    from .sudoers import PlacedRule, Policy
    from .sudoers_defaults import Authentication
    from .sudoers_grammar import Members, Rule

# The second is the distribution's on openSUSE, which sudo reads if there is no first.
_PATHS = ("/etc/sudoers", "/usr/etc/sudoers")


class SudoCommand(Row):
    """One command that a rule allows."""

    source: str = Column("File that the rule is in", key=True)
    line: int = Column("Line of that file that the rule begins in, from 1", type=ColumnType.INTEGER, key=True)
    users: str = Column("Users who may: names, %groups, #numbers and aliases, separated by commas")
    hosts: str = Column("Machines on which they may", key=True)
    runas: str | None = Column("Users as whom, users:groups; empty for the default, which is usually root")
    nopasswd: bool = Column(
        "1 if no password is asked for: by the rule's tag, or else by Defaults that apply to it"
    )
    command: str = Column(
        "Command: a program with its arguments, an alias, or ALL; secrets redacted", key=True
    )
    nopasswd_partly: bool = Column(
        "1 if Defaults ask no password of some of those that the rule is for, and one of others"
    )
    nopasswd_by: str | None = Column(
        "Tag or Defaults that decide that no password is asked for, the strongest first; "
        "empty if one is asked for"
    )
    options: str = Column("Tags and options of the rule, such as NOEXEC and CWD=/srv, as a JSON list")
    digests: str = Column("Digests of which the program must have one, as a JSON list")
    user_list: str = Column("Users as a JSON list, with the members of aliases; excluded ones begin with !")
    host_list: str = Column("Machines, in the same form")
    runas_users: str | None = Column(
        "Users as whom, in the same form: an empty name is the user who calls sudo; empty for the default"
    )
    runas_groups: str | None = Column("Groups as which, in the same form; empty if none are given")
    command_list: str = Column("Commands, in the same form; secrets redacted")
    command_digests: str = Column("Digests of each command of command_list, as a JSON list of lists")
    path: str = Column(
        "sudoers to read with what it includes; /etc/sudoers unless given. A line that sudo does not "
        "understand is an error if the path is named with =, and is logged with LIKE and without a path",
        index=True,
        key=True,
    )


@table(
    "kolide_sudo_rules",
    privilege="Without root: no rows where /etc/sudoers is closed, as it is by default.",
    platforms=("linux", "darwin"),
    elsewhere="Windows has no sudoers file",
    examples=(
        (
            "select users, hosts, runas, command, nopasswd_by, source, line from kolide_sudo_rules "
            "where nopasswd = 1"
        ),
        (
            "select g.groupname, r.command, r.source from kolide_sudo_rules r, json_each(r.user_list) u "
            "join groups g on u.value = '%' || g.groupname where r.command = 'ALL'"
        ),
    ),
)
def sudo_rules(query: Query) -> Iterator[SudoCommand]:
    """Commands that sudo lets users run, a row for each, from sudoers and its includes."""
    from .faults import paths_or_default

    return rule_rows(query, *paths_or_default(query, _PATHS, Budget.of(query)))


def rule_rows(query: Query, *paths: str) -> Iterator[SudoCommand]:
    """Yield the rows of the rules in each of the files, and in those that it includes."""
    from .faults import Faults
    from .sudoers import read_policy
    from .sudoers_defaults import Authentication

    budget, faults = Budget.of(query), Faults(query)
    for path in paths:
        policy = read_policy(path, faults, budget)
        authentication = Authentication(policy, budget.step)
        for placed in policy.rules:
            budget.step()
            yield _row(path, placed, policy, authentication)
    faults.finish()


def _row(path: str, placed: "PlacedRule", policy: "Policy", authentication: "Authentication") -> SudoCommand:
    rule = placed.rule
    commands = policy.expanded("C", (rule.command,))
    answer = authentication.of(rule)
    return SudoCommand(
        source=placed.source,
        line=placed.line,
        users=_joined(rule.users),
        hosts=_joined(rule.hosts),
        runas=_joined(rule.runas) + (f":{_joined(rule.groups)}" if rule.groups else "")
        if rule.runas
        else None,
        nopasswd=answer.is_free,
        command=redact_text(str(rule.command)),
        nopasswd_partly=answer.is_partly,
        nopasswd_by="; ".join(answer.reasons) or None,
        options=_json(_options(rule)),
        digests=_json(list(dict.fromkeys(digest for command in commands for digest in command.digests))),
        user_list=_names(policy.expanded("U", rule.users)),
        host_list=_names(policy.expanded("H", rule.hosts)),
        runas_users=_names(policy.expanded("R", rule.runas)) if rule.runas is not None else None,
        runas_groups=_names(policy.expanded("R", rule.groups)) if rule.groups is not None else None,
        command_list=_json([redact_text(str(command)) for command in commands]),
        command_digests=_json([list(command.digests) for command in commands]),
        path=path,
    )


def _options(rule: "Rule") -> list[str]:
    tags = list(rule.tags.values())
    if rule.command.kind == "all" and not rule.command.negated and "SETENV" not in rule.tags:
        # sudo takes this from ALL.
        tags.append("SETENV")
    return tags + [f"{name}={value}" for name, value in rule.options.items()]


def _joined(members: "Members") -> str:
    return ",".join(map(str, members))


def _names(members: "Members") -> str:
    return _json([str(member) for member in members])


def _json(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
