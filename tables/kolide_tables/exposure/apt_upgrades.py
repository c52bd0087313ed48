"""kolide_apt_upgrades: installed packages that apt would upgrade, by the lists that it has fetched already.

apt itself answers, with the machine's pins, origins and architectures; nothing is fetched and nothing is
locked. Source: apt-cache(8), apt_preferences(5), and apt's doc/acquire-additional-files.md for
`indextargets`.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import decode, shown
from osquery_sdk import Column, Query, Row, run_program, table

from ..reading.tools import find_tool

# Source: Debian Policy, 5.6.7 and 5.6.1; an architecture may follow.
_NAME = r"[a-z0-9][a-z0-9+.\-]*(?::[a-z0-9\-]+)?"
_HEAD = r"(\S+):"
_FACT = r"  (Installed|Candidate): (\S+)"
_VERSION = r"(?: \*\*\* |     )(\S+) -?\d+(?: \(phased (\d+)%\))?"
_SOURCE = r" {5,}-?\d+ (\S.*)"
_INSTALLED_MARK = " *** "
_LISTS = "/var/lib/apt/lists"
# Other schemes, and addresses with signs that apt writes otherwise in a file's name, are left to apt itself.
_PLAIN_SOURCE = re.compile(r"https?://([A-Za-z0-9.\-/]+) ([A-Za-z0-9.\-/]+)/[^/\s]+ \S+ Packages")
_FORMAT = "$(DESCRIPTION)\t$(LABEL)\t$(SUITE)\t$(CODENAME)\t$(VERSION)"

Run: TypeAlias = Callable[..., bytes]
"""Runs `dpkg-query` or a program of apt with arguments, and returns its output."""


class AptUpgrade(Row):
    """An installed package, and the version that apt would put in its place."""

    name: str = Column(
        "Package's name; with :ARCHITECTURE if that is not the machine's own", index=True, key=True
    )
    installed: str = Column("Version that is installed")
    candidate: str = Column("Version that apt would install")
    origin: str = Column(
        "Archives that have the candidate, as apt-get -s writes them: LABEL:VERSION/SUITE, separated by ', '"
    )
    security: bool = Column(
        "1 if the candidate, or a version between, comes from an archive of security updates"
    )
    phased: bool = Column("1 if the candidate is being offered to a share of machines so far")


class Version(NamedTuple):
    """A version that apt knows: its sources, and the percentage of machines that it is offered to."""

    version: str
    installed: bool
    phased: int | None
    sources: list[str]


class Policy(NamedTuple):
    """The answer of `apt-cache policy` about a package; versions from the highest down."""

    name: str
    installed: str
    candidate: str
    versions: list[Version]


class _Archive(NamedTuple):
    shown: str
    security: bool


@table(
    "kolide_apt_upgrades",
    platforms=("linux",),
    elsewhere="apt is the package manager of Debian and its kin",
    # apt takes as long for one package as for all, so those of a join are looked up in one answer.
    snapshot=True,
    cache=30.0,
    examples=(
        "select name, installed, candidate, origin from kolide_apt_upgrades where security = 1",
        (
            "select u.name, u.installed, u.candidate, d.maintainer from kolide_apt_upgrades u "
            "join deb_packages d on d.name = u.name where u.phased = 0"
        ),
    ),
)
def apt_upgrades(query: Query) -> Iterator[AptUpgrade]:
    """Packages that apt would upgrade, as of the last `apt update`: versions, archives, security updates."""
    tools = {name: find_tool(name) for name in ("dpkg-query", "apt-cache", "apt-config", "apt-get")}

    def run(name: str, *arguments: str) -> bytes:
        path = tools[name]
        if path is None:
            return b""
        # On a busy machine apt takes seconds.
        return run_program(path, *arguments, timeout=query.remaining(), query=query).stdout

    # A machine without these programs has no such packages, hence no upgrades.
    return upgrade_rows(run, query) if all(tools.values()) else iter(())


def upgrade_rows(run: Run, query: Query, lists: str = _LISTS) -> Iterator[AptUpgrade]:
    """Yield the rows of what the programs answer, with apt's folder of lists."""
    from .apt_lists import installed_only

    packages = shown(run("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev} ${binary:Package}\n"))
    names = [line[4:].strip() for line in packages.splitlines() if line[1:2] == "i"]
    names = [name for name in names if re.fullmatch(_NAME, name)]
    if not names:
        return
    # Where apt keeps no cache of its lists, each run reads them anew, which takes the time: so one run is for
    # all packages, and none for the archives if their Release files are where they usually are.
    with installed_only(
        {os.fsencode(name.partition(":")[0]) for name in names}, lists, run, query
    ) as options:
        answer = shown(run("apt-cache", *options, "policy", "--", *names))
    policies = [(policy, newer) for policy in parse_policies(answer) if (newer := _newer(policy))]
    sources = {source for _, newer in policies for version in newer for source in version.sources}
    archives = {source: read for source in sorted(sources) if (read := _release(source, lists)) is not None}
    if sources - archives.keys():
        listing = run("apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages")
        archives |= parse_archives(shown(listing))
    for policy, newer in policies:
        candidate = next(version for version in newer if version.version == policy.candidate)
        yield AptUpgrade(
            name=policy.name,
            installed=policy.installed,
            candidate=policy.candidate,
            origin=_origin(candidate, archives),
            security=any(_is_security(version, archives) for version in newer),
            phased=candidate.phased is not None and candidate.phased < 100,
        )


