"""Send requests over HTTPS: check certificates, bound answers in bytes and time, refuse redirects that leave
HTTPS.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from .errors import HttpsError

if TYPE_CHECKING:
    import ssl
    from urllib.request import OpenerDirector

_NEAR = ("localhost", "127.0.0.1", "::1")


class HttpAnswer(NamedTuple):
    """An answer; a 304 has no body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpsClient:
    """Sends requests to one URL.

    Args:
        url: `https:`; `http:` only for this machine itself.
        headers: headers of each request, such as `Authorization` and `User-Agent`; they are never logged.
        ca: a file with the certificates to trust instead of the system's.
        certificate: a file with a certificate and its key to show to the server.
        timeout: seconds for a whole request.

    Raises:
        ValueError: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        ca: str | os.PathLike[str] | None = None,
        certificate: str | os.PathLike[str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        """Check the URL; certificates are read for the first request."""
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError(f"{url!r} is not a URL that begins with https://")
        if parts.scheme == "http" and parts.hostname not in _NEAR:
            raise ValueError(f"{url!r}: plain http is for this machine itself; use https")
        if "@" in parts.netloc:
            raise ValueError("a URL with a password in it would be logged; give it by headers=")
        self.url = url
        self._headers = dict(headers or {})
        self._ca = ca
        self._certificate = certificate
        self._timeout = timeout
        self._opener: OpenerDirector | None = None

    def ask(
        self, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, max_bytes: int = 4 << 20
    ) -> HttpAnswer:
        """Send a GET, or a POST of a body; return an answer with status 2xx or 304.

        Raises:
            HttpsError: the request failed, or the answer has another status.
        """
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError
        from urllib.request import Request

        end = time.monotonic() + self._timeout
        sent = {**self._headers, **(headers or {})}
        request = Request(self.url, data=body, headers=sent)  # noqa: S310  checked
        try:
            opener = self._opener = self._opener or self._make_opener()
            with opener.open(request, timeout=self._timeout) as answer:
                body = b""
                while chunk := answer.read1(65536):
                    body += chunk
                    if len(body) > max_bytes:
                        raise HttpsError(f"{self.url}: the answer has more than {max_bytes:,} bytes")
                    if time.monotonic() > end:
                        raise HttpsError(f"{self.url}: no whole answer within {self._timeout:g} s")
                length = answer.headers.get("Content-Length")
                if length is not None and length.isdecimal() and int(length) != len(body):
                    raise HttpsError(f"{self.url}: the answer ended after {len(body)} of {length} bytes")
                return HttpAnswer(answer.status, dict(answer.headers), body)
        except HTTPError as error:
            with error:
                if error.code == 304:
                    return HttpAnswer(304, dict(error.headers), b"")
                reason = error.read(200).decode(errors="replace").split("\n")[0].strip()
            text = f"{self.url}: {error.code} {error.reason}" + (f": {reason}" if reason else "")
            raise HttpsError(
                text, status=error.code, retry_after=_seconds(error.headers.get("Retry-After"))
            ) from error
        except URLError as error:
            raise HttpsError(f"{self.url}: {error.reason}") from error
        except (OSError, ValueError) as error:
            raise HttpsError(f"{self.url}: {error or type(error).__name__}") from error
        except HTTPException as error:
            raise HttpsError(f"{self.url}: {type(error).__name__} {error}") from error

    def _make_opener(self) -> "OpenerDirector":
        from typing import Any
        from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

        class Redirects(HTTPRedirectHandler):
            """Redirects only within the same scheme, host and port: the headers are for that server alone."""

            def redirect_request(
                self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
            ) -> Any:
                from urllib.parse import urlsplit

                here, there = urlsplit(req.full_url), urlsplit(newurl)
                if (here.scheme, here.netloc) != (there.scheme, there.netloc):
                    raise HttpsError(
                        f"{req.full_url}: redirects to {newurl}, which is another place", status=code
                    )
                return super().redirect_request(req, fp, code, msg, headers, newurl)

        return build_opener(HTTPSHandler(context=self._context()), Redirects())

    def _context(self) -> "ssl.SSLContext":
        import ssl

        context = ssl.create_default_context(cafile=self._ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._certificate is not None:
            context.load_cert_chain(self._certificate)
        return context


def _seconds(text: str | None) -> float:
    """Return the seconds of a Retry-After: a number, or a date."""
    if text is None:
        return 0.0
    if text.strip().isdecimal():
        return min(float(text), 3600.0)
    from email.utils import parsedate_to_datetime

    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), 3600.0)
    except (ValueError, TypeError):
        return 0.0
