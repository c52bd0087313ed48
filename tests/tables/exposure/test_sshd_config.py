"""kolide_sshd_config against sshd -T: includes, Match blocks, broken lines."""

import os
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.exposure.sshd_config import SshdDirective, sshd_config
from osquery_sdk import Query, TableError

from ...support.compare import Compare
from ...support.homes import Link
from ...support.tools import Run

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
        said.setdefault(keyword.lower(), []).append(value)
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
    user: str | None, configuration: Path, run: Run, tmp_path: Path, compare: Compare, host_key: Path
) -> None:
    """Compare the first value of each keyword, with and without the Match block for the connection."""
    absolute = configuration.read_text().replace("Include ", f"Include {tmp_path}/")
    configuration.write_text(absolute)
    connection = () if user is None else ("-C", f"user={user},host=h,addr=10.1.2.3")
    said = said_by_sshd(run, "-f", configuration, "-h", host_key, *connection)
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
        b'# c\nInclude fifo link missing\nPort "22\nBanner \xff\n= x\nMatch\nMatch =\n'
        + b"A" * 100_000
        + b"\n"
    )
    os.mkfifo(tmp_path / "fifo")
    link(tmp_path / "link", "/etc/shadow")
    rows, warnings = with_warnings(main)
    assert [row.value for row in rows if row.keyword == "banner"][:1] == ["\\xff"]
    assert any("FIFO" in warning for warning in warnings)
    assert any("symbolic link" in warning for warning in warnings)
    assert any("line 3, column 6: nothing closes this quote; also lines 5, 6, 7, 8" in w for w in warnings)
    assert sshd_config.rows(path=str(tmp_path / "nothing")) == []
    (tmp_path / "many").write_text("Port 22\n" * 100)
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        sshd_config.configured(limits=Limits(max_rows=10)).rows(path=str(tmp_path / "many"))


def with_warnings(path: Path) -> tuple[list[SshdDirective], list[str]]:
    """Return the rows of the files that a pattern finds, and what was logged."""
    warnings: list[str] = []
    rows = sshd_config.rows(Query.of(sshd_config, like={"path": str(path)}, warn=warnings.append))
    return rows, warnings


FAULTS = {
    "Port 22\n  AllowUsers ann 'b c\n": "line 2, column 18: nothing closes this quote",
    "\ufeff# c\nPort 22\n": "line 1, column 1: this is no keyword",
    "Port 22\n\n { }\nPort\n": "line 3, column 2: this is no keyword; also line 4",
    "Port 22\r\nPermitRootLogin \r\n": "line 2, column 16: no value after the keyword",
    "Match user ann\nMatch LocalNetwork 10.0.0.0/8\n": (
        "line 2, column 7: Match has no criterion localnetwork"
    ),
    "Match !User ann\n": "line 1, column 7: Match has no criterion !user",
    "Match  User\n": "line 1, column 8: the criterion user has no value",
    "Match all User ann\n": "line 1, column 7: all stands alone in a Match line",
    "Match # all\n": "line 1, column 7: a Match line without a criterion",
    "Port 22\0\nPermitTTY no\n": "line 1, column 8: a NUL, at which the server goes on with the next line",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_line_that_the_server_refuses(text: str, tmp_path: Path, run: Run, host_key: Path) -> None:
    """It is an error if the file is named, and is logged with LIKE, where other files are answered."""
    bad, good = tmp_path / "b", tmp_path / "c"
    bad.write_bytes(text.encode())
    good.write_text("Port 22\n")
    message = f"{bad}: {FAULTS[text]}"
    with pytest.raises(TableError, match=re.escape(message) + "$"):
        lines_of(bad)
    with pytest.raises(TableError, match=re.escape(message) + "$"):
        sshd_config.rows(Query.of(sshd_config, equals={"path": [str(good), str(bad)]}))
    rows, warnings = with_warnings(tmp_path / "_")
    assert "c" in {Path(row.source).name for row in rows}
    assert [warning.removeprefix("kolide_sshd_config: ") for warning in warnings] == [message]
    assert not run("sshd", "-T", "-f", bad, "-h", host_key, check=False)


def test_many_faults_are_few_lines_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "sshd_config").write_text("Include sshd_config sshd_config\n")
    rows, warnings = with_warnings(tmp_path / "sshd%")
    assert len(rows) > 100
    assert len(warnings) == 6
    assert "too deep" in warnings[0]
    assert "more files are left out" in warnings[-1]


def test_what_is_named_and_cannot_be_read_is_an_error(tmp_path: Path, link: Link) -> None:
    (tmp_path / "sshd_config").write_text("Include inc/*\nPort 22\n")
    (tmp_path / "inc").mkdir()
    os.mkfifo(tmp_path / "inc" / "a")
    (tmp_path / "inc" / "b").write_text("PermitTTY no\n")
    with pytest.raises(TableError, match="inc/a is a FIFO"):
        lines_of(tmp_path / "sshd_config")
    rows, warnings = with_warnings(tmp_path / "sshd_%")
    assert [row.keyword for row in rows] == ["include", "permittty", "port"]
    assert len(warnings) == 1
    with pytest.raises(TableError, match="is a folder"):
        lines_of(tmp_path / "inc")


