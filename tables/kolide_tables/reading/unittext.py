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
_LINE_END = re.compile(r"\r\n|\n\r|[\n\r\0]")


def parse_unit(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value of each assignment of a unit file.

    A section's line without the closing bracket ends the file, as it does for systemd.
    """
    section = ""
    for line in _logical_lines(text):
        if line.startswith("["):
            if not line.endswith("]"):
                return
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        if equals and key and section:
            yield section, key.strip(_BLANKS), value.strip(_BLANKS)


def _logical_lines(text: str) -> Iterator[str]:
    """Yield the lines without comments and outer blanks; those that continue are joined."""
    begun: list[str] = []
    for line in _LINE_END.split(text):
        if line.lstrip(_BLANKS).startswith(("#", ";")):
            continue  # a comment may stand between the lines of one value
        # Of two backslashes at the end the first escapes the second: the line does not go on.
        if (len(line) - len(line.rstrip("\\"))) % 2:
            begun.append(line[:-1] + " ")
            continue
        yield "".join((*begun, line)).strip(_BLANKS)
        begun = []
    if begun:
        yield "".join(begun).strip(_BLANKS)
