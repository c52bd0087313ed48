"""Read stores of keys and certificates, PKCS#12 and those of Java, without asking for a password.

PKCS#12 (RFC 7292) is in DER or BER. Mostly its keys are encrypted one by one, so that they can be counted,
and its certificates in one part, so that they cannot.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from ..reading.der import (
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    SET,
    Element,
    Malformed,
    children,
    element,
    oid_text,
)
from .derkeys import certificate_key, der_key
from .keyfacts import CERTIFICATE, PRIVATE, SECRET, STORE, KeyFacts
from .passwords import Protection, protection
from .x509 import certificate_public_key

__all__ = ["Entry", "Store", "is_pkcs12", "read_pkcs12", "store_keys"]

_DATA, _ENCRYPTED, _ENVELOPED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6", "1.2.840.113549.1.7.3"
_SIGNED = "1.2.840.113549.1.7.2"
_BAG = "1.2.840.113549.1.12.10.1."
_KEY_BAG, _SHROUDED_BAG, _CERTIFICATE_BAG, _SECRET_BAG, _NESTED_BAG = (_BAG + kind for kind in "12356")
_FRIENDLY_NAME, _LOCAL_KEY = "1.2.840.113549.1.9.20", "1.2.840.113549.1.9.21"
_CONSTRUCTED_OCTETS = 0x24
_DEEPEST_BAG = 8


class Entry(NamedTuple):
    """An entry of a store.

    Attributes:
        kind: PRIVATE, SECRET or CERTIFICATE.
        name: its name in the store.
        identity: the identifier that a key and its certificate share.
        certificates: its certificates in DER, that of the key first.
        how: the protection of the key; None if it is in clear.
        key: the key in clear, as PKCS#8.
        error: the reason why the key cannot be described.
    """

    kind: str
    name: str | None = None
    identity: bytes | None = None
    certificates: tuple[bytes, ...] = ()
    how: Protection | None = None
    key: bytes | None = None
    error: str | None = None


class Store(NamedTuple):
    """A store.

    Attributes:
        format: pkcs12, jks, jceks, bks or uber.
        entries: the entries that are in clear, or encrypted one by one.
        hidden: the protection of a part whose entries cannot be seen.
        error: the reason why the rest could not be read.
    """

    format: str
    entries: list[Entry]
    hidden: Protection | None = None
    error: str | None = None


def store_keys(store: Store) -> Iterator[KeyFacts]:
    """Yield the facts of each entry, and those of the store if it has no entry, or a part that shows none."""
    keys = sum(entry.kind != CERTIFICATE for entry in store.entries)
    certificates = sum(len(entry.certificates) for entry in store.entries)
    is_whole = store.hidden is None and store.error is None
    form = store.format
    facts = KeyFacts(
        None,
        form,
        STORE,
        store.hidden is not None,
        keys=keys if keys or is_whole else None,
        certificates=certificates if certificates or is_whole else None,
        error=store.error,
    )
    for entry in store.entries:
        key = _entry_key(entry)
        yield key._replace(format=form, keys=facts.keys, certificates=facts.certificates)
    if store.hidden is not None:
        yield facts._replace(kdf=store.hidden.kdf, iterations=store.hidden.iterations)
    elif not store.entries or not is_whole:
        yield facts


def _entry_key(entry: Entry) -> KeyFacts:
    facts = KeyFacts(None, "", entry.kind)
    problem = entry.error
    try:
        if entry.key is not None:
            facts = der_key(entry.key, "") or facts
        elif entry.certificates:
            facts = certificate_key(certificate_public_key(entry.certificates[0]))
    except Malformed as error:
        problem = problem or f"its key cannot be read: {error}"
    how = entry.how
    return facts._replace(
        kind=entry.kind,
        encrypted=None if entry.kind == CERTIFICATE else how is not None,
        comment=entry.name,
        kdf=None if how is None else how.kdf,
        iterations=None if how is None else how.iterations,
        error=problem or facts.error,
    )


def read_pkcs12(parts: list[Element]) -> Store:
    """Return the store whose parts are the version, the content, and mostly a check of its integrity.

    Raises Malformed.
    """
    kind, content = _content(parts[1])
    if kind == _SIGNED:
        return Store(
            "pkcs12", [], error="it is signed in place of protected by a password, which is not read"
        )
    if kind != _DATA or content is None:
        raise Malformed("PKCS#12 without content")
    entries: list[Entry] = []
    hidden = problem = None
    for part in children(element(_octets(content)).expect(SEQUENCE)):
        try:
            kind, content = _content(part)
            if kind == _DATA and content is not None:
                entries += _bags(element(_octets(content)), 0)
            elif kind == _ENCRYPTED and content is not None:
                hidden = hidden or _hidden(content)
            else:
                problem = (
                    "a part is encrypted for a certificate" if kind == _ENVELOPED else f"a part is {kind}"
                )
        except Malformed as error:
            problem = f"a part cannot be read: {error}"
    return Store("pkcs12", _joined(entries), hidden, problem)


def is_pkcs12(parts: list[Element]) -> bool:
    """Return whether the parts of a structure are those of PKCS#12."""
    tags = [part.tag for part in parts]
    if tags not in ([INTEGER, SEQUENCE], [INTEGER, SEQUENCE, SEQUENCE]) or parts[0].content != b"\x03":
        return False
    first = next(children(parts[1]), None)
    return first is not None and first.tag == OID


