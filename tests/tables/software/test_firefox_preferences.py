"""kolide_firefox_preferences, and its parser against JavaScript's own reading and Firefox's."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget, Limits
from kolide_tables.software.firefox_preferences import (
    FirefoxPreference,
    firefox_preferences,
    preferences_of_installation,
)
from kolide_tables.software.prefs_js import autoconfig_preferences, preferences
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Users

# What Firefox ESR 153.7 makes of each: it was started with these lines as user.js, and wrote its prefs.js.
LINES: list[tuple[bytes, dict[str, str]]] = [
    (b'user_pref("a", 1);', {"a": "1"}),
    (b"user_pref('a', 'it\\'s');", {"a": "it's"}),
    (b'user_pref("a", 1);user_pref("b", -5); user_pref("c", +7);', {"a": "1", "b": "-5", "c": "7"}),
    (b'/* c */ user_pref(/*x*/"a"/**/,// y\n true);', {"a": "true"}),
    (b'# user_pref("no", 1);\nuser_pref("a", false);', {"a": "false"}),
    (b'\xef\xbb\xbfuser_pref("a", 1);', {"a": "1"}),
    (
        b'user_pref("a", "\\x41\\xc3\\xa9\\u00e9\\ud83d\\ude00\\n\\r\\\\");',
        {"a": "A\u00e9\u00e9\U0001f600\n\r\\"},
    ),
    (b'user_pref("a", "\xc3\xa9\xff");', {"a": "\u00e9\\xff"}),
    (b'user_pref("a", "one\ntwo");', {"a": "one\ntwo"}),
    (b'user_pref("a", "x\\ty"); user_pref("b", 2);', {"b": "2"}),
    (b'user_pref("a", 2147483648); user_pref("b", 2147483647);', {"b": "2147483647"}),
    (b'user_pref("a", -2147483648); user_pref("b", -2147483649);', {"a": "-2147483648"}),
    (b'user_pref("a", 100foo); user_pref("b", 007);', {"b": "7"}),
    (b'pref("a", 1); sticky_pref("b", 2); user_pref("c", 3);', {"c": "3"}),
    (b'user_pref("a", true, locked); user_pref("b", 5);', {"b": "5"}),
    (b'lockPref("a", 1); user_pref("a", 2); lockPref("a", "x"); lockPref("b", 1, locked);', {"a": "1"}),
    (b'user_pref("a", 1); lockPref("a", 2); defaultPref("b", 1);', {"a": "2"}),
    (b'user_pref("a" true); user_pref("b", 1); user_pref("b", 2);', {"b": "2"}),
    (b'user_pref("a", "\\ud83d\\"); user_pref("b", "x");', {"b": "x"}),
    (b'/ user_pref("a", 1);\nuser_pref("b", 1);', {"b": "1"}),
    (b'user_pref("a", 1.5); user_pref("b", 1);', {"b": "1"}),
    (b'user_pref("a", "\\x00"); user_pref("b", "\\udc00"); user_pref("c", 1);', {"c": "1"}),
    (b'user_pref("a", 1);\0user_pref("b", 1);', {"a": "1"}),
    (b'user_pref("a", 1); user_pref("b", 1)', {"a": "1"}),
    (b'user_pref("a", 1); user_pref("b", "', {"a": "1"}),
    (b'user_pref("a", 1); /* user_pref("b", 1);', {"a": "1"}),
    (b"", {}),
]


def nothing() -> None:
    """Check no deadline."""


@pytest.mark.parametrize(("content", "expected"), LINES)
def test_files_of_a_profile(content: bytes, expected: dict[str, str]) -> None:
    file = preferences(content, nothing, is_default=False)
    assert {each.name: each.value for each in file.preferences} == expected
    assert [each.name for each in file.preferences] == list(expected)


def test_files_of_defaults() -> None:
    content = (
        b'pref("a", 1); pref("b", "x", locked); sticky_pref("c", true); user_pref("d", 4);\n'
        b'pref("e", 1, sticky, locked); pref("f", 1, other); pref("g", 1, );\npref("h", 1);\n'
        b'pref("e", 2); lockPref("l", 3, sticky);'
    )
    file = preferences(content, nothing, is_default=True)
    assert [(each.name, each.type, each.is_locked) for each in file.preferences] == [
        ("a", "int", False),
        ("b", "string", True),
        ("c", "bool", False),
        ("d", "int", False),
        ("e", "int", True),
        ("h", "int", False),
        ("l", "int", True),
    ]
    assert (file.errors, file.first_error) == (2, 2)


def test_autoconfig() -> None:
    content = (
        b'lockPref("not.read", 1);\n// lockPref("a", 0);\nlockPref("a", 1); pref("b", "x");\n'
        b'defaultPref("c", true); lockPref("d", 1); unlockPref("d");\n'
        b'var n = 5; lockPref("computed", n); if (n > 2) { lockPref("e", -1); }\n'
        b'getPref("a"); lockPref(name, 1); clearPref("b"); lockPref("f", "last")'
    )
    found = autoconfig_preferences(content, nothing)
    assert [(each.name, each.value, each.is_locked) for each in found] == [
        ("a", "1", True),
        ("b", "x", False),
        ("c", "true", False),
        ("d", "1", False),
        ("e", "-1", True),
        ("f", "last", True),
    ]


# JavaScript takes the calls of a file as they stand.
EVALUATE = """
const out = {};
const set = (name, value) => { delete out[name]; out[name] = [typeof value, String(value)]; };
const context = { user_pref: set, pref: set, sticky_pref: set, sticky: 1, locked: 1 };
require("vm").runInNewContext(require("fs").readFileSync(0, "utf8"), context);
console.log(JSON.stringify(out));
"""
TYPES = {"number": "int", "boolean": "bool", "string": "string"}


def evaluated(content: str) -> dict[str, list[str]]:
    """Return type and value of each preference, as JavaScript has them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: it is the oracle of this test")
    done = subprocess.run(
        [node, "-e", EVALUATE], input=content.encode(), capture_output=True, check=True, timeout=60
    )
    return {name: [TYPES[kind], value] for name, (kind, value) in json.loads(done.stdout).items()}


