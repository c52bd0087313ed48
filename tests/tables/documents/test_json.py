"""kolide_json, kolide_jsonl and kolide_jsonc against SQLite's json_tree, jq, and a walk over the decoded
document.
"""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.limits import Budget, Limits
from kolide_tables.documents.flatten import Cell, Tree
from kolide_tables.documents.jsonlines import JsonLines
from kolide_tables.documents.jsontext import JsonText
from kolide_tables.documents.terms import parse_query
from kolide_tables.reading.jsoncomments import without_comments
from kolide_tables.reading.parsing import ParseError

from ...support.compare import Compare
from .conftest import Select

# No NUL: SQLite's text ends there. No slash and no quotes in keys: the oracles write their paths with them.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
KEYS = st.text(st.characters(exclude_characters='\0/"\\.[]', exclude_categories=["Cs", "Cc"]), max_size=6)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)
QUERIES = st.lists(
    st.sampled_from(["*", "0", "1", "2", "a", "b*", "*a", "a=>*", "*=>1", "#a", "#a=>b*", "true"]) | KEYS,
    max_size=4,
).map("/".join)


def same_number(found: str, expected: float) -> bool:
    return "e" not in found.lower() and Decimal(found) == Decimal(repr(expected))


@settings(deadline=None)
@given(DOCUMENTS)
def test_leaves_are_those_of_sqlite(select: Select, document: object) -> None:
    # SQLite's full keys have a key's escapes as they are written
    text = json.dumps(document, ensure_ascii=False)
    with closing(sqlite3.connect(":memory:")) as database:
        leaves = database.execute(
            "select fullkey, type, atom from json_tree(?) where type not in ('object', 'array', 'null')",
            [text],
        ).fetchall()
    expected = {_key_of(path): (kind, atom) for path, kind, atom in leaves}
    found = select("json", text)
    assert found.keys() == expected.keys()
    for key, (kind, atom) in expected.items():
        if kind == "real":
            assert same_number(found[key], float(atom))
        else:
            assert found[key] == (kind if kind in ("true", "false") else str(atom))


def _key_of(path: str) -> str:
    """Return `$.a[0]."b c"` as `a/0/b c`."""
    parts = path[1:].replace('"', "").replace("[", ".").replace("]", "").split(".")
    return "/".join(parts[1:])


@settings(deadline=None, max_examples=150)
@given(DOCUMENTS, QUERIES, st.sampled_from([None, 1, 4]), st.sampled_from([(",", ":"), (" , ", " : ")]))
def test_reading_in_windows_is_reading_at_once(
    document: object, query: str, indent: int | None, separators: tuple[str, str]
) -> None:
    text = json.dumps(document, indent=indent, separators=separators)
    terms, budget = parse_query(query), Budget(Limits())
    expected = Tree(document).select(terms, budget)
    for window in (16, 40, 200):
        assert JsonText(text, window=window).select(terms, budget) == expected


def test_reading_in_windows_at_full_size() -> None:
    document = {
        "before": list(range(20_000)),
        "records": [{"id": i, "sub": [{"x": i, "text": '},{ ],[ \\" ,'}], "n": None} for i in range(3_000)],
        "names": {f"key {i}": {"v": i, "w": [i]} for i in range(3_000)},
        "mixed": [i if i % 3 else {"a": [i]} if i % 2 else f'"{i},' for i in range(10_000)],
        "long": ["x" * 200_000, {"y": "z" * 200_000}],
        "after": 1,
    }
    for query in (
        "before/19999",
        "records/id=>8*/sub/*/x",
        "names/*99/v",
        "mixed/*/a",
        "long/1",
        "a*",
        "mixed/9999",
    ):
        terms = parse_query(query)
        expected = Tree(document).select(terms, Budget(Limits()))
        assert expected
        for indent in (None, 2):
            text = json.dumps(document, indent=indent)
            assert JsonText(text).select(terms, Budget(Limits())) == expected


