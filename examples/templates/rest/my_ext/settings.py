"""The API's URL and token, from a file that only its owner may read, or from elsewhere.

The file is TOML, /etc/osquery/my_ext.toml on Linux. A variable or a flag overrides the URL::

    url = "https://inventory.example.com/v1"    # MY_EXT_URL, --url
    token = "..."                               # or the systemd credential my_ext.token

MY_EXT_SETTINGS or --settings names another file. No error and no log shows the token.
"""

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from osquery_sdk import Secret, Setting

HERE = ("localhost", "127.0.0.1", "::1")


def is_url(url: str) -> bool:
    """Return whether a URL can be asked without showing the token to others."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in HERE)
    return bool(host) and is_safe and not re.search(r"[@?#\s]", url)


def is_token(token: str) -> bool:
    """Return whether a token can stand in a header."""
    return re.fullmatch(r"[\x21-\x7e]+", token) is not None


@dataclass(frozen=True)
class Settings:
    """The API's URL and the token."""

    url: Annotated[
        str,
        Setting(
            "URL of the API",
            "https://HOST/PATH, or http:// on this machine, without user, password or query",
            is_url,
        ),
    ]
    token: Annotated[Secret, Setting("Token for the API", "ASCII, without spaces and line breaks", is_token)]
