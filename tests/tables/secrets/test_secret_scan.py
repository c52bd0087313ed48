"""kolide_secret_scan: secrets of every known form, made up here, and texts that only look like one."""

import hashlib
import math
import os
import random
import string
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.documents.file_lines import file_lines
from kolide_tables.secrets import secret_search
from kolide_tables.secrets.secret_scan import SecretFound, secret_scan
from osquery_sdk import Query, Table, TableError
from osquery_sdk.tables.query import GLOB, Constraint

from ...support.compare import Compare
from ...support.tools import Run

RANDOM = random.Random(7)
WORD = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def some(count: int, alphabet: str = WORD) -> str:
    return "".join(RANDOM.choice(alphabet) for _ in range(count))


def pem(body: str, end: str = "\n", kind: str = "OPENSSH") -> str:
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return end.join(
        (f"-----BEGIN {kind} PRIVATE" + " KEY-----", *lines, f"-----END {kind} PRIVATE" + " KEY-----")
    )


def inner(secret: str) -> str:
    """Return the base64 of a key in PEM, and any other secret itself."""
    return "".join(secret.split("\n")[1:-1]) if secret.startswith("-----BEGIN") else secret


# Joined here, so that no scanner finds a secret in this file.
SECRETS = {
    "private-key": pem(some(500)),
    "putty-private-key": "\n".join(
        (
            *(
                "PuTTY-User-Key" + "-File-3: ssh-ed25519",
                "Encryption: none",
                "Comment: PP",
                "Public-Lines: 2",
            ),
            *(some(64), some(20), "Private-Lines: 1", some(48)),
        )
    ),
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
    return [row for row in secret_scan.rows(raw_data=text) if isinstance(row, SecretFound)]


@pytest.mark.parametrize("rule", SECRETS)
def test_a_secret(rule: str, tmp_path: Path) -> None:
    secret = SECRETS[rule]
    line = AROUND.get(rule, "x = {} # y").format(secret)
    text = f"nothing here\r\n\n  {line}\nend"
    (row,) = found(text)
    at = text.index(secret)
    assert (row.rule_id, row.line_number, row.column_start) == (rule, 3, at - text.rindex("\n", 0, at))
    secret = inner(secret)
    assert row.sha256_prefix == hashlib.sha256(secret.encode()).hexdigest()[:12]
    expected = -sum(p * math.log2(p) for p in (secret.count(c) / len(secret) for c in set(secret)))
    assert row.entropy == round(expected, 2)
    (tmp_path / "file").write_text(text)
    (again,) = secret_scan.rows(path=str(tmp_path / "file"))
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
        "-----BEGIN PUBLIC KEY-----\n" + "A" * 64 + "\n-----END PUBLIC KEY-----",
        f"if {pem('')!r} in text: raise ValueError('that is a key, and no certificate, as it has to be')",
        "-----BEGIN CERTIFICATE-----",
        "integrity sha512-4Yz5Xw==",
        "hf_hub_download(repo_id)",
        "valid_signature = signature.verify_hmac_sha256(request, b)",
        "SIGNATURE_HMAC = SIGNATURE_HMAC_SHA256",
        "Signature: 8a477f597d28d172789f06886806bc55",
        "password:\n    x1y2z3a4b5c6d7e8f9g0",
    ],
)
def test_what_is_no_secret(line: str) -> None:
    assert found(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "token=TTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "api_key = a1b2c3d4_e5f6g7h8_i9j0k1l2",
        'password: "correct_horse_battery_staple1"',
        "secret=Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==",
    ],
)
def test_what_is_one_though_it_looks_like_words(line: str) -> None:
    assert [row.rule_id for row in found(line)] == ["secret-value"]


def test_ordinary_text_has_none() -> None:
    texts = [path for path in Path("/usr/share/common-licenses").glob("*") if path.is_file()]
    texts += list(Path(secret_search.__file__).parent.glob("*.py"))
    for path in texts:
        assert list(secret_scan.rows(path=str(path.resolve()))) == [], path


def test_what_a_rule_found_is_not_found_again_by_another() -> None:
    key, token = SECRETS["github-token"], SECRETS["json-web-token"]
    text = (
        f'{{"token": "{key}"}}\npassword = {token}\npostgresql://me:{key}@db/x\nsecret = '
        f"{SECRETS['secret-value']}\n"
    ) * 50
    kinds = [row.rule_id for row in found(text)]
    assert kinds == ["github-token", "json-web-token", "github-token", "secret-value"] * 50


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


