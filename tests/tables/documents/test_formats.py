"""Each format's rows, with independent programs and libraries as oracles."""

import base64
import csv
import datetime
import io
import json
import math
import plistlib
import struct
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.limits import Budget, Limits
from kolide_tables.documents.flatten import Documents, Tree
from kolide_tables.documents.formats import OPENERS
from kolide_tables.documents.terms import parse_query
from kolide_tables.reading.parsing import ParseError
from kolide_tables.reading.yamltext import yaml_documents

from ...support.compare import Compare
from .conftest import Select, write_yaml

# A value that YAML, TOML, XML and property lists can all hold.
TEXTS = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xD7FF, exclude_categories=["Cc"]), max_size=6
)
JSON_KEYS = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=4)
KEYS = st.text("abcdefgh-_. ü", min_size=1, max_size=5)


def flat(document: object) -> dict[str, str]:
    """Return the rows of a decoded document."""
    return {cell[0]: cell[3] for cell in Tree(document).select(parse_query("*"), Budget(Limits()))}


def trees(scalars: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    inner = st.recursive(
        scalars, lambda x: st.lists(x, max_size=4) | st.dictionaries(KEYS, x, max_size=4), max_leaves=15
    )
    return st.dictionaries(KEYS, inner, max_size=4)


# YAML


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# nothing\n", {}),
        ("--- 1\n", {"": "1"}),
        (
            "a: 1\nb: [x, 'y', \"z\"]\nc:\n- d: ~\n  e: ''\n",
            {"a": "1", "b/0": "x", "b/1": "y", "b/2": "z", "c/0/e": ""},
        ),
        ("a: 1\n---\nb: 2\n", {"0/a": "1", "1/b": "2"}),
        ("a: 1\n...\n---\n", {"0/a": "1"}),
        ("a: true\nb: no\nc: 'true'\nd: NO\n", {"a": "true", "b": "no", "c": "true", "d": "NO"}),
        (
            "on: 1\nyes: 2\n~: 3\n0x10: 4\n2001-01-01: 5\n",
            {"on": "1", "yes": "2", "~": "3", "0x10": "4", "2001-01-01": "5"},
        ),
        (
            "a: 0x1F\nb: 0o7\nc: 010\nd: 1_000\ne: -5\n",
            {"a": "31", "b": "7", "c": "10", "d": "1_000", "e": "-5"},
        ),
        (
            "a: 1.0e+20\nb: .inf\nc: -.inf\nd: .nan\ne: 2.50\n",
            {"a": "1" + "0" * 20, "b": "+Inf", "c": "-Inf", "d": "NaN", "e": "2.5"},
        ),
        ("a: 22:22\nb: 1:30:00.5\n", {"a": "22:22", "b": "1:30:00.5"}),
        (
            "a: !!timestamp 2001-12-14t21:59:43.10-05:00\nb: 2001-12-14\nc: !!timestamp 2001-13-14\n",
            {"a": "1008385183", "b": "2001-12-14", "c": "2001-13-14"},
        ),
        (
            "a: !!binary aGVsbG8=\nb: !!str 5\nc: !!int '7'\nd: !!int x\n",
            {"a": "aGVsbG8=", "b": "5", "c": "7", "d": "x"},
        ),
        ("a: !Ref b\nc: !Sub [x]\nd: !Map {e: f}\n", {"a": "b", "c/0": "x", "d/e": "f"}),
        ("a: !!python/object/apply:os.system ['true']\n", {"a/0": "true"}),
        ("a: !!set {x, y}\n", {"a/0": "x", "a/1": "y"}),
        ("a: &x [1]\nb: *x\nc: *x\n", {"a/0": "1", "b/0": "1", "c/0": "1"}),
        (
            "a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\nc: {l: 4, <<: [{l: 5, m: 6}, *x]}\n",
            {"a/k": "1", "a/l": "2", "b/k": "1", "b/l": "3", "c/l": "4", "c/m": "6", "c/k": "1"},
        ),
        ("a: {'<<': {k: 1}}\nb: {<<: 5}\n", {"a/<</k": "1", "b/<<": "5"}),
        ("a: 1\na: 2\n", {"a": "2"}),
        ("&k a: 1\nb: *k\n", {"a": "1", "b": "a"}),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", {"a": "x\ny\n", "b": "x y"}),
        ("\ufeffa: é\n", {"a": "é"}),
    ],
)
def test_yaml(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("yaml", text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: b: c",
        "\ta: 1",
        "*x",
        "a: &x [*x]",
        "a: !<x",
        "&x {k: *x}",
        "a: 'x",
        "\0",
        "a: \x01",
    ],
)
def test_yaml_errors(select: Select, text: str) -> None:
    with pytest.raises(ParseError) as caught:
        select("yaml", text)
    assert "\n" not in str(caught.value)


