"""The rules of kolide_secret_scan: a secret of each is found, and no text makes one slow."""

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.secrets import secret_search
from kolide_tables.secrets.secret_rules import Rule, load
from kolide_tables.secrets.secret_scan import SecretFound, secret_scan
from kolide_tables.secrets.secret_values import entropy

from . import gitleaks
from .samples import fitting

RULES = load()
# What is before and behind the secret of a rule that looks for more than the secret itself.
AROUND = {
    "curl-auth-user": "curl {} https://db",
    "azure-sas-signature": "https://x.blob.core.windows.net/c?sv=2022-11-02{}",
    "url-password": "https{}b",
    "facebook-access-token": "facebook {}",
    "telegram-bot-token": "telegram {}",
    "sidekiq-url": "https{}",
}
# These rules have a check as well: not every text that the pattern matches is a secret.
CHECKED = {
    "authorization-header": "Authorization: Bearer " + "9f86d081884c7d659a2feaa0",
    "jwt-base64": "ZXlKaGJHY2lPaUpJVXpJMU5pSXNJblI1Y0NJNklrcFhWQ0o5LmV5SnpkV0lpT2lJeE1qTTBOVFkzT0RrdyJ9",
    "powershell-secure-string": "ConvertTo-SecureString 'x9!kQ2m7Z' -AsPlainText",
    "nuget-config-password": '<add key="ClearTextPassword" value="x9!kQ2m7Z" />',
    "settings-password": "hostname smtp.corp:587\npassword 'x9!kQ2m7Z'\nstarttls required\n",
    "command-password": "mysqladmin --password x9-kQ2m7Z status",
    "curl-auth-header": "curl -H 'X-Api-Key: 3fea6af1349166ea' https://db",
    "curl-auth-user": "curl -u 'bob:x9!kQ2m7Z' https://db",
    "url-password": "amqp://bob:x9%21kQ2m7Z@queue",
}


def found(text: str) -> list[SecretFound]:
    return [row for row in secret_scan.rows(raw_data=text) if isinstance(row, SecretFound)]


def secret_of(rule: Rule, source: random.Random) -> str:
    """Return a text with a secret of a rule."""
    if rule.rule_id in CHECKED:
        return CHECKED[rule.rule_id]
    for _ in range(200):
        secret = fitting(rule.text, source)
        if entropy(secret) >= rule.least_entropy + 0.2 and (rule.starts or re.search("[0-9]", secret)):
            break
    if rule.services:
        return f'{rule.services[0]}_api_key = "{secret}"'
    return AROUND.get(rule.rule_id, "x = {} # y").format(secret)


@pytest.mark.parametrize("rule", RULES.every, ids=lambda rule: f"{rule.rule_id}-{rule.text[:12]}")
def test_a_secret_of_each_rule(rule: Rule) -> None:
    source = random.Random(7)
    for _ in range(3):
        text = secret_of(rule, source)
        ids = {row.rule_id for row in found(text)}
        same = {other.rule_id for service in rule.services for other in RULES.by_service[service]}
        assert ids & (same or {rule.rule_id}), text


def test_each_rule_says_where_it_is_from() -> None:
    assert [rule.rule_id for rule in RULES.every if not rule.gitleaks and not rule.source] == []


def test_no_pattern_has_an_unbounded_quantifier() -> None:
    for rule in RULES.every:
        assert not re.search(r"[*+]", re.sub(r"\[[^\]]*\]|\\.", "", rule.text)), rule.text
        assert not re.search(r"\{\d+,\}|[*+}]\+|\(\?>", rule.text), rule.text
        assert (bool(rule.starts) + bool(rule.contains) + bool(rule.services)) == 1, rule.text


@settings(deadline=None, max_examples=60)  # the machine may be busy
@given(
    rule=st.sampled_from(RULES.every),
    part=st.text(st.sampled_from("aA0-_.=:/+ \n\"'%@|<"), min_size=1, max_size=6),
    more=st.booleans(),
)
def test_no_text_makes_a_rule_slow(rule: Rule, part: str, more: bool) -> None:
    hint = (rule.starts or rule.contains or rule.services)[0]
    unit = f" {hint}{part}" if more else hint + part
    text = f"{hint} = " + unit * (60_000 // len(unit))
    started = time.process_time()
    list(secret_search.secrets_in(text))
    assert time.process_time() - started < 2


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=300) | st.text(st.sampled_from("pasword=:'\"{}<>/\\ \nkeyABC129-_"), max_size=300))
def test_any_text_is_searched(text: str) -> None:
    for secret in secret_search.secrets_in(f"password={text}"):
        assert 0 <= secret.offset <= len(text) + 9
        assert secret.secret


def test_what_changed_at_gitleaks() -> None:
    before = "[[rules]]\nid = 'github-pat'\nregex = 'a'\n[[rules]]\nid = 'npm-access-token'\nregex = 'c'\n"
    now = "[[rules]]\nid = 'github-pat'\nregex = 'b'\n[[rules]]\nid = 'unheard-of'\nregex = 'd'\n"
    known = gitleaks.ours(RULES)
    assert list(gitleaks.differences(before, now, known)) == [
        "changed: github-pat (github-token): regex",
        "gone: npm-access-token (npm-token)",
        "new: unheard-of: d",
    ]
    assert re.fullmatch("[0-9a-f]{40}", gitleaks.commit())
    assert len(known) == 222
