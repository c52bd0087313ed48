"""Recognize a store of keys and certificates by its content."""

from ..reading.der import SEQUENCE, Malformed, children, element
from .javastores import is_java_store, read_java_store
from .keystores import Store, is_pkcs12, read_pkcs12

__all__ = ["read_store"]


def read_store(content: bytes) -> Store | None:
    """Return the store that a file is; None if it is none, or cannot be read at all."""
    if is_java_store(content):
        return read_java_store(content)
    if content[:1] != b"\x30":
        return None
    try:
        parts = list(children(element(content).expect(SEQUENCE)))
        return read_pkcs12(parts) if is_pkcs12(parts) else None
    except Malformed:
        return None