def spelled(value: str | int | bool, quote: str) -> str:
    """Return a value as JavaScript and Firefox both read it."""
    if not isinstance(value, str):
        return json.dumps(value)
    escapes = {"\\": "\\\\", quote: f"\\{quote}", "\n": "\\n", "\r": "\\r", "\t": "\\x09", "\x01": "\\u0001"}
    return quote + "".join(escapes.get(character, character) for character in value) + quote


def test_preferences_are_those_that_javascript_reads(compare: Compare) -> None:
    values = [
        "",
        "a b",
        "both \"quotes\" and 'these'",
        "\u00e9 \U0001f600",
        "a\\b\n\r\t\x01",
        "//no",
        "/*no*/",
    ]
    lines = []
    for number, value in enumerate([*values, 0, -1, 2147483647, -2147483648, True, False] * 8):
        quote = "\"'"[number % 2]
        space = (" ", "", "\n\t", "/* x */")[number % 4]
        lines.append(
            f"user_pref({space}{quote}n.{number % 90}{quote},{space}{spelled(value, quote)}{space});"
        )
    content = "// all kinds\n/* of\n * comments */" + "\n".join(lines[::2]) + "".join(lines[1::2])
    file = preferences(content.encode(), nothing, is_default=False)
    assert file.errors == 0
    ours = {each.name: [each.type, each.value] for each in file.preferences}
    compare("firefox_preferences", "node", ours, evaluated(content))


@settings(deadline=None)
@given(st.lists(st.sampled_from([*b"\"'\\;,()/*#\n x0u1d8-", *range(65, 70)]), max_size=60))
def test_any_bytes_have_preferences_or_errors(codes: list[int]) -> None:
    """The last preference is read whatever stands before it, if that ends with a semicolon of its own."""
    content = bytes(codes)
    for is_default in (False, True):
        preferences(content, nothing, is_default=is_default)
    autoconfig_preferences(content, nothing)
    good = preferences(b"*/ \n;;" + b'user_pref("a", "b");', nothing, is_default=False)
    assert [each.value for each in good.preferences] == ["b"]


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back(value: str) -> None:
    content = f"user_pref('n', {spelled(value, chr(34))});".encode()
    (preference,) = preferences(content, nothing, is_default=False).preferences
    assert preference.value == value


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


