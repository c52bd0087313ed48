"""Settings are read from flags, variables and a file; each mistake has an error, and no secret is shown."""

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.errors import SettingsError
from kolide_kit.settings import Configuration, Secret, Setting

HIDDEN = "t0p-s3cret"

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes of POSIX")
root_only = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root can give files away"
)


@dataclass(frozen=True)
class Plain:
    """A setting of each type, without secrets."""

    text: Annotated[str, Setting("A text")] = "usual"
    number: Annotated[int, Setting("A number", "even", lambda number: number % 2 == 0)] = 2
    ratio: Annotated[float, Setting("A ratio", section="more")] = 0.5
    is_on: Annotated[bool, Setting("A switch")] = False
    names: Annotated[tuple[str, ...], Setting("Names")] = field(default_factory=lambda: ("a",))
    path: Annotated[str | None, Setting("A path")] = None


class Closed(NamedTuple):
    """Settings with a secret."""

    url: Annotated[str, Setting("URL", "https://HOST", lambda url: url.startswith("https://"))]
    token: Annotated[Secret, Setting("Token", "ASCII", str.isascii)]
    spare: Annotated[Secret | None, Setting("Another", section="more")] = None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty settings file that only its owner can read."""
    path = tmp_path / "settings.toml"
    path.touch(mode=0o600)
    return path


def plain(file: Path, *arguments: str, **variables: str) -> Configuration[Plain]:
    return Configuration(Plain, "my-ext", arguments, file=str(file), environment=variables)


def closed(file: Path, *arguments: str, **variables: str) -> Configuration[Closed]:
    return Configuration(Closed, "my_ext", arguments, file=str(file), environment=variables)


# -- where values come from


def test_a_flag_counts_before_a_variable_before_the_file_before_the_default(file: Path) -> None:
    file.write_text("text = 'file'\nnumber = 4\nis_on = true\n[more]\nratio = 3\n")
    configuration = plain(file, "--number", "8", "query", "--number", MY_EXT_NUMBER="6", MY_EXT_IS_ON="false")
    assert configuration.read() == Plain("file", 8, 3.0, is_on=False, names=("a",))
    assert configuration.arguments == ["query", "--number"]
    origins = [configuration.origin(name) for name in Plain.__dataclass_fields__]
    assert origins == [str(file), "--number", str(file), "MY_EXT_IS_ON", "default", "default"]


def test_each_reading_looks_again(file: Path) -> None:
    configuration = plain(file)
    assert configuration.read().text == "usual"
    file.write_text("text = 'new'")
    assert configuration.read().text == "new"


def test_another_file(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("text = 'other'")
    assert plain(file, MY_EXT_SETTINGS=str(other)).read().text == "other"
    assert plain(file, "--settings", str(other), MY_EXT_SETTINGS="/nowhere").read().text == "other"
    with pytest.raises(SettingsError, match="nowhere: No such file"):
        plain(file, f"--settings={tmp_path}/nowhere").read()


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        ((), []),
        (("tables",), ["tables"]),
        (("--socket", "S", "--text", "x"), ["--socket", "S", "--text", "x"]),
        (("--text=", "--names", "--", "shell"), ["shell"]),
        (("--is_on=1", "--is-on", "0", "-h"), ["-h"]),
    ],
)
def test_flags_of_settings_come_first(arguments: tuple[str, ...], rest: list[str], file: Path) -> None:
    configuration = Configuration(Plain, "x", arguments, file=str(file), environment={}, reserved=("socket",))
    configuration.read()
    assert configuration.arguments == rest


def test_show_settings(file: Path) -> None:
    file.write_text('text = "a\\u001b[31m\\n"')
    configuration = plain(file, "--show-settings", MY_EXT_NAMES="b, c")
    assert configuration.is_to_show
    assert [line.split() for line in configuration.show().splitlines()] == [
        ["text", '"a\\u001b[31m\\n"', str(file)],
        ["number", "2", "default"],
        ["more.ratio", "0.5", "default"],
        ["is_on", "false", "default"],
        ["names", '["b",', '"c"]', "MY_EXT_NAMES"],
        ["path", "-", "default"],
    ]


# -- values, as texts and in TOML

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "text": TEXTS,
            "number": st.integers(-(2**63), 2**63 - 1).map(lambda number: number * 2),
            "ratio": st.floats(allow_nan=False, allow_infinity=False),
            "is_on": st.booleans(),
            "names": st.lists(st.text("abc_", min_size=1)),
        },
    )
)
def test_a_value_is_the_same_from_each_place(values: dict[str, object]) -> None:
    given: Any = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    expected = Plain(**given)
    texts = {
        name: ",".join(value) if isinstance(value, list) else str(value) for name, value in values.items()
    }
    nowhere = Path("/nonexistent")
    assert (
        plain(nowhere, **{f"MY_EXT_{name.upper()}": text for name, text in texts.items()}).read() == expected
    )
    flags = [f"--{name.replace('_', '-')}={text}" for name, text in texts.items()]
    assert plain(nowhere, *flags).read() == expected
    # JSON writes these types as TOML does, but for surrogate pairs and DEL.
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"values-{os.getpid()}.toml"
    lines = [
        f"{'more.' if name == 'ratio' else ''}{name} = "
        + json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        for name, value in values.items()
    ]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    path.chmod(0o600)
    try:
        assert plain(path).read() == expected
    finally:
        path.unlink()


@given(st.sampled_from(["NUMBER", "RATIO", "IS_ON", "NAMES", "TEXT"]), TEXTS)
def test_any_text_is_a_value_or_an_error_of_one_line(name: str, text: str) -> None:
    try:
        settings = plain(Path("/nonexistent"), **{f"MY_EXT_{name}": text}).read()
    except SettingsError as error:
        assert str(error).startswith(f"MY_EXT_{name} = ")  # noqa: PT017 - either is right
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert type(settings.number) is int
        assert settings.number % 2 == 0
        assert math.isfinite(settings.ratio)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("text = 1", "text = 1: has to be a text"),
        ("number = 3", "number = 3: has to be even"),
        ("number = true", "number = True: has to be even"),
        ("number = 2.0", "number = 2.0: has to be even"),
        ("more.ratio = nan", "more.ratio = nan: has to be a number"),
        ("more.ratio = -inf", "more.ratio = -inf: has to be a number"),
        ("more.ratio = " + "9" * 400, "more.ratio = 9.*: has to be a number"),
        ("is_on = 1", "is_on = 1: has to be true or false"),
        ("names = 'a'", "names = 'a': has to be a list of texts"),
        ("names = [['a']]", r"names = \[\['a'\]\]: has to be a list of texts"),
        ("more = 1", r"more has to be a table of settings, \[more\]"),
        ("ratio = 1", "ratio: no such setting; there are text, .*; did you mean more.ratio[?]"),
        ("tetx = 1", "tetx: no such setting; .*; did you mean text[?]"),
        ('"a\\nb" = 1', "settings.toml: a b: no such setting; .*"),
        ("more.more.ratio = 1", "more.more: no such setting; .*"),
        ("number = " + "9" * 5000, "is not TOML: "),
        ("a = " + "[" * 100_000, "is not TOML: "),
        ("a = " + "{a=" * 100_000, "is not TOML: "),
        ("text", "is not TOML: "),
    ],
)
def test_wrong_files(line: str, error: str, file: Path) -> None:
    file.write_text(line)
    with pytest.raises(SettingsError, match=f"{error}$" if "TOML" not in error else error) as raised:
        plain(file).read()
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("arguments", "variables", "error"),
    [
        (("--number", "3"), {}, "--number = '3': has to be even"),
        (("--number",), {}, "--number needs a value"),
        (("--nubmer", "3"), {}, "--nubmer: no such setting; did you mean --number?"),
        (("--show-setings",), {}, "--show-setings: no such setting; did you mean --show-settings?"),
        ((), {"MY_EXT_NUMBER": "three"}, "MY_EXT_NUMBER = 'three': has to be even"),
        ((), {"MY_EXT_IS_ON": "on"}, "MY_EXT_IS_ON = 'on': has to be true or false"),
    ],
)
def test_wrong_flags_and_variables(
    arguments: tuple[str, ...], variables: dict[str, str], error: str, file: Path
) -> None:
    for use in (Configuration.read, Configuration.show):
        with pytest.raises(SettingsError) as raised:
            use(plain(file, *arguments, **variables))
        assert str(raised.value) in (error, error.replace("'3'", "3"))


def test_an_unknown_variable(file: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"MY_EXT_TXET: no such setting; .*; did you mean MY_EXT_TEXT[?]$"
    ):
        plain(file, MY_EXT_TXET="x").read()


class Picky(NamedTuple):
    """A setting with a check that raises."""

    number: Annotated[str, Setting("Digits", "digits", lambda text: int(text) > 0)] = "1"


def test_a_check_may_raise_a_value_error() -> None:
    variables = {"X_NUMBER": "many"}
    with pytest.raises(SettingsError, match=r"^X_NUMBER = 'many': has to be digits$"):
        Configuration(Picky, "x", file="/nonexistent", environment=variables).read()


# -- declarations


class Undescribed(NamedTuple):
    """A field without a Setting."""

    url: str


class Unreadable(NamedTuple):
    """A field of a type that cannot be a setting."""

    url: Annotated[dict[str, str], Setting("A mapping")]


class Socket(NamedTuple):
    """A field with the name of a flag."""

    socket: Annotated[str, Setting("A path")] = ""


class Bare:
    """No class of fields."""


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (Undescribed, 'Undescribed.url: write url: Annotated[TYPE, Setting("one line about it")]'),
        (
            Unreadable,
            "Unreadable.url: a setting is str, int, float, bool, tuple[str, ...] or Secret, or one of",
        ),
        (Socket, "Socket.socket: the program has a flag --socket of its own"),
        (Bare, "Bare has to be a frozen dataclass or a NamedTuple"),
    ],
)
def test_wrong_declarations(kind: type, error: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(error)):
        Configuration(kind, "x", file="", reserved=("socket",))


# -- files that cannot be trusted


@given(st.binary(max_size=300))
def test_any_bytes_are_settings_or_an_error(data: bytes) -> None:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"settings-{os.getpid()}.toml"
    path.write_bytes(data)
    try:
        plain(path).read()
    except SettingsError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right
        assert "\n" not in str(error)  # noqa: PT017
    finally:
        path.unlink()


@posix
def test_files_that_are_none(file: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "huge").write_bytes(b"#" * (1 << 20) + b"\n")
    with (tmp_path / "endless").open("wb") as endless:
        endless.truncate(1 << 40)
    for name, error in (
        (".", "is a folder"),
        ("fifo", "is a FIFO"),
        ("/dev/zero", "is a device"),
        ("broken", "No such file or directory"),
        ("loop", "loop is a symbolic link"),
        ("huge", "huge has more than 1,048,576 bytes"),
        ("endless", "endless has more than 1,048,576 bytes"),
    ):
        with pytest.raises(SettingsError, match=error):
            plain(tmp_path / name).read()


def test_a_link_to_a_good_file(file: Path, tmp_path: Path) -> None:
    file.write_text("text = 'x'")
    (tmp_path / "link").symlink_to(file)
    assert plain(tmp_path / "link").read().text == "x"


@posix
def test_a_file_that_everybody_may_write(file: Path) -> None:
    file.chmod(0o666)
    with pytest.raises(SettingsError, match=r"settings\.toml can be written by everybody: chmod o-w it"):
        plain(file).read()
    file.chmod(0o664)
    assert plain(file).read() == Plain()


@root_only
def test_another_user_s_file(file: Path, tmp_path: Path) -> None:
    os.chown(file, 65534, 65534)
    (tmp_path / "link").symlink_to(file)
    for path in (file, tmp_path / "link"):
        with pytest.raises(SettingsError, match="belongs to user 65534: it has to be root's"):
            plain(path).read()


@root_only
def test_as_another_user(file: Path, tmp_path: Path) -> None:
    """Root's file and the user's own are read; a closed one is an error."""
    (tmp_path / "own.toml").write_text("text = 'own'")
    os.chown(tmp_path / "own.toml", 65534, 65534)
    file.write_text("text = 'root'")
    file.chmod(0o644)
    (tmp_path / "closed.toml").touch(mode=0o600)
    tmp_path.chmod(0o755)
    code = (
        "import os; from typing import *; from kolide_kit.settings import *\n"
        "import kolide_kit.settings_file\n"
        "class S(NamedTuple):\n text: Annotated[str, Setting('x')] = ''\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for name in ('own.toml', 'settings.toml', 'closed.toml'):\n"
        " try: print(Configuration(S, 'x', file=name).read().text)\n"
        " except Exception as error: print(error)"
    )
    # Relative paths in that folder: the folders above are closed to others.
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("own\nroot\nsettings: closed.toml: Permission denied\n", "")


# -- secrets


def test_a_secret_from_the_file(file: Path) -> None:
    file.write_text(f"url = 'https://x'\ntoken = '{HIDDEN}'\nmore.spare = 'y'\n")
    settings = closed(file).read()
    assert settings == Closed("https://x", Secret(HIDDEN), Secret("y"))
    assert settings.token.reveal() == HIDDEN


@pytest.mark.parametrize("content", [HIDDEN, f"{HIDDEN}\n", f"{HIDDEN}\r\n"])
@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
def test_a_secret_from_a_systemd_credential(content: str, mode: int, file: Path, tmp_path: Path) -> None:
    """It counts before the file."""
    file.write_text("url = 'https://x'\ntoken = 'old'\n")
    credential = tmp_path / "my_ext.token"
    credential.write_text(content, newline="")
    credential.chmod(mode)
    configuration = closed(file, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert configuration.read().token.reveal() == HIDDEN
    assert configuration.origin("token") == str(credential)


def test_secrets_need_a_place(file: Path) -> None:
    file.write_text("url = 'https://x'")
    place = f"{file} with mode 0600, or as the systemd credential my_ext.token"
    with pytest.raises(SettingsError, match=re.escape(f"there is no token: set it in {place}")):
        closed(file).read()
    assert re.search(r"^token +- +not set$", closed(file).show(), re.MULTILINE)


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o610, 0o644])
def test_a_file_with_a_secret_is_closed(mode: int, file: Path, tmp_path: Path) -> None:
    file.write_text("url = 'https://x'\n")
    credential = tmp_path / "my_ext.token"
    credential.write_text(HIDDEN)
    credential.chmod(0o400)
    file.chmod(mode)
    assert closed(file, CREDENTIALS_DIRECTORY=str(tmp_path)).read().url == "https://x"
    file.write_text(f"url = 'https://x'\ntoken = '{HIDDEN}'")
    with pytest.raises(SettingsError, match=r"is open to others, and a secret is in it: chmod 600 it$"):
        closed(file).read()
    file.chmod(0o600)
    credential.chmod(mode)
    if mode & 0o037:
        with pytest.raises(SettingsError, match=r"my_ext\.token is open to others"):
            closed(file, CREDENTIALS_DIRECTORY=str(tmp_path)).read()


@pytest.mark.parametrize(
    ("content", "arguments", "variables"),
    [
        (f"url = 'https://x'\ntoken = '{HIDDEN}'", (), {}),
        (f"url = '{HIDDEN}'\ntoken = 'x'", (), {}),
        (f"url = ['{HIDDEN}']\ntoken = 'x'", (), {}),
        (f"url = 'https://x'\ntoken = ['{HIDDEN}']", (), {}),
        (f"url = 'https://x'\ntoken = '{HIDDEN}é'", (), {}),
        (f"url = 'https://x'\ntoken = \"{HIDDEN}\\u0000\"", (), {}),
        (f"token = {HIDDEN}", (), {}),
        (f"token = '{HIDDEN}", (), {}),
        (f"token = '{HIDDEN}'\ntoken = '{HIDDEN}'", (), {}),
        (f'token = "{HIDDEN}\\x"', (), {}),
        (f"tokn = '{HIDDEN}'", (), {}),
        (f"more = '{HIDDEN}'", (), {}),
        ("", (), {"MY_EXT_TOKEN": HIDDEN}),
        ("", (), {"MY_EXT_TOKN": HIDDEN}),
        ("", (), {"MY_EXT_URL": HIDDEN}),
        ("", ("--token", HIDDEN), {}),
        ("", (f"--token={HIDDEN}",), {}),
        ("", ("--tokn", HIDDEN), {}),
        ("", (f"--url={HIDDEN}",), {}),
    ],
)
def test_no_secret_is_shown(
    content: str,
    arguments: tuple[str, ...],
    variables: dict[str, str],
    file: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Neither by values, nor in errors with their tracebacks, nor by --show-settings."""
    import logging
    import traceback

    file.write_bytes(content.encode())
    configuration = closed(file, *arguments, **variables)
    shown = [str(vars(configuration).get("problem")), repr(configuration)]
    for use in (Configuration.read, Configuration.show):
        try:
            value = use(configuration)
        except SettingsError as error:
            shown.append("".join(traceback.format_exception(error)))
        else:
            shown += [str(value), repr(value), f"{value}", f"{value!s:>20}"]
            logging.getLogger().error("%s %r", value, value)
            print(value, file=sys.stderr)
    shown += capfd.readouterr()
    assert HIDDEN not in "\n".join(shown)


@pytest.mark.parametrize(
    ("arguments", "variables"), [(("--token", HIDDEN), {}), ((), {"MY_EXT_TOKEN": HIDDEN})]
)
def test_others_could_see_it_there(arguments: tuple[str, ...], variables: dict[str, str], file: Path) -> None:
    file.write_text(f"url = 'https://x'\ntoken = '{HIDDEN}'")
    with pytest.raises(
        SettingsError, match=r"TOKEN|--token: other programs could see it there; set token in"
    ):
        closed(file, *arguments, **variables).read()


def test_credentials_that_are_none(file: Path, tmp_path: Path) -> None:
    file.write_text("url = 'https://x'")
    credential = tmp_path / "my_ext.token"
    for content, error in ((b"", "has to be ASCII"), (b"\xff" * 9, "is not UTF-8"), (b"a\0b", "ASCII")):
        credential.write_bytes(content)
        credential.chmod(0o600)
        with pytest.raises(SettingsError, match=error):
            closed(file, CREDENTIALS_DIRECTORY=str(tmp_path)).read()
    credential.unlink()
    os.mkfifo(credential)
    with pytest.raises(SettingsError, match="is a FIFO"):
        closed(file, CREDENTIALS_DIRECTORY=str(tmp_path)).read()
