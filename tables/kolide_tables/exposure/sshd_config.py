"""kolide_sshd_config: the configuration of the SSH server, line by line, with Include and Match resolved.

Source: sshd_config(5). Defaults are not shown. The server first reads the lines outside of Match blocks, and
those of `Match all`; later, for each connection, the blocks that match it. So a value from a block, of
`Match all` too, replaces one from outside. Among the lines of each reading the first counts, in the order of
the rows; for some keywords, such as AllowUsers, AcceptEnv, Port, HostKey and Subsystem, the lines add up.
"""

import json
import os
import re
from collections.abc import Iterator

from kolide_kit.limits import Budget
from kolide_kit.redact import redact_arguments, redact_text
from kolide_kit.text import decode
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading.paths import past_trusted_links, read_or_warn
from .line_numbers import named_lines
from .sshd_match import Block, block_of
from .sshd_words import Line, parse_line

_PATH = "/etc/ssh/sshd_config"
_INCLUDE_DIR = "/etc/ssh"
_DEEPEST = 16
_MOST_FILES = 1_000
# The values of these are command lines and variables, which may have a secret in them.
_COMMANDS = frozenset(
    ("authorizedkeyscommand", "authorizedprincipalscommand", "forcecommand", "setenv", "subsystem")
)


class SshdDirective(Row):
    """A line of a configuration."""

    path: str = Column("Configuration to read; the server's own unless given", index=True, key=True)
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
    for path in query.equals("path") or (_PATH,):
        yield from _Reader(path, query).read(path, None, 0)


class _Reader:
    """Reads a configuration and what it includes."""

    def __init__(self, path: str, query: Query) -> None:
        self._path = path
        self._query = query
        self._budget = Budget.of(query)
        self._files = 0
        # The server looks for included files beside its own configuration.
        self._folder = _INCLUDE_DIR if path == _PATH else os.path.dirname(path)  # noqa: PTH120

    def read(self, path: str, outer: Block | None, depth: int) -> Iterator[SshdDirective]:
        """Yield the lines of a file that is included in the block `outer`; None stands for no block."""
        self._files += 1
        if self._files > _MOST_FILES or depth > _DEEPEST:
            self._query.warn(f"{path} is not read: too many files, or included too deep")
            return
        content = read_or_warn(past_trusted_links(path), self._query)
        if content is None:
            return
        # A Match in this file ends with it: the file that includes it goes on in its own block.
        block = outer
        unclosed: list[int] = []
        for number, text in enumerate(decode(content).split("\n"), 1):
            line = parse_line(text)
            if line is None:
                continue
            self._budget.add_rows()
            if not line.is_closed:
                unclosed.append(number)
            if line.keyword == "match":
                block = block_of(line.words, outer)
                continue
            value, words = _shown(line)
            yield SshdDirective(
                path=self._path,
                keyword=line.keyword,
                value=value,
                match_block=(block.text or None) if block is not None else None,
                source=path,
                line=number,
                arguments=json.dumps(words, ensure_ascii=False),
                criteria=block.criteria if block is not None else None,
            )
            if line.keyword == "include":
                for pattern in line.words:
                    for file in self._included(pattern):
                        yield from self.read(file, block, depth + 1)
        if unclosed:
            self._query.warn(f"{path}: nothing closes a quote in {named_lines(unclosed)}")

    def _included(self, pattern: str) -> list[str]:
        import glob

        # A backslash takes the meaning of the character behind it, which Python's patterns do not know.
        whole = re.sub(r"\\(.)", lambda match: glob.escape(match[1]), pattern)
        if not pattern.startswith("/"):
            whole = f"{glob.escape(self._folder)}/{whole}"
        self._budget.check()
        return sorted(glob.glob(whole))[: _MOST_FILES + 1]  # noqa: PTH207


def _shown(line: Line) -> tuple[str, list[str]]:
    """Return the value and the words of a line without secrets."""
    if line.keyword not in _COMMANDS:
        return line.value, line.words
    return redact_text(line.value), redact_arguments(line.words)
