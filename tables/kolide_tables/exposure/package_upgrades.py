"""kolide_package_upgrades: what the package managers would upgrade, by what they have fetched already.

The managers answer themselves where they can do so without the network; nothing is fetched. Snapd's
candidates are those of its own last look at the store; flatpak's and Homebrew's follow from what they keep of
their remotes. Sources: dnf(8), zypper(8), pacman(8), and snapd's state.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Missing, Unreadable, read_file
from kolide_kit.text import decode, decode_kept, printable, shown
from osquery_sdk import Column, Query, Row, TableError, run_program, table

from ..reading.parsing import as_object
from ..reading.paths import names_in
from ..reading.tools import find_tool
from .apt_upgrades import upgrade_rows as apt_rows

_SNAP_STATE = "/var/lib/snapd/state.json"
_SNAP_VERSION = re.compile(r"""^version:\s*(['"]?)([^'"#\n]*?)\1\s*(?:#.*)?$""", re.MULTILINE)
# A package as RPM writes it: name-[epoch:]version-release.architecture
_NEVRA = re.compile(r"(\S+)-[^-\s]+-[^-\s]+\.([^.\s]+)")
_PACMAN_LINE = re.compile(r"(\S+) (\S+) -> (\S+)")
# One conflict of a patch is on the line of its head, several are below it, with their architectures.
_PATCH_FIX = re.compile(r"^(?:Conflicts *:)? +(\S+) < \S+$", re.MULTILINE)

Run = Callable[..., bytes]
"""Runs a manager's program with arguments, and returns its output; raises TableError."""


class PackageUpgrade(Row):
    """An installed package, and the version that its manager would put in its place."""

    manager: str = Column("apt, dnf, zypper, pacman, snap, flatpak or brew", index=True, key=True)
    name: str = Column(
        "Package's name; with the architecture as the manager writes it where there may be several",
        index=True,
        key=True,
    )
    installed: str | None = Column("Version that is installed")
    candidate: str = Column(
        "Version that the manager would install; of a snap with its revision, of a flatpak with its commit"
    )
    origin: str | None = Column("Repository, archive or channel that has the candidate")
    security: bool | None = Column(
        "1 if the candidate, or a version between, is a security update; NULL where the manager does not know"
    )
    uid: int | None = Column(
        "User who has it for themselves; NULL if it is everybody's", index=True, key=True, default=None
    )


class Upgrade(NamedTuple):
    """An upgrade by one manager."""

    name: str
    installed: str | None
    candidate: str
    origin: str | None
    security: bool | None
    uid: int | None = None


@table(
    "kolide_package_upgrades",
    platforms=("linux", "darwin"),
    privilege=(
        "Without root: nothing of snap, of dnf only what is in the user's own cache, and of flatpak nothing "
        "in other users' homes."
    ),
    elsewhere="elsewhere osquery knows the installed packages alone: chocolatey_packages, programs",
    # A manager takes as long for one package as for all, so those of a join are looked up in one answer.
    snapshot=True,
    cache=30.0,
    examples=(
        "select manager, name, installed, candidate, origin from kolide_package_upgrades where security = 1",
        "select manager, count(*) as upgrades from kolide_package_upgrades group by manager",
    ),
)
def package_upgrades(query: Query) -> Iterator[PackageUpgrade]:
    """Packages that apt, dnf, zypper, pacman, snapd, flatpak and Homebrew would upgrade, nothing fetched."""

    def run(name: str, *arguments: str) -> bytes:
        path = find_tool(name)
        if path is None:
            return b""
        return run_program(path, *arguments, timeout=query.remaining(), query=query).stdout

    return upgrades(query, run)


def upgrades(query: Query, run: Run, root: str = "") -> Iterator[PackageUpgrade]:
    """Yield the rows of the managers that this machine has; one that fails is logged."""
    for manager, find in _managers(root).items():
        query.check()
        try:
            for upgrade in find(run, root, query):
                yield PackageUpgrade(manager=manager, **upgrade._asdict())
        except TableError as error:
            query.warn(f"{manager}: its upgrades are left out: {error}")


def _managers(root: str) -> dict[str, Callable[[Run, str, Query], Iterator[Upgrade]]]:
    """Return the managers whose packages and repositories are below a root folder.

    That a program is there says little: many machines have another system's manager as a tool.
    """
    managers: dict[str, Callable[[Run, str, Query], Iterator[Upgrade]]] = {}
    if all(map(find_tool, ("dpkg-query", "apt-cache", "apt-get"))):
        managers["apt"] = _apt
    if any(name.endswith(".repo") for name in names_in(f"{root}/etc/yum.repos.d")):
        managers["dnf"] = _dnf
    if any(name.endswith(".repo") for name in names_in(f"{root}/etc/zypp/repos.d")):
        managers["zypper"] = _zypper
    if names_in(f"{root}/var/lib/pacman/sync"):
        managers["pacman"] = _pacman
    managers["snap"] = _snap
    managers["flatpak"] = _flatpak
    managers["brew"] = _brew
    return managers


def _apt(run: Run, root: str, query: Query) -> Iterator[Upgrade]:
    del root
    for row in apt_rows(run, query):
        yield Upgrade(row.name, row.installed, row.candidate, row.origin, row.security)


def _flatpak(run: Run, root: str, query: Query) -> Iterator[Upgrade]:
    from .flatpak_upgrades import flatpak_upgrades

    del run
    # Installations and homes are this machine's, whatever folder a test looks into.
    for upgrade in () if root else flatpak_upgrades(query):
        yield Upgrade(
            upgrade.ref, upgrade.installed, upgrade.candidate, upgrade.remote, security=None, uid=upgrade.uid
        )


def _brew(run: Run, root: str, query: Query) -> Iterator[Upgrade]:
    from .brew_upgrades import PREFIXES, brew_upgrades

    del run
    for upgrade in brew_upgrades(query, (root + prefix for prefix in PREFIXES)):
        yield Upgrade(upgrade.name, upgrade.installed, upgrade.candidate, upgrade.tap, security=None)


# -- dnf


def _dnf(run: Run, root: str, query: Query) -> Iterator[Upgrade]:
    del root, query
    newer = _dnf_lines(run, "%{name}\\t%{arch}\\t%{evr}\\t%{repoid}\\n", "--upgrades", "--latest-limit=1")
    if not newer:
        return
    names = sorted({name for name, *_ in newer})
    listed = _dnf_lines(run, "%{name}\\t%{arch}\\t%{evr}\\t%{repoid}\\n", "--installed", *names)
    # The last of several versions, as of the kernel.
    installed = {(name, architecture): version for name, architecture, version, _ in listed}
    advisories = shown(run("dnf", "-C", "-q", "updateinfo", "list", "--updates", "--security"))
    secure = {match.groups() for word in advisories.split() if (match := _NEVRA.fullmatch(word))}
    for name, architecture, version, repository in newer:
        before = installed.get((name, architecture)) or next(
            (known for (other, _), known in installed.items() if other == name), None
        )
        is_secure = (name, architecture) in secure
        yield Upgrade(f"{name}.{architecture}", before, version, repository, is_secure)


def _dnf_lines(run: Run, form: str, *arguments: str) -> list[tuple[str, str, str, str]]:
    # -C: only what is in the cache.
    output = shown(run("dnf", "-C", "-q", "repoquery", "--qf", form, *arguments))
    lines = (line.split("\t") for line in output.splitlines())
    return [(line[0], line[1], line[2], line[3]) for line in lines if len(line) == 4]


# -- zypper


def _zypper(run: Run, root: str, query: Query) -> Iterator[Upgrade]:
    del root, query
    updates = _zypper_elements(run, "list-updates")
    patches = _zypper_elements(run, "list-patches", "--category", "security") if updates else []
    names = [patch["name"] for patch in patches if patch.get("status") in ("needed", None)]
    text = ""
    if names:
        text = shown(run("zypper", *_ZYPPER, "info", "--type", "patch", *names))
    # A patch is in conflict with the versions before those that it brings.
    fixed = _PATCH_FIX.findall(text)
    secure = {*fixed, *(name.rpartition(".")[0] for name in fixed)}
    for update in updates:
        name = update["name"]
        yield Upgrade(
            f"{name}.{update['arch']}" if "arch" in update else name,
            update.get("edition-old"),
            update.get("edition", ""),
            update.get("alias"),
            name in secure,
        )


_ZYPPER = ("--non-interactive", "--no-refresh")


def _zypper_elements(run: Run, *arguments: str) -> list[dict[str, str]]:
    from xml.etree.ElementTree import ParseError, fromstring

    output = run("zypper", *_ZYPPER, "--xmlout", *arguments)
    try:
        # zypper's own output, made of what the machine's repositories say: expat refuses to expand much.
        top = fromstring(output.decode("utf-8", "replace")) if output.strip() else None  # noqa: S314
    except ParseError as error:
        raise TableError(f"zypper does not answer XML: {error}") from error
    elements: list[dict[str, str]] = []
    for update in top.iter("update") if top is not None else ():
        source = update.find("source")
        facts = {key: printable(value) for key, value in update.attrib.items()}
        if facts.get("name"):
            elements.append(facts | {"alias": source.get("alias", "") if source is not None else ""})
    return elements


# -- pacman


def _pacman(run: Run, root: str, query: Query) -> Iterator[Upgrade]:
    del root, query
    # Packages that its configuration has it ignore are marked, and are not upgraded.
    lines = [_PACMAN_LINE.fullmatch(line) for line in shown(run("pacman", "-Qu")).splitlines()]
    found = [line.groups() for line in lines if line is not None]
    if not found:
        return
    repositories = _pacman_repositories(shown(run("pacman", "-Si", "--", *(name for name, *_ in found))))
    for name, before, after in found:
        yield Upgrade(name, before, after, repositories.get((name, after)), None)


def _pacman_repositories(text: str) -> dict[tuple[str, str], str]:
    """Return the repositories by name and version of their packages; the first of several counts."""
    repositories: dict[tuple[str, str], str] = {}
    for block in text.split("\n\n"):
        facts = dict(re.findall(r"^(Repository|Name|Version) *: (.*)$", block, re.MULTILINE))
        if len(facts) == 3:
            repositories.setdefault((facts["Name"], facts["Version"]), facts["Repository"])
    return repositories


# -- snap


def _snap(run: Run, root: str, query: Query) -> Iterator[Upgrade]:
    del run
    try:
        state = json.loads(decode_kept(read_file(root + _SNAP_STATE, max_bytes=query.limits.max_file_bytes)))
    except Missing:
        return
    except (Unreadable, LimitExceeded) as error:
        raise TableError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{_SNAP_STATE}: {error}") from error
    data = as_object(as_object(state).get("data"))
    for name, value in as_object(data.get("refresh-candidates")).items():
        candidate = as_object(value)
        side = as_object(candidate.get("side-info"))
        installed = as_object(as_object(data.get("snaps")).get(name)).get("current")
        after = _snap_version(candidate.get("version"), side.get("revision"))
        if after is not None and installed is not None and side.get("revision") != installed:
            about = _quietly(f"{root}/snap/{name}/{installed}/meta/snap.yaml")
            version = _SNAP_VERSION.search(about)
            before = _snap_version(version[2] if version else None, installed)
            channel = side.get("channel") or candidate.get("channel")
            yield Upgrade(
                printable(name), before, after, printable(channel) if isinstance(channel, str) else None, None
            )


def _snap_version(version: Any, revision: Any) -> str | None:
    texts = [str(text) for text in (version, revision) if isinstance(text, (str, int)) and str(text)]
    return printable(f"{texts[0]} ({texts[1]})" if len(texts) == 2 else texts[0]) if texts else None


def _quietly(path: str) -> str:
    try:
        return decode(read_file(path))
    except (Unreadable, LimitExceeded):
        return ""
