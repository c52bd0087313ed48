"""Get a configuration from a web server."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kolide_kit.errors import KolideError
from osquery_sdk import ConfigError, check_config, line_and_column

from .https import https_client
from .watched import WatchedConfig

_MAX_BYTES = 4 << 20


class HttpsConfig(WatchedConfig):
    """A configuration at a URL: one JSON object. It is fetched again only if its ETag has changed.

    A wrong configuration is not served: osqueryd keeps what it has. With `cache`, the last right one is used
    if the server does not answer, for example while a machine starts without a network.

    Args:
        name: the plugin's name.
        url: `https:`; `http:` only for this machine itself.
        headers: headers of each request, such as `Authorization`.
        ca: a file with the certificates to trust instead of the system's.
        certificate: a file with a certificate and its key to show to the server.
        timeout: seconds for a request; osqueryd itself waits for its first configuration.
        cache: a file that keeps the last right configuration; mode 0600.
        poll: seconds between two requests; a change is pushed to osqueryd. 0: osqueryd asks by itself.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ca: str | os.PathLike[str] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
        cache: str | os.PathLike[str] | None = None,
        poll: float = 300.0,
    ) -> None:
        """Check the name and the URL."""
        super().__init__(name, poll=poll)
        self._client = https_client(url, headers, ca=ca, certificate=certificate, timeout=timeout)
        self._cache = None if cache is None else Path(cache)
        self._etag = ""
        self._document: dict[str, Any] | None = None

    def gen_config(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the server's configuration, or its last one if it does not answer."""
        try:
            document = self._fetch()
        except KolideError as error:
            if self._document is None:
                self._document = self._from_cache()
            if self._document is None or self.is_served:
                raise
            self.complain(error)
            self.warn(f"begins with the configuration in {self._cache}")
            document = self._document
        return {self._client.url: document}

    def _fetch(self) -> dict[str, Any]:
        known = self._document is not None and self._etag
        answer = self._client.ask(
            headers={"Accept": "application/json", **({"If-None-Match": self._etag} if known else {})},
            max_bytes=_MAX_BYTES,
        )
        if answer.status == 304 and self._document is not None:
            return self._document
        try:
            text = answer.body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            place = line_and_column(error.object, error.start)
            raise ConfigError(f"{self._client.url}: is not UTF-8: {place}") from error
        document = check_config(text, self._client.url)
        # The ETag is kept only now: after a wrong configuration the server has to send it again.
        self._document = document
        self._etag = next((v for k, v in answer.headers.items() if k.lower() == "etag"), "")
        self._to_cache(text)
        return document

    def _from_cache(self) -> dict[str, Any] | None:
        if self._cache is None:
            return None
        try:
            descriptor = os.open(self._cache, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            with os.fdopen(descriptor, encoding="utf-8") as file:
                facts = os.fstat(file.fileno())
                if os.name == "posix" and (facts.st_uid not in (0, os.geteuid()) or facts.st_mode & 0o022):
                    self.warn(f"{self._cache} could have been written by somebody else, and is not used")
                    return None
                return check_config(file.read(_MAX_BYTES), str(self._cache))
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            if not isinstance(error, FileNotFoundError):
                self.complain(error)
            return None

    def _to_cache(self, text: str) -> None:
        if self._cache is None:
            return
        from osquery_sdk import replace_file

        try:
            replace_file(self._cache, text.encode())
        except OSError as error:
            self.complain(error)
