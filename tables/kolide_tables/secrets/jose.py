"""Find and decode JSON Web Tokens: their headers and claims, never what proves that they are genuine.

Formats: JWS in compact form, `header.payload.signature`, and in JSON, general and flattened (RFC 7515); JWE
in both forms, whose claims are encrypted (RFC 7516); a JWT in a JWT (RFC 7519, section 5.2). No signature is
checked or kept. A token in a claim, a private key and a secret are not shown.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any, NamedTuple

from kolide_kit.limits import Budget
from kolide_kit.redact import is_secret_name
from kolide_kit.text import printable

__all__ = ["Token", "tokens_in"]

# A header begins with the base64 of `{` and a quote or a blank. A token begins behind something else than its
# characters, so that each is looked at once.
_COMPACT = re.compile(r"(?<![A-Za-z0-9_.-])e[wy][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){2,4}(?![A-Za-z0-9_.-])")
_BASE64 = re.compile(r"[A-Za-z0-9_-]*")
_MOST_LEVELS = 8
_REDACTED = "REDACTED"
# Parts of a JSON Web Key that are private, and the key of a symmetric one (RFC 7518, section 6).
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


class Token(NamedTuple):
    """A token that was found.

    Attributes:
        level: 0 for a token in the text, 1 for one that is the payload of that, and so on.
        format: compact, json or json-flattened; empty if there is no token.
        kind: JWS or JWE.
        header: the header; for JSON with its unprotected part.
        claims: the claims; None if the payload is encrypted, detached, or no JSON object.
        error: why a part cannot be shown.
    """

    level: int
    format: str
    kind: str
    header: dict[str, Any]
    claims: dict[str, Any] | None
    error: str | None


class _NoTokenError(Exception):
    """The text is no token; the message says why."""


def tokens_in(text: str, budget: Budget, *, whole: bool) -> Iterator[Token]:
    """Yield the tokens in a text.

    Args:
        text: a token, or a text with tokens in it.
        budget: counts the work.
        whole: whether a text without any token is told by one with an error.
    """
    stripped = text.strip()
    count = 0
    for token in _json_tokens(stripped, budget):
        count += 1
        yield token
    if count:
        return
    for match in _COMPACT.finditer(text):
        budget.step()
        try:
            found = list(_compact(match[0], 0, budget))
        except _NoTokenError:
            continue
        count += len(found)
        yield from found
    if whole and not count:
        yield Token(0, "", "", {}, None, f"no token: {_why_none(stripped, budget)}")


def _why_none(text: str, budget: Budget) -> str:
    try:
        list(_compact(text[:1_000_000], 0, budget))
    except _NoTokenError as error:
        return str(error)
    return "it is part of a longer word"


def _compact(text: str, level: int, budget: Budget) -> Iterator[Token]:
    parts = text.split(".")
    if len(parts) not in (3, 5):
        raise _NoTokenError("it has not three or five parts between dots")
    header = _header(parts[0])
    if len(parts) == 5:
        yield Token(level, "compact", "JWE", header, None, None)
        return
    yield from _signed(header, parts[1], "compact", level, budget)


def _header(part: str) -> dict[str, Any]:
    header = _object(_decoded(part, "header"))
    if header is None or not isinstance(header.get("alg"), str):
        raise _NoTokenError("its header is no JSON object with an alg")
    return header


def _signed(
    header: dict[str, Any], payload: object, form: str, level: int, budget: Budget
) -> Iterator[Token]:
    """Yield the token with a payload, and the token that the payload is."""
    budget.step()
    claims, error = None, None
    inner: list[Token] = []
    try:
        if not isinstance(payload, str) or not payload:
            raise _NoTokenError("the payload is detached")
        content = payload if header.get("b64") is False else _decoded(payload, "payload")
        claims = _object(content)
        if claims is None:
            if level >= _MOST_LEVELS:
                raise _NoTokenError("tokens in tokens are nested too deep")
            inner = _inner(content.strip().strip('"'), level + 1, budget)
    except _NoTokenError as problem:
        error = str(problem)
    yield Token(level, form, "JWS", header, claims, error)
    yield from inner


def _inner(content: str, level: int, budget: Budget) -> list[Token]:
    try:
        return list(_compact(content, level, budget))
    except _NoTokenError:
        raise _NoTokenError("the payload is neither a JSON object nor a token") from None


def _json_tokens(text: str, budget: Budget) -> Iterator[Token]:
    """Yield a token for each signature or recipient of a token in JSON; none if it is no such token."""
    if not (text.startswith("{") and ('"payload"' in text or '"ciphertext"' in text)):
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    if "payload" not in document and "ciphertext" not in document:
        return
    is_encrypted = "ciphertext" in document
    several = document.get("recipients" if is_encrypted else "signatures")
    form = "json" if isinstance(several, list) else "json-flattened"
    for one in several if isinstance(several, list) else [document]:
        budget.step()
        shared = document if is_encrypted else {}
        try:
            header = _json_header({**shared, **(one if isinstance(one, dict) else {})})
        except _NoTokenError:
            continue
        if is_encrypted:
            yield Token(0, form, "JWE", header, None, None)
        else:
            yield from _signed(header, document.get("payload"), form, 0, budget)


def _json_header(part: dict[str, Any]) -> dict[str, Any]:
    protected = part.get("protected")
    header = _object(_decoded(protected, "header")) if isinstance(protected, str) and protected else {}
    for name in ("unprotected", "header"):
        more = part.get(name)
        header = {**(more if isinstance(more, dict) else {}), **(header or {})}
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise _NoTokenError("its header has no alg")
    return header


def _decoded(part: str, name: str) -> str:
    part = part.rstrip("=")
    if _BASE64.fullmatch(part) is None or len(part) % 4 == 1:
        raise _NoTokenError(f"its {name} is not base64url")
    return urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8", "backslashreplace")


def _object(text: str) -> dict[str, Any] | None:
    """Return a JSON object without its secrets; None for other texts."""
    try:
        value = json.loads(text)
        return _without_secrets(value) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        private = _PRIVATE if "kty" in value else frozenset()
        return {
            name: _REDACTED if name in private or _is_secret(name, member) else _without_secrets(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(member) for member in value]
    if isinstance(value, str):
        return printable(_COMPACT.sub(_REDACTED, value))
    return value


def _is_secret(name: str, value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and is_secret_name(name)
