"""kolide_sshd_config against sshd -T, kolide_sudo_rules against cvtsudoers.

Includes, Match blocks, broken lines.
"""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.exposure.sshd_config import SshdDirective, sshd_config
from kolide_tables.exposure.sudo_rules import SudoCommand, rule_rows, sudo_rules
from kolide_tables.exposure.sudoers import logical_lines, rules_in
from osquery_sdk import Query

from ...support.compare import Compare
from ...support.homes import Link
from ...support.tools import Run

Rule = tuple[frozenset[str], frozenset[str], frozenset[str], bool, str]

MAIN = """\
# a comment
Include conf.d/*.conf
Port 2222
PermitRootLogin   no
permitrootlogin yes
PasswordAuthentication=no
MaxAuthTries = 3
Banner "/etc/issue.net" # trailing
ClientAliveInterval 2m
AllowUsers ann "bob"\t carl
X11Forwarding no

Match User ann,bob Address 10.0.0.0/8
    PasswordAuthentication yes
    Include match.conf
    X11Forwarding yes
Match all
    LoginGraceTime 30
"""
INCLUDED = {
    "conf.d/10-first.conf": "LogLevel VERBOSE\nMatch Group admins\n  PermitTTY no\n",
    "conf.d/20-second.conf": "PermitRootLogin prohibit-password\nMaxSessions 4\n",
    "conf.d/ignored.txt": "Port 1\n",
    "match.conf": "AllowTcpForwarding no\n",
}


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    for name, text in {"sshd_config": MAIN, **INCLUDED}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "sshd_config"


def lines_of(path: Path) -> list[SshdDirective]:
    return [row for row in sshd_config.rows(path=str(path)) if isinstance(row, SshdDirective)]


def test_directives(configuration: Path) -> None:
    rows = lines_of(configuration)
    match = "User ann,bob Address 10.0.0.0/8"
    assert [(row.keyword, row.value, row.match_block, Path(row.source).name, row.line) for row in rows] == [
        ("include", "conf.d/*.conf", None, "sshd_config", 2),
        ("loglevel", "VERBOSE", None, "10-first.conf", 1),
        ("permittty", "no", "Group admins", "10-first.conf", 3),
        ("permitrootlogin", "prohibit-password", None, "20-second.conf", 1),
        ("maxsessions", "4", None, "20-second.conf", 2),
        ("port", "2222", None, "sshd_config", 3),
        ("permitrootlogin", "no", None, "sshd_config", 4),
        ("permitrootlogin", "yes", None, "sshd_config", 5),
        ("passwordauthentication", "no", None, "sshd_config", 6),
        ("maxauthtries", "3", None, "sshd_config", 7),
        ("banner", "/etc/issue.net", None, "sshd_config", 8),
        ("clientaliveinterval", "2m", None, "sshd_config", 9),
        ("allowusers", "ann bob carl", None, "sshd_config", 10),
        ("x11forwarding", "no", None, "sshd_config", 11),
        ("passwordauthentication", "yes", match, "sshd_config", 14),
        ("include", "match.conf", match, "sshd_config", 15),
        ("allowtcpforwarding", "no", match, "match.conf", 1),
        ("x11forwarding", "yes", match, "sshd_config", 16),
        ("logingracetime", "30", None, "sshd_config", 18),
    ]
    assert {row.path for row in rows} == {str(configuration)}


def said_by_sshd(run: Run, *arguments: object) -> dict[str, list[str]]:
    """Return sshd's own view of a configuration: the values of each keyword, defaults included."""
    Path("/run/sshd").mkdir(exist_ok=True)
    said: dict[str, list[str]] = {}
    for line in run("sshd", "-T", *arguments).splitlines():
        keyword, _, value = line.partition(" ")
        said.setdefault(keyword, []).append(value)
    return said


def what_counts(rows: list[SshdDirective], holds: str | None = None) -> dict[str, list[str]]:
    """Return the first value of each keyword, in sshd's words and form.

    sshd reads Match blocks after everything else, and their values come first: `holds` are the criteria of
    one.
    """
    first: dict[str, list[str]] = {}
    blocks = {None} if holds is None else {holds, None}
    for row in sorted(rows, key=lambda row: row.match_block is None):
        if row.match_block in blocks and row.keyword != "include":
            words = row.value.split() if row.keyword in ("allowusers", "acceptenv") else [row.value]
            # These do not replace one another, but add up.
            if row.keyword == "acceptenv" or row.keyword not in first:
                first.setdefault(row.keyword, []).extend(words)
    others = {"2m": "120", "prohibit-password": "without-password"}
    return {keyword: [others.get(word, word) for word in words] for keyword, words in first.items()}


