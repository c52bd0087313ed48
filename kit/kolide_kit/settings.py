"""Read the settings that a program declares, from its command line, its environment and a TOML file.

A class declares them, a frozen dataclass or a NamedTuple; each setting has a help, and may have a check::

    @dataclass(frozen=True)
    class Settings:
        url: Annotated[str, Setting("URL of the API", "https://HOST/PATH", is_url)]
        token: Annotated[Secret, Setting("Token for the API")]
        max_rows: Annotated[int, Setting("Most rows of an answer", section="limits")] = 1000

A flag counts before a variable, a variable before the file, and the file before the default. For a program
named my_ext these are `--max-rows 10`, `MY_EXT_MAX_ROWS=10`, and in the file::

    [limits]
    max_rows = 10

A setting that is not known, or has a wrong value, is an error and never passed over. Secrets come from a file
that only its owner may read, or from a systemd credential, because other programs can see variables and
command lines.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, get_args, get_type_hints

from .errors import SettingsError

T = TypeVar("T")

_MISSING = object()
_DEFAULT = "default"
# The words for booleans in variables and flags.
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class Secret:
    """A text that is shown nowhere: `print`, logs and tracebacks have `[hidden]` instead."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def __repr__(self) -> str:
        """Return a text that says nothing about the secret."""
        return "[hidden]"

    def __eq__(self, other: object) -> bool:
        """Return whether the other is a secret with the same text."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Return the text's hash."""
        return hash(self._text)

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text


class Setting(NamedTuple):
    """Describes a setting; stands in the `Annotated` type of a field."""

    help: str
    """One line about it."""
    rule: str = ""
    """Continues "has to be ..." in errors; must be given with `check`."""
    check: Callable[[Any], bool] | None = None
    """Returns whether a value of the right type can be used; for a secret it gets the text."""
    section: str = ""
    """Table of the TOML file that the setting stands in."""


