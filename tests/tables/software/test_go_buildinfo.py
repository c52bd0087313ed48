"""kolide_go_buildinfo against go version -m: programs for several systems, Go's own, an older form, other
files.
"""

import gzip
import io
import json
import os
import re
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.software.go_buildinfo import GoModule, go_buildinfo
from kolide_tables.software.gobinary import BrokenProgram, build_info
from osquery_sdk import Query, TableError

from ...support.compare import Compare
from ...support.homes import Link
from ...support.tools import Run

Facts = tuple[str | None, str | None, bool | None, dict[str, str] | None]
Said = tuple[str, str | None, str | None, bool, *Facts]
NONE: Facts = (None, None, None, None)

# Built with -trimpath -ldflags='-s -w' from a module with four dependencies, two of them replaced; the bytes
# that neither Go nor the table reads are set to zero.
RECORDED = ("hello-linux-amd64", "hello-linux-mips", "hello-windows-amd64", "hello-darwin-arm64")


@pytest.fixture(scope="module")
def programs(fixtures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name in RECORDED:
        (folder / name).write_bytes(gzip.decompress((fixtures / "go" / f"{name}.gz").read_bytes()))
        (folder / name).chmod(0o755)
    return folder


def said_by_go(text: str) -> list[Said]:
    """Return the rows that the output of `go version -m` for one file stands for."""
    version, *lines = [line.split("\t") for line in text.strip("\n").split("\n")]
    pairs = (line[2].split("=", 1) for line in lines if line[1:2] == ["build"])
    settings_ = {name: json.loads(value) if value[:1] == '"' else value for name, value in pairs}
    modified = {"true": True, "false": False}.get(settings_.get("vcs.modified", ""))
    vcs = settings_.get("vcs.revision"), settings_.get("vcs.time"), modified, settings_ or None
    go_version = version[0].rpartition(": ")[2]
    rows: list[Said] = []
    for line in lines:
        kind, *rest = line[1:]
        number = rest[1] if len(rest) > 1 and rest[1] != "(devel)" else None
        if kind == "path":
            rows.append((go_version, rest[0], None, True, *vcs))
        elif kind == "mod":
            rows[0] = (go_version, rest[0], number, True, *vcs)
        elif kind == "dep":
            rows.append((go_version, rest[0], number, False, *NONE))
        elif kind == "=>":
            path = rows[-1][1] if rest[0].startswith(".") else rest[0]
            rows[-1] = (go_version, path, number, False, *NONE)
    return rows


def rows_of(path: Path) -> list[Said]:
    rows = go_buildinfo.rows(path=str(path))
    assert {row.path for row in rows} <= {str(path)}
    return [tuple(row)[1:] for row in rows]  # type: ignore[misc]


@pytest.mark.parametrize("name", RECORDED)
def test_a_program_as_recorded(name: str, programs: Path, fixtures: Path, compare: Compare) -> None:
    said = said_by_go(json.loads((fixtures / "go" / "go-version.json").read_text())[name])
    compare("go_buildinfo", "go version -m, recorded", rows_of(programs / name), said)
    assert [row[1:3] for row in said] == [
        ("example.org/hello", None),
        ("example.org/deep", "v0.0.0-20200101000000-0123456789ab"),
        ("example.org/local", None),
        ("example.org/quote", "v1.5.2"),
        ("example.org/fork", "v1.0.1"),
    ]
    assert said[0][4:6] == ("e09f92edf475524905a699e1944f1ec87e9ffb4d", "2024-01-02T03:04:05Z")
    assert said[0][6] is False
    assert said[0][7] is not None
    assert said[0][7]["-trimpath"] == "true"


def test_go_itself_and_all_that_was_made_with_it(run: Run, programs: Path, compare: Compare) -> None:
    """Return Go's own programs and tools, those in /usr/local/bin, and the recorded ones."""
    go = run("go", "env", "GOROOT", "GOTOOLDIR").split()
    folders = [f"{go[0]}/bin", go[1], "/usr/local/bin", str(programs)]
    found: dict[str, list[Said]] = {}
    for folder in folders:
        for row in go_buildinfo.rows(Query.of(go_buildinfo, like={"path": f"{folder}/%"})):
            found.setdefault(row.path, []).append(tuple(row)[1:])  # type: ignore[arg-type]
    assert {Path(path).name for path in found} >= {"go", "gofmt", "compile", "link", *RECORDED}
    # For a folder, go leaves out files that are no programs by mode or name; named one by one, none is left
    # out.
    files = [str(path) for folder in folders for path in sorted(Path(folder).iterdir()) if path.is_file()]
    said = re.split(r"^(?=\S)", run("go", "version", "-m", *files, check=False), flags=re.MULTILINE)
    theirs = {
        text.rpartition(": go")[0].partition("\n")[0]: said_by_go(text) for text in said if "\n\t" in text
    }
    compare("go_buildinfo", "go version -m", found, theirs, rows=sum(map(len, found.values())))


def test_little_is_read(programs: Path) -> None:
    class Counting(io.FileIO):
        size = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(-1 if size is None else size) or b""
            self.size += len(data)
            return data

    for name in RECORDED:
        with Counting(programs / name) as file:
            assert build_info(file) is not None
            assert file.size < 20_000 < (programs / name).stat().st_size


def older(version: bytes, modules: bytes, *, width: int = 8, order: str = "<", search: int = 0) -> bytes:
    """Return a program in the form before Go 1.18: the information is two addresses of texts."""
    wide = width == 8
    word = "Q" if wide else "I"
    base, data_at = 0x400000, 0x1000
    marked = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6" + modules
    marked += b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2"
    info_at = data_at + search
    headers_at = info_at + 0x40
    texts_at = headers_at + 4 * width
    info = b"\xff Go buildinf:" + bytes((width, order == ">"))
    info += struct.pack(f"{order}2{word}", base + headers_at, base + headers_at + 2 * width)
    headers = struct.pack(
        f"{order}4{word}", base + texts_at, len(version), base + texts_at + len(version), len(marked)
    )
    data = b"\0" * search + info.ljust(0x40, b"\0") + headers + version + marked
    start = 64 if wide else 52
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)).ljust(12, b"\0")
    machine = 62 if wide else 8
    head = ident + struct.pack(
        f"{order}HHI3{word}I6H",
        2,
        machine,
        1,
        base,
        start,
        0,
        0,
        start,
        56 if wide else 32,
        1,
        64 if wide else 40,
        0,
        0,
    )
    size = len(data)
    where = base + data_at
    if wide:
        segment = struct.pack(f"{order}IIQQQQQQ", 1, 6, data_at, where, where, size, size, 4096)
    else:
        segment = struct.pack(f"{order}8I", 1, data_at, where, where, size, size, 6, 4096)
    return (head + segment).ljust(data_at, b"\0") + data


