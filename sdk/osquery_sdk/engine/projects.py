"""Finds the program of a project: an entry of `[project.scripts]` in its pyproject.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

PROJECT_FILE = "pyproject.toml"


class Entry(NamedTuple):
    """A program of a project."""

    name: str
    module: str
    function: str

    @property
    def source(self) -> str:
        """The text of a script that runs the program, like the scripts that pip makes."""
        first = self.function.partition(".")[0]
        # Guarded, because a child of multiprocessing runs the script again.
        start = f"if __name__ == '__main__':\n    sys.exit({self.function}())\n"
        return f"import sys\n\nfrom {self.module} import {first}\n\n{start}"


def parse_entry(name: str, text: str) -> Entry:
    """Return the entry of a text `module:function`.

    Raises:
        ProjectError: the text has another form.
    """
    module, _, function = (part.strip() for part in text.partition(":"))
    if not (module and function):
        raise ProjectError(f"the entry {text!r} is not of the form module:function")
    return Entry(name, module, function)


def find_entry(file: Path, name: str | None = None) -> Entry:
    """Return the entry of that name in a pyproject.toml, or the only one.

    Raises:
        ProjectError: the file cannot be read, or has no such entry, or several.
    """
    entries = scripts(file)
    if name is None:
        if len(entries) != 1:
            names = f"has {', '.join(sorted(entries))}: name one" if entries else "has no [project.scripts]"
            raise ProjectError(f"{file} {names}")
        name = next(iter(entries))
    return parse_entry(name, entries[name])


def scripts(file: Path) -> dict[str, str]:
    """Return the entries of `[project.scripts]` by name.

    Raises:
        ProjectError: the file cannot be read or is not TOML.
    """
    import tomllib

    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project")
    except UnicodeDecodeError as error:
        raise ProjectError(f"cannot read {file}: {error}") from error
    except ValueError as error:
        raise ProjectError(f"{file} is not TOML: {error}") from error
    except OSError as error:
        raise ProjectError(f"cannot read {file}: {error.strerror}") from error
    entries = project.get("scripts") if isinstance(project, dict) else None
    return {str(name): str(text) for name, text in entries.items()} if isinstance(entries, dict) else {}
