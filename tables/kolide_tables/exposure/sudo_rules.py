"""kolide_sudo_rules: the commands that users may run as other users, by sudoers and the files that it
includes.
"""

import os
from collections.abc import Iterator

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.redact import redact_text
from kolide_kit.text import decode
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading.paths import names_in

_PATH = "/etc/sudoers"
_DEEPEST = 16
_MOST_FILES = 1_000


class SudoCommand(Row):
    """One command that a rule allows."""

    source: str = Column("File that the rule is in", key=True)
    line: int = Column("Line of that file that the rule begins in, from 1", type=ColumnType.INTEGER, key=True)
    users: str = Column("Users who may: names, %groups, #numbers and aliases, separated by commas")
    hosts: str = Column("Machines on which they may", key=True)
    runas: str | None = Column("Users as whom, users:groups; empty for the default, which is usually root")
    nopasswd: bool = Column("1 if no password is asked for")
    command: str = Column(
        "Command: a program with its arguments, an alias, or ALL; secrets redacted", key=True
    )


@table(
    "kolide_sudo_rules",
    privilege="Without root: no rows where /etc/sudoers is closed, as it is by default.",
    platforms=("linux", "darwin"),
    elsewhere="Windows has no sudoers file",
    examples=(
        "select users, hosts, runas, command, source, line from kolide_sudo_rules where nopasswd = 1",
        (
            "select g.groupname, r.command, r.source from kolide_sudo_rules r "
            "join groups g on r.users = '%' || g.groupname where r.command = 'ALL'"
        ),
    ),
)
def sudo_rules(query: Query) -> Iterator[SudoCommand]:
    """Commands that sudo lets users run, a row for each, from sudoers and its includes; aliases stay
    unresolved.
    """
    return rule_rows(query)


def rule_rows(query: Query, path: str = _PATH) -> Iterator[SudoCommand]:
    """Yield the rows of the rules in `path` and in the files that it includes."""
    return _read(path, query, Budget.of(query), set(), 0)


def _read(path: str, query: Query, budget: Budget, seen: set[str], depth: int) -> Iterator[SudoCommand]:
    from .sudoers import MOST_LINE, included, logical_lines, rules_in

    if path in seen or len(seen) >= _MOST_FILES or depth > _DEEPEST:
        query.warn(f"{path} is not read: it is included twice, too deep, or after too many others")
        return
    seen.add(path)
    try:
        text = decode(read_file(path, max_bytes=budget.limits.max_file_bytes))
    except (Unreadable, LimitExceeded) as error:
        # A machine without sudo has no such file.
        if depth or os.path.lexists(path):
            query.warn(str(error))
        return
    for number, line in logical_lines(text):
        budget.step()
        if line is None:
            query.warn(f"{path}: line {number} has more than {MOST_LINE:,} characters, and is not read")
            continue
        include = included(line)
        if include is None:
            for rule in rules_in(line):
                budget.add_rows()
                yield SudoCommand(
                    source=path, line=number, **rule._replace(command=redact_text(rule.command))._asdict()
                )
            continue
        target, is_folder = include
        if not target.startswith("/"):
            target = os.path.join(os.path.dirname(path), target)  # noqa: PTH118, PTH120
        for file in _files(target) if is_folder else [target]:
            yield from _read(file, query, budget, seen, depth + 1)


def _files(folder: str) -> list[str]:
    """Return the files of an included folder.

    Like sudo, skip names with a dot in them or a tilde at the end.
    """
    names = [name for name in names_in(folder) if "." not in name and not name.endswith("~")]
    return [f"{folder.rstrip('/')}/{name}" for name in names]