@pytest.mark.parametrize("user", [None, "ann"])
def test_what_counts_is_what_sshd_says(
    user: str | None, configuration: Path, run: Run, tmp_path: Path, compare: Compare
) -> None:
    """Compare the first value of each keyword, with and without the Match block for the connection."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "host")
    absolute = configuration.read_text().replace("Include ", f"Include {tmp_path}/")
    configuration.write_text(absolute)
    connection = () if user is None else ("-C", f"user={user},host=h,addr=10.1.2.3")
    said = said_by_sshd(run, "-f", configuration, "-h", tmp_path / "host", *connection)
    ours = what_counts(lines_of(configuration), "User ann,bob Address 10.0.0.0/8" if user else None)
    compare("sshd_config", "sshd -T", ours, {keyword: said[keyword] for keyword in ours})
    assert len(ours) > 10


@pytest.mark.skipif(not Path("/etc/ssh/sshd_config").exists(), reason="this machine has no SSH server")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read the host keys, which sshd -T asks for")
def test_this_machine_s_own_configuration(run: Run, compare: Compare) -> None:
    """Keywords that the configuration does not name have their default, the others their value."""
    said = said_by_sshd(run)
    ours = what_counts([row for row in sshd_config.rows() if isinstance(row, SshdDirective)])
    compare("sshd_config", "sshd -T", ours, {keyword: said.get(keyword) for keyword in ours})


def test_the_configuration_that_is_named_is_the_one_that_is_read(
    configuration: Path, opened: list[str]
) -> None:
    (configuration.parent / "conf.d" / "10-first.conf").write_text("Port 1\n")
    assert lines_of(configuration.parent / "match.conf")
    assert opened == [str(configuration.parent / "match.conf")]
    del opened[:]
    assert lines_of(configuration)
    read = [str(Path(path).relative_to(configuration.parent)) for path in opened]
    assert read == ["sshd_config", "conf.d/10-first.conf", "conf.d/20-second.conf", "match.conf"]


def test_hostile_configurations(tmp_path: Path, link: Link) -> None:
    main = tmp_path / "sshd_config"
    main.write_bytes(
        b'Include sshd_config\nInclude fifo link missing\nPort "22\nBanner \xff\n= x\nMatch\nMatch =\n'
        + b"A" * 100_000
        + b"\n"
    )
    os.mkfifo(tmp_path / "fifo")
    link(tmp_path / "link", "/etc/shadow")
    warnings: list[str] = []
    rows = sshd_config.rows(Query.of(sshd_config, equals={"path": str(main)}, warn=warnings.append))
    assert [row.value for row in rows if row.keyword == "banner"][:1] == ["\\xff"]
    assert any("FIFO" in warning for warning in warnings)
    assert any("symbolic link" in warning for warning in warnings)
    assert any("too deep" in warning for warning in warnings)
    assert any("line 3 has a quote that nothing closes" in warning for warning in warnings)
    assert sshd_config.rows(path=str(tmp_path / "nothing")) == []
    (tmp_path / "many").write_text("Port 22\n" * 100)
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        sshd_config.configured(limits=Limits(max_rows=10)).rows(path=str(tmp_path / "many"))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (r'Banner "a \"b\" c" "d\\"', 'a "b" c d\\'),
        ('AllowUsers a"b c"d # e', "ab cd"),
        ('AllowUsers a "# b" # c', "a # b"),
        (r"AllowUsers 'a \"b' a\ b c\d", 'a "b a b c\\d'),
        ('SetEnv A="x y" "B"=z#', "A=x y B=z#"),
        ('=Banner = "/a b"', "/a b"),
        ('"Banner"/a', "/a"),
        ("Banner =/a = b \f", "/a = b"),
        ('ForceCommand = sh -c "a  b" # c ', 'sh -c "a  b" # c'),
        # The server refuses these.
        ('AllowUsers "a" "b c', "a b c"),
        (r'AllowUsers "a\" b\"', 'a" b"'),
    ],
)
def test_words_of_a_line(line: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "sshd_config").write_text(line + "\n")
    assert [row.value for row in lines_of(tmp_path / "sshd_config")] == [value]


@pytest.mark.parametrize("unit", [r"\"", r'"\"', '"a', '" ', r"\\", "a ", '"\\\\'])
def test_a_long_line_takes_time_in_proportion(unit: str, tmp_path: Path) -> None:
    (tmp_path / "sshd_config").write_text("AllowUsers " + unit * (1_000_000 // len(unit)) + "\n")
    started = time.process_time()
    assert len(lines_of(tmp_path / "sshd_config")) == 1
    assert time.process_time() - started < 10


SUDOERS = (
    r"""
