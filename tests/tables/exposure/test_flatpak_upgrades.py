"""kolide_package_upgrades beside flatpak, with a repository made here."""

import gzip
import hashlib
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.flatpak_upgrades import FlatpakUpgrade, flatpak_upgrades, parse_summary
from kolide_tables.exposure.package_upgrades import package_upgrades
from kolide_tables.reading.flatpak import Installation
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.flatpaks import Flatpak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="flatpak is for Linux")


@pytest.fixture(scope="module")
def flatpak(tmp_path_factory: pytest.TempPathFactory) -> Flatpak:
    """Return a flatpak of which two of three packages have newer builds in their repository."""
    own = Flatpak(tmp_path_factory.mktemp("flatpak"))
    own.publish("Runtime", "org.acme.Platform", "1")
    for package in ("Hello", "Same"):
        own.publish("Application", f"org.acme.{package}", "stable", name="N", version="1.0", summary="x")
    own.run("build-update-repo", "repo")
    own.run("remote-add", "--user", "--no-gpg-verify", "acme", "repo")
    packages = ("org.acme.Platform//1", "org.acme.Hello", "org.acme.Same")
    own.run("install", "--user", "-y", "--noninteractive", "acme", *packages)
    own.publish("Application", "org.acme.Hello", "stable", name="N", version="1.1 &amp; more", summary="x")
    own.publish("Application", "org.acme.New", "stable", name="N", version="1", summary="x")
    own.publish("Runtime", "org.acme.Platform", "1", name="N", version="5", summary="x")
    own.run("build-update-repo", "repo")
    own.run("update", "--user", "--appstream", "acme")
    return own


def upgrades_of(root: Path) -> tuple[list[FlatpakUpgrade], list[str]]:
    warnings: list[str] = []
    query = Query.of(package_upgrades, warn=warnings.append)
    return list(flatpak_upgrades(query, [Installation("user", str(root / "user"), 1000)])), warnings


def said_by(flatpak: Flatpak) -> list[tuple[str, ...]]:
    text = flatpak.run("remote-ls", "--user", "--updates", "--columns=ref,commit,origin")
    return sorted(tuple(line.split("\t")) for line in text.splitlines())


def test_upgrades_are_those_of_flatpak(flatpak: Flatpak, compare: Compare) -> None:
    rows, warnings = upgrades_of(flatpak.root)
    assert warnings == []
    ours = sorted((row.ref, row.candidate.rpartition("(")[2].rstrip(")"), row.remote) for row in rows)
    compare("package_upgrades", "flatpak remote-ls --updates", ours, said_by(flatpak))
    named = {row.ref.split("/")[1]: (row.installed[:4], row.candidate[:10]) for row in rows}
    assert named.keys() == {"org.acme.Hello", "org.acme.Platform"}
    assert named["org.acme.Hello"] == ("1.0 ", "1.1 & more")
    assert {row.uid for row in rows} == {1000}


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("org.acme.Hello", ["org.acme.Platform"]),
        ("app/org.acme.*/*/stable", ["org.acme.Platform"]),
        ("org.acme.Hello//beta", ["org.acme.Hello", "org.acme.Platform"]),
        ("org.acme.*", []),
    ],
)
def test_what_is_masked_is_not_upgraded(pattern: str, left: list[str], flatpak: Flatpak) -> None:
    flatpak.run("mask", "--user", pattern)
    try:
        rows, _ = upgrades_of(flatpak.root)
        assert sorted(row.ref.split("/")[1] for row in rows) == left
    finally:
        flatpak.run("mask", "--user", "--remove", pattern)


def test_a_remote_elsewhere_is_known_by_the_summaries_that_are_kept(flatpak: Flatpak, tmp_path: Path) -> None:
    expected, _ = upgrades_of(flatpak.root)
    shutil.copytree(flatpak.root / "user", tmp_path / "user", symlinks=True)
    config = tmp_path / "user/repo/config"
    repository = f"file://{flatpak.root}/repo"
    assert repository in config.read_text()
    config.write_text(config.read_text().replace(repository, "https://dl.example.org/repo"))
    assert upgrades_of(tmp_path) == ([], [])
    kept = tmp_path / "user/repo/tmp/cache/summaries"
    kept.mkdir(parents=True)
    summary = (flatpak.root / "repo/summary").read_bytes()
    name = f"acme-{flatpak.architecture}-{hashlib.sha256(summary).hexdigest()}.sub"
    for place in (kept / "acme", kept / name):
        place.write_bytes(summary)
        assert upgrades_of(tmp_path) == (expected, [])
        place.unlink()
    (kept / "acme-other").write_bytes(summary)
    assert upgrades_of(tmp_path) == ([], [])
    config.write_text(config.read_text().replace("[remote ", "x=1\n[remote ") + "xa.disable=true\n")
    (kept / "acme").write_bytes(summary)
    assert upgrades_of(tmp_path) == ([], [])


def test_broken_files_cost_only_themselves(flatpak: Flatpak, tmp_path: Path) -> None:
    shutil.copytree(flatpak.root / "user", tmp_path / "user", symlinks=True)
    (catalogue,) = (tmp_path / "user/appstream").glob("*/*/active/appstream.xml.gz")
    catalogue.chmod(0o644)
    for content in (b"", b"x", gzip.compress(b"<component>" * 10)[:-9], gzip.compress(b"\0" * (8 << 20))):
        catalogue.unlink()
        catalogue.write_bytes(content)
        rows, _ = upgrades_of(tmp_path)
        # Without versions the commits are left.
        assert {len(row.candidate) for row in rows} == {12}
    (tmp_path / "user/repo/config").write_bytes(b"[core\nx")
    rows, warnings = upgrades_of(tmp_path)
    assert rows == []
    assert len(warnings) == 1


def test_summaries_of_recorded_forms(flatpak: Flatpak) -> None:
    commits = parse_summary((flatpak.root / "repo/summary").read_bytes())
    listed = flatpak.run("remote-ls", "--user", "--columns=ref,commit", "acme").splitlines()
    said = dict(line.split("\t") for line in listed)
    assert {ref: commit[:12] for ref, commit in commits.items() if ref in said} == said


@given(st.binary(max_size=400))
def test_any_summary(data: bytes) -> None:
    try:
        parse_summary(data)
    except ValueError:
        pass
