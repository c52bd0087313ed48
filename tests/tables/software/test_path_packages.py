"""kolide_path_packages beside dpkg -S, rpm -qf and pacman -Qo, and over databases as apk, snapd, flatpak and
pip leave them.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.software.package_lists import pacman_fields
from kolide_tables.software.path_index import PathIndexes
from kolide_tables.software.path_packages import owned_rows, path_packages
from kolide_tables.software.rpm_files import parse_header
from osquery_sdk import Query, TableError

from ...support.compare import Compare
from ...support.tools import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the table is for Linux")


def found(root: Path | None = None, **wanted: object) -> list[tuple[str, str, str, str | None, str | None]]:
    """Return path, manager, package, version and origin of the rows."""
    if root is not None:
        wanted["root"] = str(root)
    rows = path_packages().rows(**wanted)
    assert {row.root for row in rows} <= {None if root is None else str(root)}
    return [tuple(row)[1:] for row in rows]  # type: ignore[misc]


# -- dpkg


def test_files_of_this_machine_are_those_of_dpkg(run: Run, compare: Compare) -> None:
    lists = sorted(Path("/var/lib/dpkg/info").glob("*.list"))
    lines = {line for file in lists for line in file.read_text(errors="replace").splitlines()}
    # Files, not folders: dpkg knows a folder by one name where the machine has two for it. Its patterns have
    # signs of their own.
    files = sorted(line for line in lines if not set(line) & set("*?[\\") and not Path(line).is_dir())
    files = random.Random(1).sample(files, min(len(files), 400))
    if not files:
        pytest.skip("needs dpkg")
    said: dict[str, set[str]] = {}
    for line in run("dpkg-query", "-S", *files, check=False).splitlines():
        names, separator, path = line.partition(": ")
        if separator and not line.startswith(("diversion by", "local diversion")):
            said.setdefault(path, set()).update(name.partition(":")[0] for name in names.split(", "))
    table = path_packages()
    started = time.monotonic()
    ours = {path: {row.package for row in table.rows(path=path)} for path in files}
    seconds = time.monotonic() - started
    compare("path_packages", "dpkg -S", {path: names for path, names in ours.items() if names}, said)
    assert seconds < 5  # the bound of a slow machine; a tenth of it is usual


def dpkg_folder(root: Path) -> None:
    info = root / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text(
        "Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.0-1\nOrigin: Example\n\n"
        "Package: libx\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3-1\n\n"
        "Package: libx\nStatus: install ok installed\nArchitecture: i386\nVersion: 3-2\n\n"
        "Package: wrapper\nStatus: install ok installed\nArchitecture: all\nVersion: 4\n\n"
    )
    (root / "var/lib/dpkg/diversions").write_text(
        "/usr/bin/tool\n/usr/bin/tool.real\nwrapper\n/etc/tool.conf\n/etc/tool.conf.distrib\n:\n"
    )
    (info / "tool.list").write_text("/.\n/bin\n/bin/old\n/usr\n/usr/bin\n/usr/bin/tool\n/etc/tool.conf\n")
    (info / "libx:amd64.list").write_text("/.\n/usr\n/lib/libx.so\n/usr/share/libx\n")
    (info / "libx:i386.list").write_text("/.\n/usr\n/usr/lib32/libx.so\n/usr/share/libx\n")
    (info / "wrapper.list").write_bytes(b"/.\n/usr/bin/tool\n/usr/bin/caf\xe9\n")
    (info / "unknown.list").write_text("/usr/bin/unknown\n")
    for name in ("bin", "lib"):
        (root / name).symlink_to(f"usr/{name}")


def test_diversions_architectures_and_a_merged_usr(tmp_path: Path) -> None:
    dpkg_folder(tmp_path)
    tool, wrapper = ("dpkg", "tool", "1:2.0-1", "Example"), ("dpkg", "wrapper", "4", None)
    for path, owners in {
        "/usr/bin/tool": [wrapper],
        "/bin/tool": [wrapper],
        "/usr/bin/tool.real": [tool],
        "/bin/tool.real": [tool],
        "/bin/old": [tool],
        "/usr/bin/old": [tool],
        "/etc/tool.conf": [],
        "/etc/tool.conf.distrib": [tool],
        "/usr/lib/libx.so": [("dpkg", "libx", "3-1", None)],
        "/usr/lib32/libx.so": [("dpkg", "libx", "3-2", None)],
        "/usr/share/libx": [("dpkg", "libx", "3-1", None), ("dpkg", "libx", "3-2", None)],
        "/usr/bin/../bin/tool": [wrapper],
        "/usr/bin/unknown": [("dpkg", "unknown", None, None)],
        "/usr/bin": [tool],
        "/nowhere": [],
        "usr/bin/tool": [],
        "/usr/bin/tool\0": [],
    }.items():
        assert found(tmp_path, path=path) == [(path, *owner) for owner in owners], path


def test_like_and_in(tmp_path: Path) -> None:
    dpkg_folder(tmp_path)
    several = found(tmp_path, path=["/bin/old", "/usr/bin/unknown", "/nowhere"])
    assert [row[:3] for row in several] == [
        ("/bin/old", "dpkg", "tool"),
        ("/usr/bin/unknown", "dpkg", "unknown"),
    ]
    table = path_packages()

    def like(pattern: str) -> list[tuple[str, str]]:
        query = Query.of(table, equals={"root": str(tmp_path)}, like={"path": pattern})
        return sorted((row.path, row.package) for row in table.rows(query))

    # Of a folder with two names the pattern's own counts, as it does for =.
    assert like("/BIN/%l_") == like("%/old") == [("/bin/old", "tool")]
    assert like("/bin/old_") == []
    assert like("/B_n/%l%") == [("/bin/old", "tool"), ("/bin/tool", "wrapper"), ("/bin/tool.real", "tool")]
    assert like("%/caf\\xe9") == [("/usr/bin/caf\\xe9", "wrapper")]
    assert like("/usr/bin/%") == [
        ("/usr/bin/caf\\xe9", "wrapper"),
        ("/usr/bin/old", "tool"),
        ("/usr/bin/tool", "wrapper"),
        ("/usr/bin/tool.real", "tool"),
        ("/usr/bin/unknown", "unknown"),
    ]
    assert len(like("%")) == 19
    small = table.configured(limits=Limits(max_rows=5))
    everything = Query.of(small, equals={"root": str(tmp_path)}, like={"path": "/%"})
    with pytest.raises(LimitExceeded, match="more than 5 rows"):
        small.rows(everything)
    with pytest.raises(TableError, match="name root with = or IN"):
        table.rows(Query.of(table, equals={"path": "/x"}, like={"root": "/%"}))


def test_a_path_that_is_not_known_is_no_file(tmp_path: Path) -> None:
    """A join has it with each thread of the kernel, and osqueryd does not pass it on."""
    dpkg_folder(tmp_path)
    assert path_packages().rows(root=str(tmp_path)) == []
    assert path_packages().rows(root=str(tmp_path), path="") == []


def test_the_index_is_kept_until_a_package_changes(tmp_path: Path, opened: list[str]) -> None:
    dpkg_folder(tmp_path)
    indexes = PathIndexes()
    table = path_packages()

    def packages(path: str) -> list[str]:
        query = Query.of(table, equals={"root": str(tmp_path), "path": path})
        return [row.package for row in owned_rows(query, indexes)]

    assert packages("/usr/bin/unknown") == ["unknown"]
    opened.clear()
    assert packages("/bin/old") == ["tool"]
    assert [path for path in opened if "dpkg" in path] == []
    (tmp_path / "var/lib/dpkg/info/new.list").write_text("/usr/bin/unknown\n/usr/bin/new\n")
    assert packages("/usr/bin/new") == ["new"]
    assert packages("/usr/bin/unknown") == ["new", "unknown"]


# -- rpm

SPEC = """
Name: {name}
Version: {version}
Release: 1
Epoch: {epoch}
Summary: x
License: x
Vendor: Example Inc
BuildArch: noarch
%description
x
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/share/{name}
echo 1 > %{{buildroot}}/usr/bin/{name}
echo 1 > %{{buildroot}}/usr/share/{name}/same
%files
/usr/bin/{name}
/usr/share/{name}
"""


@pytest.fixture(scope="module")
def rpm_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two packages that rpm itself has built and installed."""
    if not shutil.which("rpm") or not shutil.which("rpmbuild") or os.geteuid() != 0:
        pytest.skip("needs root, rpm and rpmbuild")
    folder = tmp_path_factory.mktemp("rpm")
    for name, version, epoch in (("alpha", "1.0", 0), ("beta", "2.0~rc1", 3)):
        spec = folder / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, version=version, epoch=epoch))
        build = ["rpmbuild", "-bb", "--define", f"_topdir {folder}/build", str(spec)]
        subprocess.run(build, check=True, capture_output=True, env={**os.environ, "HOME": str(folder)})
    root = folder / "root"
    packages = map(str, sorted(folder.glob("build/RPMS/noarch/*.rpm")))
    install = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "-i", "--nodeps", *packages]
    subprocess.run(install, check=True, capture_output=True)
    return root


