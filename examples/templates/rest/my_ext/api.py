"""A client of the API: pages, retries, a rate limit, and a token that goes only to this API."""

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse, responses
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from osquery_sdk import Query, TableError

from .settings import Settings

TIMEOUT = 10.0
ATTEMPTS = 5
FIRST_PAUSE = 0.5
LAST_PAUSE = 30.0
MAX_BYTES = 16 << 20
MAX_PAGES = 1_000
PER_PAGE = 100
# Answers after which another try may succeed.
TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


class TransientError(Exception):
    """A request failed, and another try may succeed.

    Attributes:
        retry_after: seconds that the API asks to wait.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        """Keep the seconds beside the text."""
        super().__init__(message)
        self.retry_after = retry_after


class RateLimit:
    """A limit of requests a second, shared by all threads."""

    def __init__(self, per_second: float) -> None:
        """Begin with a request that need not wait."""
        self._interval = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next turn; returns the seconds until then."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._interval
            return turn - now


class Api:
    """A client of the API, which waits no longer than the query does.

    Args:
        settings: returns the URL and the token; called for each query, so that a new token counts at once.
        per_second: requests at the most.
    """

    def __init__(self, settings: Callable[[], Settings], *, per_second: float = 10.0) -> None:
        """Store the settings; requests come later."""
        self._settings = settings
        self._limit = RateLimit(per_second)
        self._opener = build_opener(StayHere)

    def items(self, query: Query, path: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """Yield the items of all pages.

        A page is `{"items": [...], "next": URL or null}`.

        Raises:
            TableError: the API does not answer as it should.
        """
        settings = self._settings()
        url: str | None = f"{_root(settings)}/{path}?{urlencode({'limit': PER_PAGE, **parameters})}"
        seen: set[str] = set()
        while url is not None:
            if url in seen or len(seen) >= MAX_PAGES:
                raise TableError(f"the API's pages do not end: {len(seen)} of them so far")
            seen.add(url)
            page = self._get(query, settings, url)
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise TableError(f"the API's answer to {_shown(url)} is no page of items")
            yield from page["items"]
            url = _next(url, page.get("next"))

    def item(self, query: Query, path: str, key: str | int) -> Any:
        """Return one item; None if there is no item with that key."""
        settings = self._settings()
        return self._get(query, settings, f"{_root(settings)}/{path}/{quote(str(key), safe='')}")

    def _get(self, query: Query, settings: Settings, url: str) -> Any:
        """Return the content of the URL, None for a 404. Try again after longer and longer pauses."""
        for attempt in range(1, ATTEMPTS + 1):
            _wait(query, self._limit.reserve())
            try:
                return self._ask(query, settings, url)
            except TransientError as error:
                if attempt == ATTEMPTS:
                    raise TableError(f"the API at {_shown(url)}: {error}, {ATTEMPTS} times") from error
                pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LAST_PAUSE)
                # A random part, so that not all machines try again at once.
                pause = max(error.retry_after, pause * random.uniform(0.5, 1.0))
                if pause > query.remaining():
                    text = f"the API at {_shown(url)}: {error}; try again in {pause:.0f} s"
                    raise TableError(text) from error
                query.warn(f"{_shown(url)}: {error}; tries again in {pause:.1f} s")
                _wait(query, pause)
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, query: Query, settings: Settings, url: str) -> Any:
        headers = {"Authorization": f"Bearer {settings.token.reveal()}", "Accept": "application/json"}
        try:
            timeout = max(0.1, min(TIMEOUT, query.remaining()))
            with self._opener.open(Request(url, headers=headers), timeout=timeout) as answer:
                return json.loads(_read(query, answer))
        except HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                # Use Python's text for the number, because the server's text cannot be trusted.
                text = f"{error.code} {responses.get(error.code, '')}".strip()
                if error.code in TRANSIENT:
                    raise TransientError(text, _seconds(error.headers.get("Retry-After"))) from None
                if error.code in (401, 403):
                    raise TableError(f"the API at {_shown(url)} does not accept the token ({text})") from None
                raise TableError(f"the API at {_shown(url)}: {text}") from None
        except URLError as error:
            raise TransientError(str(error.reason)) from None
        except (ValueError, RecursionError):  # not JSON: a proxy's page, or half of an answer
            raise TransientError("the answer is not JSON") from None
        except (OSError, HTTPException) as error:
            raise TransientError(str(error) or type(error).__name__) from None


class StayHere(HTTPRedirectHandler):
    """Follow redirects only to the same server, because the token goes with the request."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """Return the request to make instead."""
        if _server(newurl) != _server(req.full_url):
            fp.close()
            raise TableError(f"{_shown(req.full_url)} redirects to another server, {_shown(newurl)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(query: Query, answer: HTTPResponse) -> bytes:
    """Return the whole body, unless it is too large, too slow or cut off."""
    body = b""
    while chunk := answer.read1(65_536):
        query.check()
        body += chunk
        if len(body) > MAX_BYTES:
            raise TableError(f"the API's answer has more than {MAX_BYTES:,} bytes")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) != len(body):
        raise TransientError(f"the answer ended after {len(body)} of {length} bytes")
    return body


def _next(url: str, following: object) -> str | None:
    """Return the URL of the next page; None after the last."""
    if following is None or following == "":
        return None
    if not isinstance(following, str):
        raise TableError(f"the API's answer to {_shown(url)} names a next page that is no URL")
    found = urljoin(url, following)
    if _server(found) != _server(url):
        raise TableError(f"the API's next page is on another server, {_shown(found)}")
    return found


def _root(settings: Settings) -> str:
    return settings.url.rstrip("/")


def _server(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _shown(url: str) -> str:
    """Return the URL for an error text, without credentials, parameters and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After, which is a number or a date; 0 for anything else."""
    if retry_after is None:
        return 0.0
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _wait(query: Query, seconds: float) -> None:
    """Wait, but no longer than the query does."""
    end = time.monotonic() + seconds
    while True:
        query.check()
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.1))
