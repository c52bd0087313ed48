"""kolide_apt_upgrades against python3-apt and apt-get, on this machine and in an apt of the tests' own."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.apt_upgrades import apt_upgrades, parse_archives, parse_policies, upgrade_rows
from osquery_sdk import Query, Table, TableError

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="apt is for Linux")

SAID_BY_LIBAPT = """
import apt_pkg, json
apt_pkg.init()
cache = apt_pkg.Cache(None)
policy = apt_pkg.DepCache(cache)
found = []
for package in cache.packages:
    candidate = policy.get_candidate_ver(package)
    installed = package.current_ver
    if installed and candidate and apt_pkg.version_compare(candidate.ver_str, installed.ver_str) > 0:
        origins = [f"{f.label}:{f.version}/{f.archive}" for f, _ in candidate.file_list]
        between = [f for v in package.version_list
                   if apt_pkg.version_compare(v.ver_str, installed.ver_str) > 0
                   and apt_pkg.version_compare(v.ver_str, candidate.ver_str) <= 0 for f, _ in v.file_list]
        security = any("security" in (f.label + f.archive + f.codename).lower() for f in between)
        found.append([package.get_fullname(True), installed.ver_str, candidate.ver_str,
                      sorted(set(origins)), int(security)])
print(json.dumps(found))
"""


def tool(name: str) -> str:
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin")
    if path is None:
        pytest.skip(f"needs {name}")
    return path


def said_by_libapt(environment: dict[str, str]) -> list[tuple[Any, ...]]:
    done = subprocess.run(
        [tool("python3"), "-c", SAID_BY_LIBAPT], capture_output=True, text=True, env=os.environ | environment
    )
    if "No module named 'apt_pkg'" in done.stderr:
        pytest.skip("needs python3-apt")
    assert done.returncode == 0, done.stderr
    return sorted((*row[:3], tuple(row[3]), row[4]) for row in json.loads(done.stdout))


def comparable(rows: list[Any]) -> list[tuple[Any, ...]]:
    return sorted(
        (r.name, r.installed, r.candidate, tuple(sorted(r.origin.split(", "))), r.security) for r in rows
    )


def test_this_machine_s_upgrades_are_those_of_libapt(compare: Compare) -> None:
    tool("apt-get")
    said = said_by_libapt({})
    if not said:
        pytest.skip("nothing is to be upgraded here")
    compare("apt_upgrades", "libapt (python3-apt)", comparable(apt_upgrades.rows()), said)


PACKAGES = {
    # archive: {package: fields}
    "main": {
        "plain": "Version: 2.0",
        "newest": "Version: 1.0",
        "downgrade": "Version: 0.9",
        "epoch": "Version: 1:0.1",
        "between": "Version: 3.0",
        "held": "Version: 2.0",
        "plus+more.x-1": "Version: 2~rc1",
        "notinstalled": "Version: 9",
        "removed": "Version: 9",
        "foreign": "Version: 5\nMulti-Arch: same",
        "all": "Version: 2\nArchitecture: all",
    },
    "security": {
        "urgent": "Version: 1.0+fix",
        "between": "Version: 2.0",
        "plain": "Version: 1.5~before",
        "both": "Version: 2",
    },
    "updates": {
        "some": "Version: 2\nPhased-Update-Percentage: 30",
        "everyone": "Version: 2\nPhased-Update-Percentage: 100",
        "both": "Version: 2",
    },
}
INSTALLED = {
    "plain": "1.6",
    "newest": "1.0",
    "downgrade": "1.0",
    "epoch": "5.0",
    "between": "1.0",
    "held": "1.0",
    "plus+more.x-1": "1",
    "urgent": "1.0",
    "both": "1",
    "some": "1",
    "everyone": "1",
    "alone": "1",
    "all": "1",
    "foreign": "4",
    "foreign:i386": "4",
}
RELEASES = {
    "main": "Origin: Acme\nLabel: Acme\nSuite: stable\nCodename: rock\nVersion: 9.1",
    "security": (
        "Origin: Acme\nLabel: Acme-Security\nSuite: stable-security\nCodename: rock-security\nVersion: 9"
    ),
    "updates": "Origin: Acme\nLabel: Acme\nSuite: stable-updates\nCodename: rock-updates\nVersion: 9-updates",
}
Run = Callable[..., bytes]


def stanza(name: str, fields: str, architecture: str = "amd64") -> str:
    if "Architecture:" not in fields:
        fields += f"\nArchitecture: {architecture}"
    return f"Package: {name}\nMaintainer: A <a@b>\nDescription: x\n{fields}\n"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, str], list[tuple[str, ...]]]:
    """Make a machine with an apt and a dpkg of its own; the list records how its programs were run."""
    for name in ("apt-get", "apt-cache", "dpkg-query"):
        tool(name)
    root = tmp_path_factory.mktemp("apt")
    for folder in (
        "lists/partial",
        "cache/archives/partial",
        "etc/preferences.d",
        "log",
        "dpkg/info",
        "empty",
    ):
        (root / folder).mkdir(parents=True)
    sources = ""
    for archive, packages in PACKAGES.items():
        for architecture in ("amd64", "i386"):
            folder = root / "repository" / archive / "dists" / "rock" / "main" / f"binary-{architecture}"
            folder.mkdir(parents=True)
            (folder / "Packages").write_text(
                "\n".join(
                    stanza(
                        name, fields + f"\nFilename: {name}.deb\nSize: 1\nSHA256: {'0' * 64}", architecture
                    )
                    for name, fields in packages.items()
                )
            )
        release = RELEASES[archive] + "\nComponents: main\nArchitectures: amd64 i386\n"
        import hashlib

        sums = ""
        for path in sorted((root / "repository" / archive / "dists" / "rock").rglob("Packages")):
            data = path.read_bytes()
            inner = path.relative_to(root / "repository" / archive / "dists" / "rock")
            sums += f" {hashlib.sha256(data).hexdigest()} {len(data)} {inner}\n"
        (root / "repository" / archive / "dists" / "rock" / "Release").write_text(
            release + "Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n" + sums
        )
        sources += f"deb [trusted=yes] file:{root}/repository/{archive} rock main\n"
    (root / "etc" / "sources.list").write_text(sources)
    (root / "etc" / "preferences").write_text("Package: downgrade\nPin: release l=Acme\nPin-Priority: 1001\n")
    status = [
        stanza(
            name.partition(":")[0],
            f"Status: {'hold' if name == 'held' else 'install'} ok installed\nVersion: {version}"
            + ("\nMulti-Arch: same" if name.startswith("foreign") else "")
            + ("\nArchitecture: all" if name == "all" else ""),
            name.partition(":")[2] or "amd64",
        )
        for name, version in INSTALLED.items()
    ]
    status.append(stanza("removed", "Status: deinstall ok config-files\nVersion: 1"))
    (root / "dpkg" / "status").write_text("\n".join(status))
    (root / "dpkg" / "arch").write_text("amd64\ni386\n")
    (root / "apt.conf").write_text(
        f'''Dir::State "{root}"; Dir::State::lists "{root}/lists"; Dir::State::status "{root}/dpkg/status";
Dir::Cache "{root}/cache"; Dir::Etc "{root}/etc"; Dir::Etc::sourcelist "{root}/etc/sources.list";
Dir::Etc::sourceparts "{root}/empty"; Dir::Etc::preferences "{root}/etc/preferences";
Dir::Etc::parts "{root}/empty";
Dir::Log "{root}/log"; APT::Architecture "amd64"; APT::Architectures {{ "amd64"; "i386"; }};
APT::Get::Always-Include-Phased-Updates "true"; APT::Sandbox::User "root"; Acquire::Languages "none";
'''
    )
    environment = {"APT_CONFIG": f"{root}/apt.conf", "LC_ALL": "C"}
    subprocess.run([tool("apt-get"), "update"], check=True, capture_output=True, env=os.environ | environment)
    asked: list[tuple[str, ...]] = []

    def run(name: str, *arguments: str) -> bytes:
        asked.append((name, *arguments))
        database = [f"--admindir={root}/dpkg"] if name == "dpkg-query" else []
        return subprocess.run(
            [tool(name), *database, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
        ).stdout

    return run, environment, asked


def test_upgrades_are_those_of_libapt_and_apt_get(machine: Any, compare: Compare) -> None:
    run, environment, _ = machine
    rows = list(upgrade_rows(run, Query.of(apt_upgrades)))
    compare("apt_upgrades", "libapt (python3-apt)", comparable(rows), said_by_libapt(environment))
    simulated = subprocess.run(
        [tool("apt-get"), "-s", "--ignore-hold", "dist-upgrade"],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    ).stdout
    said = {tuple(line.split()[1:3]) for line in simulated.splitlines() if line.startswith("Inst ")}
    # apt-get would also put "downgrade" back, as it is pinned: no upgrade.
    ours = {(row.name, f"[{row.installed}]") for row in rows}
    compare("apt_upgrades", "apt-get -s dist-upgrade", ours, said - {("downgrade", "[1.0]")})


def test_security_and_phased_updates(machine: Any) -> None:
    run, _, _ = machine
    rows = {row.name: row for row in upgrade_rows(run, Query.of(apt_upgrades))}
    assert {name for name, row in rows.items() if row.security} == {"urgent", "between", "both"}
    assert {name for name, row in rows.items() if row.phased} == {"some"}
    assert rows["between"].candidate == "3.0"
    assert set(rows["both"].origin.split(", ")) == {
        "Acme-Security:9/stable-security",
        "Acme:9-updates/stable-updates",
    }
    assert {"foreign", "foreign:i386"} <= rows.keys()
    assert not rows.keys() & {"newest", "downgrade", "alone", "removed", "notinstalled"}


def test_however_many_are_looked_up_apt_is_asked_once(machine: Any) -> None:
    run, _, asked = machine
    asked.clear()

    def rows(query: Query) -> Any:
        """Upgrades."""
        return upgrade_rows(run, query)

    table = Table(apt_upgrades.definition, rows)
    for name, candidates in (
        ("plain", ["2.0"]),
        ("alone", []),
        ("foreign:i386", ["5"]),
        ("nosuch", []),
        ("-o", []),
    ):
        assert [row.candidate for row in table.rows(name=name)] == candidates
    assert {row.name for row in table.rows(name=["plain", "urgent", "newest"])} == {"plain", "urgent"}
    programs = sorted(program for program, *_ in asked if program != "apt-config")
    assert programs == ["apt-cache", "apt-get", "dpkg-query"]
    # A package that has left only its configuration behind is not asked about.
    assert not any("removed" in arguments for arguments in asked)


FILLER = "\n".join(
    stanza(f"filler-{number}", f"Version: 1\nDescription: {'x' * 200}") for number in range(16000)
)


@pytest.fixture
def uncached(machine: Any, tmp_path: Path) -> tuple[Run, Path, list[str]]:
    """Have apt read long lists without a cache, in one of them packed; the list has the copies."""
    run, environment, _ = machine
    own = Path(environment["APT_CONFIG"]).parent / "lists"
    lists = tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    for path in own.iterdir():
        if path.is_file():
            text = path.read_bytes()
            is_list = path.name.endswith("binary-amd64_Packages")
            text += b"\n" + FILLER.encode() if is_list and "main_dists" in path.name else b""
            if is_list and "security" in path.name:
                (lists / f"{path.name}.gz").write_bytes(gzip.compress(text))
            else:
                (lists / path.name).write_bytes(text)
    options = ("Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache=", f"Dir::State::lists={lists}")
    used: list[str] = []

    def asked(name: str, *arguments: str) -> bytes:
        used.extend(word for word in arguments if word.startswith("Dir::State::lists=/"))
        if name == "dpkg-query":
            return bytes(run(name, *arguments))
        return bytes(run(name, *(word for option in options for word in ("-o", option)), *arguments))

    return asked, lists, used


def test_long_lists_without_a_cache_are_read_for_installed_packages_only(
    machine: Any, uncached: tuple[Run, Path, list[str]]
) -> None:
    run, lists, used = uncached
    query = Query.of(apt_upgrades)
    rows = list(upgrade_rows(run, query, str(lists)))
    assert len(used) == 1
    assert not Path(used[0].partition("=")[2]).exists()
    assert rows == list(upgrade_rows(run, query, str(lists / "elsewhere")))
    assert rows == list(upgrade_rows(machine[0], query))
    assert len(used) == 1


def test_lists_that_cannot_be_copied_are_left_to_apt(
    machine: Any, uncached: tuple[Run, Path, list[str]]
) -> None:
    run, lists, used = uncached
    (lists / "broken_Packages.gz").write_bytes(b"\x1f\x8b" + b"x" * 5000)
    rows = list(upgrade_rows(run, Query.of(apt_upgrades), str(lists)))
    assert rows == list(upgrade_rows(machine[0], Query.of(apt_upgrades)))
    assert used == []


RELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Version: 12
Codename: bookworm-security
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/Label: x
"""
POLICY = """curl:
  Installed: 7.88.1-10
  Candidate: 7.88.1-12
  Version table:
     7.88.1-12 500
        500 http://deb.example.org/debian-security bookworm-security/main amd64 Packages
 *** 7.88.1-10 100
        100 /var/lib/dpkg/status
"""


