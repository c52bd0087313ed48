"""Find secrets in a text: keys of known forms, and values under names of secrets.

A text is searched in this order, and what one step found no later one finds again: private keys, secrets of a
form of their own, files of a known form, and values by their names.
"""

import re
import string
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from .secret_assignments import Assignment, assignments
from .secret_files import is_login, sealed_blocks, secrets_of_files
from .secret_keys import private_keys
from .secret_names import Kind, kind_of, services_in
from .secret_rules import Rule, Rules, load
from .secret_values import (
    decoded,
    entropy,
    is_code,
    is_of_names,
    is_of_prose,
    is_password,
    is_placeholder,
    is_random,
    is_sealed,
    is_uuid,
    is_weak,
)

__all__ = ["LONGEST", "Found", "secrets_in"]


class Found(NamedTuple):
    """A secret in a text, and its offset in characters; `secret` never leaves the table's module.

    For a key in PEM, `secret` is the base64 alone: the same key is then the same secret, whatever its line
    ends.
    """

    rule_id: str
    offset: int
    secret: str


# The longest secret, in characters: pieces of a long text overlap by as much.
LONGEST = 32_768
_BY_NAME = "secret-value"
# In a secret of a form of its own only clear signs count: random letters may spell a word.
_NOT_ISSUED = re.compile(
    r"EXAMPLE|(?i:your|xxxx|example|placeholder|redacted|abcdefghijklm|123456789012345)|"
    r"([B-Zb-z])\1{7}|\.{3}|\*{3}|#{4}|(?i:tokenhere|keyhere)"
)


def secrets_in(text: str, path: str = "") -> Iterator[Found]:
    """Yield the secrets in a text; `path` is the file's, which may tell its form."""
    from hashlib import sha256

    rules = load()
    for found in _candidates(text, path, rules):
        if sha256(found.secret.encode("utf-8", "surrogateescape")).hexdigest() not in rules.examples:
            yield found


def _candidates(text: str, path: str, rules: Rules) -> Iterator[Found]:
    taken = _Taken()
    for key in private_keys(text):
        if taken.take(key.start, key.end):
            yield Found(key.rule_id, key.start, key.secret)
    yield from _issued(text, rules, taken)
    for secret in secrets_of_files(text, path):
        if taken.take(secret.start, secret.start + len(secret.value)):
            yield Found(*secret)
    yield from _containing(text, rules, taken)
    yield from _by_name(text, rules, taken, path)


_AUTHORIZATION = re.compile(r"(?i)authorization[\"']?\s{0,4}[:=,]\s{0,4}[\"']?(?:api-)?\Z")
# What may be before the word on a line: a keyword, or two; the name that a password is of.
_BEFORE_PASSWORD = re.compile(
    r"[ \t]{0,40}(?:[\w\-]{1,24}[ \t]{1,8})?"
    r"(?:(?:user|username|login)[ \t]{1,8}\S{1,64}[ \t]{1,8})?(?:[\w\-]{1,60}[\-_])?"
)
_SCHEME = string.ascii_letters + string.digits + "+.-"
# Files in which a name and a value are no code: there a password may be of letters alone.
_SETTINGS = re.compile(
    r"(?i)(?:^|[/\\])(?:\.env[\w.\-]{0,64}|[\w.\-]{0,128}\.(?:env|tf|tfvars|hcl|properties|ini|cnf|cfg|conf|"
    r"nmconnection)|\.pypirc|\.netrc|credentials)\Z"
)
# A language in which what has no quotes is code, though the file is one of settings.
_TERRAFORM = re.compile(r"(?i)\.(?:tf|tfvars|hcl)\Z")
# Files of code, in which a value without quotes is a sentence's or a name.
_CODE = re.compile(
    r"(?i)\.(?:py|pyi|js|mjs|cjs|jsx|tsx?|go|java|kt|kts|scala|groovy|rb|php|c|cc|cpp|cxx|h|hpp"
    r"|cs|rs|swift|m|lua|"
    r"pl|pm|r|ex|exs|erl|hs|clj|dart)\Z"
)
# Files of data. One with a user and a host beside a password is an account's.
_DATA = re.compile(
    r"(?i)(?:^|[/\\])(?:[\w.\- ]{1,128}\.(?:json|ya?ml|toml|xml|conf|config|cfg|plist)|\.[\w\-]{2,64})\Z"
)
_TRANSLATION = re.compile(r"(?i)locale|lang|i18n|l10n|transl|messages|strings")
_USER = re.compile(r"(?i)\b(?:user(?:[_ ]?(?:name|id))?|uid|login|db_?user)\b[\"'>]?\s{0,4}[=:>]")
_HOST = re.compile(
    r"(?i)(?:host(?:name)?|server|data source|address|url|endpoint)\b[\"'>]?\s{0,4}[=:>]\s{0,4}[\"']?[\w/]"
)
_BESIDE = 300
# Names under which Kubernetes and others have the name of a secret.
_REFERENCES = frozenset(("secret", "secrets"))
# Keys that their issuers mean to be in pages: of PostHog, Stripe, Supabase.
_PUBLISHED = re.compile(r"phc_|pk_(?:live|test)_|sb_publishable_")
_USER_END = re.compile(r"(?i)[_.\-]?(?:user|usr|username|name)$")
_PASSWORD_END = re.compile(r"(?i)[_.\-]?(?:pass(?:word|wd)?|pwd|pw)$")
# Words and numbers, such as token-user-2, are a token only if they are long.
_SHORT = 24
_HAS_DIGIT = re.compile("[0-9]").search