# Rewritten from cases of the yaml-test-suite (MIT): each has another number of the rules that it is about.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- {a: :b, c: d:e}\n- [':', x:y]\n", {"0/a": ":b", "0/c": "d:e", "1/0": ":", "1/1": "x:y"}),
        ("a:\t1\nb: \t[\tx,\ty ]\t# c\nc:\n  -\tz\n", {"a": "1", "b/0": "x", "b/1": "y", "c/0": "z"}),
        ("[a, b]: 1\n{c: d}: 2\n? - e\n: 3\n", {"[a, b]": "1", "{c: d}": "2", "[e]": "3"}),
        ("? a\n? b\n: - 1\n? |\n  c\n: d\n", {"b/0": "1", "c\n": "d"}),
        ("- - a\n  - b: c\n    d: e\n-\n  - f\n", {"0/0": "a", "0/1/b": "c", "0/1/d": "e", "1/0": "f"}),
        ("a:\n- b\n-  c: d\n   e: f\ng: h\n", {"a/0": "b", "a/1/c": "d", "a/1/e": "f", "g": "h"}),
        ("a: b\n  c\n\n  d # e\nf: 'g\n  h'\n", {"a": "b c\nd", "f": "g h"}),
        ('a: "b\\\n   c \\x41\\u00e9\\U0001F600 \\ud83d\\ude00\\/\\t\n  d"\n', {"a": "bc Aé😀 😀/\t d"}),
        ("a: >\n  b\n  c\n\n   d\n  e\n\nf: |+\n g\n\nh: >2-\n    i\n", {"a": "b c\n\n d\ne\n", "f": "g\n\n", "h": "  i"}),
        ("a: !!str\nb: ! 5\nc: !<tag:yaml.org,2002:int> 7\n", {"a": "", "b": "5", "c": "7"}),
        ("%TAG !x! tag:yaml.org,2002:\n--- !x!map\na: !x!str 1\n", {"a": "1"}),
        ("%YAML 1.2\n# c\n---\na\n...\n# d\n...\n%OTHER x\n---\nb\n--- |\n c\n", {"0": "a", "1": "b", "2": "c\n"}),
        ("&m\n&k a: &v b\nc: *v\n*k : d\n", {"a": "d", "c": "b"}),
        ("a: &x !!str 1\nb: [*x, &y z, *y]\n", {"a": "1", "b/0": "1", "b/1": "z", "b/2": "z"}),
        ("a: [\n  b, # c\n  d: e,\n  ? f : g,\n  \"h\":i,\n]\n", {"a/0": "b", "a/1/d": "e", "a/2/f": "g", "a/3/h": "i"}),
        ("{a, 'b':1, c: , : d, \"e\"\n : f}\n", {"b": "1", "": "d", "e": "f"}),
        ("- [it 's, x: y]\n", {"0/0": "it 's", "0/1/x": "y"}),
        ("{a: b  c d=, e: -f g , h: 1 #i\n}\n", {"a": "b  c d=", "e": "-f g", "h": "1"}),
        ("a:\n- b: c\n\n  d:\n  - e\n\n\n# f\ng:\n  h: i\n", {"a/0/b": "c", "a/0/d/0": "e", "g/h": "i"}),
        ("--- text\n  more\n--- 'x'\n---\n", {"0": "text more", "1": "x"}),
        (": a\nb : c\n", {"": "a", "b": "c"}),
        ("a#b: c#d\ne: f #g\n", {"a#b": "c#d", "e": "f"}),
        ("a: b # c\n\n # d\n\nh: \"i\"  # j\nk: # l\n  m\n", {"a": "b", "h": "i", "k": "m"}),
        ("a: b # c\n# d\ne:\n\n\n- f # g\n\n- h\ni: {j: k} # l\nm: [n,\n  o]\n", {"a": "b", "e/0": "f", "e/1": "h", "i/j": "k", "m/0": "n", "m/1": "o"}),
        ("a: -b\n-c: ?d\n", {"a": "-b", "-c": "?d"}),
        ("a: 1\r\nb: |\r\n  x\r\n  y\r\n", {"a": "1", "b": "x\ny\n"}),
        ("- |\n \n...\n--- >-\n\n \n", {"0/0": "", "1": ""}),
        ("--- >+\n \n...\nb\n", {"0": "\n", "1": "b"}),
        ("3.10: a\n007: b\n1e3: c\nNULL: d\n", {"3.10": "a", "007": "b", "1e3": "c", "NULL": "d"}),
        ("a: +.INF\nb: .NAN\nc: 1.\nd: .5\ne: +12\nf: 0x1G\ng: 1e3\nh: Null\n",
         {"a": "+Inf", "b": "NaN", "c": "1", "d": "0.5", "e": "12", "f": "0x1G", "g": "1000"}),
    ],
)  # fmt: skip
def test_yaml_1_2(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("yaml", text) == expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: b\n  c: d\n", "line 2, column 3"),
        ("a: - b\n", "line 1, column 4"),
        ("a:\n  b: 1\n c: 2\n", "line 3, column 2"),
        ("- a\n b\n- c\n - d: e\n", "line 4"),
        ("a:\n\tb: c\n", "line 2, column"),
        ("a: 1\n\tb: 2\nc: 3\n", "line 2, column 2"),
        ("a:\n  b: 1\n  \tc: 2\n  d: 3\n", "line 3, column 4"),
        (f"[{'a' * 1_100}]: 1\n", "line 1, column 1"),
        (f"[[{'a' * 1_100}]: 1]\n", "line 1, column 2"),
        ("-\t- a\n", "line 1, column 3"),
        ("a: [b\nc]\n", "line 2, column 1"),
        ("a: [b, , c]\n", "line 1, column 8"),
        ("a: {b, , c}\n", "line 1, column 8"),
        ("{, a: b}\n", "line 1, column 2"),
        ("[a\n: b]\n", "line 1, column 2"),
        ("[-]\n", "line 1, column 2"),
        ("[a]#b\n", "line 1, column 4"),
        ("a: 'b\nc'\n", "line 2, column 1"),
        ("a: 'b' c\n", "line 1, column 8"),
        ('a: "b\\qc"\n', "line 1, column 4"),
        ("a: |x\n  b\n", "line 1, column 4"),
        ("a: |\n   \n  b\n", "line 3"),
        ("a: |\n  b\n c\n", "line 3, column 2"),
        ("a: &x &y b\n", "line 1, column 7"),
        ("a: &x *x\n", "line 1, column 7"),
        ("a: *x\n", "line 1, column 4"),
        ("&x - a\n", "line 1, column 4"),
        ("a: !x!y b\n", "line 1, column 4"),
        ("%YAML 1.2\na\n", "line 2, column 1"),
        ("%YAML 1.1#x\n---\n", "line 1, column 1"),
        ("a\n%YAML 1.2\n--- b\n... x\n", "line 4"),
        ("--- a: b\n", "line 1, column 6"),
        ("... x\n", "line 1, column 1"),
        ("a\nb: c\n", "line 2, column 1"),
        ("'a\nb': c\n", "line 2, column 3"),
        ("a: @b\n", "line 1, column 4"),
        ("a: b\x01\n", "line 1, column 5"),
    ],
)
def test_yaml_1_2_errors_have_their_place(select: Select, text: str, place: str) -> None:
    with pytest.raises(ParseError, match=place):
        select("yaml", text)


