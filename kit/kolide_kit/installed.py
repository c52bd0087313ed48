"""Find where the distribution was installed from, and name the command that installs its extras.

pip and uv record in direct_url.json (PEP 610) where a distribution came from, unless it came from an index.
So the command can name the same place: a checkout, a folder, a wheel file or a git URL. It has the name
`osquery-sdk` alone only if it came from an index. One distribution carries every member, so each of them
finds the name, the extras and the place here.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution
    from pathlib import Path

_NAME = "osquery-sdk"
# The extra for each module that only some commands and tables need.
_EXTRAS = {
    "apsw": "engine",
    "prompt_toolkit": "engine",
    "pygments": "engine",
    "psutil": "tables",
    "tomli": "tables",
    "yaml": "plugins",
    "PyInstaller": "build",
    "elftools": "build",
    "pyarrow": "parquet",
    "fsspec": "parquet",
    "confluent_kafka": "kafka",
}
_PROJECT = "pyproject.toml"
# A requirement as the build writes it: pyelftools>=0.31; (sys_platform == 'linux') and extra == 'build'
_OF_EXTRA = re.compile(r"(?P<name>.+?)\s*;\s*(?:\((?P<where>.+)\) and )?extra == ['\"](?P<extra>\w+)['\"]")


class Source(NamedTuple):
    """The place that the SDK was installed from."""

    url: str = ""
    """URL for pip after `osquery-sdk @`, such as `git+https://host/repository@commit`; "" for an index."""
    editable: bool = False
    """True for a checkout whose files are used in place."""

    @property
    def path(self) -> Path | None:
        """The folder or file; None if the source is not on this machine."""
        from pathlib import Path
        from urllib.parse import unquote, urlsplit

        parts = urlsplit(self.url)
        if parts.scheme != "file":
            return None
        path = unquote(parts.path)
        return Path(path.removeprefix("/") if os.name == "nt" else path)

    @property
    def is_there(self) -> bool:
        """True if pip can install from it now, as far as this machine can tell."""
        from shutil import which

        path = self.path
        if path is not None:
            return path.is_file() or (path / _PROJECT).is_file()
        return not self.url.startswith("git+") or which("git") is not None

    @property
    def line(self) -> str:
        """The SDK's line in a requirements file."""
        if self.editable:
            return f"-e {self.url}"
        if self.url.startswith("git+file:"):
            return self.url
        return f"{_NAME} @ {self.url}" if self.url else _NAME

    def requirement(self, *extras: str) -> list[str]:
        """Return the arguments of `pip install` for the SDK with these extras."""
        name = f"[{','.join(extras)}]" if extras else ""
        if self.path is not None:
            return [*(["-e"] if self.editable else []), f"{self.path}{name}"]
        if extras and self.url.startswith("git+file:"):  # pip before 23.1 does not take it after @
            return [f"{self.url}{'&' if '#' in self.url else '#'}egg={_NAME}{name}"]
        return [f"{_NAME}{name} @ {self.url}" if self.url else f"{_NAME}{name}"]


def source() -> Source:
    """Return the place that the running SDK was installed from."""
    from pathlib import Path

    here = Path(__file__).resolve().parent
    distribution = _distribution(here)
    if distribution is not None:
        return _recorded(distribution)
    # Not installed: imported from a checkout by way of PYTHONPATH.
    checkout = here.parents[1]
    return Source(checkout.as_uri(), editable=True) if (checkout / _PROJECT).is_file() else Source()


def install_command(*extras: str) -> str:
    """Return a command for a shell that installs the extras into the environment of the running Python.

    It names the place that the SDK came from, or the libraries themselves if that place has gone.

    Args:
        extras: extras of osquery-sdk, such as "engine" or "tables"; none for the SDK alone.
    """
    place = source()
    return _pip_install(*(place.requirement(*extras) if place.is_there else _libraries(extras)))


def install_hint(module: str, extra: str | None = None, *, package: str | None = None) -> str:
    """Return the end of an error about a module that cannot be imported: the command to run.

    For a frozen program, into which nothing can be installed, it says how to build another one.

    Args:
        module: the name of the module.
        extra: the extra of osquery-sdk that has the module.
        package: the distribution that has the module, if no extra has it.
    """
    if getattr(sys, "frozen", False):
        distribution = f"{_NAME}[{extra}]" if extra else package or module
        return f"build the program again with --include {module}, where {distribution} is installed"
    return f"run: {install_command(extra) if extra else _pip_install(package or module)}"


def missing_module(error: BaseException) -> str:
    """Return the cure if an error is about a module of one of the SDK's extras; "" for any other error."""
    if not issubclass(type(error), ImportError):
        return ""
    module = str(getattr(error, "name", None) or "").partition(".")[0]
    extra = _EXTRAS.get(module)
    return f"{module} is not installed; {install_hint(module, extra)}" if extra else ""


def _distribution(package: Path) -> Distribution | None:
    """Return the installed distribution of the imported package; a second one may be installed beside it."""
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path

    try:
        installed = distribution(_NAME)
    except PackageNotFoundError:
        return None
    place = _recorded(installed)
    if place.editable and place.path is not None:
        return installed if package.is_relative_to(place.path.resolve()) else None
    return installed if Path(str(installed.locate_file(package.name))).resolve() == package else None


def _recorded(installed: Distribution) -> Source:
    """Return the source that direct_url.json records."""
    import json

    try:
        record = json.loads(installed.read_text("direct_url.json") or "{}")
        url = str(record.get("url", ""))
        if (vcs := record.get("vcs_info")) is not None:
            url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
        if (folder := record.get("subdirectory")) is not None:
            url += f"#subdirectory={folder}"
        return Source(url, editable=record.get("dir_info", {}).get("editable") is True)
    except (ValueError, LookupError, AttributeError, TypeError):  # another program has written it
        return Source()


def _libraries(extras: tuple[str, ...]) -> list[str]:
    """Return the requirements of the extras, from the installed distribution."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires(_NAME) or []
    except PackageNotFoundError:
        lines = []
    matches = [match for match in map(_OF_EXTRA.fullmatch, lines) if match and match["extra"] in extras]
    wanted = ("; ".join(filter(None, match.group("name", "where"))) for match in matches)
    return list(dict.fromkeys(wanted)) or [_NAME]


def _pip_install(*arguments: str) -> str:
    """Return the command; it runs pip by this Python, because a `pip` on PATH may be of another Python."""
    import shlex
    import subprocess
    from importlib.util import find_spec
    from shutil import which

    if find_spec("pip") is None and which("uv") is not None:
        command = ["uv", "pip", "install", "--python", sys.executable]
    else:
        command = [sys.executable, "-m", "pip", "install"]
    if _is_managed():
        command.append("--break-system-packages")
    command += arguments
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def _is_managed() -> bool:
    """Return True if pip refuses to install into this Python, because it is the system's (PEP 668)."""
    if sys.prefix != sys.base_prefix:
        return False
    from pathlib import Path
    from sysconfig import get_path

    return Path(get_path("stdlib"), "EXTERNALLY-MANAGED").is_file()