class _Field(NamedTuple):
    name: str
    kind: Any
    setting: Setting
    default: Any

    @property
    def key(self) -> str:
        """The setting's name in the file."""
        return f"{self.setting.section}.{self.name}" if self.setting.section else self.name

    @property
    def flag(self) -> str:
        """The setting's flag on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def rule(self) -> str:
        """The rest of the sentence "has to be ..."."""
        return self.setting.rule or _RULES[self.kind]


_RULES: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple[str, ...]: "a list of texts",
    Secret: "a text that is not empty, without null characters",
}


class Configuration(Generic[T]):
    """The settings of a program, and the places where they come from.

    Attributes:
        arguments: the words of the command line that follow the settings' flags.
        is_to_show: whether the command line has `--show-settings`.
        problem: the error of the flags; "" if they can be used. `read` raises it.
    """

    def __init__(
        self,
        kind: type[T],
        program: str,
        arguments: Sequence[str] = (),
        *,
        file: str,
        environment: Mapping[str, str] | None = None,
        reserved: Collection[str] = (),
    ) -> None:
        """Take the leading flags from the command line; nothing is read yet.

        Args:
            kind: the class that declares the settings.
            program: name that begins the variables (my_ext: MY_EXT_) and the names of credentials.
            arguments: the command line without the program's name. Flags of settings come first in it.
            file: path of the usual file, which need not be there.
            environment: the variables; the process's unless given.
            reserved: names of the program's own flags, which no setting can have.

        Raises:
            SettingsError: the class declares something that cannot be a setting.
        """
        self._kind = kind
        self._program = program
        self._usual = file
        self._environment = os.environ if environment is None else environment
        self._prefix = "".join(c if c.isalnum() else "_" for c in program).upper() + "_"
        self._fields = {
            field.name: field for field in _fields(kind, {"settings", "show_settings", *reserved})
        }
        self._has_secrets = any(field.kind is Secret for field in self._fields.values())
        self._flags: dict[str, str] = {}
        self.is_to_show = False
        self.problem = ""
        self.arguments = list(arguments)
        self._take_flags(reserved)

    @property
    def file(self) -> str:
        """The file that a flag or the environment names, or else the usual one."""
        return self._named_file or self._usual

    def read(self) -> T:
        """Return the settings as they are now.

        Raises:
            SettingsError: a setting is missing, unknown or wrong, or a file cannot be trusted.
        """
        found = self._found()
        for field in self._fields.values():
            if found[field.name][0] is _MISSING:
                place = (
                    f"{self.file} with mode 0600, or as the systemd credential {self._credential(field)}"
                    if field.kind is Secret
                    else f"{self.file}, or {self.variable(field.name)}"
                )
                raise SettingsError(f"there is no {field.key}: set it in {place}")
        return self._kind(**{name: value for name, (value, _) in found.items()})

    def show(self) -> str:
        """Return a line for each setting: its name, its value, and the place that it comes from.

        Raises:
            SettingsError: a setting is unknown or wrong, or a file cannot be trusted.
        """
        found = self._found()
        rows = [
            (self._fields[name].key, *(("-", "not set") if value is _MISSING else (_shown(value), origin)))
            for name, (value, origin) in found.items()
        ]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}" for key, value, origin in rows)

    def variable(self, name: str) -> str:
        """Return the variable of a setting."""
        return self._prefix + name.upper()

    def origin(self, name: str) -> str:
        """Return the flag, variable or file that sets the setting, or "default"."""
        return self._found()[name][1]

    @property
    def _named_file(self) -> str:
        return self._flags.get("settings") or self._environment.get(f"{self._prefix}SETTINGS", "")

    def _credential(self, field: _Field) -> str:
        return f"{self._program}.{field.name}"

    def _take_flags(self, reserved: Collection[str]) -> None:
        words = self.arguments
        while words and words[0].startswith("--"):
            flag, equals, value = words[0].partition("=")
            name = flag[2:].replace("-", "_")
            if words[0] == "--show-settings":
                self.is_to_show = True
            elif name in self._fields or name == "settings":
                if not equals:
                    if len(words) < 2:
                        self.problem = f"{flag} needs a value"
                        return
                    value = words.pop(1)
                self._flags[name] = value
            elif name in reserved:
                self.is_to_show |= "--show-settings" in words
                return
            else:
                self.problem = self._misspelled(flag)
                return
            words.pop(0)

    def _misspelled(self, flag: str) -> str:
        """Return the error of a flag that resembles a setting's; "" for one that the program may know."""
        from .spelling import did_you_mean

        flags = [field.flag for field in self._fields.values()]
        meant = did_you_mean(flag, [*flags, "--settings", "--show-settings"], cutoff=0.8)
        return f"{flag}: no such setting; {meant}" if meant else ""

    def _found(self) -> dict[str, tuple[Any, str]]:
        if self.problem:
            raise SettingsError(self.problem)
        found = {field.name: (field.default, _DEFAULT) for field in self._fields.values()}
        if self._named_file or os.path.lexists(self._usual):
            for field, value in self._from_file(self.file):
                where = f"{self.file}: {field.key}"
                found[field.name] = self._checked(field, _from_toml(field, value), where), self.file
        for field in self._fields.values():
            secret, credential = self._secret(field)
            if credential:
                found[field.name] = self._checked(field, secret, credential), credential
        for field, text, where in self._texts():
            if field.kind is Secret:
                raise SettingsError(
                    f"{where}: other programs could see it there; set {field.key} in {self.file} with mode "
                    f"0600, or as the systemd credential {self._credential(field)}"
                )
            found[field.name] = self._checked(field, _parsed(field, text), where), where
        return found

    def _texts(self) -> Iterator[tuple[_Field, str, str]]:
        """Yield (field, text, place) for each setting in a variable or flag, flags last."""
        known = {self.variable(name): field for name, field in self._fields.items()}
        own = f"{self._prefix}SETTINGS"
        for variable in sorted(self._environment):
            if not variable.startswith(self._prefix) or variable == own:
                continue
            if variable not in known:
                usable = [name for name, field in known.items() if field.kind is not Secret]
                raise SettingsError(_no_such_setting(variable, variable, (own, *usable)))
            yield known[variable], self._environment[variable], variable
        for name, text in self._flags.items():
            if name in self._fields:
                yield self._fields[name], text, self._fields[name].flag

    def _checked(self, field: _Field, value: Any, where: str) -> Any:
        """Return the value that the program gets."""
        # The exact type counts: True is an int for isinstance.
        fits = type(value) is (tuple if field.kind == tuple[str, ...] else field.kind)
        if fits and field.kind == tuple[str, ...]:
            fits = all(type(item) is str for item in value)
        if fits and field.kind is float:
            fits = abs(value) < float("inf")  # neither infinite nor NaN
        if fits and field.kind is Secret:
            fits = bool(value.reveal()) and "\0" not in value.reveal()
        check = field.setting.check
        if fits and check is not None:
            try:
                fits = check(value.reveal() if field.kind is Secret else value)
            except ValueError:  # its text may have the value in it
                fits = False
        if not fits:
            # A wrong value may be a secret that stands in another setting's place.
            given = where if self._has_secrets else f"{where} = {_repr(value)}"
            raise SettingsError(f"{given}: has to be {field.rule}")
        return value

    def _secret(self, field: _Field) -> tuple[Secret | None, str]:
        """Return a secret's systemd credential, and its path; (None, "") if there is none."""
        folder = self._environment.get("CREDENTIALS_DIRECTORY")
        if field.kind is not Secret or not folder:
            return None, ""
        path = os.path.join(folder, self._credential(field))  # noqa: PTH118  pathlib is not loaded for this
        if not os.path.lexists(path):
            return None, ""
        # Most machines have no settings file, and starting must be fast: import this only for a file.
        from .settings_file import read_credential

        return Secret(read_credential(path)), path

    def _from_file(self, path: str) -> Iterator[tuple[_Field, Any]]:
        """Yield the fields that the file sets, each with its value."""
        from .settings_file import read_toml, require_closed

        content, mode = read_toml(path, shows=not self._has_secrets)
        known = {field.key: field for field in self._fields.values()}
        sections = {field.setting.section for field in self._fields.values()} - {""}
        values: dict[str, Any] = {}
        for key, value in content.items():
            if key not in sections:
                values[key] = value
            elif isinstance(value, dict):
                values |= {f"{key}.{name}": inner for name, inner in value.items()}
            else:
                raise SettingsError(f"{path}: {key} has to be a table of settings, [{key}]")
        for key in values:
            if key not in known:
                from .author_code import one_line

                # The name is shown in one line: TOML takes any text in quotes for a name.
                raise SettingsError(_no_such_setting(f"{path}: {one_line(key)}", key, tuple(known)))
        if any(known[key].kind is Secret for key in values):
            require_closed(path, mode)
        for key, value in values.items():
            yield known[key], value


