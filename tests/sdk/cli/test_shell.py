"""The shell: on a terminal as a person uses it, and fed by a pipe."""

import json
import os
import sqlite3
import stat
import time
from contextlib import closing

import pytest

from osquery_sdk.cli.completer import SqlCompleter
from osquery_sdk.cli.output import FORMS
from osquery_sdk.engine import Host

from ...support.commands import EXTENSION, SDK, Terminal, run

PROMPT = "osquery>"


def shell(tmp_path, *arguments, **env):
    terminal = Terminal(*EXTENSION, "shell", *arguments, env={"XDG_STATE_HOME": str(tmp_path), **env})
    terminal.expect(PROMPT)
    return terminal


def test_a_statement_over_several_lines(tmp_path):
    with shell(tmp_path) as terminal:
        terminal.send("select word\n")
        terminal.expect("...>")
        terminal.send("from sample_numbers where n = 4;\n")
        terminal.expect("| four |")
        terminal.expect(PROMPT)
        terminal.send("\x04")
        assert terminal.process.wait(10) == 0


def test_history_is_kept_for_its_owner_alone(tmp_path):
    with shell(tmp_path) as terminal:
        terminal.send("select 40 + 2 as first;\n")
        terminal.expect("| 42 ")
        terminal.expect(PROMPT)
        terminal.send("\x04")
        assert terminal.process.wait(10) == 0
    path = tmp_path / "osquery-sdk" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "select 40 + 2 as first;" in path.read_text()
    with shell(tmp_path) as terminal:
        terminal.send("\x1b[A")  # up
        terminal.expect("select 40 + 2 as first;")
        terminal.send("\n")
        terminal.expect("| 42 ")
        terminal.expect(PROMPT)


@pytest.mark.parametrize("state", ["/proc/no_such", "/dev/null/x", ""])
def test_a_history_that_cannot_be_written_is_no_error(tmp_path, state):
    with shell(tmp_path, XDG_STATE_HOME=state, HOME="/proc/no_such") as terminal:
        terminal.send("select 6 * 7 as n;\n")
        terminal.expect("| 42 ")
        terminal.expect(PROMPT)
        terminal.send("\x1b[A")
        terminal.expect("select 6 * 7 as n;")
        terminal.send("\x15.exit\n")
        assert terminal.process.wait(10) == 0


def test_tab_completes(tmp_path):
    with shell(tmp_path) as terminal:
        terminal.send("select word from sample_num\t")
        terminal.expect("bers")
        terminal.send(" where squ\t")
        terminal.expect("are")
        terminal.send(" = 49;\n")
        terminal.expect("| seven |")


def test_ctrl_c_drops_what_is_typed_and_cancels_what_runs(tmp_path):
    with shell(tmp_path) as terminal:
        terminal.send("select this is nothing\x03")
        terminal.expect(PROMPT)
        terminal.send("select * from sample_naps where seconds = 60;\n")
        terminal.expect("60;")
        terminal.expect("\n")
        time.sleep(2)
        terminal.send("\x03")
        terminal.expect("cancelled", seconds=10)
        terminal.expect(PROMPT)
        terminal.send("select 'still' || 'here' as x;\n")
        terminal.expect("stillhere")
        assert terminal.process.poll() is None


def test_a_wide_table_is_cut_to_the_terminal_and_says_so(tmp_path):
    with shell(tmp_path) as terminal:
        terminal.send("select text from sample_texts where length(text) = 300;\n")
        shown = terminal.expect("the line form shows them in full")
        row = next(line for line in shown.splitlines() if line.startswith("| xxx"))
        assert len(row) == 120
        assert row.endswith("… |")


