"""The facts of a build."""

from __future__ import annotations

import platform
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from kolide_kit.git import facts_of_checkout
from osquery_sdk.errors import FreezeError
from osquery_sdk.freeze.stamp import make_stamp

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=maria", "-c", "user.email=maria@example.com"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "trunk")
    (folder / "hello.py").write_text("")
    git(folder, "add", "hello.py")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_commit_and_branch_are_git_s(repository: Path) -> None:
    stamp = make_stamp("1.0", repository, {"SOURCE_DATE_EPOCH": "0"})
    assert stamp.pop("user")
    assert stamp == {
        "version": "1.0",
        "commit": git(repository, "rev-parse", "HEAD"),
        "branch": "trunk",
        "date": "1970-01-01T00:00:00Z",
        "python": platform.python_version(),
    }


def test_a_program_in_a_checkout_says_the_same_of_it(repository: Path) -> None:
    facts = facts_of_checkout(repository)
    assert facts == {
        "commit": git(repository, "rev-parse", "HEAD"),
        "branch": "trunk",
        "date": git(repository, "show", "-s", "--format=%cI"),
        "user": "maria",
    }
    assert (
        facts.items() >= {key: make_stamp("1.0", repository, {})[key] for key in ("commit", "branch")}.items()
    )


def test_without_git_nothing_is_said(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert facts_of_checkout(repository) == {}
    assert make_stamp("1.0", repository, {})["commit"] == "unknown"


def test_changed_files_are_told(repository: Path) -> None:
    (repository / "hello.py").write_text("changed")
    assert make_stamp("1.0", repository, {})["commit"] == git(repository, "rev-parse", "HEAD") + "-dirty"


def test_what_git_does_not_track_has_no_commit(repository: Path) -> None:
    (repository / "other").mkdir()
    (repository / "other" / "hello.py").write_text("")
    stamp = make_stamp("1.0", repository / "other", {})
    assert (stamp["commit"], stamp["branch"]) == ("unknown", "unknown")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp["date"])


@pytest.mark.parametrize("given", ["soon", "1.5", "9" * 30])
def test_a_date_that_is_none_is_an_error(repository: Path, given: str) -> None:
    with pytest.raises(FreezeError, match=f"^SOURCE_DATE_EPOCH={given}: has to be a number of seconds"):
        make_stamp("1.0", repository, {"SOURCE_DATE_EPOCH": given})