def test_files_are_those_of_rpm(rpm_root: Path, run: Run, compare: Compare) -> None:
    form = "[%{FILENAMES}\\t%{=NAME}\\t%|EPOCH?{%{=EPOCH}:}|%{=VERSION}-%{=RELEASE}\\t%{=VENDOR}\\n]"
    database = ("--root", str(rpm_root), "--dbpath", "/var/lib/rpm")
    listing = run("rpm", *database, "-qa", "--queryformat", form)
    said = sorted((f[0], "rpm", *f[1:]) for f in (line.split("\t") for line in listing.splitlines()))
    ours = sorted(row for path, *_ in said for row in found(rpm_root, path=path))
    compare("path_packages", "rpm -qa, rpm -qf", ours, said)
    assert ("/usr/bin/beta", "rpm", "beta", "3:2.0~rc1-1", "Example Inc") in ours
    for path, _, package, *_ in said:
        name = run("rpm", *database, "-qf", path, "--queryformat", "%{NAME}")
        assert name == package
    assert found(rpm_root, path=["/usr/bin/gamma", "/usr/share/same"]) == []
    table = path_packages()
    like = Query.of(table, equals={"root": str(rpm_root)}, like={"path": "/usr/bin/%"})
    assert sorted(row.path for row in table.rows(like)) == ["/usr/bin/alpha", "/usr/bin/beta"]