def test_patterns_find_configurations(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sshd_config").write_text("Include more\n")
        (tmp_path / name / "more").write_text(f"Banner /{name}\n")
    rows, warnings = with_warnings(tmp_path / "%" / "sshd%")
    assert warnings == []
    assert [(Path(row.path).parent.name, row.value) for row in rows if row.keyword == "banner"] == [
        ("a", "/a"),
        ("b", "/b"),
    ]


def test_included_names_are_those_of_the_server(
    tmp_path: Path, run: Run, compare: Compare, host_key: Path
) -> None:
    """Patterns have sets with names, escapes, no tilde, and find no hidden file."""
    (tmp_path / "inc").mkdir()
    for name in ("1.conf", "a.conf", "[x].conf", ".h.conf", "B", "~", "é.conf"):
        (tmp_path / "inc" / name).write_text(f"AllowUsers {name}\n")
    count = 0
    for pattern in (
        *("[[:digit:]].conf", "*.conf", r"\\[x\\].conf", "[[:upper:]]"),
        *("~", "[!a]*", "?.conf B", "{a}*", "[x].conf", r"\\*.conf *.*", "a.con[f", "../inc//B ./B", "*/"),
        *("[]a].conf", "[a-]*", "**", "?[.]*", "[!!]", r"\\a.c\\onf", ".[h]*", "[.]h*"),
    ):
        patterns = " ".join(name if name == "~" else f"{tmp_path}/inc/{name}" for name in pattern.split())
        (tmp_path / "sshd_config").write_text(f"Include {patterns}\n")
        said = said_by_sshd(run, "-f", tmp_path / "sshd_config", "-h", host_key)
        ours = [row.value for row in lines_of(tmp_path / "sshd_config") if row.keyword == "allowusers"]
        assert ours == said.get("allowusers", []), pattern
        count += len(ours)
    compare("sshd_config", "sshd -T", [count], [count], rows=count)


def test_patterns_through_many_folders_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "sshd_config").write_text("Include */*/x\nPort 22\n")
    for number in range(20):
        (tmp_path / f"d{number}").mkdir()
    table = sshd_config.configured(limits=Limits(max_folders=10))
    with pytest.raises(TableError, match="more than 10 folders: narrow them, or raise max_folders"):
        table.rows(path=str(tmp_path / "sshd_config"))
    warnings: list[str] = []
    rows = table.rows(Query.of(table, like={"path": f"{tmp_path}/sshd%"}, warn=warnings.append))
    assert [row.keyword for row in rows] == ["include", "port"]
    assert len(warnings) == 1


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(
        st.one_of(
            st.sampled_from((b"Match ", b"Include ", b"Port ", b"all ", b"User ", b"\xef\xbb\xbf")),
            st.sampled_from(b"=\"'\\#\n\0*[]!/~ \xffa{\r\t,").map(lambda byte: bytes((byte,))),
        )
    ).map(b"".join)
)
def test_any_text_has_rows_or_none(folder_of_any: Path, content: bytes) -> None:
    (folder_of_any / "sshd_config").write_bytes(content)
    for row in with_warnings(folder_of_any / "sshd_config")[0]:
        assert row.keyword.isalnum()
        assert row.line <= content.count(b"\n") + 1


def test_options_have_the_names_of_today(tmp_path: Path, run: Run, compare: Compare, host_key: Path) -> None:
    (tmp_path / "sshd_config").write_text(
        "ChallengeResponseAuthentication no\nKeepAlive no\nDSAAuthentication no\nProtocol 2\n"
        "PubkeyAcceptedKeyTypes ssh-ed25519\nUsePrivilegeSeparation sandbox\nPermitTTY no\n"
    )
    said = said_by_sshd(run, "-f", tmp_path / "sshd_config", "-h", host_key)
    ours = {row.option: [row.value] for row in lines_of(tmp_path / "sshd_config") if row.option}
    compare("sshd_config", "sshd -T", ours, {option: said[option] for option in ours})
    assert len(ours) == 5


@pytest.fixture(scope="module")
def folder_of_any(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose name no pattern has in common with that of another test."""
    return tmp_path_factory.mktemp("words")


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
def test_words_of_a_line(line: str, value: str, folder: Path) -> None:
    (folder / "sshd_config").write_text(line + "\n")
    assert [row.value for row in with_warnings(folder / "sshd%")[0]] == [value]


@pytest.mark.parametrize("unit", [r"\"", r'"\"', '"a', '" ', r"\\", "a ", '"\\\\'])
def test_a_long_line_takes_time_in_proportion(unit: str, folder: Path) -> None:
    (folder / "sshd_config").write_text("AllowUsers " + unit * (1_000_000 // len(unit)) + "\n")
    started = time.process_time()
    assert len(with_warnings(folder / "sshd%")[0]) == 1
    assert time.process_time() - started < 10


def test_commands_and_variables_show_no_secret(tmp_path: Path) -> None:
    (tmp_path / "sshd_config").write_text(
        'SetEnv A=1 "API_TOKEN=hunter2"\nForceCommand x --password hunter2\n'
        "Match User a\nForceCommand y --password=hunter2 # c\nSubsystem z /z --token hunter2\n"
    )
    rows = lines_of(tmp_path / "sshd_config")
    assert [row.value for row in rows][:2] == ["A=1 API_TOKEN=[redacted]", "x --password [redacted]"]
    assert "hunter2" not in str(rows)
