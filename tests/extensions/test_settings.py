"""The program's settings come from the file and the environment; each mistake has an error of its own."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_ext import settings as module
from kolide_ext.settings import Settings, SettingsError, default_path, read_settings
from kolide_tables import Limits

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")
root_only = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can give files away"
)


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
    assert read_settings({"PATH": "/bin", "KOLIDE": "x"}, str(tmp_path / "none.toml")) == Settings(
        "kolide_", (), Limits(16 * 1024 * 1024, 100_000, 20.0, 4_000)
    )


def test_all_set_in_the_file(file: Path) -> None:
    file.write_text(
        'prefix = "acme_"\ndisabled = ["xml", "acme_ini"]\n[limits]\n'
        "max_file_bytes = 1\nmax_rows = 2\nmax_seconds = 2.5\nmax_folders = 4\n"
    )
    assert read_settings({}, str(file)) == Settings("acme_", ("xml", "acme_ini"), Limits(1, 2, 2.5, 4))


def test_all_set_in_the_environment(tmp_path: Path) -> None:
    environment = {
        "KOLIDE_EXT_PREFIX": "acme_",
        "KOLIDE_EXT_DISABLED": "xml, acme_ini,",
        "KOLIDE_EXT_MAX_FILE_BYTES": "1",
        "KOLIDE_EXT_MAX_ROWS": "2",
        "KOLIDE_EXT_MAX_SECONDS": "2.5",
        "KOLIDE_EXT_MAX_FOLDERS": "4",
    }
    assert read_settings(environment, str(tmp_path / "none.toml")) == Settings(
        "acme_", ("xml", "acme_ini"), Limits(1, 2, 2.5, 4)
    )


def test_the_documented_file_says_what_holds_without_it(file: Path) -> None:
    lines = (module.__doc__ or "").split("::\n\n")[1].split("\n\nKOLIDE_EXT_SETTINGS")[0]
    documented = "\n".join(line.strip() for line in lines.splitlines())
    file.write_text(documented)
    assert read_settings({}, str(file))._replace(disabled=(), enabled=()) == Settings()
    tomllib.loads(documented)


def test_the_environment_counts_before_the_file(file: Path) -> None:
    file.write_text('prefix = "file_"\ndisabled = ["xml"]\nlimits.max_rows = 5\nlimits.max_folders = 6\n')
    settings = read_settings({"KOLIDE_EXT_MAX_ROWS": "7", "KOLIDE_EXT_DISABLED": ""}, str(file))
    assert settings == Settings("file_", (), Limits(max_rows=7, max_folders=6))


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
        assert default_path() == path
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PROGRAMFILES", r"D:\Programs")
    assert default_path() == r"D:\Programs\osquery\kolide_ext.toml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prefix", "settings.toml is no TOML: "),
        ("prefix = ", "settings.toml is no TOML: Invalid value"),
        (b"prefix = '\xff'", "settings.toml is no TOML: "),
        (b"\x7fELF\x00\x01", "settings.toml is no TOML: "),
        ("a = " + "[" * 100_000, "settings.toml is no TOML: "),
        ("disabled = []\ndisabled = []", "settings.toml is no TOML: Cannot overwrite a value"),
        ("#" * (1 << 20) + "\n", "settings.toml has more than 1,048,576 bytes"),
        (
            "prefx = 'x_'",
            "settings.toml: prefx: no such setting; there are prefix, disabled, limits.max_file_bytes",
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
        ("limits.max_seconds = 0", "limits.max_seconds = 0: has to be a number over 0 and at most 300"),
        ("limits.max_seconds = 301", "limits.max_seconds = 301: has to be a number over 0 and at most 300"),
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
        ("KOLIDE_EXT_MAX_ROWS", "1e3", "KOLIDE_EXT_MAX_ROWS = 1000.0: has to be a whole number over 0"),
        ("KOLIDE_EXT_MAX_SECONDS", "nan", "KOLIDE_EXT_MAX_SECONDS = nan: has to be a number over 0"),
    ],
)
def test_what_is_wrong_in_the_environment(variable: str, value: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings({variable: value}, str(tmp_path / "none.toml"))


@given(st.binary(max_size=300))
def test_any_bytes_are_settings_or_an_error(data: bytes) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"settings-{os.getpid()}.toml"
    path.write_bytes(data)
    try:
        read_settings({}, str(path))
    except SettingsError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right
    finally:
        path.unlink()


# The file's owner and mode


def test_a_folder_a_fifo_and_a_link_to_nothing(file: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to("nothing")
    for name, said in ((".", "is a folder"), ("fifo", "is a FIFO"), ("broken", "No such file or directory")):
        with pytest.raises(SettingsError, match=said):
            read_settings({}, str(tmp_path / name))


def test_a_link_to_a_good_file(file: Path, tmp_path: Path) -> None:
    file.write_text('prefix = "x_"')
    (tmp_path / "link").symlink_to(file)
    assert read_settings({}, str(tmp_path / "link")).prefix == "x_"


@posix
def test_a_file_that_everybody_may_write(file: Path) -> None:
    file.chmod(0o666)
    with pytest.raises(SettingsError, match=r"settings\.toml can be written by everybody: chmod o-w it"):
        read_settings({}, str(file))
    file.chmod(0o664)
    assert read_settings({}, str(file)) == Settings()


@root_only
def test_another_user_s_file(file: Path, tmp_path: Path) -> None:
    os.chown(file, 65534, 65534)
    for path in (file, tmp_path / "link"):
        if path != file:
            path.symlink_to(file)
        with pytest.raises(SettingsError, match="belongs to user 65534: it has to be root's"):
            read_settings({}, str(path))


@root_only
def test_as_another_user(file: Path, tmp_path: Path) -> None:
    """Root's file and the user's own are read; a closed one is an error."""
    (tmp_path / "own.toml").write_text('prefix = "own_"')
    os.chown(tmp_path / "own.toml", 65534, 65534)
    file.write_text('prefix = "root_"')
    (tmp_path / "closed.toml").write_text("")
    (tmp_path / "closed.toml").chmod(0o600)
    tmp_path.chmod(0o755)
    code = (
        "import os, pathlib, tomllib; from kolide_ext.settings import *; import kolide_kit.files\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(read_settings({}, 'own.toml').prefix, read_settings({}, 'settings.toml').prefix)\n"
        "try: read_settings({}, 'closed.toml')\n"
        "except SettingsError as error: print(error)"
    )
    # Relative paths in that folder: the folders above are closed to others.
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("own_ root_\nsettings: closed.toml: Permission denied\n", "")


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
        ("[limits", "is no TOML"),
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


def test_toml_is_imported_only_for_a_file(file: Path) -> None:
    code = (
        "import os, sys; from kolide_ext.settings import read_settings; read_settings(os.environ, "
        "'/nonexistent')\n"
        "print(sorted({'tomllib', 'kolide_kit.files'} & set(sys.modules)))"
    )
    for environment, said in (
        ({}, "[]"),
        ({"KOLIDE_EXT_SETTINGS": str(file)}, "['kolide_kit.files', 'tomllib']"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
        )
        assert (done.stdout.strip(), done.stderr) == (said, "")
