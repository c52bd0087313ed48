"""Options that make no sense are refused in one line, before anything is done."""

from __future__ import annotations

import pytest

from osquery_sdk.cli.main import main

OPTIONS = ("name", "output", "tmpdir", "include", "exclude", "data", "metadata", "entry-points")


@pytest.mark.parametrize("value", ["", "  ", "\t"])
@pytest.mark.parametrize("option", OPTIONS)
def test_an_empty_value_is_no_value(
    option: str, value: str, tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["build", "json.tool", f"--{option}", value]) == 2
    out, error = capsys.readouterr()
    wrong = f"argument --{option}: is empty; give it a value, or leave it out"
    assert (out, error) == ("", f"osquery-sdk build: {wrong}; see osquery-sdk build --help\n")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_no_extension(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", ""]) == 2
    assert "argument EXTENSION: is empty" in capsys.readouterr().err