INI = "[Profile0]\nName=default\nIsRelative=1\nPath=abc.default\n"


def of_users(**options: Any) -> list[FirefoxPreference]:
    """Return the preferences of all users that a test makes, without this machine's own."""
    return firefox_preferences.rows(Query.of(firefox_preferences, equals={"uid": [1001, 1002]}, **options))


def test_preferences_of_users(users: Users, opened: list[str]) -> None:
    ann, bob = users.add(1001, "ann"), users.add(1002, "bob")
    folder = ann / ".mozilla/firefox"
    write(folder / "profiles.ini", INI)
    write(folder / "abc.default/prefs.js", '// Mozilla\nuser_pref("a.b", 1);\nuser_pref("c", "x");\n')
    write(folder / "abc.default/user.js", 'user_pref("a.b", 2);')
    flatpak = bob / ".var/app/app.zen_browser.zen/.zen"
    write(flatpak / "profiles.ini", INI)
    write(flatpak / "abc.default/prefs.js", 'user_pref("z", true);')
    assert [tuple(row) for row in of_users()] == [
        (
            1001,
            "firefox",
            "abc.default",
            "a.b",
            "1",
            "int",
            "prefs.js",
            False,
            f"{folder}/abc.default/prefs.js",
        ),
        (
            1001,
            "firefox",
            "abc.default",
            "c",
            "x",
            "string",
            "prefs.js",
            False,
            f"{folder}/abc.default/prefs.js",
        ),
        (
            1001,
            "firefox",
            "abc.default",
            "a.b",
            "2",
            "int",
            "user.js",
            False,
            f"{folder}/abc.default/user.js",
        ),
        (
            1002,
            "zen",
            "abc.default",
            "z",
            "true",
            "bool",
            "prefs.js",
            False,
            f"{flatpak}/abc.default/prefs.js",
        ),
    ]
    del opened[:]
    assert [row.value for row in firefox_preferences.rows(uid=1001, name="c")] == ["x"]
    assert not [path for path in opened if "/bob/" in path or path.startswith(("/usr", "/etc/firefox"))]


def test_no_secret_is_shown(users: Users) -> None:
    folder = users.add(1001, "ann") / ".mozilla/firefox"
    write(folder / "profiles.ini", INI)
    write(
        folder / "abc.default/prefs.js",
        'user_pref("extensions.example.apiKey", "hunter2");\n'
        'user_pref("network.proxy.url", "http://me:hunter2@proxy.example/");\n'
        'user_pref("services.sync.username", "hunter2@example.org");\n'
        'user_pref("x.json", "{\\"token\\": \\"hunter2\\"}");\n'
        'user_pref("signon.rememberSignons", false);\n',
    )
    rows = of_users()
    assert "hunter2" not in repr(rows)
    assert [row.value for row in rows][2:] == ["[redacted]", '{"token": "[redacted]"}', "false"]


def test_what_is_installed(tmp_path: Path) -> None:
    write(tmp_path / "defaults/pref/autoconfig.js", 'pref("general.config.filename", "all.cfg");\n')
    write(tmp_path / "defaults/pref/notes.txt", 'pref("no", 1);')
    write(tmp_path / "browser/defaults/preferences/firefox.js", 'pref("built.in", 1);')
    etc = write(tmp_path / "etc/local.js", 'pref("d.locked", true, locked);')
    (tmp_path / "browser/defaults/syspref").symlink_to(etc.parent)
    obscured = bytes((byte + 13) % 256 for byte in b'// first\nlockPref("c", 3);\n')
    write(tmp_path / "all.cfg", obscured)
    policies = {
        "p.locked": {"Value": True, "Status": "locked"},
        "p.default": {"Value": 1, "Type": "boolean"},
        "p.number": {"Value": True, "Type": "number", "Status": "user"},
        "p.clear": {"Value": 1, "Status": "clear"},
        "p.old": "text",
        "p.bad": {"Value": [1]},
    }
    write(tmp_path / "distribution/policies.json", json.dumps({"policies": {"Preferences": policies}}))
    rows = preferences_of_installation(
        "firefox", str(tmp_path), Query.of(firefox_preferences), Budget(Limits())
    )
    assert [(row.source, row.name, row.value, row.type, row.locked) for row in rows] == [
        ("defaults", "general.config.filename", "all.cfg", "string", False),
        ("defaults", "d.locked", "true", "bool", True),
        ("autoconfig", "c", "3", "int", True),
        ("policies", "p.locked", "true", "bool", True),
        ("policies", "p.default", "true", "bool", False),
        ("policies", "p.number", "1", "int", False),
        ("policies", "p.old", "text", "string", True),
    ]


