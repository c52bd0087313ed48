"""Unit files as systemctl reads them without a running systemd, and hand-made ones."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.files import Unreadable
from kolide_tables.reading.unitfiles import UnitFiles
from kolide_tables.reading.unitstates import unit_state
from kolide_tables.reading.unittext import parse_unit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


def write(root: Path, path: str, text: str = "[Service]\nA=1\n") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize("kind", [".timer", ".service", ".socket", ".target", ".path"])
def test_units_and_states_are_those_of_systemctl(kind: str) -> None:
    systemctl = shutil.which("systemctl")
    if systemctl is None or not Path("/usr/lib/systemd/system").is_dir():
        pytest.skip("needs systemctl and units")
    command = [systemctl, "--root=/", "list-unit-files", "--no-pager", "--no-legend", f"*{kind}"]
    said = {
        name: state
        for name, state, *_ in map(str.split, subprocess.check_output(command, text=True).splitlines())
        if "@." not in name and state != "alias"
    }
    files = UnitFiles()
    found = {}
    for name in files.names(kind):
        unit = files.find(name)
        assert unit is not None
        found[name] = unit_state(files, unit)
    # systemctl lists no instances here.
    assert {name: state for name, state in found.items() if "@" not in name} == said


def texts(root: Path, name: str) -> list[tuple[str, str]]:
    files = UnitFiles(str(root))
    unit = files.find(name)
    assert unit is not None
    return [(one.key, one.value) for one in files.directives(unit)]


def test_drop_ins_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/systemd/system/a-b.service", "[Service]\nX=own\n")
    write(tmp_path, "usr/lib/systemd/system/service.d/10-all.conf", "[Service]\nX=all\n")
    write(tmp_path, "usr/lib/systemd/system/a-.service.d/20-prefix.conf", "[Service]\nX=prefix\n")
    write(tmp_path, "usr/lib/systemd/system/a-b.service.d/15-vendor.conf", "[Service]\nX=vendor\n")
    write(tmp_path, "usr/lib/systemd/system/a-b.service.d/30-gone.conf", "[Service]\nX=gone\n")
    write(tmp_path, "etc/systemd/system/a-b.service.d/15-vendor.conf", "[Service]\nX=admin\n")
    (tmp_path / "etc/systemd/system/a-b.service.d/30-gone.conf").symlink_to("/dev/null")
    write(tmp_path, "etc/systemd/system/a-b.service.d/README", "[Service]\nX=no\n")
    assert texts(tmp_path, "a-b.service") == [("X", "own"), ("X", "all"), ("X", "admin"), ("X", "prefix")]


def test_the_administrator_s_file_hides_the_vendor_s(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/systemd/system/a.service", "[Service]\nX=vendor\n")
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nX=admin\n")
    write(tmp_path, "usr/lib/systemd/system/b.service")
    (tmp_path / "etc/systemd/system/b.service").symlink_to("/dev/null")
    write(tmp_path, "etc/systemd/system/c.service", "")
    files = UnitFiles(str(tmp_path))
    assert texts(tmp_path, "a.service") == [("X", "admin")]
    assert files.names(".service") == ["a.service", "b.service", "c.service"]
    for name in ("b.service", "c.service"):
        unit = files.find(name)
        assert unit is not None
        assert (unit.masked, unit_state(files, unit), list(files.directives(unit))) == (True, "masked", [])


def test_templates_and_instances(tmp_path: Path) -> None:
    template = write(
        tmp_path, "usr/lib/systemd/system/t@.service", "[Service]\nX=%i\n[Install]\nWantedBy=x\n"
    )
    write(tmp_path, "etc/systemd/system/t@one.service.d/a.conf", "[Service]\nY=1\n")
    wants = tmp_path / "etc/systemd/system/x.target.wants"
    wants.mkdir()
    (wants / "t@one.service").symlink_to(template)
    files = UnitFiles(str(tmp_path))
    assert files.names(".service") == ["t@one.service"]
    assert texts(tmp_path, "t@one.service") == [("X", "%i"), ("WantedBy", "x"), ("Y", "1")]
    assert texts(tmp_path, "t@two.service") == [("X", "%i"), ("WantedBy", "x")]
    one, two = files.find("t@one.service"), files.find("t@two.service")
    assert one is not None
    assert two is not None
    assert (unit_state(files, one), unit_state(files, two)) == ("enabled", "disabled")


def test_drop_ins_of_instances_aliases_and_prefixes(tmp_path: Path) -> None:
    """A folder that is more important wins over one that is more special, as systemd has it."""
    write(tmp_path, "usr/lib/systemd/system/a-b@.service", "[Service]\nX=own\n")
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/c@.service").symlink_to("/usr/lib/systemd/system/a-b@.service")
    (tmp_path / "etc/systemd/system/d@i.service").symlink_to("../../../usr/lib/systemd/system/a-b@.service")
    for folder in ("a-b@i", "a-b@", "a-@i", "a-@", "a-", "c@i", "c@", "d@i", "d@", "a-b@j"):
        name = folder.replace("@", "_at_")
        write(tmp_path, f"usr/lib/systemd/system/{folder}.service.d/{name}.conf", f"[Service]\nX={folder}\n")
        write(tmp_path, f"usr/lib/systemd/system/{folder}.service.d/z.conf", f"[Service]\nZ={folder}\n")
    write(tmp_path, "etc/systemd/system/a-.service.d/z.conf", "[Service]\nZ=etc\n")
    own = [f"a-b@{end}" for end in "ij"]
    expected = sorted(["a-b@i", "a-b@", "a-@i", "a-@", "a-", "c@i", "c@", "d@i"])
    found = texts(tmp_path, f"{own[0]}.service")
    assert sorted(value for key, value in found if key == "X") == sorted([*expected, "own", "d@"])
    assert [value for key, value in found if key == "Z"] == ["etc"]
    files = UnitFiles(str(tmp_path))
    for name in ("a-b@i.service", "c@i.service", "d@i.service"):
        unit = files.named(name)
        assert unit is not None
        assert (unit.name, files.aliases(unit)) == ("a-b@i.service", ["c@i.service", "d@i.service"])


@pytest.mark.parametrize(
    ("link", "target", "found"),
    [
        ("b.service", "/usr/lib/systemd/system/a.service", "a.service"),
        ("b.service", "a.service", "a.service"),
        ("b.service", "../../../lib/systemd/system/a.service", "a.service"),  # /lib leads to /usr/lib
        ("b.socket", "a.service", None),
        ("b@.service", "a.service", None),
        ("b@x.service", "t@.service", "t@x.service"),
        ("b@x.service", "t@y.service", None),
        ("b.mount", "a.mount", None),  # mounts have no aliases
        ("b.service", "/opt/other.service", "b.service"),
        ("b.service", "/dev/null", "b.service"),
        ("b.service", "nothing.service", None),
    ],
)
def test_links_that_are_aliases(tmp_path: Path, link: str, target: str, found: str | None) -> None:
    for name in ("a.service", "t@.service", "a.mount"):
        write(tmp_path, f"usr/lib/systemd/system/{name}")
    write(tmp_path, "opt/other.service")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / f"etc/systemd/system/{link}").symlink_to(target)
    unit = UnitFiles(str(tmp_path)).named(link)
    assert (None if unit is None else unit.name) == found


def test_instances_that_others_want_or_change(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/systemd/system/t@.service")
    (tmp_path / "run/systemd/generator/x.target.wants").mkdir(parents=True)
    (tmp_path / "run/systemd/generator/x.target.wants/t@tty.service").symlink_to("/lib/t@.service")
    write(tmp_path, "etc/systemd/system/t@own.service.d/a.conf")
    write(tmp_path, "etc/systemd/system/u@own.service.d/a.conf")  # of no template
    assert UnitFiles(str(tmp_path)).names(".service") == ["t@own.service", "t@tty.service"]


def test_an_alias_is_no_unit_of_its_own(tmp_path: Path) -> None:
    real = write(
        tmp_path, "usr/lib/systemd/system/real.service", "[Service]\n[Install]\nAlias=other.service\n"
    )
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/other.service").symlink_to(real)
    files = UnitFiles(str(tmp_path))
    assert files.names(".service") == ["real.service"]
    assert files.find("other.service") is None
    assert files.named("other.service") == files.find("real.service")
    unit = files.find("real.service")
    assert unit is not None
    assert unit_state(files, unit) == "enabled"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("X=1\n", []),
        ("[S]\nX = 1 \n", [("S", "X", "1")]),
        ("[S]\nX=a=b\nX=\n", [("S", "X", "a=b"), ("S", "X", "")]),
        ("[S]\nX=a \\\n  b\\\n# not this\n;nor this\nc\nY=1\n", [("S", "X", "a    b c"), ("S", "Y", "1")]),
        ("[S]\n#X=1\n ;X=2\nY=# no comment\n", [("S", "Y", "# no comment")]),
        ("[A]\nX=1\r\n[B]\nX=2", [("A", "X", "1"), ("B", "X", "2")]),
        ("[S]\nX=end\\", [("S", "X", "end")]),
        ("[S]\nX=two\\\\\nY=1", [("S", "X", "two\\\\"), ("S", "Y", "1")]),  # an escaped backslash
        ("[S]\nX=a\\ \nY=1", [("S", "X", "a\\"), ("S", "Y", "1")]),  # a blank after it
        ("[S]\nX=a\\\r\nb\rY=1", [("S", "X", "a b"), ("S", "Y", "1")]),
        ("[S]\nX=a\\\n\nY=1", [("S", "X", "a"), ("S", "Y", "1")]),
        ("nonsense\n[S]\nnonsense\nX=1", [("S", "X", "1")]),
    ],
)
def test_syntax(text: str, found: list[tuple[str, str, str]]) -> None:
    assert list(parse_unit(text)) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[S]\n=x\nX=1\n[T\nY=1\n[U]\nZ=1", "line 4 .* closing bracket"),
        ("[S]\nX=1\n#\udcff\nY=a\udcff\nZ=1", "line 4 .* not UTF-8"),  # a comment may have any bytes
        ("[S]\nX=1\n" + "Y" * 1_048_577, "line 3 is too long"),
    ],
)
def test_systemd_refuses_what_follows(text: str, why: str) -> None:
    lines = parse_unit(text)
    assert next(lines) == ("S", "X", "1")
    with pytest.raises(ValueError, match=why):
        list(lines)


def test_hostile_files(tmp_path: Path) -> None:
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.service")
    (folder / "folder.service").mkdir()
    (folder / "loop.service").symlink_to("loop.service")
    (folder / "dangling.service").symlink_to("/nowhere/dangling.service")
    (folder / "bytes.service").write_bytes(b"[Service]\n# \xff\nX=\xc3\xa9\n")
    (folder / "latin1.service").write_bytes(b"[Service]\nX=\xe9\n")
    with (folder / "huge.service").open("wb") as file:
        file.truncate(1 << 30)
    assert texts(tmp_path, "bytes.service") == [("X", "é")]
    files = UnitFiles(str(tmp_path))
    names = ("folder.service", "dangling.service", "loop.service", "pipe.service", "latin1.service")
    assert files.names(".service") == sorted([*names, "bytes.service", "huge.service"])
    for name in names:
        unit = files.find(name)
        assert unit is not None
        with pytest.raises(Unreadable):
            list(files.directives(unit))
    huge = files.find("huge.service")
    assert huge is not None
    with pytest.raises(LimitExceeded, match="max_file_bytes"):
        list(files.directives(huge))


def test_ten_thousand_units_and_drop_ins(tmp_path: Path) -> None:
    folder = tmp_path / "etc/systemd/system"
    (folder / "one.service.d").mkdir(parents=True)
    (folder / "one.service").write_text("[Service]\nX=0\n")
    for number in range(5_000):
        os.link(folder / "one.service", folder / f"unit{number}.service")
        os.link(folder / "one.service", folder / "one.service.d" / f"{number}.conf")
    files = UnitFiles(str(tmp_path))
    assert len(files.names(".service")) == 5_001
    assert len(texts(tmp_path, "one.service")) == 5_001


def test_states_of_many_units_take_time_in_proportion(tmp_path: Path) -> None:
    folder = tmp_path / "etc/systemd/system"
    (folder / "a.target.wants").mkdir(parents=True)
    (folder / "unit0.service").write_text("[Install]\nWantedBy=a.target\n")
    for number in range(2_500):
        if number:
            os.link(folder / "unit0.service", folder / f"unit{number}.service")
        (folder / f"alias{number}.service").symlink_to(f"unit{number}.service")
    (folder / "a.target.wants" / "unit7.service").symlink_to("../unit7.service")
    files = UnitFiles(str(tmp_path))
    started = time.process_time()
    states = {name: unit_state(files, unit) for name in files.names(".service") if (unit := files.find(name))}
    assert time.process_time() - started < 3
    assert (len(states), states["unit7.service"]) == (2_500, "enabled")


def test_a_long_line_takes_no_time() -> None:
    """A value may continue over a hundred thousand lines."""
    text = "[Service]\nX=" + "a \\\n" * 100_000 + "end\n"
    started = time.process_time()
    ((_, _, value),) = parse_unit(text)
    assert value.count("a") == 100_000
    assert time.process_time() - started < 5


@given(st.text(max_size=200) | st.text(alphabet="[S]=\\\n#; X", max_size=100))
def test_any_text(text: str) -> None:
    with suppress(ValueError):
        for section, key, value in parse_unit(text):
            assert section
            assert "\n" not in key + value
