"""Texts in any language, read back with each form's own tools; others are refused."""

from __future__ import annotations

import gzip
import io
import os
import pty
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from osquery_sdk.packaging import Options, PackagingError
from osquery_sdk.packaging import package as make

from .conftest import made, needs, package

# Everything but controls, halves of characters, ends of lines and paragraphs, and what is no character.
CHARACTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]).filter(
    lambda character: ord(character) & 0xFFFE != 0xFFFE
)
LINES = st.text(CHARACTERS, min_size=1, max_size=40).map(str.strip).filter(bool)
NAMES = LINES.map(lambda text: text.replace("<", "(").replace(">", ")"))
ODD = [
    "A😀",
    "\U0001d518\U0001d52b \U0010fffd",
    "$HOME ${PATH} $$ $5 `id` $(id)",
    "\\ud83d\\ude00 \\U0001f600 \\n \\x",
    "\"quoted\" 'twice' # : - ? & * ! | > % @ {a: b} [c]",
    "{{.Info.Name}} {{ range }}",
    "\ufeffa \u200b \u202e \u00ad",
    "עברית العربية 日本語 é e\u0301",
    "null",
    "~",
    "0x10",
    "yes",
    "- a",
    "%{name} %%",
]


class Read:
    """A package's description of itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def deb(self) -> tuple[str, list[str], str, str]:
        said = self._ask("dpkg-deb", "-f", self._file("*.deb"))
        fields: dict[str, list[str]] = {}
        name = ""
        for line in said.split("\n"):
            if line.startswith(" "):
                fields[name].append("" if line == " ." else line[1:])
            elif line:
                name, _, value = line.partition(":")
                fields[name] = [value[1:]]
        summary, *description = fields["Description"]
        return summary, description, fields["Maintainer"][0], fields.get("Homepage", [""])[0]

    def rpm(self) -> tuple[str, list[str], str, str]:
        query = "%{SUMMARY}\n%{PACKAGER}\n%{URL}\n%{VENDOR}\n%{DESCRIPTION}"
        said = self._ask("rpm", "-qp", "--qf", query, self._file("*.rpm")).split("\n")
        summary, packager, url, vendor, first, *description = said
        assert (first, vendor) == (summary, packager.partition("<")[0].strip())
        return summary, description, packager, "" if url == "(none)" else url

    def apk(self) -> tuple[str, str, str]:
        # One compressed stream after another: the first holds the settings.
        with (
            gzip.open(self._file("*.apk")) as stream,
            tarfile.open(fileobj=io.BytesIO(stream.read()), ignore_zeros=True) as tar,
        ):
            return self._settings(tar.extractfile(".PKGINFO").read().decode(), "maintainer")

    def arch(self) -> tuple[str, str, str]:
        return self._settings(self._ask("bsdtar", "-xOf", self._file("*.zst"), ".PKGINFO"), "packager")

    def _settings(self, text: str, who: str) -> tuple[str, str, str]:
        found = dict(line.split(" = ", 1) for line in text.split("\n") if " = " in line)
        return found["pkgdesc"], found[who], found.get("url", "")

    def _file(self, pattern: str) -> Path:
        (file,) = self.folder.glob(pattern)
        return file

    def _ask(self, *command: str | Path) -> str:
        done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()


def check(bundle: Path, summary: str, description: list[str], maintainer: str, homepage: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        make(
            [bundle],
            Options(
                output=Path(folder),
                forms=("deb", "rpm", "apk", "arch", "tar"),
                summary=summary,
                description="\n".join(description),
                maintainer=maintainer,
                homepage=homepage,
                license=summary,
            ),
        )
        read = Read(Path(folder))
        assert read.deb() == (summary, description, maintainer, homepage)
        assert read.rpm() == (summary, description, maintainer, homepage)
        whole = " ".join((summary, *description))
        assert read.apk() == (whole, maintainer, homepage)
        assert read.arch() == (whole, maintainer, homepage)


@pytest.fixture(scope="module")
def readable() -> None:
    """Skip where something is not there to read with."""
    needs("dpkg-deb", "rpm", "bsdtar")


@pytest.mark.parametrize("text", ODD)
def test_odd_texts(bundle: Path, readable: None, text: str) -> None:
    check(bundle, text, [f"{text}.", f"  {text}".strip()], f"{text} <a@b.c>".strip(), f"https://x/{text}")


@pytest.mark.parametrize("count", [5, pytest.param(300, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_any_text(bundle: Path, readable: None, count: int) -> None:
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(LINES, st.lists(LINES.filter(lambda line: line != "."), max_size=3), NAMES, LINES)
    @example("😀", ["😀"], "😀", "😀")
    def check_one(summary: str, description: list[str], name: str, homepage: str) -> None:
        check(bundle, summary, description or ["x"], f"{name} <a@b.c>", homepage)

    check_one()


@pytest.mark.parametrize("text", [text for text in ODD if text.strip()])
def test_an_msi_says_the_same(windows_bundle: Path, tmp_path: Path, text: str) -> None:
    needs("wixl", "msiinfo", "msibuild")
    made_of = [
        "--to",
        "msi",
        "--summary",
        text,
        "--description",
        f"{text}\n{text}",
        "--homepage",
        f"https://{text}",
    ]
    done = package(windows_bundle, *made_of, "--maintainer", f"{text} <a@b.c>", output=tmp_path)
    assert done.code == 0, done.stderr
    msi = done.file("*.msi")

    def ask(*arguments: str) -> list[str]:
        return (
            subprocess.run(["msiinfo", *arguments], capture_output=True, check=True)
            .stdout.decode()
            .splitlines()
        )

    known = dict(line.split("\t", 1) for line in ask("export", str(msi), "Property") if "\t" in line)
    assert (known["Manufacturer"], known["ARPURLINFOABOUT"]) == (text, f"https://{text}")
    said = dict(line.split(": ", 1) for line in ask("suminfo", str(msi)) if ": " in line)
    assert (said["Subject"], said["Author"], said["Comments"]) == (text, text, f"{text} {text}")
    assert ask("export", str(msi), "_ForceCodepage")[2] == "65001\t_ForceCodepage"


def test_files_of_any_name(tmp_path: Path, windows_bundle: Path) -> None:
    needs("wixl", "msiinfo", "msibuild", "msiextract")
    import shutil

    bundle = Path(shutil.copytree(windows_bundle, tmp_path / "hello_ext.bundle"))
    names = ["é/😀.txt", "$(var.x).txt", "a & b's.txt"]
    for name in names:
        file = bundle / "_internal" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    msi = made(bundle, "--to", "msi", "--root", "/Program Files/ж $(env.X)", output=tmp_path / "out").file(
        "*.msi"
    )
    subprocess.run(["msiextract", "-C", tmp_path / "x", msi], check=True, capture_output=True)
    (folder,) = (tmp_path / "x").rglob("_internal")
    assert folder.parent.parent.name == "ж $(env.X)"
    assert {name: (folder / name).read_text() for name in names} == {name: name for name in names}


CONTROLS = [
    "\0",
    "\x07",
    "\x1b",
    "\x7f",
    "\x80",
    "\x85",
    "\x9f",
    "\u2028",
    "\u2029",
    "\udc80",
    "\ufffe",
    "\U0010ffff",
]


@pytest.mark.parametrize("character", [*CONTROLS, "\t", "\n", "\r"])
@pytest.mark.parametrize(
    "option", ["summary", "maintainer", "homepage", "license", "depends", "conflicts", "description"]
)
def test_what_no_form_can_write_is_refused(bundle: Path, tmp_path: Path, option: str, character: str) -> None:
    text = f"a{character}b <a@b.c>"
    given_text = (text,) if option in ("depends", "conflicts") else text
    options = Options(output=tmp_path / "out", forms=("deb",), **{option: given_text})
    if option == "description" and character in "\t\n":
        make([bundle], options)
        return
    with pytest.raises(PackagingError) as error:
        make([bundle], options)
    said = str(error.value)
    if character == "\n":
        assert said == f"--{option}: has to be one line"
    else:
        assert said == (
            f"--{option}: character 2 is U+{ord(character):04X}, which cannot be in a package's text; "
            "leave it out"
        )
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_no_text_are_refused_in_a_line(bundle: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "osquery_sdk.cli.main",
            "package",
            bundle,
            "--to",
            "deb",
            "--summary",
            b"caf\xe9",
        ],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        b"osquery-sdk package: --summary: character 4 is U+DCE9, which cannot be in a package's text; "
        b"leave it out"
    ).replace(b"osquery-sdk package", b"osquery-sdk")
    assert list(tmp_path.iterdir()) == []


def test_a_text_without_an_end_is_refused(bundle: Path, tmp_path: Path) -> None:
    done = package(bundle, "--to", "deb", "--description", "x" * 10_001, output=tmp_path / "out")
    assert (done.code, done.stderr.splitlines()[-1]) == (
        1,
        "osquery-sdk: --description: has 10001 characters, and may have 10000",
    )


OPTIONS = (
    "name version identifier root load-list summary description maintainer homepage license depends conflicts"
)
OPTIONS += " to output osqueryd flags secret sign"


@pytest.mark.parametrize("value", ["", "  ", "\t"])
@pytest.mark.parametrize("option", OPTIONS.split())
def test_an_empty_value_is_no_value(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str
) -> None:
    from osquery_sdk.cli.main import main

    monkeypatch.chdir(tmp_path)
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    assert main(["package", str(bundle), f"--{option}", value]) == 2
    assert errors.getvalue() == (
        f"osquery-sdk package: argument --{option}: is empty; give it a value, or leave it out; "
        "see osquery-sdk package --help\n"
    )
    assert list(tmp_path.iterdir()) == []


def as_person(folder: Path, answer: bytes, *arguments: str | Path) -> tuple[int, str]:
    """Run the command at a terminal, and type the answer."""
    person, program = pty.openpty()
    environment = {
        **os.environ,
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for name in [
        name for name in environment if name.startswith("GIT_CONFIG_") and name != "GIT_CONFIG_NOSYSTEM"
    ]:
        del environment[name]
    with subprocess.Popen(
        [sys.executable, "-m", "osquery_sdk.cli.main", "package", *arguments],
        stdin=program,
        stdout=program,
        stderr=program,
        cwd=folder,
        env=environment,
    ) as process:
        os.close(program)
        os.write(person, answer)
        said = b""
        while True:
            try:
                more = os.read(person, 65536)
            except OSError:  # as Linux tells that nobody has the other end any more
                break
            if not more:
                break
            said += more
    os.close(person)
    return process.returncode, said.decode()


GIT = "[user]\n\tname = Gitta 😀\n\temail = gitta@example.com\n"


@pytest.mark.parametrize(
    ("config", "answer", "maintainer"),
    [
        (GIT, b"\n", "Gitta 😀 <gitta@example.com>"),
        (GIT, "Ann Ä <ann@example.com>\n".encode(), "Ann Ä <ann@example.com>"),
        ("", b"Ann <ann@example.com>\n", "Ann <ann@example.com>"),
        ("", b"\n", "hello-ext <root@localhost>"),
        (GIT, b"\x04", "hello-ext <root@localhost>"),  # the end of input
    ],
)
def test_a_person_is_asked_for_the_maintainer(
    bundle: Path, tmp_path: Path, config: str, answer: bytes, maintainer: str
) -> None:
    needs("git", "dpkg-deb")
    (tmp_path / ".gitconfig").write_text(config)
    code, said = as_person(tmp_path, answer, bundle, "--to", "deb", "--output", tmp_path / "out")
    assert code == 0, said
    assert "Maintainer, as in Jane Doe <jane@example.com>" in said
    assert ("[Gitta 😀 <gitta@example.com>]: " in said) == bool(config)
    (deb,) = (tmp_path / "out").glob("*.deb")
    done = subprocess.run(["dpkg-deb", "-f", deb, "Maintainer"], capture_output=True, check=True)
    assert done.stdout.decode().strip() == maintainer
    assert ("placeholder" in said) == maintainer.endswith("@localhost>")


def test_a_person_is_not_asked_for_what_nothing_says(bundle: Path, tmp_path: Path) -> None:
    for arguments in (["--to", "tar"], ["--to", "deb", "--maintainer", "Ann <a@b.c>"]):
        code, said = as_person(tmp_path, b"", bundle, *arguments, "--output", tmp_path / arguments[1])
        assert code == 0, said
        assert "Maintainer, as" not in said
        assert "placeholder" not in said


@pytest.mark.parametrize("streams", ["<&-", "</dev/null", "<&- 2>&-"])
def test_nobody_is_waited_for(bundle: Path, tmp_path: Path, streams: str) -> None:
    command = (
        f"{sys.executable} -m osquery_sdk.cli.main package {bundle} "
        f"--to deb --output {tmp_path}/out {streams}"
    )
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert b"placeholder" in done.stdout


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_who_is_no_person_is_told_of_the_placeholder(bundle: Path, tmp_path: Path, more: list[str]) -> None:
    done = package(bundle, "--to", "deb", *more, output=tmp_path)
    assert done.code == 0
    said = done.stderr if more else done.stdout
    (line,) = [line for line in said.splitlines() if "placeholder" in line]
    assert (
        "their maintainer is a placeholder, hello-ext <root@localhost>; to name one: --maintainer '" in line
    )
