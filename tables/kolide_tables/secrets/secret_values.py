"""Tell values that are secrets from placeholders, code, hashes and text that is encrypted already."""

import base64
import binascii
import math
import re
from collections import Counter

__all__ = [
    "decoded",
    "entropy",
    "is_camel_case",
    "is_code",
    "is_of_names",
    "is_of_prose",
    "is_password",
    "is_placeholder",
    "is_random",
    "is_sealed",
    "is_template",
    "is_uuid",
    "is_weak",
]

# A value that stands for another: ${VAR}, $(command), {{ template }}, <token>, %(name)s, %VAR%, @name@, and
# letters that hide one: ****, xxxx, ... A lone sign within a password is none of these, nor are the slashes
# in base64.
_TEMPLATE = re.compile(
    r"\$\{|\$\(|^\$[A-Za-z_]\w*$|^\$\d$|^\$env:|^\$\w+[\[.:-]|\{\{|\}\}|\{%|#\{|<%|^<|>$"
    r"|%\(\w*\)[sd]|^%\w+%$|^%-?\d*[a-zA-Z]$"
    r"|^[@_]{1,2}[A-Za-z_]+[@_]{1,2}$|^\{\w*[:\w.!]*\}$|^\[.{0,80}\]$|^\(.{0,80}\)$|"
    r"([^A0-9/+=])\1{5}|\*{3}|\.{3}|\u2026|\u2022"
    r"|^@[A-Z0-9_]{4,}$|^!\w+$|^&\w+$|^\*\w+$|^\w+!\w+/|^env[:/(]|^file:|^vault:|^op://|^ssm:|^arn:"
    r"|^secretsmanager:|^projects/|^urn:|^k8s:|^ref\+\w+:|^sm://|^awssm:|^akv:|^keyring:|^npm:|^workspace:"
)
_PLACEHOLDER = re.compile(
    r"(?i)example|sample|placeholder|dummy|redact|change.{0,2}(?:me|it|this)|replace.?(?:me"
    r"|with|this)|your[_\-. ]?"
    r"|^your|fixme|todo|insert.?(?:your|here)|enter.?(?:your|here)|(?:goes|value|key|token"
    r"|secret|password).?here"
    r"|not.?a.?(?:real|secret|password)|^x{3,}|x{4,}|removed|masked|lorem|foobar|^fake|^mock"
    r"|^my[_-]?(?:super)?[_-]?"
    r"(?:secret|password|token|key|api)|^some[_-]?(?:secret|password|token|key|random|long)"
    r"|undefined|deadbeef"
    r"|^(?:test|demo|temp|foo|bar|baz|abc|dev)?[_.\-]?(?:pass(?:word|wd|phrase)?|pwd|secret"
    r"|token|key|user(?:name)?"
    r"|auth|login|cred(?:ential)?s?|test|admin|root|value|string|text|none|null|nil|true|false"
    r"|foo|bar|baz|default"
    r"|optional|required|hidden|disabled|enabled|unknown|empty|name|id)s?[_.\-]?\d{0,2}[!.?]?$"
    r"|^(?:pass?wort|kennwort|geheim|contrase\u00f1a|contrasena|senha|wachtwoord|l\u00f6senord|adgangskode"
    r"|passord|has\u0142o|haslo|heslo|parola"
    r"|salasana|jelsz\u00f3|\u0437?\u043f\u0430\u0440\u043e\u043b\u044c)[\w.!?]{0,2}$"
)
# A word and a number are a password in a file of settings. In code they are one of a test.
_WEAK = re.compile(
    r"(?i)(?:test|demo|temp|foo|bar|dev)?[_.\-]?(?:pass(?:word|wd)?|pwd|secret|token|key|user"
    r"|test|admin|root|abc)"
    r"[_.\-]?\d{1,4}[!.?]?"
)
# Patterns, escapes, numbers of code, and packages with their versions.
_OF_CODE = re.compile(
    r"\[[^\]]{0,40}\w-\w[^\]]{0,40}\]|\(\?|\{\d{1,4},\d{0,4}\}|\\[dws.]|\\x1b|\\033|^"
    r"(?:\\[xuU]\{?[0-9a-fA-F]{1,8}\}?){1,64}$"
    r"|^--?[a-z][a-z\-]{1,40}=?$|^\d{1,3}(?:\.\d{1,3}){3}(?:[/:,]|$)|^0x[0-9a-fA-F]{1,16}$"
    r"|^@?[\w\-./]{1,64}@[\^~]?\d{1,4}\."
)
_SEQUENCES = (
    "0123456789012345678901234567890",
    "abcdefghijklmnopqrstuvwxyz0123456789",
    "qwertyuiopasdfghjklzxcvbnm",
)
# Values that are open, but no secrets: hashes, such as those of crypt(3), and text that is encrypted already,
# by Maven, Jasypt, sops, ansible-vault, Vault's transit engine, AWS's KMS, or as Bitnami's sealed secrets. In
# base64, PEM is here too: keys in it that are open are found before.
_SEALED = re.compile(
    r"^(?:sha\d{1,3}|md5|blake2[bs]?|blake3|h1|SHA\d{1,3}|MD5)[-:=~]"
    r"|^\$(?:\w{1,24}(?:[-_]\w{1,16}){0,3})\$"
    r"|^(?:pbkdf2|argon2|bcrypt|scrypt)[_:$-]"
    # a line of htpasswd or htdigest
    r"|^[\w.@\-]{1,64}:(?:\${1,2}(?:apr1|1|2[abxy]|5|6|y|7)\$|\{\w{3,10}\}|[^:\s]{1,64}:[0-9a-f]{32}(?:,|$))"
    r"|^\{[\w.+/=\-$]{4,512}\}|^\{(?:SHA|MD5)\}|^ENC[\[(]|^(?i:enc(?:rypted)?|cipher|crypted|sealed):"
    r"|^vault:v\d"
    r"|^AQICAH|^\$ANSIBLE"
    r"|^LS0tLS1CRUdJTi|^age1|^A[gQ][A-D][A-Za-z0-9+/]{300,}|^gAAAA[\w\-]{60,}|^U2FsdGVkX1"
)
_HEX = re.compile(r"(?=[0-9a-f]*[0-9])(?:[0-9a-f]{2}){8,256}|(?=[0-9A-F]*[0-9])(?:[0-9A-F]{2}){8,256}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Names of code: words with numbers behind them, joined by points, underscores, dashes, arrows or colons.
_CODE = re.compile(
    r"\$?(?:[A-Za-z]{1,32}[0-9]{0,5}(?:[._]{1,8}|->|::|[\-/:])"
    r"(?:[0-9]{1,3}[._]{1,2})?){0,16}[A-Za-z]{1,32}[0-9]{0,5}"
)
_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_PATH = re.compile(
    r"(?:file:|~|\.{1,2}|[A-Za-z]:)?[/\\](?:[\w.\-@+ ]{1,64}[/\\]){1,16}[\w.\-@+]{0,6"
    r"4}|[\w.\-]{1,64}\.(?:pem|key|crt|cer|"
    r"json|ya?ml|txt|p12|pfx|jks|env|conf|cfg|ini|php|html?|js|ts|py|go|rb|java|xml|sh|md|png|svg|css)"
    r"|/(?:bin|etc|home|opt|tmp|usr|var|run|Users|dev|srv|root|mnt)/.{0,256}"
)
# Words with few digits behind them, and numbers, between separators: jackson-core-2.11.2.
_CAMEL_CASE = re.compile(r"[a-z]{0,16}(?:[A-Z][a-z]{1,15}[0-9]{0,2}){2,6}")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|\W")
# A password in a sentence has as many words, numbers and signs at least.
_LEAST_PARTS = 4
_VERSION = re.compile(
    r"(?:(?:[A-Za-z]{2,32}[0-9]{0,4}|[0-9]{1,12})[._\-/:]{1,2}){1,16}(?:[A-Za-z]{1,32}[0-9]{0,4}|[0-9]{1,12})"
)
_MEMBER = re.compile(r"[A-Za-z_](?:\.|->|::)[A-Za-z_]")
_MIXED_ENOUGH = 2.3
_RANDOM = 3.0
_CALL = re.compile(r"^[\w.$:>\-]{1,128}[(\[]|\)\.|=>|[(\[{]$|^[(\[{]|\+\+|&&|\|\|")


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text, in bits a character."""
    size = len(text)
    return sum(count / size * math.log2(size / count) for count in Counter(text).values())


def decoded(value: str) -> bytes | None:
    """Return the bytes that a value has in base64, of either alphabet, or None if it is not base64."""
    plain = value.rstrip("=").replace("-", "+").replace("_", "/")
    if len(plain) % 4 == 1:
        return None
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def is_placeholder(value: str) -> bool:
    """Return whether a value only stands for a secret that is elsewhere, or is to be filled in."""
    return _TEMPLATE.search(value) is not None or _PLACEHOLDER.search(value) is not None


def is_template(value: str) -> bool:
    """Return whether a value is the name of another, as in a template."""
    return _TEMPLATE.search(value) is not None


def is_weak(value: str) -> bool:
    """Return whether a value is a word such as password, and a number."""
    return _WEAK.fullmatch(value) is not None


def is_sealed(value: str) -> bool:
    """Return whether a value is a hash, or encrypted."""
    return _SEALED.match(value) is not None


def is_code(value: str) -> bool:
    """Return whether a value may be a name of code, or several, joined."""
    return _CODE.fullmatch(value) is not None


def is_of_names(value: str) -> bool:
    """Return whether a value is words and numbers that signs join: a name of code, or one with a version."""
    return is_code(value) or _VERSION.fullmatch(value) is not None


def is_camel_case(value: str) -> bool:
    """Return whether a value is words that begin with capitals."""
    return _CAMEL_CASE.fullmatch(value) is not None


def is_of_prose(value: str) -> bool:
    """Return whether a value without quotes may be a word of a sentence or of code: PKCS#12, Uint8Array."""
    return len(_PARTS.findall(value)) < _LEAST_PARTS or is_camel_case(value)


def is_uuid(value: str) -> bool:
    """Return whether a value is a UUID."""
    return _UUID.fullmatch(value) is not None


def is_random(value: str, *, least: int = 16) -> bool:
    """Return whether a value looks made at random: long, with a digit, and not made of words."""
    if (
        _OF_CODE.search(value)
        or len(value) < least
        or entropy(value) < _RANDOM
        or not re.search(r"[0-9]", value)
    ):
        return False
    return _is_no_sequence(value) and not value.isdecimal() and not _is_of_words(value)


def is_password(value: str, *, quoted: bool, sure: bool) -> bool:
    """Return whether the value of a password's name looks like one.

    Args:
        value: the value, without its quotes.
        quoted: whether it has quotes; without them it may be code.
        sure: whether the whole line is a name and a value, as in files of settings.
    """
    if len(value) < 6 or entropy(value) < _MIXED_ENOUGH or not _is_no_sequence(value):
        return False
    digits, letters = re.search(r"[0-9]", value), re.search(r"[^\W\d_]", value)
    signs = re.search(r"[^\w.\-/:]", value)
    if not letters:
        return (signs is not None and digits is not None) or (digits is None and sure and signs is not None)
    if not quoted and (_CALL.search(value) or (not sure and is_code(value))):
        return False
    if not quoted and _MEMBER.search(value) and is_code(value):
        return False
    if _PATH.fullmatch(value) or _OF_CODE.search(value) or "://" in value:
        return False
    if digits:
        return sure or not _is_of_words(value) or len(value) < 16
    return signs is not None and (quoted or sure) and re.search(r"[a-z]", value) is not None


def _is_no_sequence(value: str) -> bool:
    plain = value.lower()
    return not any(plain[:24] in sequence for sequence in _SEQUENCES)


def _is_of_words(value: str) -> bool:
    """Return whether most of a value is words and long numbers: a name, a version, a path, a date."""
    if _UUID.fullmatch(value) or _HEX.fullmatch(value):
        return False
    if _PATH.fullmatch(value) or _VERSION.fullmatch(value):
        return True
    # Random text breaks into many short pieces. Those of one case are longer: only digits are between them.
    pieces = _PIECES.findall(value)
    mean = sum(map(len, pieces)) / max(len(pieces), 1)
    if re.search(r"[._\-/]", value):
        return mean >= 3.3
    return mean >= (4.5 if value.islower() or value.isupper() else 3.5)
