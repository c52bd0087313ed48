"""Settings: what is refused, and that no token is shown."""

from pathlib import Path

import pytest
from osquery_sdk import SettingsError, extension_settings

from my_ext.settings import Settings

_NAME = "my_ext"
GOOD = 'url = "https://inventory.example.com/v1/"\ntoken = "t0p-s3cret"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file that only its owner may read."""
    path = tmp_path / "my_ext.toml"
    path.write_text(GOOD)
    path.chmod(0o600)
    return path


def read(file: Path, **environment: str) -> tuple[str, str]:
    """Read settings; returns URL and token."""
    settings = extension_settings(Settings, _NAME, environment=environment, file=str(file)).read()
    return settings.url, settings.token.reveal()


def test_from_a_file(file: Path) -> None:
    assert read(file) == ("https://inventory.example.com/v1/", "t0p-s3cret")


def test_the_environment_counts_first(file: Path) -> None:
    url, token = read(file, MY_EXT_URL="http://localhost:8000")
    assert (url, token) == ("http://localhost:8000", "t0p-s3cret")


def test_a_credential_of_the_service(file: Path, tmp_path: Path) -> None:
    file.write_text('url = "https://host"')
    credential = tmp_path / "my_ext.token"
    credential.write_text("t0p-s3cret\n")
    credential.chmod(0o400)
    assert read(file, CREDENTIALS_DIRECTORY=str(tmp_path)) == ("https://host", "t0p-s3cret")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", r"there is no url: set it in .*\.toml, or \w+_URL$"),
        ('url = "https://host"', r"there is no token: set it in .* mode 0600, or as the systemd credential"),
        ('url = "https://host"\ntoken = 7', r"token: has to be ASCII"),
        ('url = "http://host"\ntoken = "t0p-s3cret"', r"url: has to be https://HOST/PATH"),
        ('url = "https://u:t0p-s3cret@host"\ntoken = "x"', r"without user, password or query$"),
        ('url = "t0p-s3cret"\ntoken = "x"', r"url: has to be https://HOST/PATH"),
        ('url = "https://host:x/"\ntoken = "x"', r"url: has to be https://HOST/PATH"),
        ('url = "https://host"\ntoken = "t0p-s3cret\\n"', r"without spaces and line breaks$"),
        ('url = "https://host"\ntoken = "t0p-s3cret é"', r"without spaces and line breaks$"),
        ('token = "t0p-s3cret', r"is no TOML: see "),
        ('tokn = "t0p-s3cret"', r"did you mean token\?$"),
    ],
)
def test_what_cannot_be_used_is_refused_without_the_token(file: Path, content: str, error: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingsError, match=error) as raised:
        read(file)
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)
