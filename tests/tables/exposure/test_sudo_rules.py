"""kolide_sudo_rules against cvtsudoers: includes, aliases, tags, Defaults, broken lines."""

import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_tables.exposure.sudo_rules import SudoCommand, rule_rows, sudo_rules
from osquery_sdk import Query, TableError

from ...support.compare import Compare
from ...support.homes import Link
from ...support.tools import Run, tool

Names = tuple[str, ...]
Rule = tuple[Names, Names, Names, Names, bool, str, Names]

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


def rows_of(path: Path, warnings: list[str] | None = None) -> list[SudoCommand]:
    warn = [].append if warnings is None else warnings.append
    return list(rule_rows(Query.of(sudo_rules, warn=warn), str(path)))


def _json(text: str) -> dict[str, Any]:
    """Return cvtsudoers's output; 1.9.13 omits the braces around some of the options."""
    fixed = re.sub(r'^(\s*)("run(?:cwd|chroot)": "[^"]*")', r"\1{\2}", text, flags=re.MULTILINE)
    document: dict[str, Any] = json.loads(fixed or "{}")
    return document


def names(items: list[dict[str, Any]], *, groups: bool = False) -> Names:
    signs = {"usergroup": "" if groups else "%", "userid": "#", "netgroup": "+", "usergid": "%#"}
    signs |= {"nonunixgroup": "%:", "nonunixgid": "%:#"}
    found = []
    for item in items:
        kind, value = next(iter(item.items()))
        if value != "":  # it stands for the user who calls sudo; 1.9.13 leaves it out beside groups
            found.append(f"{'!' if item.get('negated') else ''}{signs.get(kind, '')}{value}")
    return tuple(found)


def said_in(document: dict[str, Any]) -> list[Rule]:
    """Return a row for each command."""
    rows = []
    for spec in document.get("User_Specs", ()):
        for commands in spec["Cmnd_Specs"]:
            options = {key: value for one in commands.get("Options", []) for key, value in one.items()}
            for command in commands["Commands"]:
                digests = [
                    f"{kind}:{digest}"
                    for kind, values in command.items()
                    if kind.startswith("sha")
                    for digest in ([values] if isinstance(values, str) else values)
                ]
                rows.append(
                    (
                        names(spec["User_List"]),
                        names(spec["Host_List"]),
                        names(commands.get("runasusers", [])),
                        names(commands.get("runasgroups", []), groups=True),
                        options.get("authenticate") is False,
                        *names([command]),
                        tuple(sorted(digests)),
                    )
                )
    return rows


def said_by_cvtsudoers(run: Run, path: Path) -> list[Rule]:
    return said_in(_json(run("cvtsudoers", "-f", "json", "-e", "-i", "sudoers", path)))


def listed(text: str | None) -> Names:
    return tuple(name for name in json.loads(text or "[]") if name)


def told(path: Path) -> list[Rule]:
    """Return the table's rows in cvtsudoers's form, which has a row for each command of an alias."""
    return [
        (
            listed(row.user_list),
            listed(row.host_list),
            listed(row.runas_users),
            listed(row.runas_groups),
            "NOPASSWD" in json.loads(row.options),
            command,
            tuple(sorted(json.loads(row.digests))),
        )
        for row in rows_of(path)
        for command in json.loads(row.command_list)
    ]


def test_rules_are_those_of_cvtsudoers(run: Run, tmp_path: Path, compare: Compare) -> None:
    (tmp_path / "sudoers").write_text(SUDOERS)
    said = said_by_cvtsudoers(run, tmp_path / "sudoers")
    compare("sudo_rules", "cvtsudoers -f json -e", told(tmp_path / "sudoers"), said)
    assert len(said) == 17


