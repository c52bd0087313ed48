"""Errors with hints: for misspelled names, and for statements without a required column."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from osquery_sdk import DefinitionError, Query, TableError, did_you_mean, table

from ...support.commands import EXTENSION, SDK, run

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE = (sys.executable, "-m", "kolide_ext")
REQUIRED = "was queried without a required column in the WHERE clause"


@pytest.mark.parametrize(
    ("name", "names", "meant"),
    [
        ("nmae", ["name", "path"], "did you mean name?"),
        ("NAME", ["name", "path"], "did you mean name?"),
        ("json", ["kolide_json", "kolide_jsonl"], "did you mean kolide_json?"),
        ("plst", ["kolide_plist", "kolide_json"], "did you mean kolide_plist?"),
        ("size", ["name", "path"], ""),
        ("name", ["name", "names"], ""),
        ("", ["name", "user_name"], ""),
        ("name", [], ""),
    ],
)
def test_a_name_that_looks_like_another(name, names, meant):
    assert did_you_mean(name, names) == meant


STATEMENTS = [
    ("select wrd from sample_numbers", "no such column: wrd; did you mean word?"),
    ("select WORDD from sample_numbers", "no such column: WORDD; did you mean word?"),
    ("select s.sqare from sample_numbers s", "no such column: s.sqare; did you mean square?"),
    ("select n from sample_numbers where haf > 1", "no such column: haf; did you mean half?"),
    (
        "select t.word from sample_numbers n join sample_texts t",
        "no such column: t.word; did you mean n.word?",
    ),
    ("select n from sample_numbers order by squar", "no such column: squar; did you mean square?"),
    (
        "select * from sample_numbers join sample_texts using (txt)",
        "cannot join using column txt - column not present in both tables; did you mean text?",
    ),
    (
        "insert into sample_numbers (wrd) values ('x')",
        "table sample_numbers has no column named wrd; did you mean word?",
    ),
    ("update sample_numbers set wrd = 'x'", "no such column: wrd; did you mean word?"),
    ("select upr(word) from sample_numbers", "no such function: upr; did you mean upper?"),
    ("select * from sample_nubers", "no such table: sample_nubers; did you mean sample_numbers?"),
    ("select called2 from sample_numbers", "no such column: called2; did you mean called?"),
]


@pytest.mark.parametrize(("sql", "message"), STATEMENTS)
def test_sql_errors_say_what_was_meant(sql, message):
    done = run(EXTENSION, "shell", text=f"{sql};")
    assert (done.returncode, done.stderr) == (1, f"Error: {message}\n")


@pytest.mark.parametrize("command", ["query", "explain", "shell"])
@pytest.mark.parametrize("program", [EXTENSION, SDK], ids=["extension", "osquery-sdk"])
def test_every_command_that_runs_sql_says_so(program, command):
    sql, message = STATEMENTS[0]
    load = () if program is EXTENSION else ("--extension", EXTENSION[1])
    arguments = (command, *load) if command == "shell" else (command, *load, sql)
    done = run(program, *arguments, text=sql)
    assert message in (done.stdout if command == "explain" else done.stderr)


@pytest.mark.parametrize(
    "sql", ["select zzzzzz from sample_numbers", "select x", "select x from (select 1 y)"]
)
def test_what_looks_like_nothing_is_osqueryds_error_alone(sql):
    name = sql.split()[1]
    assert run(EXTENSION, "query", sql).stderr == f"sample: no such column: {name}\n"


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        (
            EXTENSION,
            ["query", "--jsno", "select 1"],
            "unrecognized arguments: --jsno; did you mean --json?; see",
        ),
        (EXTENSION, ["query", "--time-out=3", "select 1"], "did you mean --timeout?"),
        (EXTENSION, ["shell", "--csvv", "--linee"], "did you mean --csv? did you mean --line?; see"),
        (EXTENSION, ["schema", "--format", "markdwn"], "did you mean markdown?; see"),
        (EXTENSION, ["schema", "numbers"], "no table numbers; did you mean sample_numbers?"),
        (EXTENSION, ["schema", "SAMPLE_TEXTS"], "no table SAMPLE_TEXTS; did you mean sample_texts?"),
        (EXTENSION, ["--sockte", "/tmp/x"], "does not know: --sockte /tmp/x; did you mean --socket?"),
        (SDK, ["--verison"], "did you mean --version?"),
        (SDK, ["completion", "bsh"], "did you mean bash?; see"),
        (SDK, ["shel"], "unknown command 'shel'; did you mean shell?"),
        (SDK, ["schema", "--extension", EXTENSION[1], "sample_textz"], "did you mean sample_texts?"),
        (BUNDLE, ["schema", "exposed_prts"], "no table exposed_prts; did you mean kolide_exposed_ports?"),
        (BUNDLE, ["schema", "jsn"], "no table jsn; did you mean kolide_json?"),
    ],
)
def test_options_commands_and_tables_say_what_was_meant(program, arguments, message):
    done = run(program, *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".tabels", "unknown command .tabels; did you mean .tables?"),
        (".quti", "unknown command .quti; did you mean .quit?"),
        (".zzz", "unknown command .zzz; .help lists the commands"),
        (".schema sample_txts", "no table sample_txts; did you mean sample_texts?"),
        (".mode jsno", "did you mean json?"),
    ],
)
def test_the_shell_s_own_commands_say_what_was_meant(line, message):
    assert message in run(EXTENSION, "shell", text=line).stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"KOLIDE_EXT_DISABELD": "xml"},
            "KOLIDE_EXT_DISABELD: no such setting; .*; did you mean KOLIDE_EXT_DISABLED?",
        ),
        ({"KOLIDE_EXT_DISABLED": "xlm"}, "; did you mean kolide_xml?"),
        (
            {"KOLIDE_EXT_DISABLED": "xml,kolide_plst,jsn"},
            "; did you mean kolide_json?; did you mean kolide_plist?",
        ),
        ({"KOLIDE_EXT_ENABLED": "file_line"}, "; did you mean file_lines?"),
        ("prefx = 'x'", "prefx: no such setting; .*; did you mean prefix?"),
        ("max_row = 5", "max_row: no such setting; .*; did you mean limits.max_rows?"),
        (
            "[limits]\nmax_sceonds = 5",
            "limits.max_sceonds: no such setting; .*; did you mean limits.max_seconds?",
        ),
    ],
)
def test_settings_say_what_was_meant(settings, message, tmp_path):
    if isinstance(settings, str):
        file = tmp_path / "settings.toml"
        file.write_text(settings)
        settings = {"KOLIDE_EXT_SETTINGS": str(file)}
    done = run(BUNDLE, "tables", env=settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert re.search(f"{message.replace('?', '[?]')}$", done.stderr.strip())


def test_a_column_in_python_says_what_was_meant(sample):
    numbers = sample.numbers
    query = Query.of(numbers)
    for wrong in (
        lambda: query.wants("wrod"),
        lambda: query.equals("wrod"),
        lambda: query.matches("wrod", "x") or query.constraints("wrod"),
        lambda: numbers.column("wrod"),
        lambda: numbers.rows(wrod="two"),
        lambda: Query.of(numbers, like={"wrod": "t%"}),
        lambda: Query.of(numbers, used=["wrod"]),
    ):
        with pytest.raises(
            DefinitionError, match=r"has no column 'wrod'; it has n, square, .*; did you mean word\?$"
        ):
            wrong()
    with pytest.raises(DefinitionError, match=r"; called is another name of word$"):
        query.wants("called")


def test_a_mapping_says_what_was_meant(sample):
    wrong = table("wrong", rows=sample.Text)(lambda query: [{"txt": "x"}])
    with pytest.raises(TableError, match=r"^wrong: a row has unknown columns: txt; did you mean text\?$"):
        wrong.rows()


@pytest.mark.parametrize("command", ["query", "explain"])
def test_a_missing_column_shows_the_table_s_own_example(command):
    done = run(BUNDLE, command, "select * from kolide_json")
    works = "select path, fullkey, value from kolide_json where path = '/etc/docker/daemon.json'"
    message = f"Table kolide_json {REQUIRED}; say which path or raw_data; for example: {works}"
    assert message in done.stdout + done.stderr
    assert run(BUNDLE, "query", works).returncode == 0


PROGRAM = """
from osquery_sdk import Column, Extension, Row, table

