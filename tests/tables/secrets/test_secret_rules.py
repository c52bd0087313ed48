"""The rules of kolide_secret_scan: a secret of each is found, and no text makes one slow."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.secrets import secret_search
from kolide_tables.secrets.secret_rules import Rule, load

from . import gitleaks
from .recall import figures

RULES = load()


def test_secrets_of_each_rule() -> None:
    for figure in figures(1):
        assert figure.by_rule >= 0.8 * figure.tried, figure


@pytest.mark.slow
def test_the_recall_of_each_rule() -> None:
    """Of secrets made at random in the forms of files, few are passed over: those that look like code."""
    rows = list(figures(40))
    assert [figure for figure in rows if figure.by_rule < 0.9 * figure.tried] == []
    tried, by_any = sum(figure.tried for figure in rows), sum(figure.by_any for figure in rows)
    assert by_any > 0.995 * tried


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
