"""kolide_sshd_config: the configuration of the SSH server, line by line, with Include and Match resolved.

Source: sshd_config(5). For most keywords the first value counts, in the order of the rows; defaults are not
shown.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.quoted import past_quoted
from kolide_kit.text import decode
from osquery_sdk import Column, ColumnType, Query, Row, table

from ..reading.paths import past_trusted_links, read_or_warn

_PATH = "/etc/ssh/sshd_config"
_INCLUDE_DIR = "/etc/ssh"
_DEEPEST = 16
_MOST_FILES = 1_000
# A word without quotes, or the quote that begins one; a # that begins a word begins a comment.
_WORD = re.compile(r'[^\s"]+|"')


class SshdDirective(Row):
    """A line of a configuration."""

    path: str = Column("Configuration to read; the server's own unless given", index=True, key=True)
    keyword: str = Column("Keyword, in lower case")
    value: str = Column("Value after the keyword, without quotes and comments")
    match_block: str | None = Column(
        "Criteria of the Match block that it is in; empty if it is for all connections"
    )
    source: str = Column("File that it is in: the configuration, or one that it includes", key=True)
    line: int = Column("Line of that file, from 1", type=ColumnType.INTEGER, key=True)


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
            "select source, count(*) as lines, sum(match_block <> '') as in_match_blocks "
            "from kolide_sshd_config group by source"
        ),
    ),
)
def sshd_config(query: Query) -> Iterator[SshdDirective]:
    """Lines of the SSH server's configuration, included files too, in the order in which the server reads
    them.
    """
    for path in query.equals("path") or (_PATH,):
        yield from _Reader(path, query).read(path, None, 0)


class _Line(NamedTuple):
    number: int
    keyword: str
    words: list[str]


class _Reader:
    """Reads a configuration and what it includes."""

    def __init__(self, path: str, query: Query) -> None:
        self._path = path
        self._query = query
        self._budget = Budget.of(query)
        self._files = 0
        # The server looks for included files beside its own configuration.
        self._folder = _INCLUDE_DIR if path == _PATH else os.path.dirname(path)  # noqa: PTH120

    def read(self, path: str, block: str | None, depth: int) -> Iterator[SshdDirective]:
        self._files += 1
        if self._files > _MOST_FILES or depth > _DEEPEST:
            self._query.warn(f"{path} is not read: too many files, or included too deep")
            return
        content = read_or_warn(past_trusted_links(path), self._query)
        if content is None:
            return
        for line in _lines(decode(content)):
            self._budget.add_rows()
            value = " ".join(line.words)
            if line.keyword == "match":
                # `Match all` ends the block: the lines after it are for all connections.
                block = None if value.lower() == "all" else value
                continue
            yield SshdDirective(
                path=self._path,
                keyword=line.keyword,
                value=value,
                match_block=block,
                source=path,
                line=line.number,
            )
            if line.keyword == "include":
                for pattern in line.words:
                    for file in self._included(pattern):
                        # A Match in an included file ends with that file.
                        yield from self.read(file, block, depth + 1)

    def _included(self, pattern: str) -> list[str]:
        import glob

        whole = pattern if pattern.startswith("/") else f"{self._folder}/{pattern}"
        self._budget.check()
        return sorted(glob.glob(whole))[: _MOST_FILES + 1]  # noqa: PTH207


def _lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = re.match(r'"?([A-Za-z0-9]+)"?(?:\s*=\s*|\s+|$)', stripped)
        if match is not None:
            yield _Line(number, match[1].lower(), _words(stripped[match.end() :]))


def _words(text: str) -> list[str]:
    words: list[str] = []
    at = 0
    is_closed = True
    while (match := _WORD.search(text, at)) is not None:
        at = match.end()
        if match[0].startswith("#"):
            break
        if match[0] != '"':
            words.append(match[0])
        elif is_closed:
            # After one quote that nothing closes, no later quote can be closed either.
            end, is_closed = past_quoted(text, match.start())
            if is_closed:
                words.append(re.sub(r'\\(["\\ ])', r"\1", text[at : end - 1]))
                at = end
    return words
