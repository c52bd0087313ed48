"""Builds are reproducible: equal sources give equal bytes in any place at any time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from .conftest import EPOCH, Frozen, build_small


def content(top: Path) -> dict[str, str]:
    """Every file below a folder: its mode, time of change and content, or where a link leads."""
    found = {}
    for path in sorted(top.rglob("*")):
        facts = path.lstat()
        what = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            what = hashlib.sha256(path.read_bytes()).hexdigest()
        if "report.json" not in path.name:  # it has times and memory in it
            time = 0 if path.parent == top else int(facts.st_mtime)
            found[str(path.relative_to(top))] = f"{facts.st_mode:o} {time} {what}"
    return found


@pytest.mark.slow
@pytest.mark.parametrize("form", ["folder", "onefile"])
def test_built_twice_it_is_the_same(form: str, freeze, tmp_path: Path, directory: Path, monkeypatch) -> None:
    first: Frozen = freeze(form)
    # Sources in another folder, another output, another home, another temporary folder, another order of
    # sets.
    other = tmp_path / "some" / "where" / "else"
    monkeypatch.setenv("PYTHONHASHSEED", "77")
    done = build_small(
        tmp_path / "sources",
        form,
        "--output",
        other,
        HOME=str(tmp_path),
        TMPDIR=str(directory),
    )
    assert done.returncode == 0, done.stderr
    top = Path(first.facts["sbom"]).parent
    assert content(other) == content(top)
    assert json.loads(done.stdout)["stamp"] == first.facts["stamp"]


def test_what_a_build_makes_is_dated_as_told(folder: Frozen) -> None:
    """The short form: all that goes into a build has its one date."""
    files = [path for path in folder.program.parent.rglob("*") if not path.is_symlink()]
    assert {int(path.stat().st_mtime) for path in files} == {EPOCH}
    assert (
        json.loads(Path(folder.facts["sbom"]).read_text())["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    )