def test_yaml_bytes(select: Select) -> None:
    assert select("yaml", "a: é\n".encode("utf-16")) == {"a": "é"}
    assert select("yaml", b"a: \xff\n") == {"a": "\\xff"}


@settings(deadline=None)
@given(
    trees(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | st.binary(max_size=5)
    )
)
def test_yaml_is_what_pyyaml_writes(select: Select, document: dict[str, object]) -> None:
    for width, flow in ((80, False), (3, None), (80, True)):
        written = write_yaml(document, width=width, default_flow_style=flow)
        assert select("yaml", written) == flat(document)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(JSON_KEYS, inner, max_size=4),
        max_leaves=15,
    ),
    st.sampled_from([None, 1, "\t"]),
)
def test_json_is_yaml(select: Select, document: object, indent: int | str | None) -> None:
    text = json.dumps(document, indent=indent)
    assert select("yaml", text) == select("json", text)


PIECES = st.sampled_from(
    [
        "a: 1\n", "b:\n", "  a: 2\n", "  - x\n", "- y\n", "- a: 3\n", "  b: [1, {a: 4}]\n", "---\n", "? [a, b]\n", ": 5\n",
        "&x a: &y {b: 6}\n", "c: *y\n", "<<: *y\n", "<<: {a: 7, d: 8}\n", "{a: {b: 9}, a: 10}\n", "[[1], {a: 2}, [a]: 3]\n",
        "a: {b: [{c: 11}, {c: 12}]}\n", "b: |\n", "    t\n", "!!set {a, b}\n", "e: !!set {a}\n", "[a, {b: 1}]: 2\n", "- - z\n",
        "  - {a: 1}: 2\n", "\n", "# c\n", "\ta: 1\n",
    ]
)  # fmt: skip
QUERIES = [
    "*",
    "a",
    "a/*",
    "b/a",
    "0",
    "1/a",
    "0/0",
    "#a",
    "#a/b",
    "a=>1*",
    "*/a",
    "*/*/c",
    "0/b/1",
    "b/#c",
    "c",
    "a/b/0",
]


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=9), st.sampled_from(QUERIES))
def test_yaml_that_is_streamed_is_the_same(select: Select, pieces: list[str], query: str) -> None:
    """Rows that are made while a document is read are those of the document in memory."""
    text, budget = "".join(pieces), Budget(Limits())
    try:
        documents = yaml_documents(text, budget)
    except ParseError:
        with pytest.raises(ParseError):
            select("yaml", text, query)
        return
    whole = Documents(documents) if len(documents) > 1 else Tree(documents[0] if documents else None)
    assert select("yaml", text, query) == {
        cell[0]: cell[3] for cell in whole.select(parse_query(query), budget)
    }


@settings(deadline=None, max_examples=50)
@given(trees(TEXTS.filter(bool) | st.binary(max_size=5)), st.sampled_from(QUERIES))
def test_property_lists_that_are_streamed_are_the_same(
    select: Select, document: dict[str, object], query: str
) -> None:
    expected = {cell[0]: cell[3] for cell in Tree(document).select(parse_query(query), Budget(Limits()))}
    assert select("plist", plistlib.dumps(document), query) == expected
    assert select("plist", plistlib.dumps(document, fmt=plistlib.FMT_BINARY), query) == expected
    assert select("plist", _openstep(document), query) == expected


# TOML


def test_toml(select: Select, compare: Compare) -> None:
    text = """
    title = "x\\u00e9"
    count = 9223372036854775807
    hex = 0xff
    big = 1e21
    half = 0.50
    odd = [inf, -inf, nan]
    on = true
    at = 1979-05-27T00:32:00-07:00
    local = 1979-05-27T07:32:00
    day = 1979-05-27
    noon = 12:00:00
    none = []
    [a."b.c".d]
    e = ""
    [[list]]
    n = 1
    [[list]]
    n = 2
    """
    assert select("toml", text) == {
        "title": "xé", "count": "9223372036854775807", "hex": "255", "big": "1" + "0" * 21, "half": "0.5",
        "odd/0": "+Inf", "odd/1": "-Inf", "odd/2": "NaN", "on": "true", "at": "296638320",
        "local": "296638320", "day": "296611200", "noon": "12:00:00", "a/b.c/d/e": "",
        "list/0/n": "1", "list/1/n": "2",
    }  # fmt: skip
    compare("toml", "tomllib", select("toml", text), flat(tomllib.loads(text)))
    assert select("toml", text, "list/n=>2/*") == {"list/1/n": "2"}


@pytest.mark.parametrize(
    "text", ["a", "a = ", "a = 1\na = 2", "a = 2001-13-01", "[a\n", "a = '", "a = " + "9" * 5000]
)
def test_toml_errors(select: Select, text: str) -> None:
    with pytest.raises(ParseError, match=r"^line [12], column [0-9]+: "):
        select("toml", text)


