"""Specifiers of unit files as systemd resolves them; its own dump of a unit is the oracle."""

import os
import platform
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.reading.specifiers import Specifiers
from kolide_tables.reading.unitfiles import Unit, UnitFiles

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

UNITS = ("a-b.service", "job@alice.service", r"j-k@a-b\x2dc.service", r"a\x2eb-c.service", "x@-.service")
# The deprecated ones of control groups need a running systemd, and paths of files differ by the root folder.
LEFT_OUT = "crRyY"
OF_NAMES = "dfiIjJnNpP"


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    write(tmp_path, "usr/lib/os-release", '# x\nID=debian\nVERSION_ID="12"\nBUILD_ID=\'b 1\'\nIMAGE_ID="\n')
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    write(tmp_path, "etc/machine-info", 'PRETTY_HOSTNAME="Ann\'s laptop"\n')
    return tmp_path


def resolved(root: Path, name: str, text: str) -> str:
    return Specifiers(UnitFiles(str(root))).resolve(text, Unit(name, f"{root}/usr/lib/{name}", masked=False))


@pytest.mark.parametrize("name", UNITS)
def test_specifiers_are_those_of_systemd(tmp_path: Path, name: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    letters = OF_NAMES + "kmtu"
    if name == UNITS[0]:
        letters = "".join(set(string.ascii_letters + string.digits + "%") - set(LEFT_OUT))
    file = f"{name.partition('@')[0]}@.service" if "@" in name else name
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    shown = {}
    for letter in letters:
        text = f"[Service]\nExecStart=/bin/true\nSELinuxContext=<%{letter}> %%\n"
        write(tmp_path, f"usr/lib/systemd/system/{file}", text)
        done = subprocess.run(
            [analyze, "verify", "--man=no", f"--root={tmp_path}", f"{tmp_path}/etc/systemd/system/{name}"],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "debug"},
        )
        lines = [line.strip() for line in done.stdout.splitlines()]
        shown[letter] = next((line[16:] for line in lines if line.startswith("SELinuxContext: ")), None)
    known = {letter: value for letter, value in shown.items() if value is not None}
    if not known:
        pytest.skip("this systemd-analyze shows no units")
    assert {"i", "n", "t", "u", "m"} < known.keys()
    # systemd reads the machine's own files here, whatever the root folder.
    specifiers = Specifiers(UnitFiles())
    for letter, value in known.items():
        unit = Unit(name, f"/usr/lib/systemd/system/{name}", masked=False)
        assert specifiers.resolve(f"<%{letter}> %%", unit) == value, letter
    for letter in shown.keys() - known.keys() - {"D"}:  # a newer one
        assert resolved(tmp_path, name, f"<%{letter}> %%") == f"<%{letter}> %%"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("%i", "alice"),
        ("/srv/%p/%I-%%", "/srv/job/alice-%"),
        ("%n %N", "job@alice.service job@alice"),
        ("%m", "0123456789abcdef0123456789abcdef"),
        ("%o %w %B", "debian 12 b 1"),
        ("%q", "Ann's laptop"),
        ("[%W]", "[]"),
        ("%h %u %U %g %G %t %S %C %L %E", "/root root 0 root 0 /run /var/lib /var/cache /var/log /etc"),
        ("%d", "/run/credentials/job@alice.service"),
        ("%y %Y", "/usr/lib/job@alice.service /usr/lib"),
        ("%v", platform.release()),
        ("100% %", "100% %"),
        ("%i%k", "%i%k"),  # systemd knows no %k, and takes nothing of it
        ("no", "no"),
    ],
)
def test_values(root: Path, text: str, value: str) -> None:
    assert resolved(root, "job@alice.service", text) == value


def test_a_template_has_no_instance(root: Path) -> None:
    assert resolved(root, "job@.service", "%p of %i") == "%p of %i"
    assert resolved(root, "job@.service", "%p") == "job"
    assert resolved(root, "job.service", "<%i>") == "<>"


@given(st.text(max_size=30) | st.text(alphabet="%abnNpPiIjJfd-\\x2", max_size=12))
def test_any_text(text: str) -> None:
    specifiers = Specifiers(UnitFiles("/nowhere"))
    for name in ("a-b.service", "t@i.service", "t@.service"):
        specifiers.resolve(text, Unit(name, f"/nowhere/{name}", masked=False))
    assert specifiers.resolve(text.replace("%", "%%"), Unit("a.service", "/a", masked=False)) == text