def test_dot_commands(tmp_path):
    with shell(tmp_path) as terminal:
        for line, shows in [
            (".tables naps", "sample_naps"),
            (".schema sample_naps", "seconds DOUBLE"),
            (".mode json", PROMPT),
            ("select 5 as five;", '"five": "5"'),
            (".timer on", PROMPT),
            ("select 1 as one;", "1 row, 0."),
            (".explain select word from sample_numbers where n = 2", "pushed down   n = 2"),
            (".nonsense", "unknown command .nonsense; .help lists the commands"),
            (".mode nonsense", "print rows as: table, line, json, csv"),
            (".help", "A statement ends with a semicolon"),
        ]:
            terminal.send(f"{line}\n")
            terminal.expect(shows)
            if shows != PROMPT:
                terminal.expect(PROMPT)
        terminal.send(".exit\n")
        assert terminal.process.wait(10) == 0


def test_the_first_screen_counts_the_tables_and_offers_a_statement_that_works(tmp_path):
    terminal = Terminal(*EXTENSION, "shell", env={"XDG_STATE_HOME": str(tmp_path)})
    with terminal:
        terminal.expect("3 tables from sample. Try: ")
        statement = terminal.expect("\n")
        assert statement == "select * from sample_numbers where n in (1, 2);"
        terminal.expect(PROMPT)
        terminal.send(f"{statement}\n")
        terminal.expect("| two ")


