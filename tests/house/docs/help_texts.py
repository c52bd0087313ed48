"""Copy the programs' help texts into docs/cli.md.

``python -m tests.house.docs.help_texts`` writes the page; the tests compare it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ...support.paths import DOCS, ROOT

PAGE = DOCS / "cli.md"
_PROGRAMS = ("osquery-sdk", "./first_table.py")
_HELP = re.compile(
    r"(?<=^<!-- help: )(?P<line>[^\n]+)( -->\n```text\n)(?P<text>.*?)(?=^```$)", re.DOTALL | re.MULTILINE
)


def help_of(line: str) -> str:
    """Return the output of `line --help`, run in the folder of the examples."""
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    done = subprocess.run(
        ["/bin/sh", "-c", f"{line} --help"],
        cwd=ROOT / "examples",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands_of(program: str) -> list[str]:
    """Return the command lines of a program: the program alone, and with each of its commands."""
    _, _, listed = help_of(program).partition("commands, each with a --help of its own:\n")
    return [
        program,
        *(
            f"{program} {name}"
            for name in re.findall(r"^  (\w+) ", listed.partition("\n\n")[0], re.MULTILINE)
        ),
    ]


def expected() -> list[str]:
    """Return every command line that the page has to have."""
    return [line for program in _PROGRAMS for line in commands_of(program)]


def written() -> dict[str, str]:
    """Return the help texts on the page, by command line."""
    return {found["line"]: found["text"] for found in _HELP.finditer(PAGE.read_text(encoding="utf-8"))}


def main() -> None:
    """Write the texts into the page. Markers of new commands have to be written by hand first."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        _HELP.sub(lambda found: found[1] + found[2] + help_of(found["line"]), page), encoding="utf-8"
    )
    for line in sorted(set(expected()) ^ set(written())):
        print(f"{line}: on one side only", file=sys.stderr)


if __name__ == "__main__":
    main()