class _Taken:
    """The spans of secrets that were found; they do not overlap."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def take(self, start: int, end: int) -> bool:
        """Take a span, unless a part of it is taken."""
        # Of the spans that begin before the end, the last one ends last.
        before = bisect_left(self._spans, (end,))
        if before > 0 and self._spans[before - 1][1] > start:
            return False
        insort(self._spans, (start, end))
        return True


def _issued(text: str, rules: Rules, taken: _Taken) -> Iterator[Found]:
    """Yield the secrets that begin as their issuer has them begin."""
    # A line feed before the text stands for its beginning.
    first = rules.beginnings.match("\n" + text[:64])
    position = 0
    while True:
        match = first or rules.beginnings.search(text, position)
        if match is None:
            return
        start = match.start(1) - (1 if first else 0)
        first, position = None, start
        for rule in rules.by_beginning[match[1]]:
            secret = rule.pattern.match(text, start)
            if secret is None:
                continue
            # The character behind a secret may be the one before the next.
            position = max(position, secret.end() - 1)
            if _is_issued(rule, secret[0], text, secret) and taken.take(start, secret.end()):
                yield Found(rule.rule_id, start, secret[0])
                break


def _containing(text: str, rules: Rules, taken: _Taken) -> Iterator[Found]:
    """Yield the secrets of rules that look for a text, and then for a pattern."""
    hints = _Hints(text)
    for rule in rules.containing:
        for match in _matches(rule, text, hints):
            group = match.lastindex or 0
            start, end = match.span(group)
            if _is_issued(rule, match[group], text, match) and taken.take(start, end):
                yield Found(rule.rule_id, start, match[group])


class _Hints(dict[str, list[int]]):
    """The places of texts that rules look for, each looked for once."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __missing__(self, hint: str) -> list[int]:
        places = self[hint] = []
        at = self._text.find(hint)
        while at >= 0:
            places.append(at)
            at = self._text.find(hint, at + len(hint))
        return places


def _matches(rule: Rule, text: str, hints: _Hints) -> Iterator[re.Match[str]]:
    """Yield where a rule's pattern matches; where its hints are, if it says how far from the beginning."""
    if rule.before is None:
        if any(hint in text for hint in rule.contains):
            yield from rule.pattern.finditer(text)
        return
    for hint in rule.contains:
        for at in hints[hint]:
            match = rule.pattern.match(text, max(0, at - rule.before))
            if match is not None:
                yield match


def _is_issued(rule: Rule, secret: str, text: str, match: re.Match[str]) -> bool:
    if entropy(secret) < rule.least_entropy:
        return False
    if rule.check:
        return _CHECKS[rule.check](secret, text, match)
    return _NOT_ISSUED.search(secret) is None


def _by_name(text: str, rules: Rules, taken: _Taken, path: str) -> Iterator[Found]:
    """Yield the values under names of secrets, by the rule of the service that the name speaks of, if any."""
    for start, end in sealed_blocks(text):
        taken.take(start, end)
    is_settings = _SETTINGS.search(path) is not None
    is_unquoted_code = (_TERRAFORM if is_settings else _CODE).search(path) is not None
    is_data = _DATA.search(path) is not None and _TRANSLATION.search(path) is None
    for found in assignments(text, _is_wanted):
        value = found.value
        is_sure = found.spaced if is_settings and not found.quoted else found.sure
        assignment = found._replace(sure=is_sure and (found.quoted or not is_unquoted_code))
        if is_unquoted_code and not assignment.quoted and is_of_prose(value):
            continue
        is_word = value.isalpha() and not _is_of_login(assignment.name)
        if is_word and not (
            assignment.sure or assignment.quoted
            if is_settings
            else _is_of_account(assignment, text, is_data=is_data)
        ):
            continue
        rule_id = _rule_of_service(assignment, rules) or _rule_of_name(assignment, is_word=is_word)
        if rule_id is not None and taken.take(assignment.start, assignment.start + len(value)):
            yield Found(rule_id, assignment.start, value)