def test_the_first_screen_of_an_engine_without_extensions(tmp_path):
    with Terminal(*SDK, "shell", env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.expect("No extension has a table here. Try: select * from time;")


def test_the_first_screen_offers_the_rows_of_a_table_without_examples(tmp_path):
    program = tmp_path / "plain.py"
    program.write_text(
        "from osquery_sdk import Column, Extension, Row, table\n"
        "class Item(Row):\n    name: str = Column('Its name')\n"
        "@table('plain_items', rows=Item, examples=('select * from plain_items join users using (name)',))\n"
        "def items(query):\n    return []\n"
        "@table('plain_things')\ndef things(query) -> list[Item]:\n    return [Item(name='here')]\n"
        "raise SystemExit(Extension('plain', version='1', plugins=[items, things]).run())\n"
    )
    with Terminal(
        *SDK, "shell", "--extension", str(program), env={"XDG_STATE_HOME": str(tmp_path)}
    ) as terminal:
        terminal.expect("2 tables from plain. Try: select * from plain_items limit 5;")


@pytest.mark.parametrize("line", ["exit", "quit", ".exit", ".quit", "EXIT;", " quit "])
def test_a_word_alone_on_a_line_leaves_the_shell(tmp_path, line):
    with shell(tmp_path) as terminal:
        terminal.send(f"{line}\n")
        assert terminal.process.wait(10) == 0
    done = run(EXTENSION, "shell", "--csv", text=f"select 1 as a;\n{line}\nselect 2 as b;\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\n1\n", "")


def test_help_alone_on_a_line_lists_the_commands(tmp_path):
    with shell(tmp_path) as terminal:
        terminal.send("help\n")
        terminal.expect("run the statements and commands in a file")
        terminal.expect(PROMPT)
    listed = run(EXTENSION, "shell", text=".help").stdout
    assert run(EXTENSION, "shell", text="help").stdout == listed != ""


def test_words_of_commands_are_sql_within_a_statement():
    done = run(EXTENSION, "shell", "--csv", text="select 1 as\nhelp\n;select 2 as exit;")
    assert (done.returncode, done.stdout, done.stderr) == (0, "help\n1\nexit\n2\n", "")


@pytest.mark.parametrize("program", [(*EXTENSION, "shell"), (*SDK, "shell", "--extension", EXTENSION[1])])
def test_a_list_of_tables_describes_them(tmp_path, program):
    with Terminal(*program, env={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.expect(PROMPT)
        terminal.send(".tables\n")
        terminal.expect("sample_naps         Sleeps for as many seconds as a statement says.")
        terminal.expect("sample_numbers      Numbers & their squares: <small> ones.")
        terminal.expect("\ntime\n")


def test_a_script_reads_a_list_of_names_alone():
    names = run(EXTENSION, "shell", text=".tables").stdout.split("\n")
    assert {"sample_naps", "sample_numbers", "sample_texts", "time"} <= set(names)
    assert all(name.isidentifier() for name in names[:-1])


SCHEMA = """\
-- Numbers & their squares: <small> ones.
CREATE TABLE sample_numbers (
    n BIGINT,                -- index: A number, 1 to 20
    square UNSIGNED BIGINT,  -- n * n
    word TEXT,               -- Its name: "one" | 'two' | `three`
    half DOUBLE,             -- n / 2; NULL for odd numbers: they have none
    wish TEXT,               -- hidden: What the statement asks for
    called TEXT              -- alias of word
);
"""


@pytest.mark.parametrize("program", [EXTENSION, SDK])
def test_a_schema_says_what_each_column_is(program):
    load = () if program is EXTENSION else ("--extension", EXTENSION[1])
    done = run(program, "shell", *load, text=".schema sample_numbers\n.schema sample_naps")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(SCHEMA)
    assert "    seconds DOUBLE  -- required: How long it took\n" in done.stdout
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(done.stdout)
        (count,) = database.execute("select count(*) from pragma_table_info('sample_numbers')").fetchone()
    assert count == 6


@pytest.mark.parametrize("form", ["table", "line"])
def test_a_person_is_told_that_there_are_no_rows(tmp_path, form):
    sql = "select n from sample_numbers where n = 99"
    with shell(tmp_path, f"--{form}") as terminal:
        terminal.send(f"{sql};\n")
        terminal.expect("\n0 rows\n")
        terminal.send("select n from sample_numbers where n = 7;\n")
        assert "rows" not in terminal.expect("7").partition(";")[2]
    with Terminal(*EXTENSION, "query", f"--{form}", sql) as terminal:
        terminal.expect("0 rows\n")


@pytest.mark.parametrize("form", FORMS)
def test_a_program_is_not_told_that_there_are_no_rows(form):
    sql = "select n from sample_numbers where n = 99"
    answers = {
        "json": "[\n]\n",
        "csv": "n\n",
        "markdown": "| n |\n| --- |\n",
        "table": "+---+\n| n |\n+---+\n+---+\n",
    }
    assert run(EXTENSION, "query", f"--{form}", sql).stdout in (answers.get(form, ""), "[]\n")


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "markdown"])
def test_a_machine_form_is_the_same_on_a_terminal(form):
    sql = "select n from sample_numbers where n = 99"
    with Terminal(*EXTENSION, "query", f"--{form}", sql) as terminal:
        assert terminal.process.wait(20) == 0
        assert "rows" not in terminal.rest()


def test_results_go_to_files(tmp_path):
    text = (
        f".output {tmp_path}/all\nselect 1 as a;\n.tables naps\nselect 2 as b;\n.output\nselect 3 as c;\n"
        f'.once "{tmp_path}/once"\nselect 4 as d;\nselect 5 as e;\n.output {tmp_path}/last\nselect 6 as f'
    )
    done = run(EXTENSION, "shell", "--csv", text=text)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "c\n3\ne\n5\n")
    assert (tmp_path / "all").read_text() == "a\n1\nsample_naps\nb\n2\n"
    assert (tmp_path / "once").read_text() == "d\n4\n"
    assert (tmp_path / "last").read_text() == "f\n6\n"


def test_a_statement_that_fails_leaves_the_file_as_it_was(tmp_path):
    (tmp_path / "once").write_text("before")
    done = run(EXTENSION, "shell", "--csv", text=f".once {tmp_path}/once\nselect nope;\nselect 1 as a;")
    assert (done.returncode, done.stdout) == (1, "a\n1\n")
    assert (tmp_path / "once").read_text() == "before"


def test_files_are_read(tmp_path):
    (tmp_path / "inner.sql").write_text("\ufeff.mode csv\nselect\n  1 as a;\nselect 2 as b")
    (tmp_path / "outer.sql").write_text(f".read {tmp_path}/inner.sql\nselect nope;\nselect 3 as c;\n.exit\n")
    done = run(EXTENSION, "shell", text=f".read '{tmp_path}/outer.sql'\nselect 'never' as d;")
    assert (done.returncode, done.stdout) == (1, "a\n1\nb\n2\nc\n3\n")
    assert done.stderr == "Error: no such column: nope\n"