def test_a_database_that_only_rpm_reads(run: Run, tmp_path: Path, compare: Compare) -> None:
    source = os.environ.get("OSQUERY_SOURCE")
    if not source:
        pytest.skip(
            "needs OSQUERY_SOURCE, a checkout of osquery, which has a database in the form of Berkeley DB"
        )
    folder = tmp_path / "var/lib/rpm"
    shutil.copytree(f"{source}/tools/tests/configs/rpm/rpm-bdb", folder)
    form = "[%{FILENAMES}\\t%{=NAME}\\n]"
    said = run("rpm", "--dbpath", str(folder), "-qa", "--queryformat", form).splitlines()
    ours = [f"{row[0]}\t{row[2]}" for row in found(tmp_path)]
    compare("path_packages", "rpm -qa, Berkeley DB", sorted(ours), sorted(said))


def test_nothing_is_written_beside_a_database_that_rpm_does_not_know(tmp_path: Path) -> None:
    dpkg_folder(tmp_path)
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    (tmp_path / "var/lib/rpm/Packages.db").write_bytes(b"RpmP" + bytes(4096))
    table = path_packages()
    query = Query.of(table, equals={"root": str(tmp_path), "path": "/bin/old"}, warn=lambda message: None)
    assert [row.package for row in table.rows(query)] == ["tool"]
    assert not (tmp_path / "var/lib/rpm/rpmdb.sqlite").exists()


def test_a_broken_database_of_rpm_hides_no_others(tmp_path: Path) -> None:
    dpkg_folder(tmp_path)
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    (tmp_path / "var/lib/rpm/rpmdb.sqlite").write_bytes(b"SQLite format 3\0" + bytes(200))
    warnings: list[str] = []
    table = path_packages()
    query = Query.of(table, equals={"root": str(tmp_path), "path": "/bin/old"}, warn=warnings.append)
    assert [row.package for row in table.rows(query)] == ["tool"]
    assert len(warnings) == 1
    assert "rpmdb.sqlite" in warnings[0]


@given(st.binary(max_size=200), st.integers(0, 5), st.integers(0, 200))
def test_any_header(data: bytes, count: int, size: int) -> None:
    parse_header(data)
    parse_header(struct.pack(">II", count, size) + data)


# -- apk and pacman


def test_apk(tmp_path: Path) -> None:
    """The lines are those of a package of Alpine, in the order in which apk writes them."""
    (tmp_path / "lib/apk/db").mkdir(parents=True)
    (tmp_path / "lib/apk/db/installed").write_text(
        "C:Q1hxtiOGpWLCRGOd0pkxd3RP4Vtr8=\nP:busybox\nV:1.36.1-r29\nA:x86_64\nS:514158\nI:958464\nT:tools\n"
        "o:busybox\nF:bin\nR:busybox\na:0:0:755\nZ:Q1YLtIj8+QKcOyzXyWR4KJt3fXlHM=\nF:etc\nR:securetty\nF:\n\n"
        "C:Q1\nP:libc\nV:1.2\nF:lib\nF:usr/lib\nR:libc.so\n\n"
    )
    assert found(tmp_path, path=["/bin/busybox", "/etc/securetty", "/usr/lib/libc.so", "/usr/lib"]) == [
        ("/bin/busybox", "apk", "busybox", "1.36.1-r29", None),
        ("/etc/securetty", "apk", "busybox", "1.36.1-r29", None),
        ("/usr/lib/libc.so", "apk", "libc", "1.2", None),
        ("/usr/lib", "apk", "libc", "1.2", None),
    ]