def _content(info: Element) -> tuple[str, Element | None]:
    """Return the kind and the content of a ContentInfo."""
    parts = list(children(info.expect(SEQUENCE)))
    if not parts:
        raise Malformed("a content has no kind")
    inner = next(children(parts[1].expect(0xA0)), None) if len(parts) > 1 else None
    return oid_text(parts[0]), inner


def _hidden(content: Element) -> Protection:
    parts = list(children(content.expect(SEQUENCE)))
    inner = list(children(parts[1].expect(SEQUENCE))) if len(parts) > 1 else []
    if len(inner) < 2:
        raise Malformed("an encrypted part has no algorithm")
    return protection(inner[1])


def _bags(contents: Element, depth: int) -> Iterator[Entry]:
    if depth > _DEEPEST_BAG:
        raise Malformed("bags within too many others")
    for bag in children(contents.expect(SEQUENCE)):
        parts = list(children(bag.expect(SEQUENCE)))
        value = next(children(parts[1].expect(0xA0)), None) if len(parts) > 1 else None
        if value is None:
            continue
        kind = oid_text(parts[0])
        attributes = _attributes(parts[2]) if len(parts) > 2 else {}
        name = _name(attributes.get(_FRIENDLY_NAME))
        local = attributes.get(_LOCAL_KEY)
        identity = None if local is None else local.content
        if kind == _NESTED_BAG:
            yield from _bags(value, depth + 1)
        elif kind == _KEY_BAG:
            yield Entry(PRIVATE, name, identity, key=value.raw)
        elif kind == _SHROUDED_BAG:
            yield _shrouded(value)._replace(name=name, identity=identity)
        elif kind == _CERTIFICATE_BAG:
            yield Entry(CERTIFICATE, name, identity, (_wrapped(value),))
        elif kind == _SECRET_BAG:
            yield Entry(SECRET, name, identity, how=_secret_protection(value))


def _shrouded(value: Element) -> Entry:
    try:
        algorithm = next(children(value.expect(SEQUENCE)), None)
        if algorithm is None:
            raise Malformed("an encrypted key has no algorithm")
        return Entry(PRIVATE, how=protection(algorithm))
    except Malformed as error:
        return Entry(PRIVATE, how=Protection("", None), error=f"its encryption cannot be read: {error}")


def _secret_protection(value: Element) -> Protection | None:
    """Return the protection of a secret, which Java writes as it writes encrypted private keys."""
    try:
        parts = list(children(element(_wrapped(value)).expect(SEQUENCE)))
        return protection(parts[0]) if [part.tag for part in parts] == [SEQUENCE, OCTET_STRING] else None
    except (Malformed, IndexError):
        return None


def _wrapped(value: Element) -> bytes:
    """Return the bytes in a bag that names the kind of its value first."""
    parts = list(children(value.expect(SEQUENCE)))
    inner = next(children(parts[1].expect(0xA0)), None) if len(parts) > 1 else None
    if inner is None:
        raise Malformed("a bag is empty")
    return _octets(inner)


def _attributes(attributes: Element) -> dict[str, Element]:
    """Return the first value of each attribute of a bag."""
    values = {}
    for attribute in children(attributes.expect(SET)):
        parts = list(children(attribute))
        value = next(children(parts[1]), None) if len(parts) > 1 and parts[1].tag == SET else None
        if value is not None:
            values[oid_text(parts[0])] = value
    return values


def _name(value: Element | None) -> str | None:
    if value is None:
        return None
    text = value.content.decode("utf-16-be" if value.tag == 0x1E else "utf-8", "backslashreplace")
    return text.rstrip("\0") or None


def _octets(value: Element) -> bytes:
    """Return the bytes of an OCTET STRING, which BER may cut into pieces."""
    if value.tag != _CONSTRUCTED_OCTETS:
        return value.expect(OCTET_STRING).content
    return b"".join(piece.expect(OCTET_STRING).content for piece in children(value))


def _joined(entries: list[Entry]) -> list[Entry]:
    """Return the entries with each key's certificate in the key's entry."""
    certificates = [entry for entry in entries if entry.kind == CERTIFICATE]
    by_identity = {
        identity: list(group)
        for identity, group in groupby(
            sorted(certificates, key=lambda entry: entry.identity or b""), key=lambda entry: entry.identity
        )
        if identity is not None
    }
    joined: list[Entry] = []
    used: set[int] = set()
    for entry in entries:
        if entry.kind != CERTIFICATE and entry.identity in by_identity:
            own = by_identity[entry.identity]
            used.update(id(certificate) for certificate in own)
            joined.append(
                entry._replace(certificates=tuple(der for each in own for der in each.certificates))
            )
        else:
            joined.append(entry)
    return [entry for entry in joined if id(entry) not in used]
