"""The program's settings come from the file and the environment; each mistake has an error of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from kolide_ext.settings import Settings
from kolide_tables import Limits
from osquery_sdk import SettingsError, extension_settings


def read_settings(environment: Mapping[str, str], file: str = "") -> Settings:
    """Return the settings of an environment and a file."""
    return extension_settings(Settings, "kolide_ext", environment=environment, file=file).read()


def main_settings(settings: Settings) -> tuple[str, tuple[str, ...], Limits]:
    """Return prefix, disabled tables and limits."""
    return settings.prefix, settings.disabled, settings.limits


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a settings file that nobody else may write.

    Its folders are open, so that another user may read it.
    """
    made = tmp_path / "settings.toml"
    made.write_text("")
    made.chmod(0o644)
    return made


def said_of(text: str | bytes, file: Path) -> str:
    """Return the error for a file of this content."""
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SettingsError) as raised:
        read_settings({}, str(file))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_nothing_set(tmp_path: Path) -> None:
    settings = read_settings({"PATH": "/bin", "KOLIDE": "x"}, str(tmp_path / "none.toml"))
    assert main_settings(settings) == ("kolide_", (), Limits(16 * 1024 * 1024, 100_000, 20.0, 4_000))
    assert settings == Settings()


def test_all_set_in_the_file(file: Path) -> None:
    file.write_text(
        'prefix = "acme_"\ndisabled = ["xml", "acme_ini"]\n[limits]\n'
        "max_file_bytes = 1\nmax_rows = 2\nmax_seconds = 2.5\nmax_folders = 4\n"
    )
    settings = read_settings({}, str(file))
    assert main_settings(settings) == ("acme_", ("xml", "acme_ini"), Limits(1, 2, 2.5, 4))


def test_all_set_in_the_environment(tmp_path: Path) -> None:
    environment = {
        "KOLIDE_EXT_PREFIX": "acme_",
        "KOLIDE_EXT_DISABLED": "xml, acme_ini,",
        "KOLIDE_EXT_MAX_FILE_BYTES": "1",
        "KOLIDE_EXT_MAX_ROWS": "2",
        "KOLIDE_EXT_MAX_SECONDS": "2.5",
        "KOLIDE_EXT_MAX_FOLDERS": "4",
    }
    settings = read_settings(environment, str(tmp_path / "none.toml"))
    assert main_settings(settings) == ("acme_", ("xml", "acme_ini"), Limits(1, 2, 2.5, 4))


def test_the_environment_counts_before_the_file(file: Path) -> None:
    file.write_text('prefix = "file_"\ndisabled = ["xml"]\nlimits.max_rows = 5\nlimits.max_folders = 6\n')
    settings = read_settings({"KOLIDE_EXT_MAX_ROWS": "7", "KOLIDE_EXT_DISABLED": ""}, str(file))
    assert main_settings(settings) == ("file_", (), Limits(max_rows=7, max_folders=6))


def test_another_file(file: Path, tmp_path: Path) -> None:
    file.write_text('prefix = "usual_"')
    other = tmp_path / "other.toml"
    other.write_text('prefix = "other_"')
    assert read_settings({"KOLIDE_EXT_SETTINGS": str(other)}, str(file)).prefix == "other_"
    assert read_settings({"KOLIDE_EXT_SETTINGS": ""}, str(file)).prefix == "usual_"


def test_another_file_has_to_be_there(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"settings: .*/none\.toml: No such file or directory"):
        read_settings({"KOLIDE_EXT_SETTINGS": str(tmp_path / "none.toml")}, str(file))


