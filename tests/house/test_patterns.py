"""Test that no regular expression has a possessive quantifier or an atomic group.

Python 3.11.0 to 3.11.2 match some of them wrongly, and Debian 12 has 3.11.2. There `(?:(?!c)x)++` runs on
through a `c`, and a repeated alternation with a lookahead in it finds nothing. No error is raised: secrets
are not found, or text is lost. Write patterns that match a text in only one way, so nothing is tried twice:

- `"[^"]*"`: the repeated characters cannot begin the rest, so the repetition ends in one place only.
- `(?:x{8}|x{0,7}(?!x))` for `x{0,8}+`: it takes as many as there are, even if the rest could begin with one.
- `(?=(?P<a>.*?x))(?P=a)` for `(?>.*?x)`: Python does not try a lookahead again, and all versions do it right.
- At the end of a pattern a greedy quantifier never gives anything back: omit the plus.
- A group that is repeated without a bound takes 120 bytes of memory for each round: repeat one character, or
  continue at the end of the last match, as `kolide_kit.quoted` does.
"""

import ast
import io
import re
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..support.paths import ROOT
from .docs.pages import PAGES, python
from .patterns import takes_all, texts

NOT_OURS = ("dist",)
# The name of the language C++ in a sentence is no quantifier.
LANGUAGE = re.compile(r"(?<!\S)C\+\+(?=\s|[.,;:)]|\Z)")


def sources() -> Iterator[tuple[str, str]]:
    """Yield the name and text of each of the project's Python sources, and all of each page's Python."""
    for top in sorted(ROOT.iterdir()):
        if top.name.startswith(".") or top.name in NOT_OURS:
            continue
        # Folders in build/ are programs that were made there.
        for path in [top, *sorted(top.glob("*") if top.name == "build" else top.rglob("*"))]:
            if path.suffix in (".py", ".spec") and path.is_file() and path != Path(__file__):
                yield path.relative_to(ROOT).as_posix(), path.read_text()
    for page in PAGES:
        yield page.relative_to(ROOT).as_posix(), python(page)


def found_in(source: str) -> list[str]:
    """Return each text with one, as `LINE: QUANTIFIER in TEXT`."""
    found = {}
    for text in texts(ast.parse(source)):
        what = takes_all(LANGUAGE.sub("C", text.value))
        if what is not None:
            found[text.line] = f"{text.line}: {what} in {text.value!r}"
    return list(found.values())


def test_no_pattern_takes_all_and_gives_nothing_back() -> None:
    names = set()
    found = []
    for name, source in sources():
        names.add(name.partition("/")[0])
        found += [f"{name}:{text}" for text in found_in(source)]
    assert {"sdk", "tables", "plugins", "extensions", "tests", "benchmarks", "examples", "docs"} <= names
    assert found == [], "see the top of tests/house/test_patterns.py for what to write instead"


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ('re.compile(r"a*+b")', "*+"),
        ('re.search("\\\\S++", text)', "++"),
        ('X = rb"a?+"', "?+"),
        ('X = r"a{2}+"', "{2}+"),
        ('X = r"a{2,}+"', "{2,}+"),
        ('X = r"a{,3}+"', "{,3}+"),
        ('X = r"a{2,30}+"', "{2,30}+"),
        ('X = r"(?>ab)"', "(?>"),
        ('X = r"[a\\]*+]*+"', "*+"),
        ('X = r"[]*+]b++"', "++"),
        ('X = r"(?P<n>a*+)"', "*+"),
        ('X = r"(?:a|b)++"', "++"),
        ('X = "a*" "+"', "*+"),
        ('X = "a*" + "+"', "*+"),
        ('N = 8\nX = rf"a{{0,{N}}}+"', "{0,0}+"),
        ('A = r"[a-z]*"\nX = f"{A}+b"', "*+"),
        ('A = r"[a-z]*"\nX = A + "+b"', "*+"),
        ('def f(n):\n    return rf"a{{0,{n}}}+"', "{0,0}+"),
        ('def f(part):\n    return f"(?>.*?{part})"', "(?>"),
        ('X = ("x", {"y": [r"a++"]})', "++"),
        ('X = "+".join(["a*+", "b"])', "*+"),
        ('def f():\n    "a*+"', None),
        ('"""C++, a*+"""', None),
        ('X = "a*b+c?d{2}e{2,}f{2,3}g*?h+?i??j{2}?"', None),
        ('X = r"\\*+\\++\\?+\\{2}+\\(?>"', None),
        ('X = r"[*+]x[^+*+]y[]*+]z[^]*+]"', None),
        ('X = r"a{}+b{x}+c{2,x}+"', None),
        ('X = f"{a:*+9}"', None),
        ('X = "the SDK for C++ and an answer"', None),
        ('X = "for C++"', None),
    ],
)
def test_they_are_seen(source: str, what: str | None) -> None:
    """The search finds each of these and nothing else, so the test above can fail."""
    found = found_in(source)
    assert bool(found) is (what is not None), found
    if what is not None:
        assert f": {what} in " in found[0]


@settings(max_examples=1_000, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "b", *"*+?[]{}()|\\^-,:>1", "{2}", "{1,}", "{,2}", "(?:", "(?>", "(?=", "[^"]),
        max_size=10,
    )
)
def test_python_sees_the_same(parts: list[str]) -> None:
    """Python's own parser agrees for each pattern that it accepts."""
    pattern = "".join(parts)
    tree = io.StringIO()
    try:
        with redirect_stdout(tree):
            re.compile(pattern, re.DEBUG)
    except (re.error, OverflowError, FutureWarning):
        return
    theirs = "POSSESSIVE_REPEAT" in tree.getvalue() or "ATOMIC_GROUP" in tree.getvalue()
    assert (takes_all(pattern) is not None) is theirs


def test_this_file_is_the_only_one_left_out() -> None:
    """The search reads every Python file that git tracks."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.spec"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip("this is no checkout of git")
    tracked = {name for name in done.stdout.split("\0") if name and (ROOT / name).exists()}
    assert tracked - {name for name, _ in sources()} == {Path(__file__).relative_to(ROOT).as_posix()}