def test_files_are_those_of_pacman(tmp_path: Path, run: Run, compare: Compare) -> None:
    local = tmp_path / "var/lib/pacman/local"
    for name, version, files in (
        ("bash", "5.2.026-2", "etc/\netc/bash.bashrc\nusr/\nusr/bin/\nusr/bin/bash\n"),
        ("filesystem", "1:2024-1", "usr/\nusr/bin/\nusr/lib/\n"),
    ):
        folder = local / f"{name}-{version}"
        folder.mkdir(parents=True)
        (folder / "desc").write_text(f"%NAME%\n{name}\n\n%VERSION%\n{version}\n\n%ARCH%\nx86_64\n\n")
        (folder / "files").write_text(f"%FILES%\n{files}\n%BACKUP%\netc/x\t0123\n\n")
    (local / "ALPM_DB_VERSION").write_text("9\n")
    for path in ("etc/bash.bashrc", "usr/bin/bash"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    ours = {
        path: {(package, version) for _, _, package, version, _ in found(tmp_path, path=path)}
        for path in ("/usr/bin/bash", "/etc/bash.bashrc", "/usr/bin")
    }
    assert ours["/usr/bin"] == {("bash", "5.2.026-2"), ("filesystem", "1:2024-1")}
    options = ("--root", str(tmp_path), "--dbpath", f"{tmp_path}/var/lib/pacman", "--config", "/dev/null")
    said: dict[str, set[tuple[str, str]]] = {}
    for path in ours:
        for line in run("pacman", *options, "-Qo", f"{tmp_path}{path}").splitlines():
            _, package, version = line.rpartition(" is owned by ")[2].rpartition(" ")[0], *line.split()[-2:]
            said.setdefault(path, set()).add((package, version))
    compare("path_packages", "pacman -Qo", ours, said)


@given(st.binary(max_size=80))
def test_any_fields_of_pacman(data: bytes) -> None:
    assert all(isinstance(line, bytes) for lines in pacman_fields(data).values() for line in lines)


# -- snap, flatpak, virtual environments


def test_snaps_and_flatpaks(tmp_path: Path) -> None:
    meta = tmp_path / "snap/firefox/5187/meta"
    meta.mkdir(parents=True)
    (meta / "snap.yaml").write_text("name: firefox\nversion: '131.0.2-1' # of it\nsummary: x\n")
    (tmp_path / "var/lib/flatpak/app/org.example.App/x86_64/stable" / ("0" * 64)).mkdir(parents=True)
    (tmp_path / "var/lib/flatpak/app/org.example.App/x86_64/stable" / ("0" * 64) / "deploy").write_bytes(b"x")
    program = f"/var/lib/flatpak/app/org.example.App/x86_64/stable/{'0' * 64}/files/bin/app"
    assert found(tmp_path, path=["/snap/firefox/5187/usr/lib/firefox/firefox", "/snap/other/1/x"]) == [
        ("/snap/firefox/5187/usr/lib/firefox/firefox", "snap", "firefox", "131.0.2-1", None)
    ]
    assert found(tmp_path, path=program) == [(program, "flatpak", "org.example.App", "stable", None)]


def test_files_of_this_environment(compare: Compare) -> None:
    """Pip is in the environment of the tests, or another package whose files importlib knows."""
    from importlib.metadata import distributions

    for distribution in distributions():
        files = [str(distribution.locate_file(file)) for file in distribution.files or ()]
        files = [os.path.normpath(file) for file in files if str(file).startswith(sys.prefix)][:40]
        if len(files) > 5 and sys.prefix != sys.base_prefix:
            break
    else:
        pytest.skip("needs a virtual environment")
    name, version = distribution.metadata["Name"], distribution.version
    said = dict.fromkeys(files, (name, version))
    ours = {row[0]: (row[2], row[3]) for row in found(path=files) if row[1] == "venv"}
    compare("path_packages", "importlib.metadata", ours, said)
    one = found(path=f"{sys.prefix}/pyvenv.cfg")
    assert [row for row in one if row[1] == "venv"] == []