@settings(deadline=None)
@given(st.text('{}[]",:0 ax\\\n', max_size=40), st.sampled_from(["*", "a", "1", "a=>0", "#a"]))
def test_what_is_no_json_is_refused_in_any_window(text: str, query: str) -> None:
    def outcome(window: int) -> list[Cell] | None:
        try:
            return JsonText(text, window=window).select(parse_query(query), Budget(Limits()))
        except ParseError:
            return None

    try:
        expected = Tree(json.loads(text)).select(parse_query(query), Budget(Limits()))
    except ValueError:
        expected = None
    assert [outcome(window) for window in (16, 24, 1 << 16)] == [expected] * 3


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("-1", "-1"),
        ("9223372036854775808", "9223372036854775808"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("9" * 5000, "9" * 5000),
        ("1.0", "1"),
        ("1.50", "1.5"),
        ("-0.0", "-0"),
        ("1e3", "1000"),
        ("1E-7", "0.0000001"),
        ("1.5e300", "15" + "0" * 299),
        ("0.1", "0.1"),
        ("1e999", "+Inf"),
        ("-1e999", "-Inf"),
    ],
)
def test_numbers(select: Select, number: str, text: str) -> None:
    assert select("json", f'{{"n": [{number}]}}') == {"n/0": text}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": "1"}),
        ('{"a": "é€😀"}'.encode("utf-16"), {"a": "é€😀"}),
        ('\ufeff{"a": "é"}'.encode("utf-16-be"), {"a": "é"}),
        ('\ufeff{"a": "é"}'.encode("utf-32-le"), {"a": "é"}),
        (b'{"a": "\xff\xfe"}', {"a": "\\xff\\xfe"}),
        (b'{"k\x80": "\xe9"}', {"k\\x80": "\\xe9"}),
        (
            b'{"a": "\\ud800", "b": "\\udcff", "c": "\\ud83d\\ude00"}',
            {"a": "\\ud800", "b": "\\xff", "c": "😀"},
        ),
        (b'{"a": "x\\u0000y"}', {"a": "x\0y"}),
        (b' \n{"a": 1, "a": {"b": 2}, "c": 0, "a": [3]}\r\n ', {"a/0": "3", "c": "0"}),
        (b'{"a": 1, "a": null}', {}),
        (b'[{"k": 1, "k": 2}]', {"0/k": "2"}),
    ],
)
def test_bytes(select: Select, data: bytes, expected: dict[str, str]) -> None:
    assert select("json", data) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "[1,]",
        '{"a":1,}',
        "[1 2]",
        '{"a" 1}',
        "{1: 2}",
        "[NaN]",
        "[Infinity]",
        "-",
        '"\n"',
        "1 2",
        "[1]]",
        "tru",
    ],
)
def test_errors_say_what_is_wrong(select: Select, text: str) -> None:
    with pytest.raises(ParseError) as caught:
        select("json", text)
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_error_place(select: Select) -> None:
    with pytest.raises(ParseError, match=r"line 3, column 8: Expecting value"):
        select("json", '{\n "a": 1,\n  "b": ?}')
    # the same, far behind the first window
    filler = ",\n".join(f'"{i}": [{i}]' for i in range(20_000))
    with pytest.raises(ParseError, match=r"line 20002, column 6: Expecting value"):
        select("json", "{\n" + filler + ',\n"b": ?}')


@pytest.mark.parametrize(("depth", "fine"), [(64, True), (65, False), (900, False), (200_000, False)])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}")])
def test_depth(select: Select, depth: int, fine: bool, begin: str, end: str) -> None:
    text = begin * depth + "1" + end * depth
    if fine:
        assert list(select("json", text).values()) == ["1"]
        return
    with pytest.raises(ParseError, match="64 deep"):
        select("json", text)


# Lines


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("", "*", {}),
        ("\n\n", "*", {}),
        ('{"a": 1}\n{"a": 2}\n', "*", {"0/a": "1", "1/a": "2"}),
        ('\n{"a": 1}\r\n\r\n{"a": 2}', "*/a", {"0/a": "1", "1/a": "2"}),
        ('{"a": 1}{"a": 2} [3]', "*", {"0/a": "1", "1/a": "2", "2/0": "3"}),
        ('{\n"a":\n1}\n2', "*", {"0/a": "1", "1": "2"}),
        ('{"a": 1}\n{"a": 2}\n', "1", {"1/a": "2"}),
        ('{"a": 1}\n{"a": 2, "b": 3}\n', "a=>2/b", {"1/b": "3"}),
        ('{"a": "x", "b": 1}\n{"b": 2}\n', "#a/b", {"x/b": "1"}),
        ('"x"\n"y"\n', "y", {"1": "y"}),
    ],
)
def test_lines(select: Select, text: str, query: str, expected: dict[str, str]) -> None:
    assert select("jsonl", text, query) == expected


def test_a_broken_line_keeps_its_index_and_is_reported() -> None:
    text = '{"a": 1}\n{"a": \n{"a": 3}\n"a": 1,\n{"a": 5}{"a": 6} x\n[NaN]\n{"a": 8'
    document = JsonLines(text)
    assert [cell[0] for cell in document.select(parse_query("*"), Budget(Limits()))] == ["0/a", "2/a", "4/a"]
    assert document.problems == ["5 of 8 lines left out; the first: line 2, column 7: Expecting value"]


def test_a_document_of_several_lines_is_wrong_as_a_whole(select: Select) -> None:
    with pytest.raises(ParseError, match="line 3"):
        select("jsonl", '{\n  "a": 1,\n  b\n}\n{"c": 1}')


def test_a_text_without_any_json_line_is_refused(select: Select) -> None:
    with pytest.raises(ParseError, match="line 1"):
        select("jsonl", "this\nis no\nJSON\n")


