"""kolide_package_upgrades over a Cellar, a Caskroom and lists in the form of Homebrew's API.

The answers are those that Homebrew's own rules give: Formula#outdated_kegs, Cask#outdated_version, Version.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.brew_upgrades import brew_upgrades, compare_versions
from kolide_tables.exposure.package_upgrades import package_upgrades
from osquery_sdk import Query

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Homebrew is for Linux and macOS")


def formula(name: str, stable: str | None, revision: int = 0, scheme: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "full_name": name,
        "tap": "homebrew/core",
        "oldnames": [],
        "desc": 'A "quoted" text, with ], braces {} and \\ back\nslashes — ünï',
        "versions": {"stable": stable, "head": "HEAD", "bottle": True},
        "revision": revision,
        "version_scheme": scheme,
        "requirements": [{"name": "macos", "cask": None}],
    } | more


def cask(token: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "token": token,
        "full_token": token,
        "name": [token],
        "version": version,
        "auto_updates": None,
    } | more


def write_list(path: Path, entries: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = json.dumps(entries, separators=(",", ":"), ensure_ascii=False)
    signature = {"protected": "x", "header": {"kid": "homebrew-1"}, "signature": "y"}
    text = json.dumps(
        {"payload": payload, "signatures": [signature]}, separators=(",", ":"), ensure_ascii=False
    )
    path.write_text(text)


@pytest.fixture
def brew(tmp_path: Path, users: Any) -> Any:
    """Return a function that makes a Homebrew of user 1000: installed versions, and the API's lists."""
    home = users.add(1000, "ann")
    prefix = tmp_path / "homebrew"

    def make(kegs: dict[str, dict[str, Any]], formulae: Any, casks: dict[str, str], listed: Any) -> Path:
        prefix.mkdir()
        for name, versions in kegs.items():
            for version, source in versions.items():
                keg = prefix / "Cellar" / name / version
                keg.mkdir(parents=True)
                if source is not None:
                    (keg / "INSTALL_RECEIPT.json").write_text(json.dumps({"source": source}))
        for token, version in casks.items():
            (prefix / "Caskroom" / token / ".metadata").mkdir(parents=True)
            (prefix / "Caskroom" / token / version).mkdir()
        for folder in prefix.iterdir():
            os.chown(folder, 1000, 1000)
        write_list(home / ".cache/Homebrew/api/formula.jws.json", formulae)
        write_list(home / ".cache/Homebrew/api/cask.jws.json", listed)
        return prefix

    if os.geteuid() != 0:
        pytest.skip("needs root, to give folders to somebody")
    return make


def rows_of(prefix: Path) -> tuple[dict[str, tuple[str, str]], list[str]]:
    warnings: list[str] = []
    query = Query.of(package_upgrades, warn=warnings.append)
    rows = list(brew_upgrades(query, [str(prefix)]))
    return {row.name: (row.installed, row.candidate) for row in rows}, warnings


CORE = {"tap": "homebrew/core", "versions": {"stable": "1", "version_scheme": 0}}


def test_what_is_outdated_by_homebrew_s_rules(brew: Any) -> None:
    kegs = {
        "older": {"1.9": CORE},
        "same": {"1.0": CORE},
        "revised": {"1.0": CORE},
        "revised-too": {"1.0_1": CORE},
        "newer": {"3.0": CORE},
        "several": {"1.0": CORE, "1.2": CORE, "1.10": CORE},
        "several-and-current": {"1.0": CORE, "2.0": CORE},
        "head": {"HEAD-1234567": CORE},
        "scheme": {"2024.1": CORE},
        "scheme-newer": {"1.0": CORE | {"versions": {"version_scheme": 2}}},
        "prerelease": {"2.0rc1": CORE},
        "elsewhere": {"1.0": {"tap": "acme/tap"}},
        "no-receipt": {"1.0": None},
        "pinned": {"1.0": CORE},
        "not-listed": {"1.0": CORE},
        "macos": {"1.0": CORE},
    }
    listed = [
        formula("a-first", "9"),
        *(formula(name, "2.0") for name in ("older", "pinned", "no-receipt", "elsewhere", "prerelease")),
        *(formula(name, "2.0") for name in ("newer", "several", "several-and-current", "head")),
        formula("same", "1.0"),
        formula("revised", "1.0", revision=1),
        formula("revised-too", "1.0", revision=1),
        formula("scheme", "1.0", scheme=1),
        formula("scheme-newer", "5.0", scheme=1),
        formula("z-last", None),
    ]
    casks = {"firefox": "120.0", "slack": "4.0", "self": "1", "unversioned": "latest", "unlisted": "1"}
    casks_listed = [
        cask("firefox", "121.0,x"),
        cask("slack", "4.0"),
        cask("self", "2", auto_updates=True),
        cask("unversioned", "latest"),
    ]
    prefix = brew(kegs, listed, casks, casks_listed)
    (prefix / "var/homebrew/pinned").mkdir(parents=True)
    (prefix / "var/homebrew/pinned/pinned").symlink_to("../../../Cellar/pinned/1.0")
    rows, warnings = rows_of(prefix)
    assert warnings == []
    assert rows == {
        "older": ("1.9", "2.0"),
        "revised": ("1.0", "1.0_1"),
        "several": ("1.10", "2.0"),
        "scheme": ("2024.1", "1.0"),
        "prerelease": ("2.0rc1", "2.0"),
        "no-receipt": ("1.0", "2.0"),
        "firefox": ("120.0", "121.0,x"),
    }


