"""Names of units as systemd takes them apart; systemd-escape is the oracle of escapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.reading.unitnames import drop_in_folders, parse_name, unescape, unescape_path

from ...support.tools import Run


@pytest.mark.parametrize(
    ("name", "folders"),
    [
        ("a.service", ["a"]),
        ("a-b-c.service", ["a-b-c", "a-b-", "a-"]),
        ("a-b-.service", ["a-b-", "a-"]),
        ("a--.service", ["a--", "a-"]),
        ("-a.service", ["-a"]),
        ("-.mount", ["-"]),
        ("a-b@.service", ["a-b@", "a-"]),
        ("a-b@i-j.service", ["a-b@i-j", "a-b@", "a-", "a-@i-j", "a-@", "a-"]),
        ("a.b.timer", ["a.b"]),
        ("a.conf", []),
        ("a@b@c.service", ["a@b@c", "a@"]),
        ("x" * 300 + ".service", []),
    ],
)
def test_folders_of_drop_ins(name: str, folders: list[str]) -> None:
    kind = name.rpartition(".")[2]
    found = list(drop_in_folders(name))
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(f"{folder}.{kind}.d" for folder in folders))


@pytest.mark.parametrize("text", ["a-b", r"a\x2db", r"\x2e", "", "-", "a--b", r"\xc3\xa4", "a b"])
def test_escapes_are_those_of_systemd(run: Run, text: str) -> None:
    assert unescape(text) == run("systemd-escape", "--unescape", "--", text).rstrip("\n")


@pytest.mark.parametrize(
    ("text", "plain", "path"),
    [
        ("var-lib", "var/lib", "/var/lib"),
        ("-", "/", "/"),
        ("-a", "/a", None),
        ("a-..-b", "a/../b", None),
        (r"a\x2", None, None),
        (r"a\n", None, None),
        ("a\\", None, None),
        ("", "", None),
        (r"\xff", r"\xff", r"/\xff"),
    ],
)
def test_what_parts_of_names_stand_for(text: str, plain: str | None, path: str | None) -> None:
    assert (unescape(text), unescape_path(text)) == (plain, path)


@given(st.text(max_size=40) | st.text(alphabet="ab-@.\\x2d", max_size=20).map("{}.service".format))
def test_any_name(text: str) -> None:
    parts = parse_name(text)
    folders = list(drop_in_folders(text))
    assert bool(folders) == (parts is not None)
    if parts is not None and parts.instance is not None:
        assert parts.with_instance(parts.instance) == text
    unescape(text)
    unescape_path(text)