# Comments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('// top\n{"a": 1 /* one */, // end\n "b": [1, 2,], }\n', {"0/a": "1", "0/b/0": "1", "0/b/1": "2"}),
        ('{"url": "http://x/*y*/", "c": "a,]"}', {"0/url": "http://x/*y*/", "0/c": "a,]"}),
        ('{"a": "\\"// no \\\\", /**/ "b": 2}', {"0/a": '"// no \\', "0/b": "2"}),
        ("[1, /* a, b */ ]", {"0/0": "1"}),
        ("[1 // x\n, // y\n]", {"0/0": "1"}),
        ("/* only */ // comments", {}),
        ('{"a": 1}\n// next\n{"a": 2}', {"0/a": "1", "1/a": "2"}),
    ],
)
def test_comments(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("jsonc", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "[,]",
        "{,}",
        "[1,,]",
        "[1,,2]",
        "[1] /* no end",
        "[1/ 2]",
        '["a\nb"]',
        "['a']",
        "{a: 1}",
        "[1] x",
        "/*/",
    ],
)
def test_comments_are_all_that_is_forgiven(select: Select, text: str) -> None:
    with pytest.raises(ParseError):
        select("jsonc", text)


@settings(deadline=None)
@given(DOCUMENTS)
def test_json_is_json_with_comments(document: object) -> None:
    text = json.dumps(document, indent=1)
    assert without_comments(text) == text


@pytest.mark.parametrize("piece", ["/*", "/", '"', '\\"', '"\\"', "[,", ", ", ",]", "//\n"])
def test_comments_take_no_time_to_find(piece: str) -> None:
    # quadratic time would be minutes
    try:
        without_comments(piece * (400_000 // len(piece)))
    except ParseError:
        pass


# jq


JQ = r"""
[paths(scalars) as $p | getpath($p) as $v | select($v != null)
 | {key: ($p | map(tostring) | join("/")), value: ($v | tostring)}] | map([.key, .value])
"""


def test_rows_are_those_of_jq(
    select: Select, tool: Callable[[str], str], tmp_path: Path, compare: Compare
) -> None:
    document = {
        "users": [
            {"name": f"ü{i}", "on": i % 2 == 0, "n": i * 7, "tags": ["a", "", str(i)], "no": None}
            for i in range(300)
        ],
        "deep": {"er": {"and": [[[{"er": "!"}]]]}},
        "empty": [{}, []],
    }
    file = tmp_path / "x.json"
    file.write_text(json.dumps(document, indent=2))
    # jq leaves out false and null in paths(f): f has to be true of the value
    program = JQ.replace("paths(scalars)", 'paths(type | . != "object" and . != "array")')
    answer = subprocess.run([tool("jq"), program, str(file)], capture_output=True, check=True)
    compare("json", "jq", select("json", file.read_bytes()), dict(json.loads(answer.stdout)))


def test_lines_are_those_of_jq(
    select: Select, tool: Callable[[str], str], tmp_path: Path, compare: Compare
) -> None:
    records = [
        {"at": i, "who": {"name": f"ü{i}", "tags": ["a", str(i)]}, "ok": i % 3 == 0} for i in range(500)
    ]
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(json.dumps(record) for record in records))
    program = JQ.replace("paths(scalars)", 'paths(type | . != "object" and . != "array")')
    answer = subprocess.run([tool("jq"), "-s", program, str(file)], capture_output=True, check=True)
    compare("jsonl", "jq -s", select("jsonl", file.read_bytes()), dict(json.loads(answer.stdout)))


def test_comments_are_those_of_javascript(
    select: Select, tool: Callable[[str], str], tmp_path: Path, compare: Compare
) -> None:
    """JSON with comments and trailing commas is a value of JavaScript."""
    settings_ = "".join(
        (
            f'  // setting {i}\n  "section{i}.name": {{ /* "off": 1, */ "url": "http://host/*{i}*/?a=//", '
            f'"list": [1, {i}.5, "x,]",], }},\n'
        )
        for i in range(300)
    )
    file = tmp_path / "settings.json"
    file.write_text("{\n" + settings_ + '  "last": "\\"// \\u00e9" /* end */\n}\n// after\n')
    code = (
        "process.stdout.write(JSON.stringify([eval('(' + require('fs').readFileSync(0, 'utf8') + '\\n)')]))"
    )
    answer = subprocess.run(
        [tool("node"), "-e", code], input=file.read_bytes(), capture_output=True, check=True
    )
    theirs = Tree(json.loads(answer.stdout)).select(parse_query("*"), Budget(Limits()))
    compare("jsonc", "node", select("jsonc", file.read_bytes()), {cell[0]: cell[3] for cell in theirs})


def test_a_selection_is_that_of_jq(
    select: Select, tool: Callable[[str], str], tmp_path: Path, compare: Compare
) -> None:
    file = tmp_path / "x.json"
    file.write_text(
        json.dumps({"users": [{"group": i % 7, "mail": f"u{i}@example.com"} for i in range(5000)]})
    )
    program = ".users[] | select(.group == 3) | .mail"
    answer = subprocess.run(
        [tool("jq"), "-r", program, str(file)], capture_output=True, check=True, text=True
    )
    found = select("json", file.read_bytes(), "users/group=>3/mail")
    compare("json", "jq", list(found.values()), answer.stdout.splitlines())