@pytest.mark.parametrize("kind", ["InRelease", "Release", ""])
def test_archives_are_known_by_their_release_files(kind: str, tmp_path: Path) -> None:
    """Apt reads all its lists for each run where it keeps no cache: one run less is half the time."""
    if kind:
        name = f"deb.example.org_debian-security_dists_bookworm-security_{kind}"
        (tmp_path / name).write_text(RELEASE)
    asked: list[str] = []

    def run(name: str, *arguments: str) -> bytes:
        asked.append(name)
        source = POLICY.splitlines()[5].split(" ", 9)[-1]
        answers = {
            "dpkg-query": "ii  curl\n",
            "apt-cache": POLICY,
            "apt-get": f"{source}\tDebian-Security\toldstable-security\tbookworm-security\t12\n",
        }
        return answers[name].encode()

    (row,) = upgrade_rows(run, Query.of(apt_upgrades), str(tmp_path))
    assert (row.name, row.candidate, row.security) == ("curl", "7.88.1-12", True)
    assert row.origin == "Debian-Security:12/oldstable-security"
    assert asked == ["dpkg-query", "apt-cache", *([] if kind else ["apt-get"])]


def test_lists_that_cannot_be_read_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("apt-get", "apt-cache", "dpkg-query"):
        tool(name)
    (tmp_path / "sources.list").write_text("nonsense\n")
    (tmp_path / "conf").write_text(f'Dir::Etc::sourcelist "{tmp_path}/sources.list";')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "conf"))
    with pytest.raises(TableError, match="apt-cache ended with 100: E: "):
        list(apt_upgrades(Query.of(apt_upgrades)))


def test_a_machine_without_apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kolide_tables.reading.tools.FOLDERS", (str(tmp_path),))
    assert list(apt_upgrades(Query.of(apt_upgrades))) == []


@given(st.text(max_size=300) | st.text(alphabet="a:1 *().%\n", max_size=300))
def test_any_text(text: str) -> None:
    list(parse_policies(text))
    parse_archives(text)