def _newer(policy: Policy) -> list[Version]:
    """Return the versions from the candidate down to the one before the installed one.

    Return None if it is not an upgrade.
    """
    newer: list[Version] = []
    for version in policy.versions:
        if version.installed:
            return newer
        if newer or version.version == policy.candidate:
            newer.append(version)
    return []


def _origin(version: Version, archives: dict[str, _Archive]) -> str:
    origins = [archives[source].shown if source in archives else source for source in version.sources]
    return ", ".join(dict.fromkeys(origins))


def _is_security(version: Version, archives: dict[str, _Archive]) -> bool:
    return any(source in archives and archives[source].security for source in version.sources)


def parse_policies(text: str) -> Iterator[Policy]:
    """Yield the answer of `apt-cache policy NAME...` for each package; lines of another form are skipped."""
    name, facts = "", {"Installed": "", "Candidate": ""}
    versions: list[Version] = []
    for line in [*text.splitlines(), ".:"]:  # the last line ends the last package
        if head := re.fullmatch(_HEAD, line):
            if name:
                yield Policy(name, facts["Installed"], facts["Candidate"], versions)
            name, facts, versions = head[1], {"Installed": "", "Candidate": ""}, []
        elif fact := re.fullmatch(_FACT, line):
            facts[fact[1]] = fact[2]
        elif version := re.fullmatch(_VERSION, line):
            phased = None if version[2] is None else int(version[2])
            versions.append(Version(version[1], line.startswith(_INSTALLED_MARK), phased, []))
        elif versions and (source := re.fullmatch(_SOURCE, line)):
            versions[-1].sources.append(source[1])


def parse_archives(text: str) -> dict[str, _Archive]:
    """Return the archives, by the words with which `apt-cache policy` names their lists of packages."""
    archives = {}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != 5:
            continue
        description, label, suite, codename, version = fields
        archives[description] = _archive(label, suite, codename, version)
    return archives


def _archive(label: str, suite: str, codename: str, version: str) -> _Archive:
    # Debian's and Ubuntu's security archives have such a suite and code name; ESM's are like
    # noble-apps-security.
    security = any(name.lower().endswith("security") for name in (label, suite, codename))
    return _Archive(f"{label}:{version}/{suite}", security)


def _release(source: str, lists: str) -> _Archive | None:
    """Return the archive of a source by its Release file; None if apt keeps that elsewhere.

    A source is `https://HOST/PATH SUITE/COMPONENT ARCHITECTURE Packages`.
    """
    match = _PLAIN_SOURCE.fullmatch(source)
    if match is None:
        return None
    stem = f"{lists}/" + f"{match[1].rstrip('/')}_dists_{match[2]}".replace("/", "_")
    for kind in ("InRelease", "Release"):
        try:
            text = decode(read_file(f"{stem}_{kind}"))
        except (Unreadable, LimitExceeded):
            continue
        # The long lists of sums follow.
        head = re.split(r"^(?:MD5Sum|SHA\d+):", text, maxsplit=1, flags=re.MULTILINE)[0]
        fields = dict(re.findall(r"^(Label|Suite|Codename|Version): *(.*?) *$", head, re.MULTILINE))
        return _archive(*(fields.get(name, "") for name in ("Label", "Suite", "Codename", "Version")))
    return None