# Names that differ in a number alone are of one kind: few names have to be looked at.
_DIGITS = str.maketrans("123456789", "0" * 9)


def _is_wanted(name: str) -> bool:
    return _is_wanted_name(name.translate(_DIGITS))


@lru_cache(maxsize=4096)
def _is_wanted_name(name: str) -> bool:
    return kind_of(name) is not Kind.OTHER or bool(services_in(name, load().services))


def _is_of_login(name: str) -> bool:
    """Return whether a value of this name, in the settings of Docker and npm, is a login."""
    return name.lower().lstrip("_") == "auth"


def _is_of_account(assignment: Assignment, text: str, *, is_data: bool) -> bool:
    """Return whether a user and a host are beside a password: in a connection's parameters, and in data."""
    start, end = assignment.start, assignment.start + len(assignment.value)
    is_parameter = text[start - 1 : start] == "=" and text[end : end + 1] == ";"
    if not is_parameter and not (is_data and (assignment.quoted or assignment.sure)):
        return False
    around = text[max(0, start - _BESIDE) : end + _BESIDE]
    return _USER.search(around) is not None and _HOST.search(around) is not None


def _rule_of_service(assignment: Assignment, rules: Rules) -> str | None:
    value = assignment.value
    for service in services_in(assignment.name.translate(_DIGITS), rules.services):
        for rule in rules.by_service[service]:
            if (
                rule.pattern.fullmatch(value)
                and entropy(value) >= rule.least_entropy
                and not value.isalpha()
                and _NOT_ISSUED.search(value) is None
                and not is_sealed(value)
            ):
                return rule.rule_id
    return None


def _rule_of_name(assignment: Assignment, *, is_word: bool) -> str | None:
    name, _, value, quoted, sure, _ = assignment
    kind = kind_of(name.translate(_DIGITS))
    if kind is Kind.OTHER or is_sealed(value):
        return None
    if _is_of_login(name) and b":" in (decoded(value) or b""):
        return "registry-login" if is_login(value) else None
    if is_placeholder(value) or (is_weak(value) and not (sure and (not quoted or name.isupper()))):
        return None
    if name in _REFERENCES and not quoted and is_code(value):
        return None
    if (
        value.lower().strip("=: ") == name.lower()
        or _PUBLISHED.match(value)
        or (" " in value and kind is not Kind.PASSWORD)
    ):
        return None
    if kind is Kind.TOKEN and not quoted and not sure and is_uuid(value):
        return None  # a part of an address, such as the links to files that some services publish
    if kind is Kind.PASSWORD:
        good = is_password(value, quoted=quoted, sure=sure)
        good = good or (is_word and len(value) >= 8)
    else:
        good = is_random(value, least=16 if kind is Kind.TOKEN else 20) and (
            quoted or ((sure or kind is Kind.TOKEN) and is_password(value, quoted=False, sure=sure))
        )
    return _BY_NAME if good else None


# -- Checks that rules name


