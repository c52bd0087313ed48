"""Settings: where they come from, what is refused, and that no token is shown."""

import os
from pathlib import Path

import pytest

from my_ext.settings import FILE, PREFIX, SettingsError, read_settings

GOOD = 'url = "https://inventory.example.com/v1/"\ntoken = "t0p-s3cret"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file that only its owner may read."""
    path = tmp_path / FILE
    path.write_text(GOOD)
    path.chmod(0o600)
    return path


def settings(file: Path, **variables: str) -> tuple[str, str]:
    """Read settings; returns URL and token."""
    given = {f"{PREFIX}{name.upper()}": value for name, value in variables.items()}
    found = read_settings({f"{PREFIX}SETTINGS": str(file), **given})
    return found.url, found.token.reveal()


def test_from_a_file(file: Path) -> None:
    assert settings(file) == ("https://inventory.example.com/v1", "t0p-s3cret")


def test_the_environment_counts_first(file: Path) -> None:
    assert settings(file, token="other") == ("https://inventory.example.com/v1", "other")


def test_the_environment_is_enough(tmp_path: Path) -> None:
    usual = tmp_path / "no.toml"
    found = read_settings({f"{PREFIX}URL": "http://localhost:8000", f"{PREFIX}TOKEN": "x"}, usual)
    assert found.url == "http://localhost:8000"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(SettingsError, match=rf"{FILE} is open to others.*: chmod 600 it$"):
        settings(file)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", rf"there is no url: set it in .*{FILE}, or {PREFIX}URL$"),
        ('url = "https://host"', rf"there is no token: set it in .*, or {PREFIX}TOKEN$"),
        ('url = "https://host"\ntoken = 7', r"there is no token"),
        ('url = "http://host"\ntoken = "t0p-s3cret"', r"has to begin with https://"),
        ('url = "https://u:t0p-s3cret@host"\ntoken = "x"', r"no user, password or query$"),
        ('url = "t0p-s3cret"\ntoken = "x"', r"has to be https://HOST/PATH"),
        ('url = "https://host:x/"\ntoken = "x"', r"has to be https://HOST/PATH"),
        ('url = "https://host"\ntoken = "t0p-s3cret\\n"', r"a space, a line break"),
        ('url = "https://host"\ntoken = "t0p-s3cret é"', r"a letter that is not ASCII$"),
        ('token = "t0p-s3cret', r"is no TOML( at line 1)?$"),
        ('tokn = "t0p-s3cret"', r"there is no setting tokn, but url and token$"),
        ("x" * 70_000, r"too large"),
    ],
)
def test_what_cannot_be_used_is_told_without_the_token(file: Path, content: str, error: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingsError, match=error) as raised:
        settings(file)
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        settings(tmp_path / "no.toml")


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX's")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(SettingsError, match="is no file"):
        settings(tmp_path / "pipe")
