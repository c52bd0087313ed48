"""Check kolide_jwt: the tokens of the RFCs, what it hides, and what is no token."""

import base64
import json
import os
import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.limits import Limits
from kolide_tables.secrets.jwt import jwt
from osquery_sdk import Query

from ...support.compare import Compare

# RFC 7515, appendix A.1, and RFC 7519, section 6.1
SIGNED = (
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
UNSECURED = "eyJhbGciOiJub25lIn0." + SIGNED.split(".")[1] + "."
CLAIMS = '{"iss":"joe","exp":1300819380,"http://example.com/is_root":true}'
OPEN = '{"a":'
SIGNATURE = "c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0"


def b64(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def token(claims: object, signature: str = SIGNATURE, **header: object) -> str:
    return f"{b64({'alg': 'ES256', **header})}.{b64(claims)}.{signature}"


def rows(text: str) -> list[Any]:
    found: list[Any] = jwt.rows(raw_data=text)
    assert all(row.raw_data == text and row.path == "" for row in found)
    return found


def test_a_signed_token() -> None:
    (row,) = rows(SIGNED)
    assert (row.idx, row.level, row.format, row.kind, row.algorithm, row.type) == (
        0, 0, "compact", "JWS", "HS256", "JWT",
    )  # fmt: skip
    assert (row.issuer, row.subject, row.audience, row.expires, row.issued_at) == (
        "joe", None, None, 1300819380, None,
    )  # fmt: skip
    assert (row.header, row.claims, row.error) == ('{"typ":"JWT","alg":"HS256"}', CLAIMS, None)


def test_a_token_that_nothing_signs_shows() -> None:
    (row,) = rows(UNSECURED)
    assert (row.algorithm, row.claims) == ("none", CLAIMS)


def test_what_jq_decodes(compare: Compare) -> None:
    jq = shutil.which("jq")
    if jq is None:
        pytest.skip("jq is not installed: it is the oracle of this test")
    texts = [SIGNED, UNSECURED, token({"sub": "é😀", "aud": ["a", "b"], "nbf": 1.5}, kid="k-1", typ="at+jwt")]
    script = 'split(".")[:2] | map(gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson)'
    ours, theirs = [], []
    for text in texts:
        done = subprocess.run([jq, "-Rc", script], input=text, capture_output=True, text=True, check=True)
        theirs.append(json.loads(done.stdout))
        (row,) = rows(text)
        ours.append([json.loads(row.header), json.loads(row.claims)])
    compare("jwt", "jq", ours, theirs)


def test_columns() -> None:
    claims = {"iss": "i", "sub": "s", "aud": ["a", "b"], "iat": 1.9, "nbf": "soon", "exp": 10**30}
    (row,) = rows(token(claims, kid="k", typ="JWT"))
    assert (row.issuer, row.subject, row.audience, row.key_id) == ("i", "s", '["a","b"]', "k")
    assert (row.issued_at, row.not_before, row.expires) == (1, None, None)
    assert json.loads(row.claims) == claims


def test_tokens_in_a_text() -> None:
    text = f"Authorization: Bearer {SIGNED}\nurl = http://x/?t={UNSECURED}&u=1\n{SIGNED}.x eyJub3QuYSB0b2tlbg.a.b"
    assert [(row.idx, row.algorithm) for row in rows(text)] == [(0, "HS256"), (1, "none")]


def test_a_token_in_a_token() -> None:
    inner = token({"sub": "inner"})
    outer, nested = rows(token(inner, cty="JWT"))
    assert (outer.level, outer.claims, outer.error) == (0, None, None)
    assert (nested.idx, nested.level, nested.subject) == (1, 1, "inner")
    deep = inner
    for _ in range(20):
        deep = token(deep)
    assert rows(deep)[-1].error == "tokens in tokens are nested too deep"


def test_json_serializations() -> None:
    payload = b64({"sub": "x"})
    signatures = [
        {"protected": b64({"alg": "RS256"}), "header": {"kid": "1"}, "signature": SIGNATURE},
        {"protected": b64({"alg": "ES256"}), "signature": SIGNATURE},
        {"signature": SIGNATURE},
    ]
    general = rows(json.dumps({"payload": payload, "signatures": signatures}))
    assert [(row.format, row.algorithm, row.key_id, row.subject) for row in general] == [
        ("json", "RS256", "1", "x"),
        ("json", "ES256", None, "x"),
    ]
    (flat,) = rows(json.dumps({"payload": payload, **signatures[0]}, indent=1))
    assert (flat.format, flat.algorithm, flat.subject) == ("json-flattened", "RS256", "x")
    encrypted = {
        "protected": b64({"enc": "A128GCM"}),
        "recipients": [{"header": {"alg": "dir"}}],
        "ciphertext": "x",
    }
    (row,) = rows(json.dumps(encrypted))
    assert (row.kind, row.algorithm, row.header, row.claims) == (
        "JWE", "dir", '{"alg":"dir","enc":"A128GCM"}', None,
    )  # fmt: skip


def test_encrypted_and_detached() -> None:
    (row,) = rows(f"{b64({'alg': 'RSA-OAEP', 'enc': 'A256GCM'})}.a2V5.aXY.Y2lwaGVy.dGFn")
    assert (row.kind, row.algorithm, row.claims, row.error) == ("JWE", "RSA-OAEP", None, None)
    (row,) = rows(f"{b64({'alg': 'EdDSA'})}..{SIGNATURE}")
    assert (row.kind, row.claims, row.error) == ("JWS", None, "the payload is detached")
    (row,) = rows(token("just text"))
    assert row.error == "the payload is neither a JSON object nor a token"


def test_nothing_secret_is_shown() -> None:
    private = {"kty": "EC", "crv": "P-256", "x": "PUBLIC", "d": "PRIVATE"}
    symmetric = {"kty": "oct", "k": "PRIVATE"}
    claims = {
        "email": "ada@example.com", "access_token": "PRIVATE", "inner": f"a {token({'x': 1})} b",
        "deep": [{"client_secret": "PRIVATE"}],
    }  # fmt: skip
    (row,) = rows(token(claims, jwk=private, other=symmetric))
    shown = " ".join(str(value) for value in tuple(row)[2:])
    assert "PRIVATE" not in shown
    assert SIGNATURE not in shown
    assert json.loads(row.claims) == {
        "email": "ada@example.com", "access_token": "REDACTED", "inner": "a REDACTED b",
        "deep": [{"client_secret": "REDACTED"}],
    }  # fmt: skip
    assert json.loads(row.header)["jwk"] == {**private, "d": "REDACTED"}


def test_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SIGNED}\n")
    (tmp_path / "none").write_text("nothing")
    (tmp_path / "link").symlink_to("token")
    os.mkfifo(tmp_path / "fifo")
    named: list[Any] = jwt.rows(path=[str(tmp_path / name) for name in ("token", "none", "link", "missing")])
    assert [
        (Path(row.path).name, row.issuer, row.error and row.error.replace(row.path, "")) for row in named
    ] == [
        ("token", "joe", None),
        ("none", None, "no token: it has not three or five parts between dots"),
        ("link", None, " is a symbolic link, which is not followed"),
    ]
    warnings: list[str] = []
    query = Query.of(jwt, like={"path": f"{tmp_path}/%"}, warn=warnings.append)
    found: list[Any] = jwt.rows(query)
    assert [Path(row.path).name for row in found] == ["token"]
    assert [Path(warning.split(" is ")[0]).name for warning in warnings] == ["fifo", "link"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", None),
        ("x", "three or five parts"),
        ("YQ.b.c", "header is no JSON object with an alg"),
        ("e!.b.c", "header is not base64url"),
        (f"{b64({'typ': 'JWT'})}.{b64({})}.x", "header is no JSON object with an alg"),
        ('{"payload": 1}', "three or five parts"),
        ('{"payload": "x", "signatures": [1, null]}', "three or five parts"),
        ("{" * 100_000, "three or five parts"),
    ],
)
def test_no_token(text: str, error: str | None) -> None:
    found: list[Any] = jwt.rows(raw_data=text)
    assert [row.format for row in found] == ([] if error is None else [None])
    assert all(error is not None and re.search(f"^no token: .*{error}", row.error) for row in found)


@settings(deadline=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abx"), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.text("eyJw.A_-=\n ", max_size=20),
)
def test_any_claims(claims: object, noise: str) -> None:
    (row, *_) = rows(f"{token({'claims': claims})} {noise}")
    assert json.loads(row.claims) == {"claims": claims}
    jwt.rows(raw_data=noise + SIGNED + noise)


@pytest.mark.parametrize(
    "text",
    [
        "eyJ" * 300_000,
        "eyJ." * 200_000,
        "eyJ.a " * 100_000,
        f"{b64({'alg': 'x'})}." + "a" * 1_000_001 + ".b",
        f"{b64({'alg': 'x'})}.{b64('[' * 100_000)}.b",
        f"{b64({'alg': 'x'})}.{b64(OPEN * 50_000)}.b",
        (UNSECURED + " ") * 500,
    ],
)
def test_hostile_texts(text: str) -> None:
    tracemalloc.start()
    assert len(jwt.configured(limits=Limits(max_seconds=5)).rows(raw_data=text)) <= 500
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()