# Rewritten from cases of toml-test (MIT) that TOML 1.1 has and 1.0 has not.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = {\n  b = 1, # c\n  d = [\n 2,\n ],\n}\n", {"a/b": "1", "a/d/0": "2"}),
        ('a = "\\e[0m \\x41\\xe9"\n', {"a": "\x1b[0m Aé"}),
        ("a = 07:32\nb = 1979-05-27T07:32Z\nc = 1979-05-27 07:32\n",
         {"a": "07:32:00", "b": "296638320", "c": "296638320"}),
    ],
)  # fmt: skip
def test_toml_1_1(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("toml", text) == expected


def test_toml_bytes(select: Select) -> None:
    assert select("toml", b'\xef\xbb\xbfa = "\xff"\r\n') == {"a": "\\xff"}


# XML


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<r/>", {"r": ""}),
        ("<r>\n  x y \n</r>", {"r": "x y"}),
        ('<r a="1"/>', {"r/-a": "1"}),
        ('<r a="">t</r>', {"r/-a": "", "r/#text": "t"}),
        (
            "<r><a>1</a><b/><a>2</a><a><c>3</c></a></r>",
            {"r/a/0": "1", "r/a/1": "2", "r/a/2/c": "3", "r/b": ""},
        ),
        ("<r>one<b>2</b>three<!-- no --></r>", {"r/b": "2", "r/#text": "onethree"}),
        ("<r><![CDATA[<a>&]]>&lt;&#233;</r>", {"r": "<a>&<é"}),
        ('<n:r xmlns:n="urn:n" n:a="1"><n:b>2</n:b></n:r>', {"r/-n": "urn:n", "r/-a": "1", "r/b": "2"}),
        ('<r xmlns:a="urn:n" a="1"/>', {"r/-a": "1"}),
        ('<?xml version="1.0"?><!DOCTYPE r SYSTEM "file:///etc/passwd"><r>&nbsp;</r>', {"r": "&nbsp;"}),
        ('<?xml version="1.0" encoding="UTF-8"?>\n<?pi x?><r>é</r>', {"r": "é"}),
    ],
)
def test_xml(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("xml", text) == expected


def test_xml_queries(select: Select) -> None:
    text = '<users><user id="1"><name>Ada</name></user><user id="2"><name>Bob</name></user></users>'
    assert select("xml", text, "users/user/-id=>2/name") == {"users/user/1/name": "Bob"}
    assert select("xml", text, "users/user/#name/-id") == {
        "users/user/Ada/-id": "1",
        "users/user/Bob/-id": "2",
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xef\xbb\xbf<r>\xc3\xa9</r>", {"r": "é"}),
        ('<?xml version="1.0" encoding="utf-16"?><r>é</r>'.encode("utf-16"), {"r": "é"}),
        ('<?xml version="1.0" encoding="utf-16"?><r>é</r>'.encode("utf-16-le"), {"r": "é"}),
        ('<?xml version="1.0" encoding="iso-8859-1"?><r>é</r>'.encode("latin-1"), {"r": "é"}),
        ("<?xml version='1.0' encoding='windows-1251'?><r>Ж</r>".encode("cp1251"), {"r": "Ж"}),
        ("<?xml version='1.0' encoding='Shift_JIS'?><r a='日'>本</r>".encode("shift_jis"), {"r/-a": "日", "r/#text": "本"}),
        ("<?xml version='1.0' encoding='gb2312'?><!DOCTYPE r [<!ENTITY e 'x'>]><r>中&e;</r>".encode("gb2312"), {"r": "中&e;"}),
        # as .NET writes it into files of UTF-8
        ('<?xml version="1.0" encoding="utf-16"?><r>é</r>'.encode(), {"r": "é"}),
        ('<?xml version="1.0" encoding="us-ascii"?><r>é</r>'.encode(), {"r": "é"}),
        ('<?xml version="1.1"?><r>é</r>'.encode("utf-16"), {"r": "é"}),
        ('<?xml version="1.0" encoding="utf-32"?><r>é</r>'.encode("utf-32"), {"r": "é"}),
        (b"<r>\xff</r>", {"r": "\\xff"}),
    ],
)  # fmt: skip
def test_xml_bytes(select: Select, data: bytes, expected: dict[str, str]) -> None:
    assert select("xml", data) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "<a>&undeclared;</a>",
        "<a>\0</a>",
        '<?xml version="1.0" encoding="no-such"?><r/>',
        '<!DOCTYPE r [<!ENTITY e "x"><r>&e;</r>',
        '<!DOCTYPE r [<!ENTITY e "x">] <r>&e;</r>',
    ],
)
def test_xml_errors(select: Select, text: str) -> None:
    with pytest.raises(ParseError) as caught:
        select("xml", text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<!DOCTYPE r [<!ENTITY e "x">]><r>a &e; b</r>', {"r": "a &e; b"}),
        ('<!DOCTYPE r [<!ENTITY e "x">]><r a="1&e;2"/>', {"r/-a": "1&e;2"}),
        ('<!DOCTYPE r [<!ENTITY e "]>"><!-- ]> \' -->]><r>&e;&amp;&#65;</r>', {"r": "&e;&A"}),
        ('<!DOCTYPE r [<?x ]> " ?>\n]\n>\n<r><![CDATA[&e;]]><!-- &e; --></r>', {"r": "&e;"}),
        ('<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r>&e;</r>', {"r": "&e;"}),
        ('<!DOCTYPE r [<!ENTITY % e SYSTEM "file:///etc/passwd"> %e;]><r/>', {"r": ""}),
        ('<!DOCTYPE r SYSTEM "r.dtd" [<!ELEMENT r (#PCDATA)>]><r>x</r>', {"r": "x"}),
        ('<!DOCTYPE r [<!ATTLIST r a CDATA "x" b ID #IMPLIED>]><r b="1"/>', {"r/-b": "1"}),
        ("<!DOCTYPE r><r>&nbsp;</r>", {"r": "&nbsp;"}),
        (
            '<?xml version="1.0" encoding="iso-8859-1"?><!DOCTYPE r [<!ENTITY e "\xe9">]><r>\xe9&e;</r>'.encode(
                "latin-1"
            ),
            {"r": "é&e;"},
        ),
        (
            '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e "x">]><r>é&e;</r>'.encode("utf-16-le"),
            {"r": "é&e;"},
        ),
    ],
)
def test_an_internal_dtd_is_left_out(select: Select, text: bytes | str, expected: dict[str, str]) -> None:
    assert select("xml", text) == expected


@pytest.mark.parametrize(
    ("form", "text", "place"),
    [
        ("xml", '<?xml version="1.0" encoding="punycode"?><r/>', "line 1, column 31: the encoding"),
        ("xml", "<?xml version='1.0' encoding='zlib'?><r/>", "line 1, column 31: the encoding"),
        ("xml", "<!DOCTYPE r\n [<r/>", "line 2, column 2: a DOCTYPE"),
        ("xml", "<r>\n" * 65, "line 65, column 4: nested more"),
        ("plist", "<plist>\n<dict>\n<integer>1</integer></dict></plist>", "line 3, column 21: no property list"),
    ],
)  # fmt: skip
def test_errors_of_elements_have_their_place(select: Select, form: str, text: str, place: str) -> None:
    with pytest.raises(ParseError, match=place):
        select(form, text)