def test_the_last_of_a_long_list_is_found_soon(brew: Any) -> None:
    listed = [formula(f"f{number}", "1", caveats="x" * 2500) for number in range(7000)]
    prefix = brew({"f6999": {"0.9": CORE}, "f3500": {"0.9": CORE}}, listed, {}, [])
    started = time.monotonic()
    rows, _ = rows_of(prefix)
    assert rows == {"f3500": ("0.9", "1"), "f6999": ("0.9", "1")}
    assert time.monotonic() - started < 5


def test_casks_alone(brew: Any) -> None:
    prefix = brew({}, [], {"firefox": "1"}, [cask("firefox", "2")])
    assert rows_of(prefix) == ({"firefox": ("1", "2")}, [])


def test_lists_that_are_missing_or_broken(brew: Any, users: Any) -> None:
    prefix = brew({"a": {"1": CORE}}, [formula("a", "2")], {"b": "1"}, [cask("b", "2")])
    (path,) = prefix.parent.rglob("formula.jws.json")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    rows, warnings = rows_of(prefix)
    assert rows == {"b": ("1", "2")}
    assert len(warnings) == 1
    assert f"{path}: the list is cut off" in warnings[0]
    path.write_bytes(b'{"payload":"[{\\"name\\":\\"a\\",\\"full_name\\":nonsense}]"')
    assert rows_of(prefix)[0] == {"b": ("1", "2")}
    path.unlink()
    rows, warnings = rows_of(prefix)
    assert rows == {"b": ("1", "2")}
    assert len(warnings) == 1
    assert "brew: formula.jws.json is not in its cache" in warnings[0]
    (prefix / "Cellar/a/1/INSTALL_RECEIPT.json").write_text("{")
    path.write_bytes(whole)
    rows, warnings = rows_of(prefix)
    assert rows.keys() == {"a", "b"}
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "versions",
    [
        ["1.0alpha1", "1.0alpha2", "1.0beta1", "1.0-pre1", "1.0rc1", "1.0", "1.0-p1", "1.0-p2", "1.0.1"],
        ["HEAD", "0.9", "0.10", "1", "1_1", "1_2", "1.0.1", "1.1.1", "1.1.1a", "1.1.1w", "9e", "20240101"],
        ["1.0.0-beta", "1.0.0-beta2", "1.0.0", "1.0.0.post1", "1.0.0.post2", "1.0.1"],
    ],
)
def test_versions_in_their_order(versions: list[str]) -> None:
    for at, version in enumerate(versions):
        for at2, other in enumerate(versions):
            order = compare_versions(version, other)
            assert (order > 0) - (order < 0) == (at > at2) - (at < at2), (version, other)
    assert compare_versions("1.0", "1") == compare_versions("1.0.0", "1.0_0") == 0


@given(st.text(alphabet="0129.-_abprcst ", max_size=12), st.text(alphabet="0129.-_abprcst ", max_size=12))
def test_any_versions_have_an_order(one: str, other: str) -> None:
    order, reverse = compare_versions(one, other), compare_versions(other, one)
    assert (order > 0, order < 0) == (reverse < 0, reverse > 0)
    assert compare_versions(one, one) == 0