def test_where_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform, path in (
        ("linux", "/etc/osquery/kolide_ext.toml"),
        ("darwin", "/var/osquery/kolide_ext.toml"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        assert extension_settings(Settings, "kolide_ext", environment={}).file == path
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PROGRAMFILES", r"D:\Programs")
    assert (
        extension_settings(Settings, "kolide_ext", environment={}).file
        == r"D:\Programs\osquery\kolide_ext.toml"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prefix", "settings.toml is not TOML: "),
        ("prefix = ", "settings.toml is not TOML: Invalid value"),
        (b"prefix = '\xff'", "settings.toml is not TOML: "),
        (b"\x7fELF\x00\x01", "settings.toml is not TOML: "),
        ("a = " + "[" * 100_000, "settings.toml is not TOML: "),
        ("disabled = []\ndisabled = []", "settings.toml is not TOML: Cannot overwrite a value"),
        ("#" * (1 << 20) + "\n", "settings.toml has more than 1,048,576 bytes"),
        (
            "prefx = 'x_'",
            (
                "settings.toml: prefx: no such setting; "
                "there are prefix, disabled, notes, enabled, limits.max_file"
            ),
        ),
        ("max_rows = 5", "settings.toml: max_rows: no such setting; there are .*limits.max_rows"),
        ("limits.max_row = 5", "settings.toml: limits.max_row: no such setting"),
        ("limits.prefix = 'x'", "settings.toml: limits.prefix: no such setting"),
        ("limits = 5", r"settings.toml: limits has to be a table of settings, \[limits\]"),
        ("prefix = 5", "settings.toml: prefix = 5: has to be letters"),
        ("prefix = 'a-b'", "settings.toml: prefix = 'a-b': has to be letters"),
        ("prefix = '1a'", "settings.toml: prefix = '1a': has to be letters"),
        ("prefix = 'é'", "settings.toml: prefix = 'é': has to be letters"),
        ("prefix = '''a\nb'''", r"settings.toml: prefix = 'a\\nb': has to be letters"),
        ("disabled = 'xml'", "settings.toml: disabled = 'xml': has to be a list of tables' names"),
        ("disabled = ['xml', 5]", r"settings.toml: disabled = \['xml', 5\]: has to be a list"),
        ("limits.max_rows = '5'", "settings.toml: limits.max_rows = '5': has to be a whole number over 0"),
        ("limits.max_rows = true", "settings.toml: limits.max_rows = True: has to be a whole number over 0"),
        ("limits.max_rows = 5.0", "settings.toml: limits.max_rows = 5.0: has to be a whole number over 0"),
        ("limits.max_rows = 0", "settings.toml: limits.max_rows = 0: has to be a whole number over 0"),
        ("limits.max_file_bytes = -1", "settings.toml: limits.max_file_bytes = -1: has to be a whole number"),
        ("limits.max_seconds = true", "settings.toml: limits.max_seconds = True: has to be a number over 0"),
        ("limits.max_seconds = 0", "limits.max_seconds = 0.0: has to be a number over 0 and at most 300"),
        ("limits.max_seconds = 301", "limits.max_seconds = 301.0: has to be a number over 0 and at most 300"),
        ("limits.max_seconds = inf", "limits.max_seconds = inf: has to be a number over 0 and at most 300"),
        ("limits.max_seconds = nan", "limits.max_seconds = nan: has to be a number over 0 and at most 300"),
    ],
)
def test_what_is_wrong_in_a_file(text: str | bytes, said: str, file: Path) -> None:
    error = said_of(text, file)
    assert str(file) in error
    with pytest.raises(SettingsError, match=said):
        read_settings({}, str(file))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "KOLIDE_EXT_PREFX",
            "x_",
            "KOLIDE_EXT_PREFX: no such setting; there are KOLIDE_EXT_SETTINGS, KOLIDE_EXT_PREFIX",
        ),
        (
            "KOLIDE_EXT_LIMITS.MAX_ROWS",
            "5",
            "KOLIDE_EXT_LIMITS.MAX_ROWS: no such setting; .*KOLIDE_EXT_MAX_ROWS",
        ),
        ("KOLIDE_EXT_", "", "KOLIDE_EXT_: no such setting"),
        ("KOLIDE_EXT_PREFIX", "a b", "KOLIDE_EXT_PREFIX = 'a b': has to be letters"),
        ("KOLIDE_EXT_MAX_ROWS", "many", "KOLIDE_EXT_MAX_ROWS = 'many': has to be a whole number over 0"),
        ("KOLIDE_EXT_MAX_ROWS", "", "KOLIDE_EXT_MAX_ROWS = '': has to be a whole number over 0"),
        ("KOLIDE_EXT_MAX_ROWS", "1e3", "KOLIDE_EXT_MAX_ROWS = '1e3': has to be a whole number over 0"),
        ("KOLIDE_EXT_MAX_SECONDS", "nan", "KOLIDE_EXT_MAX_SECONDS = nan: has to be a number over 0"),
    ],
)
def test_what_is_wrong_in_the_environment(variable: str, value: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings({variable: value}, str(tmp_path / "none.toml"))


# Through the program


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kolide_ext", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limits.max_row = 5", "limits.max_row: no such setting"),
        ("[limits", "is not TOML"),
        ("disabled = ['xlm']", "no table kolide_xlm to disable"),
        ("prefix = '-'", "prefix = '-': has to be"),
    ],
)
@pytest.mark.parametrize("arguments", [("tables",), ("--socket", "/nonexistent/socket", "--timeout", "1")])
def test_a_bad_file_is_one_line_and_exit_code_1(
    text: str, said: str, arguments: tuple[str, ...], file: Path
) -> None:
    file.write_text(text)
    done = run(*arguments, KOLIDE_EXT_SETTINGS=str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("kolide_ext: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_settings_reach_the_tables(file: Path) -> None:
    file.write_text("prefix = 'acme_'\ndisabled = ['xml']\nlimits.max_rows = 2\n")
    named = run("tables", KOLIDE_EXT_SETTINGS=str(file))
    assert "acme_json " in named.stdout
    assert "acme_xml" not in named.stdout
    few = run(
        "query",
        "select value from acme_json where raw_data = '[1,2]'",
        "--csv",
        KOLIDE_EXT_SETTINGS=str(file),
    )
    assert few.stdout.split() == ["value", "1", "2"]
    many = run(
        "query", "select value from acme_json where raw_data = '[1,2,3]'", KOLIDE_EXT_SETTINGS=str(file)
    )
    assert many.returncode == 1
    assert "more than 2 rows" in many.stderr


def test_flags_come_first_and_count_most(file: Path) -> None:
    file.write_text("prefix = 'file_'\ndisabled = ['xml']\n")
    done = run("--prefix", "flag_", "--disabled=csv", "tables", KOLIDE_EXT_SETTINGS=str(file))
    assert "flag_xml" in done.stdout
    assert "flag_csv" not in done.stdout
    assert "flag_json" in run("--prefix=flag_", "tables", KOLIDE_EXT_PREFIX="x_").stdout
    off = run("--disabled=csv", "tables", "--all", KOLIDE_EXT_SETTINGS=str(file)).stdout
    assert "it is disabled. To have it, take it out of --disabled" in " ".join(off.split())


def test_a_prefix_that_begins_a_table_s_own_name() -> None:
    served = run("tables", KOLIDE_EXT_PREFIX="file_", KOLIDE_EXT_ENABLED="file_lines").stdout
    assert "file_file_lines" in served
    off = run("tables", "--all", KOLIDE_EXT_PREFIX="file_").stdout
    assert "To have it, set enabled" in off


def test_every_setting_is_shown_with_its_place(file: Path) -> None:
    file.write_text("disabled = ['xml']\nlimits.max_rows = 5\n")
    arguments = ("--max-seconds", "3", "--show-settings")
    done = run(*arguments, KOLIDE_EXT_SETTINGS=str(file), KOLIDE_EXT_PREFIX="x_")
    assert [line.split(maxsplit=2) for line in done.stdout.splitlines()] == [
        ["prefix", '"x_"', "KOLIDE_EXT_PREFIX"],
        ["disabled", '["xml"]', str(file)],
        ["notes", '""', "default"],
        ["enabled", "[]", "default"],
        ["limits.max_file_bytes", "16777216", "default"],
        ["limits.max_rows", "5", str(file)],
        ["limits.max_seconds", "3.0", "--max-seconds"],
        ["limits.max_folders", "4000", "default"],
    ]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prefx", "x_", "tables"), "--prefx: no such setting; did you mean --prefix?"),
        (("--max-rows",), "--max-rows needs a value"),
        (("--max-rows=many", "--show-settings"), "--max-rows = 'many': has to be a whole number over 0"),
    ],
)
def test_a_wrong_flag_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments, KOLIDE_EXT_SETTINGS="")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"kolide_ext: {said}\n")


def test_the_notes_file_is_a_whole_path() -> None:
    done = run("tables", KOLIDE_EXT_NOTES="n")
    assert done.stderr == "kolide_ext: KOLIDE_EXT_NOTES = 'n': has to be the whole path of a file\n"
    assert "kolide_notes" in run("tables", KOLIDE_EXT_NOTES="/nowhere/n").stdout


def test_what_a_start_without_a_file_leaves_out(file: Path) -> None:
    code = (
        "import os, sys; from kolide_ext.settings import Settings; "
        "from osquery_sdk import extension_settings\n"
        "extension_settings(Settings, 'kolide_ext', ['--socket', 'x'], file='/nonexistent').read()\n"
        "print(sorted({'tomllib', 'dataclasses', 'difflib', 'kolide_kit.files'} & set(sys.modules)))"
    )
    for environment, loaded in (
        ({}, "[]"),
        ({"KOLIDE_EXT_SETTINGS": str(file)}, "['kolide_kit.files', 'tomllib']"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
        )
        assert (done.stdout.strip(), done.stderr) == (loaded, "")