# a comment
Defaults env_reset, secure_path="/usr/sbin:/usr/bin"
Defaults:ann !requiretty
User_Alias ADMINS = ann, bob : OPS = carl
Cmnd_Alias WEB = /usr/bin/systemctl restart nginx, /usr/bin/journalctl
Runas_Alias DB = postgres
root ALL=(ALL:ALL) ALL
%sudo   ALL=(ALL:ALL) ALL
ADMINS ALL = NOPASSWD: ALL
dave, %ops , #1005, +netgroup web1, web2 = (postgres, backup : adm) NOPASSWD: /usr/bin/psql, """
    r"""PASSWD: /bin/ls -l, NOEXEC: /usr/bin/vi \
    /etc/motd, WEB
erin ALL=(root) NOPASSWD:SETENV: /usr/bin/apt-get update, /usr/bin/apt-get upgrade -y : host2 = /sbin/reboot
frank ALL = (DB) CWD=/var NOTBEFORE=20240101000000Z /usr/bin/less, !/usr/bin/su
grace ALL = sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef /usr/bin/id
"heidi smith" ALL = /bin/echo a\,b\=c\:d, sudoedit /etc/hosts
ivan 192.168.0.0/24 = (ALL) /usr/bin/true ""
"""
)


def flat(rules: list[SudoCommand]) -> list[tuple[str, str, str | None, bool, str]]:
    return [(row.users, row.hosts, row.runas, row.nopasswd, row.command) for row in rules]


def _json(text: str) -> dict[str, Any]:
    """Return cvtsudoers's output; 1.9.13 omits the braces around one of the options."""
    document: dict[str, Any] = json.loads(re.sub(r'"runcwd": "[^"]*"', r"{\g<0>}", text))
    return document


def said_by_cvtsudoers(document: dict[str, Any]) -> list[Rule]:
    """Return a row for each command: users, hosts, runas users, without a password, command."""

    def names(items: list[dict[str, Any]]) -> frozenset[str]:
        found = set()
        for item in items:
            ((kind, value),) = [(k, v) for k, v in item.items() if k != "negated"]
            sign = {"usergroup": "%", "userid": "#", "netgroup": "+"}.get(kind, "")
            found.add(f"{'!' if item.get('negated') else ''}{sign}{value}")
        return frozenset(found)

    rows = []
    for spec in document["User_Specs"]:
        for commands in spec["Cmnd_Specs"]:
            options = {key: value for one in commands.get("Options", []) for key, value in one.items()}
            for command in commands["Commands"]:
                text = command.get("command", command.get("cmndalias", ""))
                text = f"{'!' if command.get('negated') else ''}{text}"
                rows.append(
                    (
                        names(spec["User_List"]),
                        names(spec["Host_List"]),
                        names(commands.get("runasusers", [])),
                        options.get("authenticate") is False,
                        text,
                    )
                )
    return rows


def told(path: Path) -> list[Rule]:
    """Return the table's rows in cvtsudoers's form, which has runas groups and digests under other keys."""
    rows = flat(list(rule_rows(Query.of(sudo_rules), str(path))))
    return [
        (
            frozenset(user.strip('"') for user in users.split(",")),
            frozenset(hosts.split(",")),
            frozenset((runas or "").partition(":")[0].split(",")) - {""},
            nopasswd,
            command.partition(" ")[2] if command.startswith("sha256:") else command,
        )
        for users, hosts, runas, nopasswd, command in rows
    ]


def test_rules_are_those_of_cvtsudoers(run: Run, tmp_path: Path, compare: Compare) -> None:
    (tmp_path / "sudoers").write_text(SUDOERS)
    said = said_by_cvtsudoers(_json(run("cvtsudoers", "-f", "json", "-i", "sudoers", tmp_path / "sudoers")))
    compare("sudo_rules", "cvtsudoers -f json", told(tmp_path / "sudoers"), said)
    assert len(said) == 16