def test_errors_after_a_dtd_have_their_line(select: Select) -> None:
    with pytest.raises(ParseError, match="line 4, column 2"):
        select("xml", '<!DOCTYPE r [\n<!ENTITY e "x">\n]>\n</r>')


XML_TREES = st.recursive(
    st.tuples(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), TEXTS, max_size=2), TEXTS),
    lambda inner: st.tuples(
        st.sampled_from("abc"),
        st.dictionaries(st.sampled_from("xyz"), TEXTS, max_size=2),
        st.lists(inner, max_size=4),
    ),
    max_leaves=10,
)


def _xml(tree: tuple[str, dict[str, str], Any]) -> str:
    name, attributes, content = tree
    written = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    inside = escape(content) if isinstance(content, str) else "".join(map(_xml, content))
    return f"<{name}{written}>{inside}</{name}>"


def _as_map(element: ElementTree.Element) -> object:
    found: dict[str, list[object]] = {}
    for child in element:
        found.setdefault(child.tag, []).append(_as_map(child))
    text = (element.text or "").strip(" \t\r\n")
    members: dict[str, object] = {f"-{key}": value for key, value in element.attrib.items()}
    members |= {key: values[0] if len(values) == 1 else values for key, values in found.items()}
    if not members:
        return text
    return members | ({"#text": text} if text else {})


@settings(deadline=None)
@given(
    XML_TREES,
    st.sampled_from(["*", "*/*", "a/b", "a/b/0", "*/a/1/*", "a/a/b", "*/b/-x", "a/*/-x=>*", "a/-x"]),
)
def test_xml_is_what_elementtree_reads(
    select: Select, tree: tuple[str, dict[str, str], object], query: str
) -> None:
    text = _xml(tree)
    root = ElementTree.fromstring(text)
    whole = Tree({root.tag: _as_map(root)}).select(parse_query(query), Budget(Limits()))
    assert select("xml", text, query) == {cell[0]: cell[3] for cell in whole}


def test_xml_values_are_those_of_xmllint(
    select: Select, tool: Callable[[str], str], tmp_path: Path, compare: Compare
) -> None:
    file = tmp_path / "x.xml"
    file.write_text(
        '<?xml version="1.0"?><fleet owner="Ada &amp; Bob"><host os="linux"><name>a1</name></host>'
        '<host os="darwin"><name>b2 é</name><note> spaced </note></host></fleet>'
    )
    xpaths = {
        "fleet/-owner": "/fleet/@owner",
        "fleet/host/0/-os": "/fleet/host[1]/@os",
        "fleet/host/0/name": "/fleet/host[1]/name",
        "fleet/host/1/-os": "/fleet/host[2]/@os",
        "fleet/host/1/name": "/fleet/host[2]/name",
        "fleet/host/1/note": "normalize-space(/fleet/host[2]/note)",
    }
    found = select("xml", file.read_bytes())
    said = {}
    for key, xpath in xpaths.items():
        answer = subprocess.run(
            [tool("xmllint"), "--nonet", "--xpath", f"string({xpath})", str(file)],
            capture_output=True,
            check=True,
            text=True,
        )
        said[key] = answer.stdout.removesuffix("\n")
    compare("xml", "xmllint --xpath", found, said)