@settings(deadline=None, max_examples=15)  # the machine may be busy
@given(
    before=st.integers(100_000, 270_000),
    filler=st.sampled_from(["word " * 19 + "end.\n", "word ", "\n", "wörter € 😀 "]),
    more=st.integers(0, 300_000),
    rule=st.sampled_from(["github-token", "private-key"]),
)
def test_where_the_pieces_meet(before: int, filler: str, more: int, rule: str) -> None:
    secret = SECRETS[rule]
    text = (filler * (before // len(filler) + 1))[:before] + " " + secret + " "
    text += (filler * (more // len(filler) + 1))[:more]
    (row,) = found(text)
    at = text.index(secret)
    assert row.line_number == text.count("\n", 0, at) + 1
    assert row.column_start == at - (text.rfind("\n", 0, at) + 1) + 1
    assert row.sha256_prefix == hashlib.sha256(inner(secret).encode()).hexdigest()[:12]


def test_a_wide_character_does_not_make_a_file_costly(tmp_path: Path) -> None:
    """A text with one is kept with four bytes a character."""
    (tmp_path / "file").write_text(f"😀 {SECRETS['npm-token']}\n" + "x = 1\n" * 1_000_000)
    tracemalloc.start()
    (row,) = secret_scan.rows(path=str(tmp_path / "file"))
    assert tracemalloc.get_traced_memory()[1] < 12_000_000
    tracemalloc.stop()
    assert row.column_start == 3


def test_the_same_key_is_the_same_secret_however_it_is_written() -> None:
    body = some(800)
    texts = [
        pem(body),
        pem(body, "\r\n"),
        f'{{"private_key": "{pem(body, chr(92) + "n")}"}}',
        f"> {pem(body, chr(10) + '> ')}",
    ]
    rows = [row for text in texts for row in found(text)]
    assert {row.rule_id for row in rows} == {"private-key"}
    assert len(rows) == len(texts)
    assert len({row.sha256_prefix for row in rows}) == 1
    (other,) = found(pem(body[:-1] + "="))
    assert other.sha256_prefix != rows[0].sha256_prefix


# The secrets above that detect-secrets 1.5.0 finds, each alone in a file. It finds no other.
DETECT_SECRETS = {
    "private-key": "Private Key",
    "aws-access-key-id": "AWS Access Key",
    "github-token": "GitHub Token",
    "gitlab-token": "GitLab Token",
    "slack-token": "Slack Token",
    "stripe-key": "Stripe Access Key",
    "sendgrid-key": "SendGrid API Key",
    "twilio-key": "Twilio API Key",
    "telegram-bot-token": "Telegram Bot Token",
    "url-password": "Basic Auth Credentials",
    "secret-value": "Secret Keyword",
}


def test_what_detect_secrets_finds_is_found(compare: Compare) -> None:
    lines = {rule: AROUND.get(rule, "x = {} # y").format(SECRETS[rule]) for rule in DETECT_SECRETS}
    ours = {rule: [row.rule_id for row in found(line)] for rule, line in lines.items()}
    compare("secret_scan", "detect-secrets, recorded", ours, {rule: [rule] for rule in DETECT_SECRETS})


def test_keys_are_those_that_grep_finds(run: Run, compare: Compare) -> None:
    """Compare in Python's own tests, which come with certificates and keys, and on this machine.

    Known differences: badkey.pem has words in place of the keys' base64, and so no keys; a key with a
    password, as in keycert.passwd.pem, is no open secret.
    """
    folders = [Path(os.__file__).parent / "test", Path("/etc/ssl"), Path("/etc/ssh")]
    there = [str(folder) for folder in folders if folder.is_dir()]
    pattern = "^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----"
    closed = ("/badkey.pem:", ".passwd.pem:")
    said = run("grep", "-rnoE", "--binary-files=without-match", "--", pattern, *there, check=False)
    theirs = {
        tuple(line.split(":")[:2]) for line in said.splitlines() if not any(name in line for name in closed)
    }
    if not theirs:
        pytest.skip("there is no key in them")
    paths = sorted({path for path, _ in theirs})
    rows = secret_scan.rows(path=paths)
    ours = {(row.path, str(row.line_number)) for row in rows if row.rule_id == "private-key"}
    compare("secret_scan", "grep -n", ours, theirs)


def test_places_and_hashes_are_those_of_grep_and_sha256sum(
    run: Run, tmp_path: Path, compare: Compare
) -> None:
    alone = {rule: secret for rule, secret in SECRETS.items() if "\n" not in secret}
    text = "\n".join(f"é {AROUND.get(rule, 'x = {} # y').format(secret)}" for rule, secret in alone.items())
    (tmp_path / "file").write_text(text)
    rows = secret_scan.rows(path=str(tmp_path / "file"))
    theirs = set()
    for rule, secret in alone.items():
        (tmp_path / "secret").write_text(secret)
        digest = run("sha256sum", tmp_path / "secret")[:12]
        line, _, _ = run("grep", "-nF", "-e", secret, tmp_path / "file").partition(":")
        theirs.add((rule, int(line), digest))
    compare(
        "secret_scan",
        "grep -n, sha256sum",
        {(row.rule_id, row.line_number, row.sha256_prefix) for row in rows},
        theirs,
    )


def test_files_and_texts(tmp_path: Path, opened: list[str]) -> None:
    key = SECRETS["npm-token"]
    for name in ("a.conf", "b.conf", "c.txt"):
        (tmp_path / name).write_bytes(b"\xff\n" + key.encode() + b"\n")
    (tmp_path / "d.conf").symlink_to("/etc/shadow")
    with (tmp_path / "e.conf").open("wb") as large:
        large.truncate(1 << 30)
    warnings: list[str] = []
    query = Query.of(secret_scan, like={"path": f"{tmp_path}/%.conf"}, warn=warnings.append)
    rows = secret_scan.rows(query)
    assert [(Path(row.path).name, row.line_number) for row in rows] == [("a.conf", 2), ("b.conf", 2)]
    assert len(warnings) == 2
    assert [Path(path).name for path in opened] == ["a.conf", "b.conf", "e.conf"]
    both = secret_scan.rows(path=str(tmp_path / "c.txt"), raw_data=key)
    assert [bool(row.path) for row in both] == [True, False]
    for column, said in (
        ("path", "name a path with =, IN or LIKE"),
        ("raw_data", "name raw_data with = or IN"),
    ):
        with pytest.raises(TableError, match=said):
            secret_scan.rows(
                Query(secret_scan.definition, {column: (Constraint(GLOB, "*"),)}, None, deadline=0)
            )
    with pytest.raises(LimitExceeded, match="more than 2 rows"):
        secret_scan.configured(limits=Limits(max_rows=2)).rows(raw_data=f"{key}\n" * 3)


@pytest.mark.parametrize("table", [secret_scan, file_lines], ids=lambda table: table.name)
def test_a_named_file_that_cannot_be_read_is_an_error(table: Table, tmp_path: Path) -> None:
    """Without one, the file would look as if nothing were in it."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "large").write_bytes(b"x" * 101)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "good").write_text(f"{SECRETS['npm-token']}\n")
    limited = table.configured(limits=Limits(max_file_bytes=100))
    for name, why in (("link", "symbolic link"), ("large", "101 bytes, the limit is 100"), ("fifo", "FIFO")):
        for paths in (str(tmp_path / name), [str(tmp_path / "good"), str(tmp_path / name)]):
            with pytest.raises(TableError, match=f"^{tmp_path}/{name} .*{why}"):
                limited.rows(path=paths)
    assert limited.rows(path=[str(tmp_path / "missing"), str(tmp_path / "none" / "x")]) == []
    warnings: list[str] = []
    found = limited.rows(Query.of(limited, like={"path": f"{tmp_path}/%"}, warn=warnings.append))
    assert ([Path(row.path).name for row in found], len(warnings)) == (["good"], 3)


def test_a_text_over_the_limit_is_an_error() -> None:
    with pytest.raises(LimitExceeded, match="raw_data has 101 bytes, the limit is 100: raise max_file_bytes"):
        secret_scan.configured(limits=Limits(max_file_bytes=100)).rows(raw_data="x" * 101)


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
        "eyJ-",
        "PuTTY-User" + "-Key-File-2: ",
        "PuTTY-User" + "-Key-File-3: " + "P" * 50,
        "-----BEGIN RSA PRIVATE" + " KEY-----" + "A" * 41,
        "token=" + "a" * 300 + "(",
        "py" + "pi-AgE-",
        "a=a=",
        "key\t\t\t\t",
    ],
)
def test_a_megabyte_of_nothing_takes_no_time(part: str) -> None:
    started = time.process_time()
    rows = found(part * (1_000_000 // len(part)))
    assert len(rows) < 40_000
    # The machine may be busy; each takes a tenth of that.
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("token = Q7r8s9T0u1V2w3X4y5Z6(", []),
        ("token = Q7r8s9T0u1V2w3X4y5Z6[0]", []),
        ("token = Q7r8s9T0u1V2w3X4y5Z6;", ["secret-value"]),
        ("token = " + "Q7r8s9T0u1V2w3X4" * 16 + "(", []),
        ("token = " + "Q7r8s9T0u1V2w3X4" * 16 + "a(", []),
        ("token := Q7r8s9T0u1V2w3X4y5Z6", ["secret-value"]),
    ],
)
def test_a_call_is_no_value(line: str, expected: list[str]) -> None:
    assert [row.rule_id for row in found(line)] == expected


def test_a_key_that_breaks_off_does_not_hide_the_next() -> None:
    for rule in ("private-key", "putty-private-key", "json-web-token"):
        key = SECRETS[rule]
        (row,) = found(f"{key[:60]}\n{key}")
        assert (row.rule_id, row.line_number, row.column_start) == (rule, key[:60].count("\n") + 2, 1)
