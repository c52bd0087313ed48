"""Versions in the words of each form, in an order that the forms' own tools agree with."""

from __future__ import annotations

import subprocess
from itertools import pairwise

import pytest

from osquery_sdk.packaging import PackagingError
from osquery_sdk.packaging.version import parse_version

from .conftest import needs

ASCENDING = [
    "0.9",
    "1.2.3.dev1",
    "1.2.3.dev2",
    "1.2.3a1",
    "1.2.3-alpha.2",
    "1.2.3b1",
    "1.2.3rc1",
    "1.2.3-rc.2",
    "1.2.3",
    "1.2.3.post1",
    "1.2.4.dev1",
    "1.2.4",
    "1.10.0",
]


@pytest.mark.parametrize(
    ("text", "deb", "rpm", "apk", "arch", "msi", "pkg"),
    [
        ("1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3", "1.2.3"),
        ("v1.2", "1.2", "1.2", "1.2", "1.2", "1.2.0", "1.2.0"),
        ("1.2.3rc1", "1.2.3~rc1", "1.2.3~rc1", "1.2.3_rc1", "1.2.3rc1", "1.2.3", "1.2.3"),
        ("1.2.3-beta.2", "1.2.3~beta2", "1.2.3~beta2", "1.2.3_beta2", "1.2.3beta2", "1.2.3", "1.2.3"),
        ("1.2.3.post4", "1.2.3+post4", "1.2.3.post4", "1.2.3_p4", "1.2.3.post4", "1.2.3", "1.2.3"),
        ("1.2.3+git.5", "1.2.3+git.5", "1.2.3+git.5", "1.2.3", "1.2.3+git.5", "1.2.3", "1.2.3"),
        (
            "1.2.3.dev4",
            "1.2.3~~dev4",
            "1.2.3~~dev4",
            "1.2.3_alpha0_pre4",
            "1.2.3a0dev4",
            "1.2.3",
            "1.2.3",
        ),
    ],
)
def test_each_form_has_its_own_words(
    text: str, deb: str, rpm: str, apk: str, arch: str, msi: str, pkg: str
) -> None:
    version = parse_version(text)
    assert (version.deb(), version.rpm(), version.apk(), version.arch(), version.msi(), version.pkg()) == (
        deb,
        rpm,
        apk,
        arch,
        msi,
        pkg,
    )


@pytest.mark.parametrize(("older", "newer"), list(pairwise(ASCENDING)))
def test_dpkg_agrees_with_the_order(older: str, newer: str) -> None:
    needs("dpkg")
    words = [f"{parse_version(one).deb()}-1" for one in (older, newer)]
    assert subprocess.run(["dpkg", "--compare-versions", words[0], "lt", words[1]]).returncode == 0, words


@pytest.mark.parametrize(("older", "newer"), list(pairwise(ASCENDING)))
def test_rpm_agrees_with_the_order(older: str, newer: str) -> None:
    needs("rpm")
    words = [parse_version(one).rpm() for one in (older, newer)]
    macro = f"%{{lua: print(rpm.vercmp('{words[0]}', '{words[1]}'))}}"
    done = subprocess.run(["rpm", "--eval", macro], capture_output=True, text=True)
    assert done.stdout.strip() == "-1", words


@pytest.mark.parametrize(
    "text", ["", "x", "1.", "1..2", "1.2.3-", "one", "1.2 3", "1.2.3~rc1", "1" * 12, "1;rm"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(PackagingError, match=r"write numbers"):
        parse_version(text)


def test_windows_installer_has_no_larger_numbers() -> None:
    with pytest.raises(PackagingError, match=r"2026.*255\.255\.65535"):
        parse_version("2026.1.2").msi()