# INI


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("top = 1\n[a]\nx = 2\n[DEFAULT]\ny = 3\n", {"DEFAULT/top": "1", "DEFAULT/y": "3", "a/x": "2"}),
        ("[a]\nx=1\nX=2\ny : 3\nz:=4\n", {"a/x": "1", "a/X": "2", "a/y": "3", "a/z": "=4"}),
        ("[a]\nx=1\nx=2\n[b]\n[a]\ny=3\n", {"a/x": "2", "a/y": "3"}),
        (
            "# c\n; c\n[a] ; c\nx=1 # c\ny=2;not\nz=#no\nu=http://x/#y\n",
            {"a/x": "1", "a/y": "2;not", "a/z": "", "a/u": "http://x/#y"},
        ),
        (
            '[a]\nx = " q # ; " ; c\ny = \'it\'\nz = "a" "b"\n',
            {"a/x": " q # ; ", "a/y": "it", "a/z": '"a" "b"'},
        ),
        ("[a]\np = 100%\nq = %(p)s\nr = ${p}\n", {"a/p": "100%", "a/q": "%(p)s", "a/r": "${p}"}),
        ("[a]\nskip-networking\nempty =\n", {"a/skip-networking": "", "a/empty": ""}),
        (
            "[a]\nx = yes\ny = off\nz = True\nn = 1\nm = maybe\n",
            {"a/x": "true", "a/y": "false", "a/z": "true", "a/n": "1", "a/m": "maybe"},
        ),
        (
            '[core]\n\tbare = false\n\tmode = 1\n[remote "o/r"]\n\turl = x\n',
            {"core/bare": "false", "core/mode": "1", 'remote "o/r"/url': "x"},
        ),
        ("[a]\nneeds =\n    x>=1\n    y\nnext = 1\n", {"a/needs": "x>=1\ny", "a/next": "1"}),
        ("[a]\nx = 1\n  y = 2\n", {"a/x": "1", "a/y": "2"}),
        ("[a]\nx = one\n  two\n", {"a/x": "one\ntwo"}),
        (
            "[a]\nrun = a \\\n  b \\\n  c\npath = C:\\dir\\\nz = 1\n",
            {"a/run": "a b c", "a/path": "C:\\dir\\", "a/z": "1"},
        ),
        ("[a]\r\nx = 1\r\n\r\ny = 2\r", {"a/x": "1", "a/y": "2"}),
        ("[[a]]\nx=1\n[b]c]\ny=2\n", {"[a]/x": "1", "b]c/y": "2"}),
        ("\ufeff[a]\nx=é\n", {"a/x": "é"}),
        ("key # = x\n= v\n", {"DEFAULT/key": "", "DEFAULT/": "v"}),
    ],
)
def test_ini(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("ini", text) == expected


def test_ini_bytes(select: Select) -> None:
    assert select("ini", "[Unicode]\r\nUnicode=yes\r\n".encode("utf-16")) == {"Unicode/Unicode": "true"}
    assert select("ini", b"[\xff]\nx=\xfe\n") == {"\\xff/x": "\\xfe"}


@pytest.mark.parametrize("text", ["[a\nx=1\n", "x=1\0\n"])
def test_ini_errors(select: Select, text: str) -> None:
    with pytest.raises(ParseError):
        select("ini", text)


# Property lists

PLIST = {
    "text": "é",
    "count": 2**63,
    "less": -1,
    "half": 0.5,
    "whole": 1.0,
    "on": True,
    "blob": b"\0\1",
    "at": datetime.datetime(2020, 1, 1, 12),  # noqa: DTZ001 - plistlib's own are without a zone
    "list": [{"Name": "a", "n": 1}, {"Name": "b", "n": 2}],
    "none": [],
}
PLIST_ROWS = {
    "text": "é", "count": "9223372036854775808", "less": "-1", "half": "0.5", "whole": "1", "on": "true",
    "blob": "AAE=", "at": "1577880000", "list/0/Name": "a", "list/0/n": "1", "list/1/Name": "b",
    "list/1/n": "2",
}  # fmt: skip


@pytest.mark.parametrize("kind", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_plist(select: Select, kind: plistlib.PlistFormat) -> None:
    data = plistlib.dumps(PLIST, fmt=kind)
    assert select("plist", data) == PLIST_ROWS
    assert select("plist", data, "list/#Name=>b/n") == {"list/b/n": "2"}


def test_plist_uids(select: Select) -> None:
    data = plistlib.dumps({"$top": {"root": plistlib.UID(5)}}, fmt=plistlib.FMT_BINARY)
    assert select("plist", data) == {"$top/root": "5"}


def test_plist_text_encodings(select: Select) -> None:
    text = plistlib.dumps({"a": "é"}).decode()
    assert select("plist", b"\xef\xbb\xbf" + text.encode()) == {"a": "é"}
    assert select("plist", text.replace("UTF-8", "UTF-16").encode("utf-16")) == {"a": "é"}
    assert select("plist", text.replace("UTF-8", "ISO-8859-1").encode("latin-1")) == {"a": "é"}
    assert select("plist", text.encode().replace("é".encode(), b"\xff")) == {"a": "\\xff"}


@settings(deadline=None)
@given(
    trees(
        st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False).map(
            lambda number: number + 0.0
        )  # plistlib writes 0.0 for a -0.0 beside it
        | TEXTS
        | st.binary(max_size=5)
    ),
    st.sampled_from([plistlib.FMT_XML, plistlib.FMT_BINARY]),
)
def test_plist_is_what_plistlib_writes(
    select: Select, document: dict[str, object], kind: plistlib.PlistFormat
) -> None:
    assert select("plist", plistlib.dumps(document, fmt=kind)) == flat(document)


def _plistutil(program: str, folder: Path, data: bytes, form: str) -> bytes:
    before, after = folder / "before", folder / "after"
    before.write_bytes(data)
    subprocess.run(
        [program, "-i", str(before), "-o", str(after), "-f", form], capture_output=True, check=True
    )
    return after.read_bytes()


def test_plist_is_what_plistutil_reads(
    select: Select, tool: Callable[[str], str], tmp_path: Path, compare: Compare
) -> None:
    binary = plistlib.dumps(PLIST, fmt=plistlib.FMT_BINARY)
    root = ElementTree.fromstring(_plistutil(tool("plistutil"), tmp_path, binary, "xml"))
    found = select("plist", binary)
    members = dict(zip(root[0][::2], root[0][1::2], strict=True))
    texts = {key.text: value.text for key, value in members.items() if value.tag in ("string", "integer")}
    assert texts.keys() == {"text", "count", "less"}
    compare("plist", "plistutil", {key: found[key] for key in texts}, texts)
    names = {
        value.text for key, value in members.items() if key.text == "list" for value in value.iter("string")
    }
    assert names == {found["list/0/Name"], found["list/1/Name"]}


@pytest.mark.parametrize("form", ["bin", "xml"])
def test_plist_is_what_plistutil_writes(
    select: Select, tool: Callable[[str], str], tmp_path: Path, form: str, compare: Compare
) -> None:
    # libplist writes every integer of 64 bits as if it had a sign
    document = {key: value for key, value in PLIST.items() if key != "count"}
    written = _plistutil(tool("plistutil"), tmp_path, plistlib.dumps(document), form)
    theirs = {key: value for key, value in PLIST_ROWS.items() if key != "count"}
    compare("plist", "plistutil", select("plist", written), theirs)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"bplist00",
        b"bplist00" + b"\0" * 40,
        b"<plist>",
        b"<plist><dict><integer>1</integer></dict></plist>",
        b"<plist><integer>x</integer></plist>",
        b"<plist><date>yesterday</date></plist>",
        b"<plist><real>x</real></plist>",
        b"<plist/>",
        b"<plist><string>a</string><string>b</string></plist>",
        b"<plist><dict><key>a</key></dict></plist>",
        b"<plist><dict><key>a</key><key>b</key><true/></dict></plist>",
        b"<plist><array><key>a</key></array></plist>",
        b"{ a = 1; ",
        b"{ a = ; }",
        b"{ = 1; }",
        b"{ a = 1; } b",
        b"{ a = 1 b = 2; }",
        b"(1, 2",
        b"(1 2)",
        b"{ a = <0f; }",
        b'{ a = "x; }',
        b"what is this",
        b"a = (1; 2);",
    ],
)
def test_plist_errors(select: Select, data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        select("plist", data)
    assert "\n" not in str(caught.value)


def test_a_property_list_may_begin_with_blanks(select: Select) -> None:
    assert select("plist", b"\n" * 100 + b"<plist><dict><key>a</key><true/></dict></plist>") == {"a": "true"}


DISTANT_PAST = datetime.datetime(1, 1, 1)  # noqa: DTZ001 - plistlib's own are without a zone


DATE = b"\x33" + struct.pack(">d", -63_113_904_000)


def _with_date(new: bytes) -> bytes:
    """Return a binary property list of three members, one of them with other bytes than a date's."""
    data = plistlib.dumps({"a": "x", "at": DISTANT_PAST, "b": [1]}, fmt=plistlib.FMT_BINARY)
    assert data.count(DATE) == 1
    return data.replace(DATE, new.ljust(9, b"\x08"))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (DATE, "-62135596800"),  # NSDate.distantPast
        (b"\x33" + struct.pack(">d", 2**38), "275856214144"),
        (b"\x33" + struct.pack(">d", math.nan), None),
        (b"\x33" + struct.pack(">d", math.inf), None),
        (b"\x3f", None),  # a date of another size
        (b"\x77", None),  # a kind that there is not
        (b"\x4f\x08", None),  # data without its count
        (b"\x5f\x12\x7f\xff\xff\xff", None),  # a text, an array and a map beyond the end
        (b"\xaf\x12\x7f\xff\xff\xff", None),
        (b"\xdf\x12\x7f\xff\xff\xff", None),
        (b"\xa1\xff", None),  # an object that there is not
    ],
)
def test_a_bad_value_of_a_binary_property_list_costs_only_itself(
    select: Select, written: bytes, value: str | None
) -> None:
    found = select("plist", _with_date(written))
    assert found == {"a": "x", "b/0": "1"} | ({} if value is None else {"at": value})


