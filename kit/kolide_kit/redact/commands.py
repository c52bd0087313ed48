"""Find the commands in a line of words: the first one, and those that it runs."""

import re
from collections.abc import Sequence

from .arguments import WRITERS, Arguments
from .findings import Findings, Search
from .rules import is_harmless, known, program_name, rule_for

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")


def read_commands(words: Sequence[str], search: Search, quoted: Sequence[bool] | None = None) -> Findings:
    """Return what is found in a command line, the program first."""
    findings = Findings(words, search, quoted)
    start: int | None = 0
    is_guess = False
    while start is not None and start < len(words):
        start, is_guess = _read_command(findings, start, is_guess)
        if start is None:
            start, is_guess = findings.next_guess(), True
    return findings


def _read_command(findings: Findings, start: int, is_guess: bool) -> tuple[int | None, bool]:
    """Read a command; return where the command that it runs begins, and whether that is a guess."""
    words = findings.words
    while start < len(words) and _ASSIGNMENT.match(words[start]) and not _is_program(words[start]):
        findings.plain(start)
        start += 1
    if start == len(words):
        return None, False
    findings.plain(start)
    program = findings.programs.get(start, words[start])
    name = known(program.removeprefix("-"))  # a login shell is -bash
    rule = None if name is None else rule_for(name, words[start + 1 : start + 13])
    if program_name(program) in WRITERS:
        findings.writes = True
    findings.is_harmless = name is not None and is_harmless(name)
    is_known = rule is not None or findings.is_harmless
    return Arguments(findings, start, rule, is_known=is_known, is_guessed=is_guess).read()


def _is_program(word: str) -> bool:
    # COMMAND=/usr/bin/mysql, as sudo logs it.
    return word.startswith("COMMAND=/") or ("=/" in word and known(word) is not None)