class Item(Row):
    path: str = Column("where", required=True)

@table("items", rows=Item, examples=("select 1 from items", "select * from items\\nwhere path = '/x';"))
def items(query):
    return [Item(path=path) for path in query.equals("path") or ()]

@table("wanted", rows=Item)
def wanted(query):
    return [("/x",)]

raise SystemExit(Extension("items", version="1", plugins=[items, wanted]).run())
"""


def test_the_example_of_any_program_of_the_sdk_is_shown(tmp_path: Path):
    """Show the example also where the extension is another process, which is asked for it."""
    program = tmp_path / "items.py"
    program.write_text(PROGRAM)
    message = f"Table items {REQUIRED}; say which path; for example: select * from items where path = '/x'"
    for command in ((*SDK, "query", "--extension", str(program)), (sys.executable, str(program), "query")):
        assert message in run(command, "select * from items").stderr
        stderr = run(
            command, "with w(path) as (values ('/x')) select * from items i cross join w using (path)"
        ).stderr
        assert (
            "name it first: FROM other CROSS JOIN items ON items.path = other.path; for example: " in stderr
        )


def test_osquery_itself_gets_its_own_text(tmp_path: Path):
    from osquery_sdk.engine import Host
    from osquery_sdk.wire.client import ManagerConnection

    program = tmp_path / "items.py"
    program.write_text(PROGRAM)
    with Host([os.fspath(program)]) as host, ManagerConnection(host.socket) as manager:
        assert manager.query("select * from items").status.message == f"Table items {REQUIRED}"
        assert manager.query("select pth from items").status.message == "no such column: pth"