def _check_authorization(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether what follows Basic is a name and a password, or what follows Bearer looks random."""
    scheme, at = match[0][:2].lower(), match.start()
    if text[at - 1 : at].isalnum():
        return False
    if scheme == "ba":
        return is_login(secret)
    if scheme in ("to", "ss", "ap") and _AUTHORIZATION.search(text, max(0, at - 40), at) is None:
        return False
    return (
        _HAS_DIGIT(secret) is not None
        and not (is_placeholder(secret) or is_weak(secret) or (len(secret) < _SHORT and is_of_names(secret)))
        and is_password(secret, quoted=True, sure=True)
    )


def _check_header(secret: str, text: str, match: re.Match[str]) -> bool:
    return _is_of_curl(text, match.start()) and not is_placeholder(secret) and _HAS_DIGIT(secret) is not None


def _check_user(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether the option of curl has a name and a password, and neither is a variable."""
    user, colon, password = secret.strip("\"'").partition(":")
    user, password = user.strip("\"'"), password.strip("\"'")
    if not colon or len(user) + len(password) < 4 or not _is_of_curl(text, match.start()):
        return False
    known = password or user
    if password.startswith("//") or "%" in user:
        return False
    return not is_placeholder(known) and not user.startswith(("$", "<")) and known[:1] not in "$[<"


def _is_of_curl(text: str, at: int) -> bool:
    """Return whether curl is the command of a line, or of one of the five before it that it goes on from."""
    before = text[max(0, at - 2000) : at].split("\n")[-6:]
    if not before[-1][-1:].isspace() and before[-1]:
        return False
    return re.search(r"\bcurl\b", "\n".join(before)) is not None


def _check_encoded_jwt(secret: str, text: str, match: re.Match[str]) -> bool:
    content = decoded(secret)
    return content is not None and re.match(rb"eyJ[\w\-]{8,}\.ey", content) is not None


def _check_open(secret: str, text: str, match: re.Match[str]) -> bool:
    return not is_placeholder(secret) and not is_sealed(secret)


def _check_named(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether the first group is a name of a secret, and the secret one of its kind."""
    assignment = Assignment(match[1], match.start(2), secret, quoted=True, sure=False)
    return _rule_of_name(assignment, is_word=False) is not None


def _check_phrase(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether a key of WordPress is not the phrase that stands there at first."""
    return entropy(secret) > 4 and "phrase here" not in secret


def _check_password(secret: str, text: str, match: re.Match[str]) -> bool:
    return (
        not is_placeholder(secret) and not is_sealed(secret) and is_password(secret, quoted=False, sure=True)
    )


def _check_quoted(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether a value in quotes behind the word password, and no sentence or code, is one."""
    return (
        not (is_placeholder(secret) or is_sealed(secret) or is_weak(secret))
        and _HAS_DIGIT(secret) is not None
        and is_password(secret, quoted=True, sure=False)
    )


def _check_sas(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether the parameters around a signature are those of a shared access signature."""
    around = text[max(0, match.start() - 600) : match.end() + 600]
    return re.search(r"[?&;]s[ev]=\d", around) is not None and not is_placeholder(secret)


def _check_url(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether a URL's password is one; in it a percent sign begins an escaped character."""
    if not text[max(0, match.start() - 1) : match.start()].isalnum():
        return False
    if re.search(r"%(?![0-9A-Fa-f]{2})|[{}$]\w*[{}(]|^\$\w+$|^[\[(<{].*[\])>}]$", secret):
        return False
    from urllib.parse import unquote

    if text[max(0, match.start() - 24) : match.start()].rstrip(_SCHEME).endswith("{{"):
        return False  # the pages of tldr have what is to be filled in between braces
    if secret.endswith(("]", ")", ">", "}")) and not set("[(<{") & set(secret):
        return False  # [:password]@
    if re.match(r"\d{1,5}(?:[?#,;&]|$)", secret):
        return False  # a port, and an @ in what follows it
    user = match[0].partition("://")[2].partition(":")[0]
    plain = unquote(secret)
    if (
        plain == user
        or len(plain) < 4
        or (not user and ":" in plain)
        or is_placeholder(plain.strip("[]():*"))
    ):
        return False
    if _PASSWORD_END.search(plain) and _PASSWORD_END.sub("", plain) == _USER_END.sub("", user):
        return False  # testuser:testpass
    return len(set(plain)) > 1 and not re.fullmatch(
        r"(?i)(?:my|your|user|proxy|db|some|the|a|bad|wrong|super)?"
        r"[_\-]?(?:pass(?:word|wd)?|pwd|secret|token)",
        plain,
    )


def _check_line(secret: str, text: str, match: re.Match[str]) -> bool:
    """Return whether nothing but a user's name is before the word password on its line."""
    line = text[text.rfind("\n", max(0, match.start() - 200), match.start()) + 1 : match.start()]
    return (
        _BEFORE_PASSWORD.fullmatch(line) is not None
        and _HAS_DIGIT(secret) is not None
        and _check_password(secret, text, match)
    )


_CHECKS: dict[str, Callable[[str, str, "re.Match[str]"], bool]] = {
    "authorization": _check_authorization,
    "encoded-jwt": _check_encoded_jwt,
    "header": _check_header,
    "line": _check_line,
    "named": _check_named,
    "open": _check_open,
    "password": _check_password,
    "phrase": _check_phrase,
    "quoted": _check_quoted,
    "sas": _check_sas,
    "url": _check_url,
    "user": _check_user,
}
