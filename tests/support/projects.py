"""Make projects with `new`, give them an environment without an index, and read their README's commands."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from .commands import SDK, run

TEMPLATES = ("table", "rest", "database", "async", "writable", "config", "logger")
SITE = sysconfig.get_path("purelib")


def make(parent: Path, name: str, *arguments: str) -> Path:
    """Make a new project, and return its folder."""
    done = run(SDK, "new", name, *arguments, cwd=parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Made {name}. Next:\n  cd {name}\n  make deps test\n  make run\n"
    return parent / name


def give_environment(project: Path) -> None:
    """Make an environment as `make deps` does, but from the packages of this environment."""
    folder = project / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    site = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    Path(site.strip(), "others.pth").write_text(
        f"{project}\nimport site; site.addsitedir({SITE!r})\n"  # the .pth files of the folder count as well
    )
    entry = re.search(r'^([\w-]+) = "([\w.]+):main"$', (project / "pyproject.toml").read_text(), re.MULTILINE)
    assert entry is not None
    for name, module in ((entry[1], entry[2]), ("osquery-sdk", "osquery_sdk.cli.main")):
        program = folder / "bin" / name
        program.write_text(f"#!{python}\nfrom {module} import main\nraise SystemExit(main())\n")
        program.chmod(0o755)


def readme_commands(project: Path) -> list[str]:
    """Return the commands of a project's README: its indented lines."""
    lines = (project / "README.md").read_text().splitlines()
    return [line.removeprefix("    ") for line in lines if line.startswith("    ")]
