"""kolide_jwt: what JSON Web Tokens say: their headers and claims, never their signatures.

Nothing is checked: a claim is what the token says, not what is true.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kolide_kit.limits import Budget
from kolide_kit.text import decode, shown
from osquery_sdk import Column, ColumnType, Query, table

from ..reading.paths import FileRow, asked_contents, asked_texts

if TYPE_CHECKING:
    from .jose import Token

__all__ = ["WebToken", "jwt"]

_LONGEST_TIME = 2**63


class WebToken(FileRow):
    """A JSON Web Token, or an error about a file or text."""

    raw_data: str = Column(
        "Token, or text with tokens in it, to read instead of a file", index=True, required=True
    )
    idx: int | None = Column(
        "Number of the token in the file or text, from 0", type=ColumnType.INTEGER, default=None, key=True
    )
    level: int | None = Column(
        "0, or how many tokens it is the payload of", type=ColumnType.INTEGER, default=None
    )
    format: str | None = Column("compact, json or json-flattened", default=None)
    kind: str | None = Column("JWS, which is signed, or JWE, whose claims are encrypted", default=None)
    algorithm: str | None = Column("Algorithm (alg); none means that nothing is signed", default=None)
    type: str | None = Column("Type (typ), such as JWT or at+jwt", default=None)
    key_id: str | None = Column("Key that signed it (kid)", default=None)
    issuer: str | None = Column("Who issued it (iss)", default=None)
    subject: str | None = Column("Whom it is about (sub)", default=None)
    audience: str | None = Column("Whom it is for (aud); several as a JSON array", default=None)
    issued_at: int | None = Column("Time of issue (iat), Unix seconds", default=None)
    not_before: int | None = Column("Time from which it is valid (nbf), Unix seconds", default=None)
    expires: int | None = Column("Time until which it is valid (exp), Unix seconds", default=None)
    header: str | None = Column("The whole header, as JSON", default=None)
    claims: str | None = Column(
        "All claims, as JSON; tokens and secrets in them are replaced by REDACTED", default=None
    )
    error: str | None = Column("Why the file, or a part of the token, cannot be read", default=None)


@table(
    "kolide_jwt",
    examples=(
        (
            "select path, issuer, subject, datetime(expires, 'unixepoch') as expires from kolide_jwt "
            "where path = '/var/run/secrets/kubernetes.io/serviceaccount/token'"
        ),
        (
            "select path, algorithm, issuer, claims from kolide_jwt "
            "where path like '/home/%/.config/%/%.json' and (algorithm = 'none' or expires is null)"
        ),
    ),
    privilege="Without root: only files that the user may read.",
)
def jwt(query: Query) -> Iterator[WebToken]:
    """JSON Web Tokens in files or texts: their headers and claims, never their signatures."""
    budget = Budget.of(query)
    is_named = query.equals("path") is not None
    for path, content, error in asked_contents(query, "path", budget):
        if error:
            yield WebToken(path=path, raw_data="", error=error)
        else:
            yield from _rows(decode(content), budget, is_named=is_named, path=path)
    for text in asked_texts(query, "raw_data"):
        yield from _rows(shown(text), budget, is_named=True, raw_data=text)


def _rows(
    text: str, budget: Budget, *, is_named: bool, path: str = "", raw_data: str = ""
) -> Iterator[WebToken]:
    from .jose import tokens_in

    for index, token in enumerate(tokens_in(text, budget, whole=is_named)):
        budget.add_rows()
        if not token.format:
            yield WebToken(path=path, raw_data=raw_data, error=token.error)
        else:
            yield _row(token, index, path, raw_data)


def _row(token: "Token", index: int, path: str, raw_data: str) -> WebToken:
    header, claims = token.header, token.claims or {}
    return WebToken(
        path=path,
        raw_data=raw_data,
        idx=index,
        level=token.level,
        format=token.format,
        kind=token.kind,
        algorithm=_text(header.get("alg")),
        type=_text(header.get("typ")),
        key_id=_text(header.get("kid")),
        issuer=_text(claims.get("iss", header.get("iss"))),
        subject=_text(claims.get("sub", header.get("sub"))),
        audience=_text(claims.get("aud", header.get("aud"))),
        issued_at=_time(claims.get("iat")),
        not_before=_time(claims.get("nbf")),
        expires=_time(claims.get("exp")),
        header=_json(header),
        claims=None if token.claims is None else _json(token.claims),
        error=token.error,
    )


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _time(value: Any) -> int | None:
    """Return whole seconds; None for what is no time."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        seconds = int(value // 1)
    except (ValueError, OverflowError):
        return None
    return seconds if -_LONGEST_TIME <= seconds < _LONGEST_TIME else None