def test_values_that_are_left_out_are_told() -> None:
    document = OPENERS["plist"](_with_date(b"\x77"), Budget(Limits()))
    document.select(parse_query("*"), Budget(Limits()))
    assert document.problems == ["1 values left out; the first: at: an object of the unknown kind 0x77"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("<date>0001-01-01T00:00:00Z</date>", "-62135596800"),
        ("<date>0000-12-30T00:00:00Z</date>", "-62135769600"),
        ("<date>-0044-03-15T12:00:00Z</date>", "-63549316800"),
        ("<date>20000-01-01T00:00:00Z</date>", "568971820800"),
        ("<date>2001-02-29T00:00:00Z</date>", "2001-02-29T00:00:00Z"),
        ("<date>soon</date>", "soon"),
        ("<integer>x</integer>", "x"),
        ("<integer/>", ""),
        ("<integer>1_0</integer>", "1_0"),
        ("<data>!!!!</data>", "!!!!"),
        ("<data>\n\taGVs\n\tbG8=\n\t</data>", "aGVsbG8="),
        ("<set><string>x</string><array/></set>", "x"),
        ("<string>a<b>c</b>d</string>", "acd"),
        ("<integer>-0x10</integer>", "-16"),
        ("<real>1,5</real>", "1,5"),
        ("<real>nan</real>", "NaN"),
        ("<data>aGVsbG8</data>", "aGVsbG8"),
        ("<url>http://x/</url>", "http://x/"),
    ],
)
def test_a_bad_value_of_an_xml_property_list_costs_only_itself(
    select: Select, written: str, value: str
) -> None:
    text = f"<plist><dict><key>at</key>{written}<key>b</key><array>{written}<true/></array></dict></plist>"
    assert select("plist", text) == {"at": value, "b/0": value, "b/1": "true"}


