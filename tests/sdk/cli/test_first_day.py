"""Follow the README as a new user, with only the system's own programs on PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ...support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def five_commands() -> list[str]:
    """Return the README's commands, from a clone to a program that answers SQL."""
    _, _, after = (ROOT / "README.md").read_text().partition("<!-- five commands -->\n```sh\n")
    return after.partition("```")[0].splitlines()


def test_they_are_no_more_than_five() -> None:
    assert 1 < len(five_commands()) <= 5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_nothing_to_a_frozen_extension_that_answers(tmp_path: Path) -> None:
    """Run the commands over the committed files."""
    probe = ["pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path / "probe"), "hatchling"]
    if subprocess.run([sys.executable, "-m", *probe], capture_output=True).returncode:
        pytest.skip("no package index can be reached")
    given = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    env = {**given, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    output = ""
    for line in five_commands():
        done = subprocess.run(
            ["/bin/sh", "-c", line.replace("REPOSITORY", str(ROOT))],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}"
        output = done.stdout
    assert output.count("\n") == 7, output  # three rows in their frame
