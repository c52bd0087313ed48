"""Read Java's stores of keys: JKS, JCEKS, and Bouncy Castle's BKS.

Certificates are in clear in all of them, keys are encrypted one by one. Sources: OpenJDK's documentation of
the classes JavaKeyStore and JceKeyStore; Bouncy Castle's BcKeyStoreSpi.
"""

from kolide_kit.text import shown

from ..reading.der import SEQUENCE, Malformed, children, element
from .javaserial import skip_java_object
from .keyfacts import CERTIFICATE, PRIVATE, SECRET
from .keystores import Entry, Store
from .passwords import Protection, protection

__all__ = ["is_java_store", "read_java_store"]

_FORMATS = {b"\xfe\xed\xfe\xed": "jks", b"\xce\xce\xce\xce": "jceks"}
# Bouncy Castle's: the version, then the length of a salt, which is always 20.
_BKS = (b"\0\0\0\x01\0\0\0\x14", b"\0\0\0\x02\0\0\0\x14")
_MOST_ENTRIES = 10_000
_MOST_CERTIFICATES = 100
_BKS_KDF = "pkcs12"


def is_java_store(content: bytes) -> bool:
    """Return whether a file begins as a store of Java does."""
    return content[:4] in _FORMATS or content[:8] in _BKS


def read_java_store(content: bytes) -> Store:
    """Return a store; what comes before a part that cannot be read is kept, with an error."""
    if content[:4] not in _FORMATS:
        return _bks(content)
    reader = _Reader(content, 4)
    form = _FORMATS[content[:4]]
    entries: list[Entry] = []
    try:
        version, count = reader.number(4), reader.number(4)
        if version not in (1, 2):
            raise Malformed(f"version {version} of the format is not known")
        if count > _MOST_ENTRIES:
            raise Malformed(f"it says that it has {count:,} entries")
        for _ in range(count):
            entries.append(_entry(reader, version))  # noqa: PERF401  an error keeps those before it
    except Malformed as error:
        return Store(form, entries, error=f"the rest cannot be read: {error}")
    return Store(form, entries)


def _entry(reader: "_Reader", version: int) -> Entry:
    """Return the next entry of JKS or JCEKS: its kind, its name, its date, and what it holds."""
    kind, name = reader.number(4), reader.text()
    reader.number(8)
    if kind == 1:
        how = _protection(reader.block())
        count = reader.number(4)
        if count > _MOST_CERTIFICATES:
            raise Malformed("a chain has too many certificates")
        chain = tuple(_certificate(reader, version) for _ in range(count))
        return Entry(PRIVATE, name, certificates=chain, how=how)
    if kind == 2:
        return Entry(CERTIFICATE, name, certificates=(_certificate(reader, version),))
    if kind == 3:
        reader.offset = skip_java_object(reader.data, reader.offset)
        return Entry(SECRET, name, how=Protection("jceks", None))
    raise Malformed(f"an entry of the kind {kind} is not known")


def _certificate(reader: "_Reader", version: int) -> bytes:
    if version > 1:
        reader.text()  # X.509
    return reader.block()


def _protection(key: bytes) -> Protection:
    try:
        algorithm = next(children(element(key).expect(SEQUENCE)), None)
        return Protection("", None) if algorithm is None else protection(algorithm)
    except Malformed:
        return Protection("", None)


def _bks(content: bytes) -> Store:
    reader = _Reader(content, 4)
    entries: list[Entry] = []
    reader.block()
    iterations = reader.number(4)
    try:
        while kind := reader.number(1):
            if len(entries) == _MOST_ENTRIES:
                raise Malformed(f"it has more than {_MOST_ENTRIES:,} entries")
            entries.append(_bks_entry(reader, kind))
    except Malformed as error:
        if not entries:
            # Bouncy Castle's UBER begins in the same way, and is encrypted behind that.
            return Store("uber", [], Protection(_BKS_KDF, iterations))
        return Store("bks", entries, error=f"the rest cannot be read: {error}")
    return Store("bks", entries)


def _bks_entry(reader: "_Reader", kind: int) -> Entry:
    if kind > 4:
        raise Malformed(f"an entry of the kind {kind} is not known")
    name = reader.text()
    reader.number(8)
    count = reader.number(4)
    if count > _MOST_CERTIFICATES:
        raise Malformed("a chain has too many certificates")
    chain = tuple(_certificate(reader, 2) for _ in range(count))
    if kind == 1:
        return Entry(CERTIFICATE, name, certificates=(_certificate(reader, 2), *chain))
    if kind == 2:  # a key in clear: private, public or secret; the name of its encoding, and of its kind
        role = reader.number(1)
        reader.text()
        reader.text()
        key = reader.block()
        return Entry(
            PRIVATE if role == 0 else SECRET, name, certificates=chain, key=key if role == 0 else None
        )
    block = reader.block()
    salt = int.from_bytes(block[:4], "big")
    rounds = int.from_bytes(block[4 + salt : 8 + salt], "big") if salt < 64 else None
    how = Protection(_BKS_KDF, rounds) if kind == 4 else None
    return Entry(PRIVATE if chain else SECRET, name, certificates=chain, how=how)


class _Reader:
    """Reads numbers and texts as Java's DataOutput writes them; raises Malformed beyond the end."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.data = data
        self.offset = offset

    def take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self.data):
            raise Malformed("the data ends within an entry")
        taken = self.data[self.offset : end]
        self.offset = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self) -> str:
        return shown(self.take(self.number(2)))

    def block(self) -> bytes:
        return self.take(self.number(4))
