"""What counts for a connection, told from the rows of kolide_sshd_config alone, against sshd -T."""

import fnmatch
import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolide_tables.exposure.sshd_config import SshdDirective, sshd_config

from ...support.compare import Compare
from ...support.tools import Run

# Keywords whose lines add up. Those of the first line are the same in a Match block and outside.
ADD_UP = ("allowusers", "acceptenv", "port")
GLOBAL = ("port", "maxstartups")


class Connection(NamedTuple):
    """What sshd knows of a connection, as in its option -C."""

    user: str = "ann"
    host: str = "h1.example.org"
    addr: str = "10.1.2.3"
    laddr: str = "192.0.2.1"
    lport: str = "22"

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in zip(self._fields, self, strict=True))

    def meets(self, criterion: list[str]) -> bool:
        """Return whether a criterion of the table holds."""
        name, pattern = criterion
        if name == "localport":
            return self.lport == pattern
        if name == "group":
            # Of these users only root exists, in a group of the same name.
            return self.user == "root" and listed("root", pattern)
        if name in ("address", "localaddress"):
            return listed(self.addr if name == "address" else self.laddr, pattern, by_address)
        return listed({"user": self.user, "host": self.host}[name], pattern)


def by_address(address: str, pattern: str) -> bool:
    if "/" in pattern:
        return ipaddress.ip_address(address) in ipaddress.ip_network(pattern)
    return fnmatch.fnmatchcase(address, pattern)


def listed(value: str, patterns: str, matches: object = fnmatch.fnmatchcase) -> bool:
    """Return whether a value is in a list of patterns; one that matches and is negated outweighs the rest."""
    assert callable(matches)
    words = patterns.split(",")
    if any(matches(value, word[1:]) for word in words if word.startswith("!")):
        return False
    return any(matches(value, word) for word in words if not word.startswith("!"))


def what_counts(rows: Iterable[SshdDirective], connection: Connection) -> dict[str, list[str]]:
    """Return what counts for each keyword, split at blanks, as sshd does not print quotes."""
    outside: dict[str, list[str]] = {}
    inside: dict[str, list[str]] = {}
    for row in rows:
        words = row.value.split(" ")
        criteria = None if row.criteria is None else json.loads(row.criteria)
        places = [outside] if not criteria else []
        if criteria is not None and row.keyword not in GLOBAL and all(map(connection.meets, criteria)):
            places.append(inside)
        for place in places:
            if row.keyword not in place or row.keyword in ADD_UP:
                place.setdefault(row.keyword, []).extend(words)
    return outside | inside


def said_by_sshd(text: str) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        said.setdefault(keyword.lower(), []).extend(value.split(" "))
    return said


def check(
    folder: Path, connections: Iterable[Connection], host_key: Path, run: Run
) -> list[dict[str, object]]:
    """Compare with sshd, and return what was compared."""
    main = folder / "sshd_config"
    rows = [row for row in sshd_config.rows(path=str(main)) if isinstance(row, SshdDirective)]
    compared = []
    for connection in connections:
        ours: dict[str, object] = {
            keyword: sorted(words) if keyword in ADD_UP else words
            for keyword, words in what_counts(rows, connection).items()
            if keyword != "include"
        }
        said = said_by_sshd(run("sshd", "-T", "-f", main, "-h", host_key, "-C", connection))
        theirs = {key: sorted(said[key]) if key in ADD_UP else said[key] for key in ours}
        assert ours == theirs, f"{connection}: {main.read_text()}"
        compared.append(ours)
    return compared