@pytest.mark.parametrize("kind", [plistlib.FMT_XML, plistlib.FMT_BINARY])
@pytest.mark.parametrize("inner", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_property_lists_in_data_are_opened(
    select: Select, kind: plistlib.PlistFormat, inner: plistlib.PlistFormat
) -> None:
    deepest = plistlib.dumps({"z": [1]}, fmt=inner)
    nested = plistlib.dumps({"x": 1, "y": deepest}, fmt=inner)
    looks_so = b"bplist00 but is none"
    document = {"a": nested, "l": [nested, b"data"], "no": looks_so}
    data = plistlib.dumps(document, fmt=kind)
    assert select("plist", data) == {
        "a/x": "1", "a/y/z/0": "1", "l/0/x": "1", "l/0/y/z/0": "1", "l/1": "ZGF0YQ==",
        "no": base64.b64encode(looks_so).decode(),
    }  # fmt: skip
    assert select("plist", data, "a/y/z") == {"a/y/z/0": "1"}
    assert select("plist", plistlib.dumps(nested, fmt=kind), "y") == {"y/z/0": "1"}


def test_property_lists_in_property_lists_have_an_end(select: Select) -> None:
    data = b"x"
    for _ in range(50):
        data = plistlib.dumps(data, fmt=plistlib.FMT_BINARY)
    assert list(select("plist", data)) == [""]


@pytest.mark.parametrize("kind", [plistlib.FMT_XML, plistlib.FMT_BINARY])
def test_property_list_queries(select: Select, kind: plistlib.PlistFormat) -> None:
    data = plistlib.dumps({"l": [{"Name": "a", "n": 1}, "s", {"Name": "b", "n": [2]}, [3]]}, fmt=kind)
    for query, expected in (
        ("l/2", {"l/2/Name": "b", "l/2/n/0": "2"}),
        ("l/7", {}),
        ("l/n", {"l/0/Name": "a", "l/0/n": "1", "l/2/Name": "b", "l/2/n/0": "2"}),
        ("l/Name=>b/n", {"l/2/n/0": "2"}),
        ("l/#Name/n", {"l/a/n": "1", "l/b/n/0": "2"}),
        ("l/s*", {"l/1": "s"}),
        ("l/*/0", {"l/3/0": "3"}),
    ):
        assert select("plist", data, query) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{ a = b; c = (1,2); d = <0fbd77>; }",
            {"a": "b", "c/0": "1", "c/1": "2", "d": base64.b64encode(b"\x0f\xbd\x77").decode()},
        ),
        ("// c\n{ /* d */ a = { b = (x,); c = (); }; }", {"a/b/0": "x"}),
        ('/* c */\n"a b" = "c";\nshort;\nd = (e);\n', {"a b": "c", "short": "short", "d/0": "e"}),
        ('{ a = "\\"\\n\\101\\341\\U00e9\\UD83D\\UDE00\\\n"; }', {"a": '"\nAÆé😀\n'}),
        ("{ 'a\\'' = 'b \"'; }", {"a'": 'b "'}),
        ("{ p = /usr/lib/x-1.2_$:3; u = http://x/; }", {"p": "/usr/lib/x-1.2_$:3", "u": "http://x/"}),
        ("(a, {b = c;}, (d))", {"0": "a", "1/b": "c", "2/0": "d"}),
        ("( <0f bd\n77>, <> )", {"0": base64.b64encode(b"\x0f\xbd\x77").decode(), "1": ""}),
        ("{ a = <0fb>; b = <xy>; c = d; }", {"a": "<0fb>", "b": "<xy>", "c": "d"}),
        (
            "{ i = <*I-5>; y = <*BY>; n = <*BN>; r = <*R2.5>; d = <*D2002-03-22 11:30:00 +0100>; }",
            {"i": "-5", "y": "true", "n": "false", "r": "2.5", "d": "1016793000"},
        ),
        ("{ i = <*Ix>; y = <*B?>; q = <*Q1>; b = <[aGk=]>; }",
         {"i": "<*Ix>", "y": "<*B?>", "q": "<*Q1>", "b": "aGk="}),
        ("{ a = 1; a = 2 }", {"a": "2"}),
        ('"alone"', {"": "alone"}),
        ("// nothing\n", {}),
    ],
)  # fmt: skip
def test_plist_in_openstep_text(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("plist", text) == expected
    assert select("plist", text.encode("utf-16")) == expected


def _openstep(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{" + "".join(f"{_openstep(key)} = {_openstep(member)};" for key, member in value.items()) + "}"
        )
    if isinstance(value, list):
        return f"({', '.join(map(_openstep, value))})"
    if isinstance(value, bytes):
        return f"<{value.hex(' ', 4)}>"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


@settings(deadline=None)
@given(trees(TEXTS | st.binary(max_size=9)))
def test_plist_in_openstep_text_is_read_back(select: Select, document: dict[str, object]) -> None:
    assert select("plist", _openstep(document)) == flat(document)


def test_plist_in_openstep_text_is_what_gnustep_reads(
    select: Select, tool: Callable[[str], str], compare: Compare
) -> None:
    text = '{ a = "b \\U00e9"; n = /usr/x-1.2; "k l" = "x \\"y\\""; i = <*I5>; f = <*R1.5>; t = \'\'; }'
    text = text.replace("t = ''; ", "")
    said = {}
    for key in ("a", "n", "k l", "i", "f"):
        answer = subprocess.run(
            [tool("plget"), key], input=text, capture_output=True, check=True, text=True,
            env={"LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
        )  # fmt: skip
        value = answer.stdout.strip()
        said[key] = value[1:-1].replace("\\U00E9", "é").replace('\\"', '"') if value[:1] == '"' else value
    compare("plist", "plget", select("plist", text), said)


# CSV


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a,b\n", {}),
        ("a,b\n1,2\n3,\n", {"0/a": "1", "0/b": "2", "1/a": "3", "1/b": ""}),
        ("a,b\r\n1\r\n\r\n2,3,4\r\n", {"0/a": "1", "1/a": "2", "1/b": "3", "1/2": "4"}),
        ('a,"b ""c"", d"\n"x\ny",2\n', {"0/a": "x\ny", '0/b "c", d': "2"}),
        ("a,,a\n1,2,3\n", {"0/a": "1", "0/1": "2", "0/a_2": "3"}),
        ("a,a_2,a,a\n1,2,3,4\n", {"0/a": "1", "0/a_2": "2", "0/a_3": "3", "0/a_4": "4"}),
        ("1,,1\na,b,c\n", {"0/1": "a", "0/1_2": "b", "0/1_3": "c"}),
        ("a;b\n1,5;2\n", {"0/a": "1,5", "0/b": "2"}),
        ("sep=;\r\na;b\r\n1,5;2\r\n", {"0/a": "1,5", "0/b": "2"}),
        ("a,b\r1,2\r3,4", {"0/a": "1", "0/b": "2", "1/a": "3", "1/b": "4"}),
        ('a,b\r\n"x\r\ny",2\r\n', {"0/a": "x\r\ny", "0/b": "2"}),
        ("a\tb;c\n1\t2\n", {"0/a": "1", "0/b;c": "2"}),
        ("only\nx;y\n", {"0/only": "x;y"}),
        ("\n\na\n1\n", {"0/a": "1"}),
        ("\ufeffa\n1\n", {"0/a": "1"}),
        ('a\n"no end\n', {"0/a": "no end\n"}),
    ],
)
def test_csv(select: Select, text: str, expected: dict[str, str]) -> None:
    assert select("csv", text) == expected


def test_csv_queries(select: Select) -> None:
    text = "name,age\nAda,7\nBob,8\n"
    assert select("csv", text, "1") == {"1/name": "Bob", "1/age": "8"}
    assert select("csv", text, "name=>B*/age") == {"1/age": "8"}
    assert select("csv", text, "#name/age") == {"Ada/age": "7", "Bob/age": "8"}


def test_csv_bytes(select: Select) -> None:
    assert select("csv", "a\né\n".encode("utf-16")) == {"0/a": "é"}
    assert select("csv", b"a\xff\n\xfe,\0\n") == {"0/a\\xff": "\\xfe", "0/1": "\0"}


def test_csv_large_field(select: Select) -> None:
    assert select("csv", 'a,b\n"' + "x" * 1_000_000 + '",1\n') == {"0/a": "x" * 1_000_000, "0/b": "1"}


@given(
    st.lists(KEYS, min_size=2, max_size=4, unique=True),
    st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=4)),
)
@settings(deadline=None, max_examples=50)
def test_csv_is_what_the_csv_module_writes(select: Select, header: list[str], rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([header, *rows])
    names = [*header, *map(str, range(len(header), 4))]
    assert select("csv", file.getvalue()) == {
        f"{index}/{name}": value
        for index, row in enumerate(rows)
        for name, value in zip(names, row, strict=False)
    }
