"""Read the text of systemd's unit files: sections, assignments, comments and lines that continue.

Source: systemd.syntax(7), and systemd's src/shared/conf-parser.c for what the page leaves open.
"""

import re
from collections.abc import Iterator

YES = frozenset(("1", "yes", "y", "true", "t", "on"))
"""Words for yes in unit files, in lower case."""
NO = frozenset(("0", "no", "n", "false", "f", "off"))
"""Words for no in unit files, in lower case."""

_BLANKS = " \t\n\r"
_LONGEST = 1 << 20
_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n|\n\r|[\n\r\0]")


def parse_unit(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each assignment of a unit file.

    Raises ValueError at a line at which systemd refuses the file: with bytes that are not UTF-8 (lone
    surrogates here), too long, or a section without the closing bracket.
    """
    section = ""
    for number, line in _logical_lines(text):
        if len(line) > _LONGEST or _NOT_UTF8.search(line):
            raise ValueError(f"line {number} is too long or not UTF-8")
        if line.startswith("["):
            if not line.endswith("]"):
                raise ValueError(f"line {number} begins a section and lacks the closing bracket")
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        if equals and key and section:
            yield section, key.strip(_BLANKS), value.strip(_BLANKS)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield numbered lines without comments and outer blanks; lines that continue are joined."""
    begun: list[str] = []
    number = 0
    for number, line in enumerate(_LINE_END.split(text), 1):
        if line.lstrip(_BLANKS).startswith(("#", ";")):
            continue  # a comment may stand between the lines of one value
        # Of two backslashes at the end the first escapes the second: the line does not go on.
        if (len(line) - len(line.rstrip("\\"))) % 2:
            begun.append(line[:-1] + " ")
            continue
        yield number, "".join((*begun, line)).strip(_BLANKS)
        begun = []
    if begun:
        yield number, "".join(begun).strip(_BLANKS)
