"""Check the query language by a table of cases over one document."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_tables.documents.terms import parse_query

from .conftest import Select

DOCUMENT = json.dumps(
    {
        "title": "animals",
        "count": 3,
        "open": True,
        "none": None,
        "empty": "",
        "hollow": {"list": [], "map": {}},
        "meta": {"version": "1.0.1", "verbose": False},
        "owners": [
            {"id": 7, "name": "Ada Ant", "likes": ["ants", "bees"], "tag": {"x": 1}},
            {"id": 8, "name": "Bob Bee", "likes": ["cats"], "seen": None},
            {"id": 9, "name": 10, "likes": []},
            "loner",
            [["deep"]],
        ],
        "words": ["red", "green", "blue", "1", "x=>y", None, 1.5, True],
        "#odd": {"a=>b": "arrow", "": "nameless", "*": "star"},
        "with/slash": "reach me by a wildcard",
    }
)
ADA = {
    "owners/0/id": "7",
    "owners/0/name": "Ada Ant",
    "owners/0/likes/0": "ants",
    "owners/0/likes/1": "bees",
    "owners/0/tag/x": "1",
}
BOB = {"owners/1/id": "8", "owners/1/name": "Bob Bee", "owners/1/likes/0": "cats"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # keys of maps
        ("title", {"title": "animals"}),
        ("Title", {}),
        ("meta", {"meta/version": "1.0.1", "meta/verbose": "false"}),
        ("meta/ver*", {"meta/version": "1.0.1", "meta/verbose": "false"}),
        ("meta/vers*", {"meta/version": "1.0.1"}),
        ("*eta/*bose", {"meta/verbose": "false"}),
        ("*et*/*rsi*", {"meta/version": "1.0.1"}),
        ("m**/version", {}),
        ("t*e", {}),  # a wildcard in the middle is a character
        ("with*", {"with/slash": "reach me by a wildcard"}),
        ("with/slash", {}),
        ("#odd/a=>b", {"#odd/a=>b": "arrow"}),
        ("#odd/", {"#odd/": "nameless"}),
        ("", {}),
        ("/title", {}),
        # scalars with a term left
        ("title/animals", {"title": "animals"}),
        ("title/ani*", {"title": "animals"}),
        ("title/plants", {}),
        ("title/animals/more/terms", {"title": "animals"}),
        ("count/3", {"count": "3"}),
        ("open/true", {"open": "true"}),
        ("empty/", {"empty": ""}),
        # null and empty containers have no rows, the empty text has
        ("none", {}),
        ("none/*", {}),
        ("hollow", {}),
        ("empty", {"empty": ""}),
        # arrays
        ("owners/0", ADA),
        ("owners/+0", ADA),
        ("owners/00", ADA),
        ("owners/-1", {}),
        ("owners/99", {}),
        ("owners/99999999999999999999999", {}),
        ("owners/*/id", {"owners/0/id": "7", "owners/1/id": "8", "owners/2/id": "9"}),
        ("owners/*/likes/0", {"owners/0/likes/0": "ants", "owners/1/likes/0": "cats"}),
        ("owners/tag", ADA),
        ("owners/seen/id", {"owners/1/id": "8"}),
        ("owners/ta*", {}),  # the bare key is exact
        ("owners/loner", {"owners/3": "loner"}),
        ("owners/lo*", {"owners/3": "loner"}),
        ("owners/*/*/deep", {"owners/3": "loner", "owners/4/0/0": "deep"}),  # a scalar meets one term only
        ("owners/4/*", {"owners/4/0/0": "deep"}),
        ("owners/4/deep", {}),  # arrays in arrays match * only
        ("words/green", {"words/1": "green"}),
        ("words/*e*", {"words/0": "red", "words/1": "green", "words/2": "blue", "words/7": "true"}),
        ("words/1", {"words/1": "green"}),  # the index, not the text "1"
        ("words/1.5", {"words/6": "1.5"}),
        ("words/x=>y", {"words/4": "x=>y"}),
        ("words/null", {}),
        ("words/1/green", {"words/1": "green"}),
        ("words/1/red", {}),
        # k=>v
        ("owners/id=>7", ADA),
        ("owners/i*=>8", BOB),
        ("owners/name=>Ada*", ADA),
        ("owners/name=>*Bee", BOB),
        ("owners/name=>*b B*", BOB),
        ("owners/*=>Bob Bee", BOB),
        ("owners/tag=>*", ADA),
        ("owners/tag=>1", {}),  # a map has no text
        ("owners/seen=>*", BOB),
        ("owners/seen=>", {}),  # null has no text
        ("owners/nope=>*", {}),
        # #k and #k=>v
        ("owners/#name/id", {"owners/Ada Ant/id": "7", "owners/Bob Bee/id": "8"}),  # 10 is no text
        ("owners/#name=>Bob*/likes", {"owners/Bob Bee/likes/0": "cats"}),
        ("owners/#name/likes/bees", {"owners/Ada Ant/likes/1": "bees"}),
        ("owners/#nope", {}),
        ("owners/#id", {}),
        ("owners/#", {}),
        ("words/#name", {}),
    ],
)
def test_selects(select: Select, query: str, expected: dict[str, str]) -> None:
    assert select("json", DOCUMENT, query) == expected


def test_more_wildcards_than_depth_select_everything(select: Select) -> None:
    everything = select("json", DOCUMENT)
    assert everything == select("json", DOCUMENT, "*/*/*/*/*")
    assert (ADA | BOB).items() <= everything.items()
    assert not {key for key in everything if key.startswith(("none", "hollow", "owners/1/seen", "words/5"))}


@pytest.mark.parametrize(
    ("document", "query", "expected"),
    [
        ('"alone"', "*", {"": "alone"}),
        ('"alone"', "al*", {"": "alone"}),
        ('"alone"', "bee", {}),
        ("null", "*", {}),
        ("[]", "*", {}),
        ("[[1], [2]]", "*/0", {"0/0": "1", "1/0": "2"}),
        ("[[1], [2]]", "1/0", {"1/0": "2"}),
        ('[{"0": "zero"}, {"0": "nil"}]', "#0", {"zero/0": "zero", "nil/0": "nil"}),
        ('{"": {"": "x"}}', "*", {"/": "x"}),
    ],
)
def test_roots(select: Select, document: str, query: str, expected: dict[str, str]) -> None:
    assert select("json", document, query) == expected


KEYS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=5)
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=12)


@settings(deadline=None)
@given(st.text("ab*#=>/01", max_size=12) | st.text(), DOCUMENTS)
def test_any_text_is_a_query_and_selects_a_part(select: Select, query: str, document: object) -> None:
    found = select("json", json.dumps(document), "/".join(part.lstrip("#") for part in query.split("/")))
    assert found.items() <= select("json", json.dumps(document)).items()
    parse_query(query)
