"""kolide_secret_scan: secrets of every known form, made up here, and what only looks like one."""

import hashlib
import math
import random
import re
import string
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables import secret_rules
from kolide_tables.limits import Limits
from kolide_tables.secret_scan import SecretFound, secret_scan
from osquery_sdk import LimitExceeded, Query, TableError

RANDOM = random.Random(7)
WORD = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def some(count: int, alphabet: str = WORD) -> str:
    return "".join(RANDOM.choice(alphabet) for _ in range(count))


# Put together here so that no scanner finds one in this file.
SECRETS = {
    "private-key": "-----BEGIN OPENSSH PRIVATE" + " KEY-----",
    "putty-private-key": "PuTTY-User-Key" + "-File-3: ssh-ed25519",
    "age-secret-key": "AGE-SECRET" + "-KEY-1" + some(58, "023456789ACDEFGHJKLMNPQRSTUVWXYZ"),
    "aws-access-key-id": "AK" + "IA" + some(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "github-token": "gh" + "p_" + some(36),
    "github-fine-grained-token": "github" + "_pat_" + some(82),
    "gitlab-token": "gl" + "pat-" + some(20),
    "npm-token": "np" + "m_" + some(36),
    "pypi-token": "py" + "pi-AgE" + some(120),
    "slack-token": "xo" + "xb-" + some(12, string.digits) + "-" + some(24),
    "slack-webhook": some(44),
    "discord-webhook": some(68),
    "stripe-key": "sk_" + "live_" + some(24),
    "google-api-key": "AI" + "za" + some(35),
    "google-oauth-secret": "GOC" + "SPX-" + some(28),
    "anthropic-key": "sk-" + "ant-api03-" + some(90),
    "openai-key": "sk-" + "proj-" + some(80),
    "huggingface-token": "hf" + "_" + some(34),
    "vault-token": "hv" + "s." + some(90),
    "digitalocean-token": "do" + "p_v1_" + some(64, HEX),
    "databricks-token": "da" + "pi" + some(32, HEX),
    "sendgrid-key": "S" + "G." + some(22) + "." + some(43),
    "twilio-key": "S" + "K" + some(32, HEX),
    "shopify-token": "shp" + "at_" + some(32, HEX),
    "docker-token": "dckr" + "_pat_" + some(27),
    "doppler-token": "dp" + ".pt." + some(43),
    "linear-key": "lin" + "_api_" + some(40),
    "telegram-bot-token": some(9, "123456789") + ":AA" + some(33),
    "json-web-token": "ey" + "J" + some(20) + ".ey" + "J" + some(60) + "." + some(43),
    "url-password": "Tr0ub4dor-and-3",
    "secret-value": some(24, WORD),
}
AROUND = {
    "slack-webhook": "https://hooks.slack.com/services/{}",
    "discord-webhook": "https://discord.com/api/webhooks/123456789012345678/{}",
    "url-password": "postgresql://me:{}@db.example/x",
    "secret-value": 'client_secret: "{}"',
}


def found(text: str) -> list[SecretFound]:
    return [row for row in secret_scan().rows(raw_data=text) if isinstance(row, SecretFound)]


def test_every_rule_is_tested() -> None:
    assert {rule[0] for rule in secret_rules._RULES} | {"secret-value"} == set(SECRETS)


@pytest.mark.parametrize("rule", SECRETS)
def test_a_secret(rule: str, tmp_path: Path) -> None:
    secret = SECRETS[rule]
    line = AROUND.get(rule, "x = {} # y").format(secret)
    text = f"nothing here\r\n\n  {line}\nend"
    (row,) = found(text)
    assert (row.rule_id, row.line_number, row.column_start) == (
        rule,
        3,
        text.split("\n")[2].index(secret) + 1,
    )
    assert row.sha256_prefix == hashlib.sha256(secret.encode()).hexdigest()[:12]
    expected = -sum(p * math.log2(p) for p in (secret.count(c) / len(secret) for c in set(secret)))
    assert row.entropy == round(expected, 2)
    (tmp_path / "file").write_text(text)
    (again,) = secret_scan().rows(path=str(tmp_path / "file"))
    assert again[2:] == row[2:]
    assert secret not in repr(again)


@pytest.mark.parametrize(
    "line",
    [
        "password = hunter2",  # too short to be told from a word
        "password: ${DB_PASSWORD}",
        "api_key = process.env.API_KEY_NUMBER_1",
        'token = "your_token_goes_here_1"',
        'token = "<token-of-32-characters-0>"',
        'secret: "xxxxxxxxxxxxxxxx1"',
        "client_secret_file: /etc/app/secret-12345678",
        "tokenizer = byte-level-bpe-50257-merges",
        "primary_key = 0123456789abcdefghij",
        "https://user:${PASSWORD}@host/",
        "https://example.org/a:b@c",
        "git@github.com:owner/name.git",
        "AKIAnotakey",
        "0123456789abcdef0123456789abcdef01234567",  # a revision
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "integrity sha512-4Yz5Xw==",
        "hf_hub_download(repo_id)",
        "password:\n    x1y2z3a4b5c6d7e8f9g0",
    ],
)
def test_what_is_no_secret(line: str) -> None:
    assert found(line) == []


def test_ordinary_text_has_none() -> None:
    texts = [path for path in Path("/usr/share/common-licenses").glob("*") if path.is_file()]
    texts += list(Path(secret_rules.__file__).parent.glob("*.py"))
    for path in texts:
        assert list(secret_scan().rows(path=str(path.resolve()))) == [], path


def test_several_on_a_line_and_the_same_in_two_places() -> None:
    key, other = SECRETS["github-token"], SECRETS["stripe-key"]
    rows = found(f"{key} {other} {key}\nexport GITHUB_TOKEN={key}")
    assert [(row.rule_id, row.line_number) for row in rows] == [
        ("github-token", 1),
        ("stripe-key", 1),
        ("github-token", 1),
        ("github-token", 2),
    ]
    assert len({row.sha256_prefix for row in rows}) == 2


@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(before=st.integers(60_000, 72_000), lines=st.booleans(), more=st.integers(0, 140_000))
def test_where_the_pieces_meet(before: int, lines: bool, more: int) -> None:
    filler = ("word " * 19 + "end.\n") if lines else "word "
    text = (filler * (before // len(filler) + 1))[:before] + " " + SECRETS["github-token"] + " "
    text += (filler * (more // len(filler) + 1))[:more]
    (row,) = found(text)
    at = text.index(SECRETS["github-token"])
    assert row.line_number == text.count("\n", 0, at) + 1
    assert row.column_start == at - (text.rfind("\n", 0, at) + 1) + 1


def test_files_and_texts(tmp_path: Path, opened: list[str]) -> None:
    key = SECRETS["npm-token"]
    for name in ("a.conf", "b.conf", "c.txt"):
        (tmp_path / name).write_bytes(b"\xff\n" + key.encode() + b"\n")
    (tmp_path / "d.conf").symlink_to("/etc/shadow")
    with (tmp_path / "e.conf").open("wb") as large:
        large.truncate(1 << 30)
    warnings: list[str] = []
    query = Query.of(secret_scan(), like={"path": f"{tmp_path}/%.conf"}, warn=warnings.append)
    rows = secret_scan().rows(query)
    assert [(Path(row.path).name, row.line_number) for row in rows] == [("a.conf", 2), ("b.conf", 2)]
    assert len(warnings) == 2
    assert [Path(path).name for path in opened] == ["a.conf", "b.conf", "e.conf"]
    both = secret_scan().rows(path=str(tmp_path / "c.txt"), raw_data=key)
    assert [bool(row.path) for row in both] == [True, False]
    with pytest.raises(TableError, match="name a path"):
        secret_scan().rows()
    with pytest.raises(LimitExceeded, match="more than 2 rows"):
        secret_scan(Limits(max_rows=2)).rows(raw_data=f"{key}\n" * 3)


@pytest.mark.parametrize(
    "part",
    [
        "a=b;",
        "eyJ",
        "a://",
        "gh" + "p_",
        "password = ",
        "A",
        "sk-" + "ant-",
        "12345678:AA",
        "-----BEGIN RSA ",
        "\n",
        "a:b@",
    ],
)
def test_a_megabyte_of_nothing_takes_no_time(part: str) -> None:
    started = time.process_time()
    rows = found(part * (1_000_000 // len(part)))
    assert len(rows) < 20_000
    assert time.process_time() - started < 5


def test_no_pattern_has_an_unbounded_quantifier() -> None:
    for _, _, pattern in secret_rules._RULES:
        assert not re.search(r"[*+](?!\+)", re.sub(r"\[[^\]]*\]|\\.|\}\+|\+\+", "", pattern)), pattern
