"""kolide_sshd_config: the configuration of the SSH server, line by line, with Include and Match resolved.

Source: sshd_config(5). Defaults are not shown. The server first reads the lines outside of Match blocks, and
those of `Match all`; later, for each connection, the blocks that match it. So a value from a block, of
`Match all` too, replaces one from outside. Among the lines of each reading the first counts, in the order of
the rows; for some keywords, such as AllowUsers, AcceptEnv, Port, HostKey and Subsystem, the lines add up.
"""

import io
import json
import os
from collections.abc import Iterable, Iterator

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, read_file
from kolide_kit.limits import Budget
from kolide_kit.redact import redact_arguments, redact_text
from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading.paths import past_trusted_links
from .faults import BadLines, Faults, paths_or_default
from .sshd_include import IncludedFiles
from .sshd_match import Block, block_of
from .sshd_words import Line, option_of, parse_line

# The second is the distribution's on openSUSE, which the server reads if there is no first.
_PATHS = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")
_INCLUDE_DIR = "/etc/ssh"
_DEEPEST = 16
_MOST_FILES = 1_000
_MOST_LINE = 1 << 20
# The values of these are command lines and variables, which may have a secret in them.
_COMMANDS = frozenset(
    ("authorizedkeyscommand", "authorizedprincipalscommand", "forcecommand", "setenv", "subsystem")
)


class SshdDirective(Row):
    """A line of a configuration."""

    path: str = Column(
        "Configuration to read; the server's own unless given. A line that the server rejects is an error if "
        "the path is named with =, and is logged with LIKE and without a path",
        index=True,
        key=True,
    )
    keyword: str = Column("Keyword, in lower case")
    value: str = Column("Value after the keyword, without quotes and comments; secrets redacted")
    match_block: str | None = Column(
        "Criteria that must all hold: those of its Match block, after those of blocks that include its file; "
        "empty if it is for all connections"
    )
    source: str = Column("File that it is in: the configuration, or one that it includes", key=True)
    line: int = Column("Line of that file, from 1", type=ColumnType.INTEGER, key=True)
    arguments: str = Column("Words of the value, as a JSON list")
    criteria: str | None = Column(
        "The criteria as a JSON list of [name, pattern]: [] in Match all, empty outside of Match blocks. "
        "Lines with a list, even [], count before those without"
    )
    option: str | None = Column(
        "Keyword of today, as `sshd -T` has it: kbdinteractiveauthentication of "
        "challengeresponseauthentication; empty if the server does nothing with the line"
    )


@table(
    "kolide_sshd_config",
    privilege="Without root: only files that the user may read.",
    platforms=("linux", "darwin"),
    elsewhere="the SSH server of Windows has its configuration elsewhere, and other rules for its paths",
    examples=(
        (
            "select keyword, value, match_block, source, line from kolide_sshd_config "
            "where keyword in ('permitrootlogin', 'passwordauthentication')"
        ),
        (
            "select c.keyword, c.value, json_extract(m.value, '$[1]') as users, c.source, c.line "
            "from kolide_sshd_config c, json_each(nullif(c.criteria, '')) m "
            "where json_extract(m.value, '$[0]') = 'user'"
        ),
    ),
)
def sshd_config(query: Query) -> Iterator[SshdDirective]:
    """Lines of the SSH server's configuration, included files too, in the order in which the server reads
    them.
    """
    budget, faults = Budget.of(query), Faults(query)
    for path in paths_or_default(query, _PATHS, budget):
        yield from _Reader(path, budget, faults).read(path, None, 0)
    faults.finish()


class _Reader:
    """Reads a configuration and what it includes."""

    def __init__(self, path: str, budget: Budget, faults: Faults) -> None:
        self._path = path
        self._budget = budget
        self._faults = faults
        self._files = 0
        # The server looks for included files beside its own configuration.
        self._included_files = IncludedFiles(budget)
        self._folder = _INCLUDE_DIR if path in _PATHS else os.path.dirname(path)  # noqa: PTH120

    def read(self, path: str, outer: Block | None, depth: int) -> Iterator[SshdDirective]:
        """Yield the lines of a file that is included in the block `outer`; None stands for no block."""
        self._files += 1
        if self._files > _MOST_FILES or depth > _DEEPEST:
            self._faults.report(f"{path} is not read: too many files, or included too deep")
            return
        try:
            most = self._budget.limits.max_file_bytes
            content = read_file(past_trusted_links(path), max_bytes=most)
        except Missing:
            return
        except (Unreadable, LimitExceeded) as error:
            self._faults.report(str(error))
            return
        # A Match in this file ends with it: the file that includes it goes on in its own block.
        block = outer
        bad = BadLines()
        for number, line in self._lines(content, bad):
            if line.keyword == "match":
                block = block_of(line.words, outer)
                if block.problem:
                    bad.add(number, line.column, block.problem)
                continue
            yield self._row(path, number, line, block)
            if line.keyword == "include":
                for file in self._included(line.words):
                    yield from self.read(file, block, depth + 1)
        if bad:
            self._faults.report(f"{path}: {bad}")

    def _included(self, patterns: Iterable[str]) -> Iterator[str]:
        try:
            for pattern in patterns:
                is_whole = pattern.startswith(("/", "~"))
                yield from self._included_files.named(pattern if is_whole else f"{self._folder}/{pattern}")
        except LimitExceeded as error:
            self._faults.report(str(error))

    def _lines(self, content: bytes, bad: BadLines) -> Iterator[tuple[int, Line]]:
        """Yield the lines that have a keyword with their numbers, and note the bad ones."""
        # One line at a time is decoded, so that the text is not in memory several times.
        for number, data in enumerate(io.BytesIO(content), 1):
            self._budget.step()
            head, nul, _ = data.partition(b"\0")
            if nul:
                bad.add(number, len(head) + 1, "a NUL, at which the server goes on with the next line")
            if head[:1] in b"\n#":
                continue
            if len(head) > _MOST_LINE:
                bad.add(number, 1, f"more than {_MOST_LINE:,} bytes, and is not read")
                continue
            line = parse_line(shown(head))
            if line is None:
                continue
            if line.problem:
                bad.add(number, line.column, line.problem)
            if line.keyword:
                self._budget.add_rows()
                yield number, line

    def _row(self, path: str, number: int, line: Line, block: Block | None) -> SshdDirective:
        value, words = _shown(line)
        return SshdDirective(
            path=self._path,
            keyword=line.keyword,
            value=value,
            match_block=(block.text or None) if block is not None else None,
            source=path,
            line=number,
            arguments=json.dumps(words, ensure_ascii=False),
            criteria=block.criteria if block is not None else None,
            option=option_of(line.keyword),
        )


def _shown(line: Line) -> tuple[str, list[str]]:
    """Return the value and the words of a line without secrets."""
    if line.keyword not in _COMMANDS:
        return line.value, line.words
    return redact_text(line.value), redact_arguments(line.words)
