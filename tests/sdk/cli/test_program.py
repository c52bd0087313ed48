"""Tests of the programs from outside: their output, streams and exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from osquery_sdk import install_command

from ...support.commands import EXTENSION, SDK, run

LOAD = ("--extension", EXTENSION[1])
# The command lines of both programs that run SQL.
BOTH = pytest.mark.parametrize(
    ("program", "load"), [(EXTENSION, ()), (SDK, LOAD)], ids=["extension", "osquery-sdk"]
)


@BOTH
def test_query_in_every_form(program, load):
    sql = "select n, half, word from sample_numbers where n in (1, 2) order by n"
    rows = [{"n": "1", "half": "", "word": "one"}, {"n": "2", "half": "1.0", "word": "two"}]
    done = run(program, "query", *load, "--json", sql)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == rows
    read = list(csv.DictReader(io.StringIO(run(program, "query", *load, "--csv", sql).stdout)))
    assert read == rows
    table = (
        "+---+------+------+\n"
        "| n | half | word |\n"
        "+---+------+------+\n"
        "| 1 |      | one  |\n"
        "| 2 | 1.0  | two  |\n"
        "+---+------+------+\n"
    )
    assert run(program, "query", *load, sql).stdout == table
    assert run(program, "query", *load, "--table", sql).stdout == table
    assert run(program, "query", *load, "--line", sql).stdout == (
        "   n = 1\nhalf = \nword = one\n\n   n = 2\nhalf = 1.0\nword = two\n"
    )


def test_nullvalue_names_null_and_only_null():
    done = run(
        EXTENSION,
        "query",
        "--nullvalue",
        "NULL",
        "--csv",
        "select half, wish from sample_numbers where n = 1",
    )
    assert done.stdout == "half,wish\nNULL,\n"


def test_sql_from_standard_input():
    done = run(EXTENSION, "query", "-", "--csv", text="select 1 as a;\n-- select 2;\nselect ';' as b;")
    assert (done.returncode, done.stdout) == (0, "a\n1\nb\n;\n")


def test_bytes_go_through_a_pipe_as_they_came():
    done = subprocess.run(
        [*EXTENSION, "query", "--csv", "select text from sample_texts where length(text) < 20"],
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"\xff\n" in done.stdout
    assert "日本\n".encode() in done.stdout


@BOTH
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["query", "select * from no_such"], 1, "no such table: no_such"),
        (["qurey", "select 1"], 2, "unknown command 'qurey'; did you mean query?"),
        (["query"], 2, "the following arguments are required: SQL; see "),
    ],
)
def test_an_error_is_one_line_and_a_code(program, load, arguments, code, message):
    loads = load if code == 1 else ()
    done = run(program, arguments[0], *loads, *arguments[1:])
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("sample" if program is EXTENSION else "osquery-sdk")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["query", "selec 1"], 1, 'near "selec": syntax error'),
        (
            ["query", "select * from sample_naps"],
            1,
            (
                "Table sample_naps was queried without a required column in the WHERE clause; "
                "say which seconds\n"
            ),
        ),
        (
            ["query", "--timeout", "0.3", "select * from sample_naps where seconds = 9"],
            1,
            "longer than 0.3 s",
        ),
        (["query", " ; -- nothing"], 2, "there is no SQL statement; write one, such as"),
        (["query", "--json", "--csv", "select 1"], 2, "not allowed with argument"),
        (["query", "--timeout", "x", "select 1"], 2, "'x' is not a number of seconds"),
        (["query", "--tim", "1", "select 1"], 2, "--tim"),
        (["zzz"], 2, "unknown command 'zzz'; see --help"),
        (["schema", "--format", "xml"], 2, "invalid choice: 'xml'"),
        (["schema", "sample_number"], 1, "no table sample_number; did you mean sample_numbers?\n"),
        (["schema", "--output", __file__], 1, "test_program.py is not a folder; give --output a folder\n"),
        (["completion", "tcsh"], 2, "invalid choice: 'tcsh'"),
    ],
)
def test_an_error_of_an_extension_is_one_line_and_a_code(arguments, code, message):
    done = run(EXTENSION, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "a command is missing"),
        (["query", "--extension", "/no/such", "select 1"], 1, "no such extension: /no/such"),
        (
            ["query", "--extension", "README.md", "select 1"],
            1,
            "README.md is not executable; run chmod +x on it",
        ),
        (["schema"], 1, "no extension is named; give --extension PATH"),
        (["schema", "--socket", "/no/such"], 1, "/no/such"),
        (["engine"], 2, "--socket"),
        (["engine", "--socket", "/no/such/folder/em"], 1, "/no/such/folder/em"),
        (["run"], 2, "EXTENSION"),
        (["run", "/no/such"], 1, "no such extension: /no/such"),
        (["run", EXTENSION[1], "--socket", "/no/such"], 2, "no socket at /no/such"),
        (["new", "1st"], 2, "not starting with a digit"),
        (["new", "select"], 2, "is a word of SQL"),
    ],
)
def test_an_error_of_osquery_sdk_is_one_line_and_a_code(arguments, code, message):
    done = run(SDK, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@BOTH
def test_a_traceback_comes_only_when_asked_for(program, load):
    arguments = ("query", *load, "select * from no_such")
    assert "Traceback" not in run(program, *arguments).stderr
    done = run(program, *arguments, "--verbose")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "no such table: no_such" in done.stderr.splitlines()[-1]


def test_a_reader_that_has_enough_is_no_error():
    sql = (
        "with recursive c(x) as (select 1 union all select x + 1 from c limit 200000) select x, hex(x) from c"
    )
    with subprocess.Popen(
        [*EXTENSION, "query", "--csv", sql], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"x,hex(x)\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


@pytest.mark.parametrize("arguments", ["tables", "schema", "query 'select 1'", "version"])
def test_nowhere_to_print_is_an_error(arguments):
    done = run(("/bin/sh", "-c", f"'{sys.executable}' '{EXTENSION[1]}' {arguments} >&-"))
    assert (done.returncode, done.stderr) == (1, "sample: standard output is closed\n")
    if arguments != "version":
        full = run(("/bin/sh", "-c", f"'{sys.executable}' '{EXTENSION[1]}' {arguments} >/dev/full"))
        assert (full.returncode, full.stderr) == (1, "sample: No space left on device\n")


@pytest.mark.parametrize("module", ["apsw", "prompt_toolkit"])
def test_a_missing_extra_is_named(module):
    code = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = ['shell']; "
        "from osquery_sdk.cli.main import main; "
    )
    code += "import os, pty; main_fd, fd = pty.openpty(); [os.dup2(fd, n) for n in (0, 1)]; sys.exit(main())"
    done = run((sys.executable, "-c", code))
    assert done.returncode == 1
    assert done.stderr == f"osquery-sdk: {module} is not installed; run: {install_command('engine')}\n"


def test_tables_lists_those_of_this_platform_and_all():
    here = run(EXTENSION, "tables").stdout.splitlines()
    assert [line.split()[0] for line in here] == ["sample_naps", "sample_numbers", "sample_texts"]
    everywhere = run(EXTENSION, "tables", "--all").stdout
    assert (
        "sample_elsewhere  Not on Linux.\n"
        "                  Not here. Windows and macOS only: on Linux nobody wants it.\n"
        "                  Only root gets what is there.\n"
    ) in everywhere
    assert "sample_numbers    Numbers & their squares: <small> ones.\n" in everywhere


def test_tables_are_found_by_name_description_and_columns():
    matches = {
        "numb": ["sample_numbers"],
        "TERMINAL": ["sample_texts"],
        "hard to PRINT": ["sample_texts"],
        "how long it took": ["sample_naps"],
        "called": ["sample_numbers"],
        "sample": ["sample_naps", "sample_numbers", "sample_texts"],
    }
    for word, names in matches.items():
        lines = run(EXTENSION, "tables", word).stdout.splitlines()
        assert [line.split()[0] for line in lines if not line.startswith(" ")] == names, word
    # A table has to have all words; a column that has one is named.
    assert run(EXTENSION, "tables", "squares", "name").stdout == (
        "sample_numbers  Numbers & their squares: <small> ones.\n                Columns: word\n"
    )
    assert run(EXTENSION, "tables", "squares", "terminal").returncode == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["squre"], "no table has squre in its name, description or columns; did you mean square?"),
        (
            ["windows"],
            (
                "no table has windows in its name, description or columns; "
                "--all searches also tables that are not "
            ),
        ),
        (
            ["--all", "zzzz"],
            "no table has zzzz in its name, description or columns; tables lists all of them",
        ),
    ],
)
def test_a_word_that_no_table_has_is_told(words, message):
    done = run(EXTENSION, "tables", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"sample: {message}")


def test_tables_of_another_platform_are_found_with_all():
    assert run(EXTENSION, "tables", "not on linux").returncode == 1
    assert run(EXTENSION, "tables", "--all", "not on linux").stdout.startswith(
        "sample_elsewhere  Not on Linux.\n"
    )


def test_tables_as_json():
    matches = json.loads(run(EXTENSION, "tables", "--json", "--all").stdout)
    assert [listed["name"] for listed in matches] == [
        "sample_elsewhere",
        "sample_naps",
        "sample_numbers",
        "sample_texts",
    ]
    elsewhere, naps, numbers, _ = matches
    assert (elsewhere["served"], elsewhere["why"]) == (
        False,
        "Not here. Windows and macOS only: on Linux nobody wants it.",
    )
    assert (elsewhere["privilege"], naps["privilege"]) == ("Only root gets what is there.", "")
    assert (naps["served"], naps["why"]) == (True, "")
    assert naps["columns"] == [
        {
            "name": "seconds",
            "type": "DOUBLE",
            "description": "How long it took",
            "required": True,
            "index": False,
            "hidden": False,
        }
    ]
    assert numbers["examples"][0].startswith("select * from sample_numbers")
    assert json.loads(run(EXTENSION, "tables", "--json", "terminal").stdout)[0]["name"] == "sample_texts"


def test_tables_are_listed_by_family():
    from kolide_tables.catalog import TO_BE_ENABLED
    from kolide_tables.catalog import families as bundled_families

    lines = [line for line in bundled("tables").splitlines() if not line.startswith(" ")]
    heads = [line.removesuffix(":") for line in lines if line.endswith(":") and "  " not in line]
    assert heads == sorted(set(bundled_families()) - {TO_BE_ENABLED})
    at = lines.index("Keys, certificates, secrets, without showing any:")
    names = bundled_families()["Keys, certificates, secrets, without showing any"]
    assert [line.split()[0] for line in lines[at + 1 : at + 1 + len(names)]] == sorted(
        f"kolide_{n}" for n in names
    )
    families = {
        listed["name"]: listed["family"]
        for listed in json.loads(bundled("tables", "--json", "--all", PREFIX="x_"))
    }
    assert families == {f"x_{name}": family for family, names in bundled_families().items() for name in names}


@BOTH
def test_an_answer_is_written_to_a_file_whole_or_not_at_all(program, load, tmp_path):
    file = tmp_path / "answer.json"
    arguments = ("query", *load, "--json", "--output", str(file))
    done = run(program, *arguments, "select n from sample_numbers where n = 1; select 2 as b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    written = file.read_text()
    assert written == '[\n  {\n    "n": "1"\n  }\n]\n[\n  {\n    "b": "2"\n  }\n]\n'
    assert file.stat().st_mode & 0o777 == 0o666 & ~_umask()
    # If any statement fails, the file is unchanged and nothing lies beside it.
    assert run(program, *arguments, "select 1 as a; select nothing").returncode == 1
    assert file.read_text() == written
    assert list(tmp_path.iterdir()) == [file]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_keeps_its_mode_and_a_link_leads_to_it(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to(file)
    assert run(EXTENSION, "query", "--csv", "--output", str(link), "select 1 as a").returncode == 0
    assert link.is_symlink()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("a\n1\n", 0o640)


def test_a_device_and_a_pipe_are_written_to(tmp_path):
    assert run(EXTENSION, "query", "--csv", "--output", "/dev/null", "select 1 as a").returncode == 0
    assert Path("/dev/null").is_char_device()
    assert run(EXTENSION, "query", "--csv", "--output", "/dev/stdout", "select 1 as a").stdout == "a\n1\n"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("{0}", "{0} is a folder, not a file"),
        ("{0}/none/x", "{0}/none/x: the folder {0}/none does not exist"),
        ("/proc/none", "/proc/none: "),
    ],
)
def test_a_file_that_cannot_be_written_is_told(output, message, tmp_path):
    done = run(EXTENSION, "query", "--output", output.format(tmp_path), "select 1 as a")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"sample: {message.format(tmp_path)}")


@BOTH
def test_typed_json(program, load):
    sql = "select n, half, word, 1.0 as r, null as x, '' as e, count(*) as c from sample_numbers where n = 3"
    done = run(program, "query", *load, "--ndjson", "--typed", sql)
    assert done.stdout == '{"n":3,"half":null,"word":"three","r":1.0,"x":null,"e":"","c":1}\n'
    untyped = run(program, "query", *load, "--ndjson", "--nullvalue", "-", sql).stdout
    assert untyped == '{"n":"3","half":"-","word":"three","r":"1.0","x":"-","e":"","c":"1"}\n'
    # Errors are the same as for any statement.
    wrong = run(program, "query", *load, "--json", "--typed", "select wrod from sample_numbers")
    assert "no such column: wrod; did you mean word?" in wrong.stderr


@pytest.mark.parametrize("command", [("query", "select 1"), ("shell",), ("query", "--csv", "select 1")])
def test_typed_is_for_json_alone(command):
    done = run(EXTENSION, command[0], "--typed", *command[1:])
    assert (done.returncode, done.stderr) == (
        2,
        "sample: --typed needs --json or --ndjson\n",
    )


def bundled(*arguments: str, **settings: str) -> str:
    """Return all that kolide_ext prints, on both streams."""
    env = {"KOLIDE_EXT_SETTINGS": "", **{f"KOLIDE_EXT_{name}": value for name, value in settings.items()}}
    done = run((sys.executable, "-m", "kolide_ext"), *arguments, env=env)
    return done.stdout + done.stderr


def test_tables_that_are_off_are_listed_with_what_to_do(tmp_path):
    lines = bundled("tables", "--all", DISABLED="plist", PREFIX="x_").splitlines()
    listed = {
        before.split()[0]: line.strip() for before, line in pairwise(lines) if not before.startswith(" ")
    }
    assert listed["x_plist"] == "Off: it is disabled. To have it, take it out of KOLIDE_EXT_DISABLED."
    assert listed["x_file_lines"].startswith("Off: it shows any file. To have it, set enabled = ")
    assert listed["x_file_lines"].endswith(" or KOLIDE_EXT_ENABLED=file_lines.")
    assert listed["x_notes"].endswith(" or KOLIDE_EXT_NOTES=PATH.")
    # The settings that the reasons name turn the tables on, and the reasons are gone.
    served = {
        line.split()[0]: line
        for line in bundled("tables", ENABLED="file_lines", NOTES=str(tmp_path / "notes")).splitlines()
    }
    assert {"kolide_plist", "kolide_file_lines", "kolide_notes"} <= set(served)
    assert served["kolide_notes"].endswith(" (writable)")
    assert "Off: " not in bundled("tables", "--all", ENABLED="file_lines", NOTES=str(tmp_path / "notes"))
    # A table that is off may be disabled as well.
    assert bundled("tables", DISABLED="file_lines,notes") == bundled("tables")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("kolide_file_lines", "no such table: kolide_file_lines; off: it shows any file. To have it, set "),
        ("kolide_exposed_prts", "no such table: kolide_exposed_prts; did you mean kolide_exposed_ports?"),
        ("processes", "no such table: processes; this engine has the extension's tables only; osqueryi "),
    ],
)
def test_a_table_that_is_not_there_is_told_why(table, message):
    for command in ("query", "explain"):
        output = bundled(command, f"select * from {table}")
        assert message in output
        assert "osquery_registry" not in output
    assert (
        message in run((sys.executable, "-m", "kolide_ext"), "shell", text=f"select * from {table};").stderr
    )


def test_a_table_of_another_platform_is_told_why():
    output = run(EXTENSION, "query", "select * from sample_elsewhere").stderr
    assert output == (
        "sample: no such table: sample_elsewhere; not here. "
        "Windows and macOS only: on Linux nobody wants it\n"
    )


def test_version():
    assert run(EXTENSION, "version").stdout == "sample version 1.2.3\n"
    assert run(EXTENSION, "--version").stdout == "sample version 1.2.3\n"
    facts = json.loads(run(EXTENSION, "version", "--json").stdout)
    assert facts["version"] == "1.2.3"
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    full = run(EXTENSION, "version", "--full").stdout
    for name in ("commit", "branch", "build date", "build user", "python", "platform", "osquery-sdk"):
        assert f"  {name}: " in full


def test_version_says_what_the_build_wrote_down(tmp_path):
    folder = tmp_path / "sample"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text(
        "from osquery_sdk import Extension\n"
        "raise SystemExit(Extension('sample', version='2', plugins=[]).run())\n"
    )
    stamp = {"commit": "abc", "branch": "main", "date": "2030-01-02T03:04:05Z", "user": "builder"}
    without = json.loads(run((sys.executable, "-m", "sample"), "version", "--json", cwd=tmp_path).stdout)
    assert {without[key] for key in stamp} == {"unknown"}
    (folder / "build.json").write_text(json.dumps(stamp))
    facts = json.loads(run((sys.executable, "-m", "sample"), "version", "--json", cwd=tmp_path).stdout)
    assert {key: facts[key] for key in stamp} == stamp


def test_version_asks_git_in_a_checkout(tmp_path):
    for command in (
        ["git", "init", "-q", "-b", "trunk", "."],
        [
            "git",
            "-c",
            "user.name=Some One",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "one",
        ],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    program = tmp_path / "tool.py"
    program.write_text(
        "from osquery_sdk import Extension\n"
        "raise SystemExit(Extension('tool', version='2', plugins=[]).run())\n"
    )
    command = (sys.executable, str(program))
    # Untracked files do not belong to the checkout: an environment may lie in it.
    assert json.loads(run(command, "version", "--json").stdout)["commit"] == "unknown"
    subprocess.run(["git", "add", "tool.py"], cwd=tmp_path, check=True)
    subprocess.run(
        ["git", "-c", "user.name=Some One", "-c", "user.email=a@b", "commit", "-q", "-m", "two"],
        cwd=tmp_path,
        check=True,
    )
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    facts = json.loads(run(command, "version", "--json").stdout)
    assert facts["commit"] == head.stdout.strip()
    assert (facts["branch"], facts["user"]) == ("trunk", "Some One")
    program.write_text(program.read_text() + "\n")
    assert json.loads(run(command, "version", "--json").stdout)["commit"] == head.stdout.strip() + "-dirty"