def _fields(kind: type, reserved: Collection[str]) -> Iterator[_Field]:
    """Yield the settings that a class declares."""
    defaults: Mapping[str, Any]
    if hasattr(kind, "_field_defaults"):
        defaults = kind._field_defaults
    elif hasattr(kind, "__dataclass_fields__"):
        # The author's class has imported it; a NamedTuple spares a program that.
        from dataclasses import MISSING

        defaults = {
            name: field.default if field.default_factory is MISSING else field.default_factory()
            for name, field in kind.__dataclass_fields__.items()
            if (field.default, field.default_factory) != (MISSING, MISSING)
        }
    else:
        raise SettingsError(f"{kind.__name__} has to be a frozen dataclass or a NamedTuple")
    for name, hint in get_type_hints(kind, include_extras=True).items():
        where = f"{kind.__name__}.{name}"
        setting = next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Setting)), None)
        if setting is None:
            raise SettingsError(f'{where}: write {name}: Annotated[TYPE, Setting("one line about it")]')
        if name in reserved:
            raise SettingsError(f"{where}: the program has a flag --{name.replace('_', '-')} of its own")
        inner = hint.__origin__
        kinds = [part for part in get_args(inner) if part is not type(None)]
        if len(kinds) == 1 and len(get_args(inner)) == 2:
            inner = kinds[0]
        if inner not in _RULES:
            raise SettingsError(
                f"{where}: a setting is str, int, float, bool, tuple[str, ...] or Secret, "
                "or one of them | None"
            )
        yield _Field(name, inner, setting, defaults.get(name, _MISSING))


def _from_toml(field: _Field, value: Any) -> Any:
    """Return a value of the file in the field's type, or unchanged if it does not fit."""
    if field.kind == tuple[str, ...] and isinstance(value, list):
        return tuple(value)
    if field.kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            return value
    return Secret(value) if field.kind is Secret and isinstance(value, str) else value


def _parsed(field: _Field, text: str) -> Any:
    """Return the text of a variable or flag in the field's type, or unchanged if it does not fit."""
    if field.kind == tuple[str, ...]:
        return tuple(name.strip() for name in text.split(",") if name.strip())
    if field.kind is bool:
        return _TRUTH.get(text.lower(), text)
    if field.kind in (int, float):
        try:
            return field.kind(text)
        except ValueError:
            return text
    return text


def _no_such_setting(where: str, key: str, known: Sequence[str]) -> str:
    from .spelling import did_you_mean

    meant = did_you_mean(key, known)
    for section in dict.fromkeys(name.rpartition(".")[0] for name in known):
        # A setting outside of its section.
        meant = meant or (section and did_you_mean(f"{section}.{key}", known, cutoff=0.8))
    return f"{where}: no such setting; there are {', '.join(known)}" + (f"; {meant}" if meant else "")


def _repr(value: Any) -> str:
    from .author_code import shown

    return shown(list(value) if isinstance(value, tuple) else value)


def _shown(value: Any) -> str:
    """Return a value in JSON: it writes these types as TOML does, and escapes control characters."""
    import json

    return "-" if value is None else repr(value) if isinstance(value, Secret) else json.dumps(value)
