"""An extension installed for osquery, to be broken; and osquery itself, to be asked whether it loads it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

from osquery_sdk.doctor import EXTENSION_CHECKS, SYSTEM_CHECKS, Context, Finding, Settings, Target

if TYPE_CHECKING:
    from pathlib import Path

EXTENSION = """\
#!{python}
from collections.abc import Iterator
from osquery_sdk import Column, Extension, Query, Row, table

class Hello(Row):
    word: str = Column("word")

@table("{table}")
def hello(query: Query) -> Iterator[Hello]:
    \"\"\"Greets.\"\"\"
    yield Hello(word="hello")

@table("hello_too")
def hello_too(query: Query) -> Iterator[Hello]:
    \"\"\"Greets.\"\"\"
    yield Hello(word="hello")

if __name__ == "__main__":
    {before}
    raise SystemExit(Extension("hello_ext", version="{version}", plugins=[hello, hello_too]).run())
"""
OSQUERYI = shutil.which("osqueryi")
IS_ROOT = os.geteuid() == 0
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "TMPDIR"}


class Installation:
    """An extension, a load list that names it and a flag file that names the list, all as they should be."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = directory / "lib"
        self.folder.mkdir(mode=0o755)
        self.path = self.folder / "hello.ext"
        self.list = directory / "extensions.load"
        self.flagfile = directory / "osquery.flags"
        self.socket = f"{directory}/em"
        self.flags = ["--extensions_timeout=3"]
        self.write()
        self.enlist(str(self.path))
        self.set()

    def write(
        self, before: str = "pass", *, version: str = "1.0", table: str = "hello", path: Path | None = None
    ) -> Path:
        path = path or self.path
        text = EXTENSION.format(python=sys.executable, before=before, version=version, table=table)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def enlist(self, *lines: str) -> None:
        self.list.write_text("".join(f"{line}\n" for line in lines))
        self.list.chmod(0o644)

    def set(self, *flags: str, autoload: str | None = None) -> None:
        """Write the flag file."""
        self.flags = [
            autoload or f"--extensions_autoload={self.list}",
            f"--extensions_socket={self.socket}",
            *flags,
        ]
        self.flagfile.write_text("".join(f"{flag}\n" for flag in self.flags))

    def context(self, **settings: object) -> Context:
        told = Settings(flagfile=self.flagfile, uid=os.geteuid(), osqueryd=None)
        return Context(told._replace(**settings))  # type: ignore[arg-type]

    def check(self, name: str, **settings: object) -> Finding:
        context = self.context(**settings)
        if name in SYSTEM_CHECKS:
            return SYSTEM_CHECKS[name](context)
        return EXTENSION_CHECKS[name](context, Target(self.path, context))

    def cure(self, finding: Finding) -> None:
        """Paste the cure."""
        assert finding.cure, finding
        done = subprocess.run(["/bin/sh", "-c", finding.cure], capture_output=True, text=True, timeout=10)
        assert done.returncode == 0, (finding.cure, done.stderr)

    def is_loaded(self, *flags: str, seconds: int = 2) -> bool:
        """Return True if osquery, started with the flag file, loads the extension."""
        assert OSQUERYI is not None
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        process = subprocess.Popen(
            [
                OSQUERYI,
                f"--flagfile={self.flagfile}",
                "--extensions_require=hello_ext",
                f"--extensions_timeout={seconds}",
                "--disable_database",
                "--csv",
                *flags,
                "select count(*) as n from osquery_extensions where name = 'hello_ext'",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env={**ENVIRONMENT, "HOME": str(home)},
            process_group=0,
        )
        # It says so before it has given up or stopped.
        assert process.stdout is not None
        with process.stdout:
            line = ""
            for line in process.stdout:
                if line == "n\n" or "Could not start extension process" in line:
                    break
            count = process.stdout.readline().strip() if line == "n\n" else ""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        return count == "1"


def python_extension(path: Path, table: str) -> None:
    """An extension made with osquery's own Python package, which knows nothing of taken names."""
    path.write_text(
        textwrap.dedent(
            f"""\
            #!{sys.executable}
            import osquery

            @osquery.register_plugin
            class Table(osquery.TablePlugin):
                def name(self):
                    return "{table}"
                def columns(self):
                    return [osquery.TableColumn(name="word", type=osquery.STRING)]
                def generate(self, context):
                    return [{{"word": "hello"}}]

            if __name__ == "__main__":
                osquery.start_extension(name="hello_ext", version="1.0.0")
            """
        )
    )
    path.chmod(0o755)
