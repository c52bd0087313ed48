"""The shell: on a terminal as a person uses it, and fed by a pipe."""

import json
import os
import stat
import time

import pytest

from osquery_sdk.cli.completer import SqlCompleter
from osquery_sdk.engine import Host

from .support import EXTENSION, Terminal, run

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
        shown = terminal.expect("line form shows them whole")
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
            (".nonsense", ".nonsense is no command; .help lists them"),
            (".mode nonsense", "how rows are printed: table, line, json, csv"),
            (".help", "a statement ends with a semicolon"),
        ]:
            terminal.send(f"{line}\n")
            terminal.expect(shows)
            if shows != PROMPT:
                terminal.expect(PROMPT)
        terminal.send(".exit\n")
        assert terminal.process.wait(10) == 0


def test_from_a_pipe_it_runs_statements_and_prints_nothing_else(tmp_path):
    text = "select 1 as a; select ';' as b\n;\n.mode csv\n-- a comment;\nselect\n  n from sample_numbers where n = 2"
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
        (".mode ", {"json", "csv", "line", "table"}, {"select"}),
    ],
)
def test_completion_offers_what_can_stand_there(completer, typed, offered, not_offered):
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    before, _, after = typed.partition("|")
    found = completer.get_completions(Document(before + after, len(before)), CompleteEvent())
    texts = {completion.text for completion in found}
    assert offered <= texts
    assert not not_offered & texts


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
