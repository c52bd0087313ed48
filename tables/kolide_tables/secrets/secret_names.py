"""Tell names of secrets from other names, and the services that a name speaks of."""

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate

from kolide_kit.redact import is_secret_name

__all__ = ["Kind", "kind_of", "services_in"]


class Kind(IntEnum):
    """The certainty with which a name tells that its value is a secret."""

    OTHER = 0
    KEY = 1
    """A key of some kind: the value has to look random."""
    TOKEN = 2
    """A token: the value has to look random."""
    PASSWORD = 3
    """A password: the value may be short."""


# A name of a secret has one of these in it; most names are told from them at once.
_HINT = re.compile("pass|pw|secret|token|key|auth|cred|cookie|psk|jwt|sas|otp|pat|bearer")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# A value of such a name is public, or is about a secret.
# fmt: off
_PUBLIC = frozenset((
    "public", "pub", "publickey", "pubkey", "signature", "signatures", "sig", "signed", "integrity",
    "hash", "hashes", "hashed", "digest", "checksum", "checksums", "fingerprint", "thumbprint", "sha",
    "md", "encrypted", "cipher", "ciphertext", "sealed", "csrf", "xsrf", "nonce", "salt", "verifier",
    "regex", "pattern", "prompt", "hint", "label", "title", "placeholder", "description", "message",
    "error", "tooltip", "reset", "forgot", "strength", "rules", "tokenizer", "tokenize", "keyboard",
    "keyword", "keywords", "input", "authenticity", "dummy", "invalid", "wrong", "missing",
))
_LAST_OF_OTHERS = frozenset((
    "arn", "alias", "attribute", "column", "class", "state", "status", "index", "idx", "pos", "position",
    "offset", "start", "end", "begin", "generator", "factory", "manager", "service", "handler",
    "callback", "func", "function", "date", "time", "at", "by", "label", "page", "form", "view", "help",
    "rotation", "expired", "vault", "provider", "template", "value", "values", "map", "list", "set",
    "dict", "array", "prefix", "suffix", "char", "chars", "char", "ring", "usage", "magic", "info",
    "props", "schema", "test", "tests", "spec", "check", "checker", "validator", "encoder",
))
_PASSWORDS = frozenset((
    "password", "passwd", "passphrase", "passcode", "pass", "pwd", "passwort", "pw", "psk", "pword",
    "secret", "secrets", "requirepass", "masterauth", "storepass", "keypass", "userpass", "dbpass",
    "rootpass", "userpassword", "authtok", "keymaterial", "bindpw",
))
_TOKENS = frozenset((
    "token", "tokens", "jwt", "apikey", "apitoken", "accesskey", "authkey", "creds", "cred", "credential",
    "bearer", "credentials", "authtoken", "accesstoken", "auth", "pat", "sas", "otp", "cookie",
    "authorization",
))
# Other cookies are no logins.
_OF_SESSIONS = frozenset((
    "session", "sessions", "sid", "auth", "login", "set", "secret", "token", "remember",
))
# Values of such names are no keys of a service, whatever their form.
_OF_SOURCES = frozenset((
    "commit", "rev", "revision", "version", "image", "etag", "url", "uri", "tag", "ref", "branch", "path",
    "file", "build", "release", "package", "module", "import", "channel", "guild", "server", "user",
    "domain", "host", "hash", "sha", "checksum", "digest", "integrity", "signature", "fingerprint",
))
_BEHIND = ("token", "key", "secret", "api", "client", "app", "access", "pass", "auth", "pat", "am")
# Keys of tables, caches, maps and keyboards.
_OTHER_KEYS = frozenset((
    "primary", "foreign", "sort", "partition", "cache", "index", "row", "natural", "sequence", "idx",
    "bucket", "hot", "map", "object", "dict", "json", "yaml", "group", "lookup", "storage", "registry",
    "issuer", "press", "arrow", "join", "unique", "hash", "range", "item", "entry", "translation", "i18n",
    "message", "event", "config", "env", "schema", "kms", "metadata", "option", "label", "tab", "field",
    "column", "data", "host", "known", "context", "file", "experiment", "parent", "child", "node", "type",
    "current", "last", "first", "next", "prev", "left", "right", "no", "with",
))
# fmt: on
# A word with another before it: remotepass, ftppasswd.
_PASS = re.compile(
    r"(?!by|com|tres|encom|sur|sub|multi|under|over|render|back|band|low|high|all)"
    r"[a-z]{2,12}(?:pass|passwd|pwd)"
)
_NOT_PARTS = ("signature", "publickey", "publictoken", "encrypted", "authority", "accesskeyid")


@lru_cache(maxsize=4096)
def _plain(name: str) -> tuple[str, tuple[str, ...]]:
    words = tuple(word.lower() for word in _WORD.findall(name))
    return "".join(words), words


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind:
    """Return the kind of secret that a value of this name is."""
    if _HINT.search(name.lower()) is None:
        return Kind.OTHER
    joined, words = _plain(name)
    if not words or not _PUBLIC.isdisjoint(words) or words[-1] in _LAST_OF_OTHERS:
        return Kind.OTHER
    if any(part in joined for part in _NOT_PARTS):
        return Kind.OTHER
    if (
        joined.rstrip("0123456789").endswith(("cookie", "cookies"))
        and len(words) > 1
        and _OF_SESSIONS.isdisjoint(words)
    ):
        return Kind.OTHER
    if words[-1] in ("cred", "creds", "privatekey") or joined.endswith(
        ("keydata", "accesstoken", "authtoken")
    ):
        return Kind.TOKEN
    if words[-1] in _PASSWORDS or joined.endswith("keymaterial") or _PASS.fullmatch(words[-1]):
        return Kind.PASSWORD
    if not is_secret_name(name):
        return _kind_of_key(joined, words)
    if not _PASSWORDS.isdisjoint(words) or re.search(r"password|passwd|passphrase|secret(?!ary)", joined):
        return Kind.PASSWORD
    return Kind.TOKEN


def _kind_of_key(joined: str, words: Sequence[str]) -> Kind:
    if len(words) > 1 and words[-1] == "key" and _OTHER_KEYS.isdisjoint(words):
        return Kind.KEY
    return Kind.TOKEN if joined.endswith("licensekey") else Kind.OTHER


@lru_cache(maxsize=4096)
def services_in(name: str, services: re.Pattern[str]) -> Sequence[str]:
    """Return the services that a name speaks of: words of it, or beginnings of words that end in token."""
    if services.search(re.sub(r"[_.\-]", "", name.lower())) is None:
        return ()
    joined, words = _plain(name)
    if not _OF_SOURCES.isdisjoint(words):
        return ()
    bounds = {0, *accumulate(map(len, words))}
    return [
        match[0]
        for match in services.finditer(joined)
        if match.start() in bounds and (match.end() in bounds or joined.startswith(_BEHIND, match.end()))
    ]
