"""Read configurations from a file, or from a folder of fragments that are merged."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from osquery_sdk import ConfigError, check_config, check_pack, install_hint, line_and_column

from .watched import WatchedConfig

_MAX_BYTES = 4 << 20
_YAML, _TOML = (".yaml", ".yml"), (".toml",)
_ENDINGS = (".json", ".conf", *_YAML, *_TOML)


class FileConfig(WatchedConfig):
    """A configuration in one file, by its ending: JSON as osqueryd reads it, with comments, or YAML or TOML.

    A pack that is named by a path is read from there, a relative path from the file's folder. The path may be
    a pattern, in which the pack's name is `*`.

    Args:
        name: the plugin's name.
        path: the file.
        poll: seconds between two looks at the file; a change is pushed to osqueryd. 0: osqueryd asks by
            itself, as often as `--config_refresh` says.
    """

    def __init__(self, name: str, path: str | os.PathLike[str], *, poll: float = 10.0) -> None:
        """Check the name; the file is read when osqueryd asks."""
        super().__init__(name, poll=poll)
        self._path = Path(path)

    def gen_config(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the content of the file, under its path."""
        return {str(self._path): _read(self._path)}

    def gen_pack(self, name: str, value: str) -> Mapping[str, Any]:
        """Return a pack from the file or files that `value` names."""
        path = self._path.parent / value
        if name != "*":
            return _read(path)
        import glob

        paths = sorted(glob.glob(str(path)))  # noqa: PTH207  an absolute pattern
        return {Path(path).stem: check_pack(_read(Path(path)), path) for path in paths}


class FolderConfig(WatchedConfig):
    """A configuration in fragments: all JSON, YAML and TOML files of a folder, in the order of their names,
    merged.

    Objects are merged, lists are joined. Two fragments that give one setting two values are an error that
    names both: no fragment overrides another by accident. Files that begin with a dot or end with ~ are
    skipped.

    Args:
        name: the plugin's name.
        folder: the folder of the fragments.
        poll: seconds between two looks, as for `FileConfig`.
    """

    def __init__(self, name: str, folder: str | os.PathLike[str], *, poll: float = 10.0) -> None:
        """Check the name; the folder is read when osqueryd asks."""
        super().__init__(name, poll=poll)
        self._folder = Path(folder)

    def gen_config(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the merged fragments, as one source with the name of the folder."""
        merged: dict[str, Any] = {}
        owners: dict[tuple[str, ...], str] = {}
        for file in self._fragments():
            _merge(merged, check_config(_read(file), file.name), (), file.name, owners)
        return {str(self._folder): merged}

    def gen_pack(self, name: str, value: str) -> Mapping[str, Any]:
        """Return a pack from a file that `value` names, relative to the folder."""
        return _read(self._folder / value)

    def _fragments(self) -> Iterator[Path]:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except OSError as error:
            raise ConfigError(f"{self._folder}: {error.strerror or error}") from error
        for name in names:
            if name.lower().endswith(_ENDINGS) and not name.startswith("."):
                yield self._folder / name


def _merge(
    into: dict[str, Any],
    fragment: Mapping[str, Any],
    place: tuple[str, ...],
    file: str,
    owners: dict[tuple[str, ...], str],
) -> None:
    """Add a fragment; `owners` has the file that each value comes from."""
    for key, value in fragment.items():
        here = (*place, key)
        if key not in into:
            into[key] = _copied(value)
            owners[here] = file
        elif isinstance(value, dict) and isinstance(into[key], dict):
            _merge(into[key], value, here, file, owners)
        elif isinstance(value, list) and isinstance(into[key], list):
            into[key] += [item for item in value if item not in into[key]]
        elif value != into[key]:
            owner = next(owners[here[:end]] for end in range(len(here), 0, -1) if here[:end] in owners)
            raise ConfigError(
                f"{': '.join(here)} is {into[key]!r} in {owner} and {value!r} in {file}: take it out "
                "of one of them"
            )


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, list) else value


def _read(path: Path) -> dict[str, Any]:
    """Return a file's content, in the language of its ending."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{path}: has more than the {_MAX_BYTES:,} bytes that osqueryd takes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8: {line_and_column(error.object, error.start)}") from error
    ending = path.suffix.lower()
    if ending not in (*_YAML, *_TOML):
        return check_config(text, str(path))
    content = _yaml(text, path) if ending in _YAML else _toml(text, path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: has to be an object, not {type(content).__name__}")
    return content


def _toml(text: str, path: Path) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problem = str(error).replace("end of document", line_and_column(text, len(text))) or "nested too deep"
        raise ConfigError(f"{path}: no TOML: {problem}") from error


def _yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path}: YAML needs PyYAML; {install_hint('yaml', 'plugins')}") from error

    class Loader(yaml.SafeLoader):
        """Refuses an object with a name twice, and aliases, by which a few bytes can make a huge object."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                place = _place(self.peek_event())  # type: ignore[no-untyped-call]
                raise ConfigError(f"{path}: has an alias (*), which is not supported: {place}")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = set()
            for key, _ in node.value:
                # The loader itself refuses a key that is a list or a mapping.
                if isinstance(key, yaml.ScalarNode) and key.value in names:
                    raise ConfigError(f"{path}: {key.value!r} stands twice in one object: {_place(key)}")
                names.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text, Loader) or {}  # noqa: S506  it is a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: no YAML: {_problem(text, error)}") from error


def _problem(text: str, error: Exception) -> str:
    """Return the error in a YAML text, and its place."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"{getattr(error, 'problem', None) or error}: line {mark.line + 1} column {mark.column + 1}"
    position = getattr(error, "position", None)  # set for a character that YAML does not allow
    if isinstance(position, int):
        return f"{getattr(error, 'reason', error)}: {line_and_column(text, position)}"
    return " ".join(str(error).split()) or "nested too deep"


def _place(marked: Any) -> str:
    """Return the place of a YAML event or node."""
    mark = marked.start_mark
    return f"line {mark.line + 1} column {mark.column + 1}"