@pytest.mark.skipif(not Path("/etc/sudoers").exists(), reason="this machine has no sudo")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read /etc/sudoers")
def test_this_machine_s_own_rules(run: Run, compare: Compare) -> None:
    """Compare the rules of this machine, with the included files."""
    said = said_by_cvtsudoers(_json(run("cvtsudoers", "-f", "json", "-i", "sudoers", "/etc/sudoers")))
    compare("sudo_rules", "cvtsudoers -f json", told(Path("/etc/sudoers")), said)


def test_rules_are_those_of_cvtsudoers_as_recorded(tmp_path: Path, fixtures: Path, compare: Compare) -> None:
    (tmp_path / "sudoers").write_text(SUDOERS)
    said = said_by_cvtsudoers(_json((fixtures / "sudoers.json").read_text()))
    compare("sudo_rules", "cvtsudoers -f json, recorded", told(tmp_path / "sudoers"), said)


def test_includes(tmp_path: Path) -> None:
    folder = tmp_path / "sudoers.d"
    folder.mkdir()
    (tmp_path / "sudoers").write_text(
        f"a ALL=ALL\n@includedir {folder}\n#include {tmp_path}/more\n@include sudoers\nz ALL=ALL\n"
    )
    (folder / "10-x").write_text("b ALL=(ALL) NOPASSWD: /bin/x --password=hunter2\n")
    (folder / "20-y.dpkg-old").write_text("no ALL=ALL\n")
    (folder / "30-z~").write_text("no ALL=ALL\n")
    (folder / "40-link").symlink_to("/etc/shadow")
    (tmp_path / "more").write_text("c h1, h2 = ALL\n\n  \\\nd ALL = \\\n ALL\n")
    warnings: list[str] = []
    rows = list(rule_rows(Query.of(sudo_rules, warn=warnings.append), str(tmp_path / "sudoers")))
    assert [(Path(row.source).name, row.line, row.users, row.hosts, row.command) for row in rows] == [
        ("sudoers", 1, "a", "ALL", "ALL"),
        ("10-x", 1, "b", "ALL", "/bin/x --password=[redacted]"),
        ("more", 1, "c", "h1,h2", "ALL"),
        ("more", 3, "d", "ALL", "ALL"),
        ("sudoers", 5, "z", "ALL", "ALL"),
    ]
    assert len(warnings) == 2


def test_a_line_that_is_too_long_is_told(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text(
        "a ALL=ALL\n" + "x" * 70_000 + " ALL=ALL\nb ALL=\\\n" + "ALL, \\\n" * 20_000 + "\nc ALL=ALL\n"
    )
    warnings: list[str] = []
    assert [
        row.users
        for row in list(rule_rows(Query.of(sudo_rules, warn=warnings.append), str(tmp_path / "sudoers")))
        if row.command == "ALL"
    ][:1] == ["a"]
    assert re.search(r"sudoers: line 2 has more than 65,536 characters, and is not read", warnings[0])


def test_a_machine_without_sudo(tmp_path: Path) -> None:
    warnings: list[str] = []
    assert list(rule_rows(Query.of(sudo_rules, warn=warnings.append), str(tmp_path / "sudoers"))) == []
    assert warnings == []


@pytest.mark.parametrize("unit", ['"a"', '"', 'a"', r"\a", "\\", '"a b"', "a,", "!", "%a"])
@pytest.mark.parametrize(
    "line", ["{}=ALL", "{} ALL=(ALL) {}", "@include {} x", "ALL ALL=CWD={}", "{}:{}=ALL"]
)
def test_a_long_line_of_rules_takes_time_in_proportion(line: str, unit: str, tmp_path: Path) -> None:
    text = line.format(*[unit * (20_000 // len(unit))] * 2) + "\n"
    (tmp_path / "sudoers").write_text(text)
    started = time.process_time()
    list(rule_rows(Query.of(sudo_rules, warn=[].append), str(tmp_path / "sudoers")))
    assert time.process_time() - started < 5


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=' \t\n\\":=,()!%#aALN/PASWD0', max_size=200))
def test_any_text_has_rules_or_none(text: str) -> None:
    for _, line in logical_lines(text):
        for rule in rules_in(line) if line else ():
            assert rule.command
            assert rule.users
