"""Find secrets in a text: keys of known shapes, and random values under names of secrets.

Sources: the issuers' own documentation of their keys' forms.
"""

import math
import re
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from kolide_kit.redact import is_secret_name

__all__ = ["LONGEST", "Found", "entropy", "secrets_in"]


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
_PRIVATE_KEY = "private-key"
# Each rule has a name, the hints of which one has to be in a text, and a pattern. Its group, or else the
# whole match, is the secret. Every quantifier is bounded, and what it repeats cannot begin what follows it,
# so that a text can be divided in one way only and a match that fails, fails at once. A long secret cannot
# contain its own beginning, so that no part of a text is read for two of them.
RULES = (
    (
        _PRIVATE_KEY,
        ("PRIVATE KEY",),
        (
            r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: "
            r"BLOCK)?-----(?:[^\-]|-(?!----)){40,30000}-----END "
        ),
    ),
    (
        "putty-private-key",
        ("PuTTY-User-Key",),
        (
            r"PuTTY-User-Key-File-[23]: "
            r"(?:[^P]|P(?!rivate-(?:Lines|MAC)|uTTY-User-Key)){40,20000}Private-Lines: "
            r"\d{1,3}(?:\s{1,2}[A-Za-z0-9+/=]{1,64}){1,300}"
        ),
    ),
    ("age-secret-key", ("AGE-SECRET",), r"\bAGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}\b"),
    ("aws-access-key-id", ("AKIA", "ASIA", "ABIA", "ACCA"), r"\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b"),
    ("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
    ("github-fine-grained-token", ("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{82}\b"),
    (
        "gitlab-token",
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glimt-", "glagent-", "glsoat-"),
        r"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[\w\-]{20,64}(?![\w\-])",
    ),
    ("npm-token", ("npm_",), r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pypi-token", ("pypi-AgE",), r"\bpypi-AgE[\w\-]{50,1000}"),
    ("slack-token", ("xox",), r"\bxox[abeoprs]-[\w\-]{10,250}"),
    (
        "slack-webhook",
        ("hooks.slack.com",),
        r"https://hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{40,60})",
    ),
    (
        "discord-webhook",
        ("/api/webhooks/",),
        r"https://discord(?:app)?\.com/api/webhooks/\d{17,20}/([\w\-]{60,80})",
    ),
    ("stripe-key", ("k_live_", "k_test_", "k_prod_"), r"\b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{16,247}\b"),
    ("google-api-key", ("AIza",), r"\bAIza[\w\-]{35}(?![\w\-])"),
    ("google-oauth-secret", ("GOCSPX-",), r"\bGOCSPX-[\w\-]{28}(?![\w\-])"),
    ("anthropic-key", ("sk-ant-",), r"\bsk-ant-[\w\-]{32,200}"),
    (
        "openai-key",
        ("sk-",),
        r"\bsk-(?:(?:proj|svcacct|admin)-[\w\-]{40,250}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b)",
    ),
    ("huggingface-token", ("hf_",), r"\bhf_[A-Za-z0-9]{34}\b"),
    ("vault-token", ("hvs.", "hvb.", "hvr."), r"\bhv[sbr]\.[\w\-]{24,300}"),
    ("digitalocean-token", ("doo_v1_", "dop_v1_", "dor_v1_"), r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("databricks-token", ("dapi",), r"\bdapi[a-f0-9]{32}(?:-\d)?\b"),
    ("sendgrid-key", ("SG.",), r"\bSG\.[\w\-]{22}\.[\w\-]{43}(?![\w\-])"),
    ("twilio-key", ("SK",), r"\bSK[a-f0-9]{32}\b"),
    ("shopify-token", ("shpat_", "shpca_", "shppa_", "shpss_"), r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    ("docker-token", ("dckr_pat_",), r"\bdckr_pat_[\w\-]{27,40}"),
    ("doppler-token", ("dp.",), r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w\-.]{40,64}"),
    ("linear-key", ("lin_api_", "lin_oauth_"), r"\blin_(?:api|oauth)_[A-Za-z0-9]{40,64}\b"),
    ("telegram-bot-token", (":AA",), r"\b\d{8,10}:AA[\w\-]{33}(?![\w\-])"),
    ("json-web-token", ("eyJ",), r"\beyJ(?:\w|-(?!eyJ)){10,2000}\.eyJ[\w\-]{10,4000}\.[\w\-]{10,2000}"),
    (
        "url-password",
        ("://",),
        r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>{}$%*]{3,128})@[\w.\-\[]",
    ),
)
# A value without quotes is all characters of its kind. Before a bracket it is a call or an item, and no
# value.
_BARE = r"[\w+/=.\-~]{16,256}"
_ASSIGNED = (
    r"(?<![\w.\-])([A-Za-z_][\w.\-]{1,64})[\"']?[ \t]{0,4}(?:=>|:=|[=:])[ \t]{0,4}"
    rf"(?:\"([^\"\s]{{8,256}})\"|'([^'\s]{{8,256}})'|(?!{_BARE}[(\[])({_BARE}))"
)
# fmt: off
_SECRET_HINTS = (
    "pass", "pwd", "secret", "token", "key", "auth", "cred", "cookie", "sig", "psk", "jwt", "sas", "otp",
    "pat", "pw", "bearer",
)
# fmt: on
# Random letters and digits have four bits each and more, words of a language about three or less.
_LEAST_ENTROPY = 3.3
# Placeholders for secrets: ${VAR}, <token>, xxxx, changeme, process.env.TOKEN; and the signature that is the
# same in every CACHEDIR.TAG.
_PLACEHOLDER = (
    r"(?i)[$<{%\[]|(.)\1{5}|example|change.?me|placeholder|your[_-]|dummy|redacted|todo"
    r"|^8a477f597d28d172789f06886806bc55$"
    r"|^(?:os|process|env|config|settings|self|this|vault|secret)[.\[(]"
)

# A value without quotes may be a name of code: words, with numbers behind them, joined by points and
# underscores.
_CODE = r"(?:[A-Za-z]{1,20}[0-9]{0,5}[._]{1,2})+[A-Za-z]{1,20}[0-9]{0,5}"


def secrets_in(text: str) -> Iterator[Found]:
    """Yield the secrets in a text; a value that a rule of its own found is not found again by its name."""
    taken: list[tuple[int, int]] = []
    for rule_id, hints, pattern in RULES:
        if not any(hint in text for hint in hints):
            continue
        for match in re.finditer(pattern, text):
            start, end = match.span(match.lastindex or 0)
            if rule_id == "url-password" and re.search(_PLACEHOLDER, match[1]):
                continue
            if not _overlaps(taken, start, end):
                insort(taken, (start, end))
                secret = text[start:end]
                yield Found(rule_id, start, _inner(secret) if rule_id == _PRIVATE_KEY else secret)
    lowered = text.lower()
    if not any(hint in lowered for hint in _SECRET_HINTS):
        return
    for match in re.finditer(_ASSIGNED, text):
        group = match.lastindex or 0
        start, end = match.span(group)
        if not is_secret_name(match[1]) or not _is_random(match[group]) or _overlaps(taken, start, end):
            continue
        if match[4] is None or re.fullmatch(_CODE, match[4]) is None:
            yield Found("secret-value", start, match[group])


def _inner(block: str) -> str:
    r"""Return the base64 of a PEM block; in JSON and in variables its lines may end in a written-out `\n`."""
    return re.sub(r"\\[nr]|[^A-Za-z0-9+/=]", "", block.partition("KEY")[2].partition("-----END")[0])


def _is_random(value: str) -> bool:
    return (
        entropy(value) >= _LEAST_ENTROPY
        and re.search(r"\d", value) is not None
        and re.search(_PLACEHOLDER, value) is None
    )


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text, in bits a character."""
    size = len(text)
    return sum(count / size * math.log2(size / count) for count in Counter(text).values())


def _overlaps(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    # The spans are sorted and do not overlap: of those that begin before the end, the last one ends last.
    before = bisect_left(taken, (end,))
    return before > 0 and taken[before - 1][1] > start