def test_a_file_that_reads_itself_ends(tmp_path):
    (tmp_path / "self.sql").write_text(f".read {tmp_path}/self.sql\n")
    done = run(EXTENSION, "shell", text=f".read {tmp_path}/self.sql\nselect 1 as a;", timeout=60)
    assert done.stderr == (
        f"Error: {tmp_path}/self.sql is not read: 10 files are being read already, each by the one before\n"
    )
    assert "| a |" in done.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".read", ".read    FILE       run the statements"),
        (".read {0}/none", "{0}/none: No such file or directory"),
        (".read {0}", "{0}: Is a directory"),
        (".once", ".once    FILE "),
        (".once {0}", "{0} is a folder, not a file"),
        (".once {0}/none/x", "{0}/none/x: the folder {0}/none does not exist"),
        (".output {0}", "{0}: Is a directory"),
        (".output {0}/none/x", "{0}/none/x: No such file or directory"),
        (".typed", ".typed   on|off "),
    ],
)
def test_files_that_are_not_there_are_told(tmp_path, line, message):
    done = run(EXTENSION, "shell", text=f"{line.format(tmp_path)}\nselect 1 as a;")
    assert done.returncode == 1
    assert "".join(f"Error: {message.format(tmp_path)}".split()) in "".join(done.stderr.split())
    assert done.stderr.count("\n") == 1
    assert "| 1 |" in done.stdout


def test_typed_json_in_the_shell():
    text = (
        ".typed on\nselect 1 as a, null as b;\n.mode csv\nselect 1 as a;\n.mode ndjson\n.typed off\n"
        "select 1 as a;"
    )
    done = run(EXTENSION, "shell", "--ndjson", text=text)
    assert (done.stdout, done.stderr) == ('{"a":1,"b":null}\na\n1\n{"a":"1"}\n', "")


def test_tables_are_found_by_their_columns():
    assert run(EXTENSION, "shell", text=".tables SQUARE").stdout == "sample_numbers\n"
    assert run(EXTENSION, "shell", text=".tables sample_T").stdout == "sample_texts\n"


LONG = (
    "with recursive c(x) as (select 1 union all select x + 1 from c limit 100) "
    "select 'row ' || x as r from c;\n"
)


def test_a_long_answer_is_paged(tmp_path):
    with shell(tmp_path, PAGER="less -S") as terminal:
        terminal.send(LONG)
        terminal.expect("| row 9 ")
        terminal.expect(":")  # less waits
        terminal.send("G")
        terminal.expect("| row 100 |")
        terminal.expect("(END)")
        # Ctrl-C is less's own, which rings, may draw its screen again, and takes no key while it does.
        terminal.send("\x03")
        terminal.expect_answer("g", "| row 1 ")
        terminal.send("q")
        terminal.expect(PROMPT)
        terminal.send("select 'short' || 'er' as r;\n")
        terminal.expect("| shorter |")
        terminal.expect(PROMPT)
        assert terminal.process.poll() is None


@pytest.mark.parametrize(
    ("environment", "arguments"),
    [
        ({"PAGER": "cat"}, ()),
        ({"PAGER": ""}, ()),
        ({"PAGER": "/no/such/pager"}, ()),
        ({"PAGER": "less"}, ("--no-pager",)),
    ],
)
def test_a_long_answer_is_printed_where_no_pager_is_wanted_or_there(tmp_path, environment, arguments):
    with shell(tmp_path, *arguments, **environment) as terminal:
        terminal.send(LONG)
        terminal.expect("| row 100 |")
        terminal.expect(PROMPT)


def test_any_pager_gets_the_answer(tmp_path):
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/paged\necho paged it\n")
    pager.chmod(0o755)
    with shell(tmp_path, PAGER=str(pager)) as terminal:
        terminal.send(LONG)
        terminal.expect("paged it")
        terminal.expect(PROMPT)
        terminal.send(".help\n")
        terminal.expect("Everything else is SQL")
    assert (tmp_path / "paged").read_text().count("row ") == 100