ANN, ROOT = Connection(), Connection(user="root", host="h2", addr="10.9.9.9", laddr="::1", lport="2222")
CASES = {
    "all in a file that a block includes": (
        "Match User ann\nInclude {}/a\nMatch all\nMaxSessions 3\n",
        "Match all\nPermitRootLogin yes\nPermitTTY no\n",
    ),
    "two blocks of one file that a block includes": (
        "Match User ann\nInclude {}/a\nX11Forwarding no\n",
        (
            "PermitTTY no\nMatch Address 10.0.0.0/8\nMaxSessions 2\nMatch Host h2\nMaxSessions 3\n"
            "Match all\nMaxSessions 4\n"
        ),
    ),
    "included outside of blocks": (
        "Include {}/a\nMaxSessions 3\nPermitTTY no\n",
        "MaxAuthTries 1\nMatch User root\nMaxSessions 5\nMatch all\nPermitTTY yes\n",
    ),
    "all counts before what is outside of blocks": (
        "MaxSessions 3\nAllowUsers ann\nMatch all\nMaxSessions 4\nAllowUsers bob\nMaxStartups 5:30:60\n",
        "",
    ),
    "included in all": ("Match all\nInclude {}/a\n", "MaxSessions 2\nMatch Group root\nPermitTTY no\n"),
    "the same file twice": (
        "Match User root\nInclude {0}/a\nMatch User ann\nInclude {0}/a\n",
        "Match LocalPort 22\nMaxSessions 7\nMatch LocalAddress ::1\nMaxSessions 8\n",
    ),
    "words": (
        'Match User="ann" Host h1.*\nSetEnv A="x y"\nForceCommand sh -c "a # b"\nBanner "/a b"\n',
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_nested_blocks(case: str, tmp_path: Path, run: Run, host_key: Path, compare: Compare) -> None:
    main, included = CASES[case]
    (tmp_path / "sshd_config").write_text(main.format(tmp_path))
    (tmp_path / "a").write_text(included)
    compared = check(tmp_path, (ANN, ROOT), host_key, run)
    compare("sshd_config", "sshd -T -C", compared, compared, rows=sum(map(len, compared)))


def test_the_criteria_of_all_blocks_around_a_line(tmp_path: Path) -> None:
    (tmp_path / "sshd_config").write_text(
        "Match User backup\nInclude inc.conf\nInclude more\nMatch all\nPort 1\n"
    )
    (tmp_path / "inc.conf").write_text("Match all\nPermitRootLogin yes\n")
    (tmp_path / "more").write_text(
        'PermitTTY no\nMatch Host="b c" user=ann Group x\nInclude inc.conf\n'
        "Match Invalid-User\nPermitTTY no\n"
    )
    rows = [
        row for row in sshd_config.rows(path=str(tmp_path / "sshd_config")) if isinstance(row, SshdDirective)
    ]
    backup = ["user", "backup"]
    inner = [backup, ["host", "b c"], ["user", "ann"], ["group", "x"]]
    assert [
        (row.keyword, row.match_block, None if row.criteria is None else json.loads(row.criteria))
        for row in rows
        if row.keyword != "include"
    ] == [
        ("permitrootlogin", "User backup", [backup]),
        ("permittty", "User backup", [backup]),
        ("permitrootlogin", "User backup Host=b c user=ann Group x", inner),
        ("permittty", "User backup Invalid-User", [backup, ["invalid-user"]]),
        ("port", None, []),
    ]


NAMES = st.sampled_from(("ann", "root", "bob", "a*", "!ann,*", "ann,root", "r?ot", "!bob,a*"))
HOSTS = st.sampled_from(("h1.example.org", "*.example.org", "h2", "!h2,*", "h1*,h2"))
ADDRESSES = st.sampled_from(("10.0.0.0/8", "10.1.2.3", "!10.9.0.0/16,10.0.0.0/8", "192.0.2.0/24", "10.1.*"))
CRITERIA = st.one_of(
    st.tuples(st.sampled_from(("User", "user")), NAMES),
    st.tuples(st.just("Group"), st.sampled_from(("root", "r*", "!root,*", "nobody"))),
    st.tuples(st.just("Host"), HOSTS),
    st.tuples(st.just("Address"), ADDRESSES),
    st.tuples(st.just("LocalAddress"), ADDRESSES),
    st.tuples(st.just("LocalPort"), st.sampled_from(("22", "2222"))),
)
EQUALS = st.sampled_from((" ", "=", "  ", '="'))
ANYWHERE = st.one_of(
    st.tuples(st.just("MaxSessions"), st.integers(1, 9).map(str)),
    st.tuples(st.just("PermitTTY"), st.sampled_from(("yes", "no"))),
    st.tuples(st.just("Banner"), st.sampled_from(("/a", '"/a b"', "none"))),
    st.tuples(st.just("AcceptEnv"), st.sampled_from(("LANG", "LC_* X", '"A"B C'))),
    st.tuples(st.just("AllowUsers"), st.sampled_from(("ann", "bob 'carl'", "d\\\\e"))),
    st.tuples(st.just("SetEnv"), st.sampled_from(('A="x y"', "B=1 # c", "C='d e' F=g"))),
)
PLAIN = ANYWHERE.map(lambda pair: f"{pair[0]} {pair[1]}")
OUTSIDE = st.one_of(PLAIN, PLAIN, st.just("Port 22"), st.just("Port=2222"), st.just("MaxStartups 5:30:60"))
MATCH = st.one_of(
    st.just("Match all"),
    st.lists(st.tuples(CRITERIA, EQUALS), min_size=1, max_size=2).map(
        lambda pairs: "Match " + " ".join(f"{n}{e}{p}{chr(34) * (chr(34) in e)}" for (n, p), e in pairs)
    ),
)
INCLUDE = st.sampled_from(("Include {}/[a]", "Include {}/b", "Include {}/*", "Include {}/none {}/b"))
# The file b is included by others, and by itself never.
LAST = st.lists(st.one_of(PLAIN, PLAIN, MATCH), max_size=5)
MIDDLE = st.lists(
    st.one_of(PLAIN, PLAIN, MATCH, INCLUDE.filter(lambda line: line.endswith("/b"))), max_size=6
)
MAIN = st.tuples(
    st.lists(OUTSIDE, max_size=4), st.lists(st.one_of(PLAIN, PLAIN, MATCH, INCLUDE, INCLUDE), max_size=8)
).map(lambda parts: parts[0] + parts[1])


def check_generated(
    main: list[str], a: list[str], b: list[str], tmp_path: Path, run: Run, host_key: Path
) -> None:
    folder = tmp_path / "conf"
    folder.mkdir(exist_ok=True)
    for name, lines in (("a", a), ("b", b)):
        (folder / name).write_text("\n".join(lines).replace("{}", str(folder)) + "\n")
    (tmp_path / "sshd_config").write_text("\n".join(main).replace("{}", str(folder)) + "\n")
    check(tmp_path, (ANN, ROOT, Connection("bob", "h3", "10.9.0.1")), host_key, run)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MAIN, MIDDLE, LAST)
def test_any_nesting(
    tmp_path: Path, run: Run, host_key: Path, main: list[str], a: list[str], b: list[str]
) -> None:
    check_generated(main, a, b, tmp_path, run, host_key)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MAIN, MIDDLE, LAST)
def test_any_nesting_at_length(
    tmp_path: Path, run: Run, host_key: Path, main: list[str], a: list[str], b: list[str]
) -> None:
    check_generated(main, a, b, tmp_path, run, host_key)