@pytest.mark.parametrize("shift", ["0", "13", "255"])
def test_an_autoconfig_file_that_is_obscured_by_another_number(shift: str, tmp_path: Path) -> None:
    defaults = f'pref("general.config.filename", "a.cfg"); pref("general.config.obscure_value", {shift});'
    write(tmp_path / "defaults/pref/a.js", defaults)
    content = b'//\nlockPref("c", "\xc3\xa9");\n'
    write(tmp_path / "a.cfg", bytes((byte + int(shift)) % 256 for byte in content))
    query = Query.of(firefox_preferences)
    rows = list(preferences_of_installation("firefox", str(tmp_path), query, Budget(Limits())))
    assert [(row.name, row.value) for row in rows if row.source == "autoconfig"] == [("c", "\u00e9")]


def test_broken_files(users: Users, tmp_path: Path) -> None:
    folder = users.add(1001, "ann") / ".mozilla/firefox"
    write(folder / "profiles.ini", INI)
    write(folder / "abc.default/prefs.js", '\nuser_pref("a" 1);\nuser_pref("b", 2);\noh no')
    os.mkfifo(folder / "abc.default/user.js")
    warnings: list[str] = []
    assert [row.name for row in of_users(warn=warnings.append)] == ["b"]
    assert len(warnings) == 2
    assert "line 2 has no preference that Firefox can read; there are 2 such places" in warnings[0]
    write(folder / "abc.default/prefs.js", "".join(f'user_pref("{n}", 1);' for n in range(20)))
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        firefox_preferences.configured(limits=Limits(max_rows=10)).rows(uid=1001)


def test_a_file_with_more_than_any_browser_has(users: Users) -> None:
    folder = users.add(1001, "ann") / ".mozilla/firefox"
    write(folder / "profiles.ini", INI)
    write(folder / "abc.default/prefs.js", "".join(f'user_pref("{n}",1);' for n in range(20_001)))
    write(folder / "abc.default/user.js", 'user_pref("a", 1);')
    warnings: list[str] = []
    assert [row.name for row in of_users(warn=warnings.append)] == ["a"]
    assert "more than 20,000 preferences in one file" in warnings[0]


@pytest.mark.slow
def test_preferences_are_those_that_firefox_reads(tmp_path: Path, compare: Compare) -> None:
    """Start Firefox with a user.js: it writes what it has read to its prefs.js."""
    program = shutil.which("firefox") or shutil.which("firefox-esr")
    if program is None:
        pytest.skip("no Firefox on PATH: it is the oracle of this test")
    lines = [content.split(b"\0")[0].removeprefix(b"\xef\xbb\xbf") for content, _ in LINES]
    # Those without an end would take the next ones with them, and Firefox does not write what is locked.
    content = b"\n".join(
        line for line in lines if line.endswith(b";") and b"/*" not in line[20:] and b"lockPref" not in line
    )
    for number, name in enumerate(b"abcdefgh"):
        content = content.replace(b'"%c"' % name, b'"zz.%d"' % number)
    profile = tmp_path / "profile"
    write(profile / "user.js", content)
    command = [program, "--headless", "--profile", profile, "--screenshot", tmp_path / "s.png", "about:blank"]
    subprocess.run(
        command, check=True, capture_output=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)}
    )
    ours, theirs = (
        {
            each.name: each.value
            for each in preferences((profile / name).read_bytes(), nothing, is_default=False).preferences
            if each.name.startswith("zz.")
        }
        for name in ("user.js", "prefs.js")
    )
    compare("firefox_preferences", "Firefox itself", ours, theirs)