def test_from_a_pipe_it_runs_statements_and_prints_nothing_else(tmp_path):
    text = (
        "select 1 as a; select ';' as b\n;\n.mode csv\n-- a comment;\nselect\n"
        "  n from sample_numbers where n = 2"
    )
    done = run(EXTENSION, "shell", "--json", text=text)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == '[\n  {\n    "a": "1"\n  }\n]\n[\n  {\n    "b": ";"\n  }\n]\nn\n2\n'


def test_from_a_pipe_a_failure_is_told_and_counts(tmp_path):
    done = run(EXTENSION, "shell", "--csv", text="selec 1;\nselect 2 as b;")
    assert (done.returncode, done.stdout) == (1, "b\n2\n")
    assert done.stderr == 'Error: near "selec": syntax error\n'


@pytest.fixture(scope="module")
def completer(sample):
    from osquery_sdk import Extension

    extension = Extension("sample", version="1", plugins=[sample.numbers, sample.texts, sample.naps])
    with Host([extension.start]) as host:
        yield SqlCompleter(host, (".tables", ".schema", ".mode"))


COLUMNS = {"n", "square", "word", "half", "wish", "called"}


@pytest.mark.parametrize(
    ("typed", "offered", "not_offered"),
    [
        ("sel", {"select"}, {"SELECT", "sample_naps"}),
        ("SEL", {"SELECT"}, {"select"}),
        ("select * from ", {"sample_numbers", "sample_naps", "time"}, {"where", "n"}),
        ("select * from sample_na", {"sample_naps"}, {"sample_numbers"}),
        ("select * from time, sam", {"sample_naps"}, {"word"}),
        ("select n, w| from sample_numbers", {"word", "wish", "where"}, {"weekday", "text"}),
        ("select * from sample_numbers where ", COLUMNS | {"and"}, {"weekday", "text"}),
        ("select * from sample_numbers a join sample_texts b on a.", COLUMNS, {"text", "and"}),
        ("select * from sample_numbers a join sample_texts b on b.", {"text"}, COLUMNS),
        ("select 1; select t| from sample_texts", {"text"}, {"timezone"}),
        ("select te", {"text"}, set()),
        ("select 'sel", set(), {"select"}),
        (".sc", {".schema"}, {"schema"}),
        (".schema sample_n", {"sample_numbers", "sample_naps"}, set()),
        (".mode ", {"json", "csv", "line", "table", "ndjson", "markdown"}, {"select"}),
        (".typed ", {"on", "off"}, {"select"}),
    ],
)
def test_completion_offers_what_can_stand_there(completer, typed, offered, not_offered):
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    before, _, after = typed.partition("|")
    completions = completer.get_completions(Document(before + after, len(before)), CompleteEvent())
    texts = {completion.text for completion in completions}
    assert offered <= texts
    assert not not_offered & texts


def test_completion_offers_files(completer, tmp_path):
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    (tmp_path / "statements.sql").touch()
    for command in (".read", ".output", ".once"):
        typed = f"{command} {tmp_path}/sta"
        (completions,) = completer.get_completions(Document(typed, len(typed)), CompleteEvent())
        assert completions.text == "tements.sql"


def test_the_environment_has_a_say_in_where_the_history_is(monkeypatch, tmp_path):
    from osquery_sdk.cli.prompt import history_path

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert history_path() == tmp_path / ".local" / "state" / "osquery-sdk" / "history"
    monkeypatch.setenv("XDG_STATE_HOME", "/elsewhere")
    assert os.fspath(history_path()) == "/elsewhere/osquery-sdk/history"


def test_json_of_the_query_command_is_that_of_the_shell():
    sql = "select n, half from sample_numbers where n < 3 order by n"
    assert json.loads(run(EXTENSION, "shell", "--json", text=sql).stdout) == json.loads(
        run(EXTENSION, "query", "--json", sql).stdout
    )
