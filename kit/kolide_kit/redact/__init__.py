"""Remove the values of secrets from command lines and other texts, so that a table can show the rest.

A program's arguments are read as the program reads them: a table knows the options of a few hundred
programs, and where the programs that run others name them. A text is divided into words by the rules of the
shell, and searched for NAME=VALUE, headers, URLs and keys besides. When in doubt a value is removed: a word
too few in a table is a small loss. Paths and programs stay. A secret that looks like any other word is not
found.

lines, programs, wrappers, rules
    The table of programs, and the language that it is in.
names, values, patterns
    Tell secrets by their names, and by what stands around them.
shell
    Divide a text into words, and remember where they stood.
arguments, findings
    Read the arguments of one program, and gather the secrets in them.
commands, texts
    Find the commands in a line of words, and the lines of words in a text.
clues, segments
    Tell the parts of a text that are worth dividing into words.
audit
    Read the arguments in records of Linux's audit, some of which are hexadecimal digits.
redaction
    Put a mark in the place of the secrets.
"""

from collections.abc import Sequence

from .names import REDACTED, is_secret_name

__all__ = ["REDACTED", "is_secret_name", "redact_arguments", "redact_text"]


def redact_text(text: str) -> str:
    """Redact secrets within one piece of text: command lines, NAME=VALUE, headers, URLs, keys known by their
    shape.
    """
    from .redaction import redacted_text  # the table of programs costs the start of who only may redact

    return redacted_text(text)


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a program, the program first, with the values of secrets replaced by REDACTED.

    Their number and order stay as they are.
    """
    from .redaction import redacted_arguments

    return redacted_arguments(arguments)