MODULES = b"path\texample.org/x\nmod\texample.org/x\tv1.2.3\th1:abc=\ndep\texample.org/y\tv0.1.0\th1:def=\n"


@pytest.mark.parametrize(("width", "order"), [(8, "<"), (4, "<"), (4, ">")])
def test_the_older_form(width: int, order: str, run: Run, tmp_path: Path, compare: Compare) -> None:
    program = tmp_path / "old"
    program.write_bytes(older(b"go1.13.5", MODULES, width=width, order=order))
    program.chmod(0o755)
    assert rows_of(program) == [
        ("go1.13.5", "example.org/x", "v1.2.3", True, *NONE),
        ("go1.13.5", "example.org/y", "v0.1.0", False, *NONE),
    ]
    compare(
        "go_buildinfo", "go version -m", rows_of(program), said_by_go(run("go", "version", "-m", program))
    )


def test_the_information_may_be_further_on(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(older(b"go1.13.5", MODULES, search=0x20000))
    assert len(rows_of(tmp_path / "p")) == 2


def test_one_program_for_several_machines(programs: Path, tmp_path: Path) -> None:
    inner = (programs / "hello-darwin-arm64").read_bytes()
    head = struct.pack(">II", 0xCAFEBABE, 2) + struct.pack(">5I", 1, 2, 4096, len(inner), 12) * 2
    (tmp_path / "fat").write_bytes(head.ljust(4096, b"\0") + inner)
    assert rows_of(tmp_path / "fat") == rows_of(programs / "hello-darwin-arm64")


def test_what_is_no_program(programs: Path, tmp_path: Path, link: Link) -> None:
    program = (programs / "hello-linux-amd64").read_bytes()
    link(tmp_path / "a", programs / "hello-linux-amd64")
    os.mkfifo(tmp_path / "b")
    with (tmp_path / "c").open("wb") as large:
        large.write(program[:4096])
        large.truncate(1 << 30)
    (tmp_path / "d").write_bytes(program[:1000])
    (tmp_path / "e").write_bytes(b"")
    (tmp_path / "f").write_bytes(b"\xca\xfe\xba\xbe\0\0\0\x34" + b"\0" * 100)  # a Java class
    (tmp_path / "g").write_bytes(older(b"go1.13.5", MODULES).replace(b"go1.13.5", b"go1\xff13.5"))
    (tmp_path / "z").write_bytes(program)
    if os.geteuid() == 0:
        (tmp_path / "h").symlink_to(".")  # as /usr/bin/X11 is
    warnings: list[str] = []
    started = time.monotonic()
    query = Query.of(go_buildinfo, like={"path": f"{tmp_path}/%"}, warn=warnings.append)
    rows = [row for row in go_buildinfo.rows(query) if isinstance(row, GoModule)]
    assert time.monotonic() - started < 20
    assert [(Path(row.path).name, row.go_version) for row in rows if row.is_main] == [
        ("g", "go1\\xff13.5"),
        ("z", "go1.19.8"),
    ]
    causes = [re.search("symbolic link|FIFO", warning)[0] for warning in warnings]  # type: ignore[index]
    assert causes == ["symbolic link", "FIFO"]
    assert go_buildinfo.rows(path="/proc/self/mem") == []
    with pytest.raises(LimitExceeded, match="more than 3 rows"):
        go_buildinfo.configured(limits=Limits(max_rows=3)).rows(path=str(tmp_path / "z"))


class Measured(io.BytesIO):
    """A file that keeps the sizes of what is read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.sizes: list[int | None] = []

    def read(self, size: int | None = -1) -> bytes:
        self.sizes.append(size)
        return super().read(size)


def test_a_program_that_is_cut_off_is_an_error(programs: Path, tmp_path: Path) -> None:
    """Without it the program would seem to be of another language."""
    whole = (programs / "hello-linux-amd64").read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[: whole.index(b"\xff Go buildinf:") + 60])
    problem = f"{path}: a Go program whose build information is broken"
    with pytest.raises(TableError, match=re.escape(problem)):
        go_buildinfo.rows(path=str(path))
    (tmp_path / "whole").write_bytes(whole)
    warnings: list[str] = []
    query = Query.of(go_buildinfo, like={"path": f"{tmp_path}/%"}, warn=warnings.append)
    assert {row.path for row in go_buildinfo.rows(query)} == {str(tmp_path / "whole")}
    assert len(warnings) == 1
    assert problem in warnings[0]


def test_programs_for_aix_and_plan_9(tmp_path: Path) -> None:
    text = b"x" * 16 + b"path\tx\nmod\tx\tv1.2.3\n" + b"y" * 16
    info = b"\xff Go buildinf:\0\x02".ljust(32, b"\0") + b"\x06go1.21" + bytes((len(text),)) + text
    data = bytes(16) + info
    section = struct.pack(">8s6Q4I", b".data", 0x40, 0x40, len(data), 96, 0, 0, 0, 0, 0x40, 0)
    heads = {
        "plan9": struct.pack(">8I", 0x1EB, 16, len(data), 0, 0, 0, 0, 0) + bytes(16),
        "aix": struct.pack(">HHiQHHi", 0x01F7, 1, 0, 0, 0, 0, 0) + section,
    }
    for name, head in heads.items():
        (tmp_path / name).write_bytes(head + data)
        assert rows_of(tmp_path / name)[0][:3] == ("go1.21", "x", "v1.2.3")


def test_the_information_is_found_by_its_address(tmp_path: Path) -> None:
    """Only a mark at a multiple of 16 counts, however far on it is."""
    path = tmp_path / "far"
    for before in (16, 4 << 20):
        path.write_bytes(older(b"go1.15", b"path\tx\n", search=before))
        assert [row.go_version for row in go_buildinfo.rows(path=str(path))] == ["go1.15"]


def test_sizes_that_lie() -> None:
    """Whatever sizes the headers claim, no more than the limits is read at once."""
    program = bytearray(older(b"go1.13.5", MODULES))
    struct.pack_into("<H", program, 56, 0xFFFF)  # segments
    struct.pack_into("<Q", program, 64 + 32, 1 << 60)  # the first one's size
    file = Measured(bytes(program))
    build_info(file)
    assert file.sizes
    assert all(size is not None and 0 <= size <= 4 << 20 for size in file.sizes)


@settings(deadline=None)  # the machine may be busy
@given(data=st.data(), name=st.sampled_from([*RECORDED, "older"]))
def test_a_changed_program_is_one_or_none(data: st.DataObject, name: str, programs: Path) -> None:
    content = bytearray(older(b"go1.13.5", MODULES) if name == "older" else (programs / name).read_bytes())
    used = [at for at in range(min(len(content), 4096)) if content[at]]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.sampled_from(used))] = data.draw(st.integers(0, 255))
    try:
        info = build_info(io.BytesIO(bytes(content)))
    except BrokenProgram:
        return
    assert info is None or info.go_version


def test_settings_that_go_quotes_and_a_changed_checkout(run: Run, tmp_path: Path, compare: Compare) -> None:
    lines = (
        "path\texample.org/x",
        "mod\texample.org/x\t(devel)\t",
        r'build	-ldflags="-s -X main.version=1.2 -X \"main.name=a\tb\u00e9\""',
        'build\tCGO_CFLAGS="-O2 -g"',
        "build\tCGO_LDFLAGS=",
        'build\t"odd key"=1',
        "build\tvcs.modified=true",
    )
    program = tmp_path / "program"
    program.write_bytes(older(b"go1.19", "\n".join((*lines, "")).encode()))
    program.chmod(0o755)
    (row,) = go_buildinfo.rows(path=str(program))
    assert row.vcs_modified is True
    assert row.settings == {
        "-ldflags": '-s -X main.version=1.2 -X "main.name=a\tb\xe9"',
        "CGO_CFLAGS": "-O2 -g",
        "CGO_LDFLAGS": "",
        "odd key": "1",
        "vcs.modified": "true",
    }
    said = run("go", "version", "-m", str(program))
    (flags,) = re.findall(r"^\tbuild\t-ldflags=(.*)$", said, flags=re.MULTILINE)
    compare("go_buildinfo", "go version -m", row.settings["-ldflags"], json.loads(flags), rows=1)


@pytest.mark.parametrize(
    "flags",
    [
        "-X main.apiKey=hunter2hunter2",
        "-s -X 'main.apiKey=hunter2 hunter2' -w",
        "-X='example.org/a.dbPassword=hunter2 hunter2'",
    ],
)
def test_secrets_in_settings(flags: str, tmp_path: Path) -> None:
    lines = f'path\tx\nbuild\t-ldflags="{flags}"\n'
    program = tmp_path / "program"
    program.write_bytes(older(b"go1.19", lines.encode()))
    (row,) = go_buildinfo.rows(path=str(program))
    assert row.settings is not None
    assert "hunter2" not in repr(row)
    assert "[redacted]" in row.settings["-ldflags"]