SHA224 = "d06a2617c98d377c250edd470fd5e576327748d82915d6e33b5f8db1"
SHA512 = "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
TEXTS = {
    "several hosts": (
        "al h1=NOPASSWD:/bin/a:h2=/bin/b : h3 , !h4=(:adm)/bin/c\nb ALL=ALL:h=/x, /y : i=PASSWD:/z\n"
    ),
    "digests": (
        f"a ALL = sha224:{SHA224}, sha512 : {SHA512} /bin/ls, sha512:{SHA512} ALL, !/bin/a\n"
        f"Cmnd_Alias X = sha224:{SHA224} /x\nb ALL=X, sha224:{SHA224} ! /y\n"
    ),
    "names": (
        '"%domain admins" ALL=ALL\nDOM\\\\bob,%DOM\\\\x\\ y ALL=(ALL) ALL\n"a\\"b,c" "h 1" = /bin/x\n'
        '%#10,%:other,"%:two words",+net,#0 +hosts=(%g,#5,+n : h)/x\n\\x41\\x6c,u\\,v h=/x\n!a, !!b h=/y\n'
    ),
    "arguments": (
        'a ALL=/bin/x --b=c=d, /bin/a\\ b c\\,d e\\=f\\:g h\\\\i \\#j, /bin/ls "",'
        " /usr/bin/, /bin/*/x \\*\\?,"
        " sudoedit /etc/a /etc/b, sudoedit /y # z\n"
    ),
    "expressions": "a ALL=^/bin/[a-c]+, x$ ^-[ab]{1,2}$ , /bin/x ^a b|c\\$$, ^/y\\$z$ foo\n",
    "tags": (
        "a ALL=(r) CWD=/x TIMEOUT=1h NOPASSWD: NOEXEC: /a, PASSWD: /b, EXEC:/c, (s:t) /d, (:u)/e, () /f,"
        "NOTBEFORE=20200101000000Z NOPASSWD:SETENV: ALL, LOG_INPUT: ! /g\n"
    ),
    "aliases": (
        "User_Alias A=a,!b,B:C=%c\nUser_Alias B = d, !C\nHost_Alias H=10.0.0.0/8,fe80::1,1.2.3.4/255.0.0.0\n"
        "Cmnd_Alias X=/x,!Y:Y=/y z,sudoedit /e\nRunas_Alias R=root,!b\nCmd_Alias LAST = /l\n"
        "A,!B h,!H=(R,!R:R)X,!X,LAST\nUser_Alias ABC_1 = z\nABC_1 ALL=ALL\n"
    ),
    "lines": (
        "a ALL=\\\n /x,\\  \n\t/y\n# c \\\nb ALL=/z # d\\\n  c\\\n ALL = (\\\n r ) ALL#e\n"
        "#0 ALL=/x\n#-x\n #-1 ALL=/y\n#\n#includes\n"
        '  Defaults env_keep += "A \\\n   B", !x, y=z\nDefaults:a,b !lecture\nd ALL=ALL#f\r\n'
    ),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_of_each_kind(kind: str, run: Run, tmp_path: Path, compare: Compare) -> None:
    (tmp_path / "sudoers").write_bytes(TEXTS[kind].encode())
    said = said_by_cvtsudoers(run, tmp_path / "sudoers")
    compare("sudo_rules", "cvtsudoers -f json -e", told(tmp_path / "sudoers"), said)
    assert said


@pytest.mark.skipif(not Path("/etc/sudoers").exists(), reason="this machine has no sudo")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read /etc/sudoers")
def test_this_machine_s_own_rules(run: Run, compare: Compare) -> None:
    """Compare the rules of this machine, with the included files."""
    said = said_by_cvtsudoers(run, Path("/etc/sudoers"))
    compare("sudo_rules", "cvtsudoers -f json -e", told(Path("/etc/sudoers")), said)


def test_rules_are_those_of_cvtsudoers_as_recorded(tmp_path: Path, fixtures: Path, compare: Compare) -> None:
    (tmp_path / "sudoers").write_text(SUDOERS)
    said = [
        (users, hosts, runas, is_free, command)
        for users, hosts, runas, _, is_free, command, _ in said_in(
            _json((fixtures / "sudoers.json").read_text())
        )
    ]
    ours = [
        (
            tuple(row.users.split(",")),
            tuple(row.hosts.split(",")),
            tuple((row.runas or "").partition(":")[0].split(",")) if row.runas else (),
            row.nopasswd,
            row.command,
        )
        for row in rows_of(tmp_path / "sudoers")
    ]
    compare("sudo_rules", "cvtsudoers -f json, recorded", ours, said)


def test_includes(tmp_path: Path, link: Link) -> None:
    """Links of root, as on NixOS, are followed; those of others are not."""
    is_root = os.geteuid() == 0
    folder = tmp_path / "sudoers.d"
    folder.mkdir()
    (tmp_path / "sudoers").write_text(
        f"a ALL=ALL\n@includedir {folder}\n#include {tmp_path}/more\n@include sudoers\nz ALL=ALL\n"
    )
    (folder / "10-x").write_text("b ALL=(ALL) NOPASSWD: /bin/x --password=hunter2\n")
    (folder / "20-y.dpkg-old").write_text("no ALL=ALL\n")
    (folder / "30-z~").write_text("no ALL=ALL\n")
    link(folder / "40-link", "/etc/shadow")
    (folder / "50-link").symlink_to(tmp_path / "more")
    (tmp_path / "more").write_text("c h1, h2 = ALL\n\n  \\\nd ALL = \\\n ALL\n")
    warnings: list[str] = []
    rows = rows_of(tmp_path / "sudoers", warnings)
    assert [(Path(row.source).name, row.line, row.users, row.hosts, row.command) for row in rows] == [
        ("sudoers", 1, "a", "ALL", "ALL"),
        ("10-x", 1, "b", "ALL", "/bin/x --password=[redacted]"),
        *([("50-link", 1, "c", "h1,h2", "ALL"), ("50-link", 3, "d", "ALL", "ALL")] if is_root else []),
        ("more", 1, "c", "h1,h2", "ALL"),
        ("more", 3, "d", "ALL", "ALL"),
        ("sudoers", 5, "z", "ALL", "ALL"),
    ]
    assert len(warnings) == 2 + (not is_root)


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
    assert warnings[0].endswith(
        "sudoers: line 2, column 1: more than 65,536 characters, and is not read; also line 3"
    )


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


def test_included_files_may_have_the_machine_s_name(tmp_path: Path) -> None:
    """Names without a folder are beside the file that includes them."""
    host = platform.node().partition(".")[0]
    (tmp_path / "d").mkdir()
    (tmp_path / "sudoers").write_text(
        '  @include "d/with %h" # not a name\n@includedir d\n@include d/x\\ y z\n'
    )
    (tmp_path / "d" / f"with {host}").write_text("@include x.%h\na ALL=ALL\n")
    (tmp_path / "d" / f"x.{host}").write_text("b ALL=ALL\n")
    (tmp_path / "d" / "x y").write_text("c ALL=ALL\n")
    warnings: list[str] = []
    assert [row.users for row in rows_of(tmp_path / "sudoers", warnings)] == ["b", "a", "b", "a", "c", "c"]
    assert warnings == []


def test_lines_that_sudo_does_not_understand_are_told(tmp_path: Path) -> None:
    """They give no rule; the aliases before the bad part of a line do count."""
    (tmp_path / "sudoers").write_text(
        "User_Alias A=a:B=\nA ALL=ALL\nb ALL=x\nb ALL=(r:) /x\n"
        "b ALL=/x : h\nb ALL=/x : h /y\nb ALL=CWD=y /x\n"
        'b ALL=NOPASSWD: CWD=/y /x\nUser_Alias ALL=b\nDefaults x y\nUser_Alias A=c\nb ALL="/x"\nb "" = /x\n'
        "b ALL=sha224:aa /x\nb ALL=\\\nDefaults x\nb ::: ::: = /x\nb ALL=TIMEOUT=x /x\n+ ALL=ALL\n% ALL=ALL\n"
        "b ALL=/x \\"
    )
    warnings: list[str] = []
    rows = rows_of(tmp_path / "sudoers", warnings)
    assert [(row.line, row.user_list, row.command) for row in rows] == [
        (2, '["a"]', "ALL"),
        (5, '["b"]', "/x"),
    ]
    assert [warning.partition(": ")[2] for warning in warnings] == [
        (
            f"{tmp_path}/sudoers: line 1, column 18: sudo does not understand what is here; "
            "also lines 3, 4, 5, 6, 7 and 13 more"
        )
    ]


FAULTS = {
    "a ALL=ALL\nb ALL= , /x\n": "line 2, column 8: sudo does not understand what is here",
    "a ALL=/x, \\\n  (b /y\n": "line 2, column 8: sudo does not understand what is here",
    "a ALL=TIMEOUT=x /x\n": "line 1, column 15: TIMEOUT cannot have this value",
    "a ALL=TIMEOUT=1h2h /x\na ALL=TIMEOUT=24856d /x\n": "line 2, column 15: TIMEOUT cannot have this value",
    '# c\n\nDefaults x="a\nb ALL=ALL\n': "line 3, column 14: sudo does not understand what is here",
    "User_Alias A=a\nUser_Alias B=b:A=c\n": "line 2, column 16: there is an alias A already",
    "\ufeffDefaults x\n": "line 1, column 12: sudo does not understand what is here",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_line_that_sudo_refuses(text: str, tmp_path: Path) -> None:
    """It is an error if the file is named, and is logged with LIKE, where other files are answered."""
    bad, good = tmp_path / "b", tmp_path / "c"
    bad.write_text(text)
    good.write_text("good ALL=ALL\n")
    message = f"{bad}: {FAULTS[text]}"
    with pytest.raises(TableError, match=re.escape(message) + "$"):
        sudo_rules.rows(Query.of(sudo_rules, equals={"path": [str(good), str(bad)]}))
    warnings: list[str] = []
    rows = sudo_rules.rows(Query.of(sudo_rules, like={"path": f"{tmp_path}/_"}, warn=warnings.append))
    assert "good" in {row.users for row in rows if row.path == str(good)}
    assert [warning.removeprefix("kolide_sudo_rules: ") for warning in warnings] == [message]
    said = subprocess.run([tool("cvtsudoers"), "-i", "sudoers", bad], capture_output=True, text=True)
    place = re.search(r"b:(\d+):(\d+): ", said.stderr)
    assert place is not None
    if "alias" not in message:  # of which cvtsudoers names the line behind it
        column = place[2] if text[0] != "\ufeff" else int(place[2]) - 2  # it counts bytes
        assert f"line {place[1]}, column {column}: " in message


def test_what_is_named_and_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text(f"a ALL=ALL\n@include {tmp_path}/fifo\n@includedir {tmp_path}/none\n")
    os.mkfifo(tmp_path / "fifo")
    for name, problem in (("sudoers", "fifo is a FIFO"), ("fifo", "fifo is a FIFO"), (".", "is a folder")):
        with pytest.raises(TableError, match=problem):
            sudo_rules.rows(path=str(tmp_path / name))
    assert sudo_rules.rows(path=str(tmp_path / "nothing")) == []
    warnings: list[str] = []
    rows = sudo_rules.rows(Query.of(sudo_rules, like={"path": f"{tmp_path}/%"}, warn=warnings.append))
    assert [row.users for row in rows] == ["a"]
    assert len(warnings) == 2


def test_too_many_settings_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text("Defaults:a !authenticate\n" * 20_002)
    with pytest.raises(LimitExceeded, match="more than 20,000 aliases and Defaults"):
        rows_of(tmp_path / "sudoers")


def test_digests_are_those_of_each_command(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text(f"Cmnd_Alias X = sha224:{SHA224} /x, /y\na ALL=X\nb ALL=/z\n")
    rows = rows_of(tmp_path / "sudoers")
    assert [(row.command_list, row.command_digests) for row in rows] == [
        ('["/x", "/y"]', f'[["sha224:{SHA224}"], []]'),
        ('["/z"]', "[[]]"),
    ]


@pytest.mark.parametrize("unit", [b"\xff", b'"\xff'])
def test_a_large_file_takes_little_memory(unit: bytes, tmp_path: Path) -> None:
    """Of four megabytes, a few hundred kilobytes are text at a time."""
    import tracemalloc

    (tmp_path / "sudoers").write_bytes(unit * ((4 << 20) // len(unit)))
    tracemalloc.start()
    rows_of(tmp_path / "sudoers")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 13 << 20


def test_too_many_members_stay_an_alias(tmp_path: Path) -> None:
    lines = [f"User_Alias A{n} = {', '.join([f'A{n + 1}'] * 10)}" for n in range(20)]
    (tmp_path / "sudoers").write_text("\n".join((*lines, "A0 ALL=ALL", "A19 ALL=ALL")) + "\n")
    assert [row.user_list for row in rows_of(tmp_path / "sudoers")] == ['["A0"]', json.dumps(["A20"] * 10)]


WORDS = st.sampled_from(
    ("a", "ALL", "FOO", "%g", "+n", "#0", "%#1", '"%a b"', "x\\\\,y", "1.2.3.4", "ab::1/64", "list")
)
MANY = st.lists(
    st.tuples(st.sampled_from(("", "", "!", "! ", "!!")), WORDS).map("".join), min_size=1, max_size=3
).map(",".join)
COMMANDS = st.sampled_from(
    (
        "ALL",
        "/a",
        "!/a b",
        "/a b\\\\, c",
        "/bin/",
        '/a ""',
        "sudoedit /a",
        "^/[ab],$",
        "/a ^b:c$",
        f"sha224:{SHA224} /a",
        f"sha224:{SHA224}, sha512:{SHA512} ! /b",
        "/a = b",
        "/a\\\n  b",
        "a",
        "CAT",
    )
)
BEFORE = st.sampled_from(
    ("", "", "", "(a)", "(a,b:c)", "(:c)", "()", "(ALL : ALL)", "CWD=/x", "TIMEOUT=1m", "NOTAFTER=x")
)
TAGS = st.sampled_from(
    ("", "", "", "NOPASSWD:", "PASSWD :", "NOEXEC:SETENV:", "NOPASSWD: LOG_INPUT:", "FOLLOW")
)
SPECS = st.lists(st.tuples(BEFORE, TAGS, COMMANDS).map(" ".join), min_size=1, max_size=3).map(", ".join)
PRIVILEGES = st.lists(
    st.tuples(MANY, st.sampled_from(("=", " = ")), SPECS).map("".join), min_size=1, max_size=2
).map(" : ".join)
RULES = st.tuples(MANY, st.sampled_from((" ", "\t", " \\\n")), PRIVILEGES).map("".join)
SETTINGS = st.tuples(
    st.just("Defaults"),
    st.sampled_from(("", ":a", "@h,!i", ">r", "!/x", "! FOO", "!/x y")),
    st.sampled_from((" ", "")),
    st.sampled_from(("!x", "x=y, !z", 'x += "a b"', "x-=y,", "!!authenticate", "x=#")),
).map("".join)
END = st.sampled_from(("\n", " # c\n", "\n\n", "#1\n", "\\\n\n"))
ALIASES = "User_Alias FOO=u\nHost_Alias FOO=v\nRunas_Alias FOO=w\nCmnd_Alias FOO=/f:CAT=/bin/cat\n"


def check_line(line: str, path: Path, run: Run) -> None:
    """Compare one line: cvtsudoers takes all of a file or nothing."""
    path.write_text(ALIASES + line)
    said = run("cvtsudoers", "-f", "json", "-e", "-i", "sudoers", path, check=False)
    warnings: list[str] = []
    rows_of(path, warnings)
    refused = run("cvtsudoers", "-f", "sudoers", "-i", "sudoers", path, check=False) == ""
    assert bool(warnings) == refused, line
    if not refused:
        assert told(path) == said_in(_json(said)), line


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(RULES, RULES, SETTINGS), END)
def test_a_line_is_understood_as_cvtsudoers_does(run: Run, tmp_path: Path, line: str, end: str) -> None:
    check_line(line + end, tmp_path / "sudoers", run)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(RULES, RULES, SETTINGS), END)
def test_a_line_is_understood_as_cvtsudoers_does_at_length(
    run: Run, tmp_path: Path, line: str, end: str
) -> None:
    check_line(line + end, tmp_path / "sudoers", run)


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet=' \t\n\r\\":=,()!%#@^$/*aALNPSWD0', max_size=200))
def test_any_text_has_rules_or_none(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any-sudoers"
    path.write_text(text)
    for row in rows_of(path):
        assert row.command
        assert row.users


DEFAULTS: dict[str, tuple[str, list[tuple[str, bool, bool]]]] = {
    "of a user": (
        "Defaults:alice !authenticate\nalice ALL=(ALL) ALL\nbob ALL=(ALL) ALL\n",
        [("alice", True, False), ("bob", False, False)],
    ),
    "of all": (
        "Defaults !authenticate\na ALL=ALL\na ALL=PASSWD: ALL\n",
        [("a", True, False), ("a", False, False)],
    ),
    "turned on again": (
        "Defaults !authenticate\nDefaults:a authenticate\na ALL=/x\nb ALL=/x\n",
        [("a", False, False), ("b", True, False)],
    ),
    "the last counts": ("Defaults:a !authenticate\nDefaults authenticate\na ALL=/x\n", [("a", False, False)]),
    "an even number of marks": ("Defaults !!authenticate\na ALL=/x\n", [("a", False, False)]),
    "an alias, lists, negation": (
        (
            "User_Alias A = u, !v : B = A, w\nDefaults:B,!w !authenticate, x\n"
            "u ALL=/x\nv ALL=/x\nw ALL=/x\nA ALL=/x\n"
        ),
        [("u", True, False), ("v", False, False), ("w", False, False), ("A", True, False)],
    ),
    "of a group": (
        'Defaults:%wheel,"%two words" !authenticate\n%wheel ALL=/x\n%two\\ words ALL=/x\n%adm ALL=/x\n',
        [("%wheel", True, False), ("%two words", True, False), ("%adm", False, False)],
    ),
    "of some users": (
        "Defaults:a !authenticate\nALL ALL=/x\nALL,!a ALL=/x\na,b ALL=/x\n",
        [("ALL", True, True), ("ALL,!a", False, False), ("a,b", True, True)],
    ),
    "of all but some": (
        "Defaults:ALL,!a !authenticate\na ALL=/x\nb ALL=/x\nALL ALL=/x\n",
        [("a", False, False), ("b", True, False), ("ALL", True, True)],
    ),
    "of each of a list": (
        "Defaults:a !authenticate\nDefaults:b !authenticate\na,b ALL=/x\n",
        [("a,b", True, False)],
    ),
    "of a machine": (
        "Defaults@h1,10.0.0.0/8 !authenticate\na h1=/x\nb h2=/x\nc 10.0.0.0/8=/x\nd h1,h2=/x\n",
        [("a", True, False), ("b", False, False), ("c", True, False), ("d", True, True)],
    ),
    "of this machine": (
        "Defaults@HOST !authenticate\na ALL=/x\nb HOST=/x\nc h2=/x\n",
        [("a", True, False), ("b", True, False), ("c", False, False)],
    ),
    "of another machine": (
        "Defaults@other !authenticate\na ALL=/x\nDefaults@other.example.org !authenticate\n",
        [("a", False, False)],
    ),
    "of a user as whom": (
        "Defaults>oper !authenticate\na ALL=(oper) /x\nb ALL=/x\nc ALL=(ALL) /x\nd ALL=(root,oper) /x\n",
        [("a", True, False), ("b", False, False), ("c", True, True), ("d", True, True)],
    ),
    "of root": (
        "Defaults>root !authenticate\na ALL=/x\nb ALL=(www) /x\n",
        [("a", True, False), ("b", False, False)],
    ),
    "of the default user": (
        "Defaults runas_default=op\nDefaults>op !authenticate\na ALL=/x\n",
        [("a", True, False)],
    ),
    "of the default user of some": (
        (
            "Defaults:a runas_default=op\nDefaults@other runas_default=w\nDefaults!/x runas_default=w\n"
            "Defaults>op !authenticate\na ALL=/x\nb ALL=/x\na,b ALL=/x\n"
        ),
        [("a", True, False), ("b", False, False), ("a,b", True, True)],
    ),
    "of the user himself": (
        "Defaults>a !authenticate\na ALL=() /x\nb ALL=() /x\na ALL=(:g) /x\n",
        [("a", True, False), ("b", False, False), ("a", True, True)],
    ),
    "of users as whom, with groups": (
        (
            "Defaults !authenticate\nDefaults>oper authenticate\nDefaults>www !authenticate\n"
            "a ALL=(oper:adm) /x\na ALL=(oper) /x\na ALL=(www:adm) /x\n"
        ),
        [("a", True, True), ("a", False, False), ("a", True, False)],
    ),
    "of a command": (
        (
            "Cmnd_Alias C = /x y, /z\nDefaults!/x,!/y !authenticate\n"
            "a ALL=/x, /y, /x z, C\nb ALL=ALL\nc ALL=/*\n"
        ),
        [
            ("a", True, False),
            ("a", False, False),
            ("a", True, False),
            ("a", True, True),
            ("b", True, True),
            ("c", True, True),
        ],
    ),
    "of a command with arguments": (
        (
            "Cmnd_Alias C=/x a,/y ^a.$,/z b*:D=/w,!/w c\nDefaults!C !authenticate\nDefaults!D !authenticate\n"
            'a ALL=/x, /x a, /x b, /y ab, /y b, /z bc, /w, /w c, /x ""\n'
        ),
        [
            *(("a", True, True), ("a", True, False), ("a", False, False)),
            *(("a", True, False), ("a", False, False), ("a", True, False)),
            *(("a", True, True), ("a", False, False), ("a", False, False)),
        ],
    ),
    "commands come last": (
        "Defaults!/x !authenticate\nDefaults authenticate\na ALL=/x\n",
        [("a", True, False)],
    ),
    "of kinds of commands": (
        (
            "Defaults!/bin/,^/s/[ab]$,/u/*/x,sudoedit !authenticate\n"
            "a ALL=/bin/x, /bin/x/y, /s/a, /s/c, /u/1/x, /u/x, sudoedit /y\n"
        ),
        [
            ("a", True, False),
            ("a", False, False),
            ("a", True, False),
            ("a", False, False),
            ("a", True, False),
            ("a", False, False),
            ("a", True, False),
        ],
    ),
    "an exempt group": (
        "Defaults exempt_group = adm\n%adm ALL=PASSWD:/x\nz ALL=/x\nALL ALL=/x\n",
        [("%adm", True, False), ("z", False, False), ("ALL", True, True)],
    ),
    "an exempt group for some": (
        (
            "Defaults>oper exempt_group=adm\nDefaults:z exempt_group=adm\n"
            "%adm ALL=(root,oper) /x\n%adm ALL=(oper) /x\n%adm,z ALL=/x\n"
        ),
        [("%adm", True, True), ("%adm", True, False), ("%adm,z", False, False)],
    ),
    "an exempt group that is taken away": (
        "Defaults exempt_group=adm\nDefaults>oper !exempt_group\n%adm ALL=(root,oper) /x\n%adm ALL=(oper) /x\n",
        [("%adm", True, True), ("%adm", False, False)],
    ),
    "a bad line": ("Defaults:a !authenticate x\na ALL=/x\n", [("a", False, False)]),
}


@pytest.mark.parametrize("case", DEFAULTS)
def test_defaults_decide_without_a_tag(case: str, tmp_path: Path) -> None:
    text, expected = DEFAULTS[case]
    (tmp_path / "sudoers").write_text(text.replace("HOST", platform.node().partition(".")[0]))
    rows = rows_of(tmp_path / "sudoers")
    assert [(row.users, row.nopasswd, row.nopasswd_partly) for row in rows] == expected
    assert all((row.nopasswd_by is not None) == row.nopasswd for row in rows)


def test_what_decides_is_told(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text(
        "Defaults !authenticate\nDefaults:a,!b authenticate\nDefaults!/x !authenticate\n"
        "ALL ALL=ALL\na ALL=NOPASSWD:/y, PASSWD: /z\n"
    )
    assert [row.nopasswd_by for row in rows_of(tmp_path / "sudoers")] == [
        "Defaults!/x !authenticate; Defaults:a,!b authenticate; Defaults !authenticate",
        "NOPASSWD",
        None,
    ]


def test_no_column_shows_a_secret(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text(
        "Cmnd_Alias X = /x --password hunter2\nDefaults!X !authenticate\n"
        "a ALL=X, /y --token=hunter2, !/z PGPASSWORD\\=hunter2\n"
    )
    rows = rows_of(tmp_path / "sudoers")
    assert len(rows) == 3
    assert "hunter2" not in str(rows)
