"""Compare the data files' tables with other readers, for each value of each file of this machine."""

import configparser
import csv
import io
import json
import plistlib
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from kolide_kit.limits import Budget, Limits
from kolide_tables.catalog import CATALOG
from kolide_tables.documents.flatten import Documents, Tree
from kolide_tables.documents.terms import parse_query

from ...support.compare import Compare
from .conftest import write_yaml

Values = list[tuple[str, str]]

FOLDERS = ("/usr/share", "/usr/lib/systemd", "/etc", str(Path(json.__file__).parents[1]))
LIMITS = Limits(max_rows=5_000_000, max_seconds=300)
TABLES = {
    entry.name: entry.load().configured(limits=LIMITS)
    for entry in CATALOG
    if entry.module == "kolide_tables.documents.tables"
}
# INI's words for true and false are text for others.
WORDS = dict.fromkeys(("true", "True", "yes", "Yes", "on", "On"), "true")
WORDS |= dict.fromkeys(("false", "False", "no", "No", "off", "Off"), "false")


class Other(Exception):
    """The other reader reads a part of the file in another, known way, or not at all."""


def flat(document: object) -> Values:
    return [(cell[0], cell[3]) for cell in Tree(document).select(parse_query("*"), Budget(LIMITS))]


def _json(data: bytes) -> Values:
    return flat(json.loads(data.decode()))


def _yaml(data: bytes) -> Values:
    """Known differences: PyYAML reads YAML 1.1, so files with scalars that mean another thing there are not
    compared; and a program's own tags are ignored.
    """
    if any(_differs(node) for node in _scalars(data)):
        raise Other
    try:
        documents = list(yaml.load_all(data, Loader=yaml.CSafeLoader))
    except yaml.constructor.ConstructorError:
        raise Other from None
    if len(documents) == 1:
        return flat(documents[0])
    return [(cell[0], cell[3]) for cell in Documents(documents).select(parse_query("*"), Budget(LIMITS))]


def _differs(node: Any) -> bool:
    kind = node.tag.removeprefix("tag:yaml.org,2002:")
    if kind == "bool":
        return node.value.lower() not in ("true", "false")
    if kind == "str":
        return node.style is None and node.value[:1] in tuple("0123456789+-.")
    if kind == "int":
        return re.fullmatch("-?(0|[1-9][0-9]*)", node.value) is None
    return kind == "timestamp" or (kind == "float" and ":" in node.value)


def _scalars(data: bytes) -> Iterator[Any]:
    todo = list(yaml.compose_all(data, Loader=yaml.CSafeLoader))
    while todo:
        node = todo.pop()
        if isinstance(node, yaml.MappingNode):
            todo += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
        else:
            yield node


def _toml(data: bytes) -> Values:
    return flat(tomllib.loads(data.decode()))


def _xml(data: bytes) -> Values:
    """Known differences: a namespace's declaration is an attribute here, and what a DTD inside the file
    declares is left out.
    """
    if b"xmlns" in data or re.search(rb"<!DOCTYPE[^>]*\[", data):
        raise Other
    root = ElementTree.fromstring(data)
    return flat({root.tag: _element(root)})


def _element(element: ElementTree.Element) -> object:
    found: dict[str, list[object]] = {}
    for child in element:
        found.setdefault(child.tag.rpartition("}")[2], []).append(_element(child))
    text = "".join((element.text or "", *(child.tail or "" for child in element))).strip(" \t\r\n")
    members: dict[str, object] = {
        f"-{key.rpartition('}')[2]}": value for key, value in element.attrib.items()
    }
    members |= {key: values[0] if len(values) == 1 else values for key, values in found.items()}
    return (members | ({"#text": text} if text else {})) if members else text


def _ini(data: bytes) -> Values:
    """Known differences: lines that a backslash continues, comments behind values, quotes, and what is
    indented.
    """
    text = data.decode()
    if any(mark in text for mark in ("\\\n", " #", " ;", '"', "'", "\n\t", "\n ")):
        raise Other
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0")
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return flat(
        {
            name: {key: WORDS.get(value or "", value or "") for key, value in parser.items(name)}
            for name in parser.sections()
        }
    )


def _plist(data: bytes) -> Values:
    try:
        return flat(plistlib.loads(data))
    except Exception as error:
        raise Other from error  # it raises what it comes upon


READERS: dict[str, tuple[str, Callable[[bytes], Values], tuple[str, ...]]] = {
    "json": ("json.loads", _json, ("json",)),
    "yaml": ("PyYAML", _yaml, ("yaml", "yml")),
    "toml": ("tomllib", _toml, ("toml",)),
    "xml": ("ElementTree", _xml, ("xml", "svg", "xsd")),
    "ini": ("configparser", _ini, ("ini", "desktop", "service", "timer", "socket", "conf")),
    "plist": ("plistlib", _plist, ("plist",)),
}


def listed(*folders: str, depth: int) -> dict[str, list[Path]]:
    """Return small files by the endings of their names."""
    names = sorted({ending for _, _, endings in READERS.values() for ending in endings} | {"csv"})
    wanted = " -o ".join(f"-name *.{name}" for name in names).split()
    options = ("-xdev", "-maxdepth", str(depth), "-type", "f", "-size", "-200k", "(", *wanted, ")")
    there = [folder for folder in folders if Path(folder).is_dir()]
    done = subprocess.run(["find", *there, *options], capture_output=True, text=True, timeout=300)
    found: dict[str, list[Path]] = {}
    for line in sorted(set(done.stdout.splitlines())):
        found.setdefault(line.rpartition(".")[2], []).append(Path(line))
    return found


@pytest.fixture(scope="module")
def there() -> dict[str, list[Path]]:
    """Return such files of this machine, in a few folders."""
    return listed(*FOLDERS, depth=4)


@pytest.fixture(scope="module")
def everywhere() -> dict[str, list[Path]]:
    return listed(*FOLDERS, "/usr/lib", "/opt", depth=12)


@pytest.mark.skipif(sys.platform != "linux", reason="looks where Linux has such files")
@pytest.mark.parametrize("where", ["there", pytest.param("everywhere", marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", READERS)
def test_values_are_those_of_another_reader(
    form: str, where: str, request: pytest.FixtureRequest, compare: Compare
) -> None:
    """Files that the other reader refuses are left out; other tests cover them."""
    oracle, read, endings = READERS[form]
    there: dict[str, list[Path]] = request.getfixturevalue(where)
    paths = [path for ending in endings for path in there.get(ending, [])]
    said: dict[str, Values] = {}
    # Some hundreds are enough if it has to be soon.
    for path in paths[:: 1 if where == "everywhere" else max(1, len(paths) // 300)]:
        try:
            said[str(path)] = read(path.read_bytes())
        except (Other, OSError, ValueError, SyntaxError, RecursionError, yaml.YAMLError, configparser.Error):
            continue
    if not said:
        pytest.skip(f"this machine has no {form} file that {oracle} reads")
    ours: dict[str, Values] = {path: [] for path in said}
    for row in TABLES[form].rows(path=list(said)):
        ours[row.path].append((row.fullkey, row.value))  # type: ignore[attr-defined]
    compare(form, oracle, ours, said, rows=sum(map(len, ours.values())))


def test_what_another_program_writes_is_what_is_read(
    there: dict[str, list[Path]], compare: Compare, tmp_path: Path
) -> None:
    """The JSON files of this machine, written as YAML and as TOML."""
    tomlkit = pytest.importorskip("tomlkit")
    ours: dict[str, dict[str, Values]] = {"yaml": {}, "toml": {}}
    theirs: dict[str, dict[str, Values]] = {"yaml": {}, "toml": {}}
    for index, path in enumerate(there.get("json", [])[::7][:60]):
        text = path.read_text(errors="replace")
        try:
            document = json.loads(text)
        except ValueError:
            continue
        written = {"yaml": write_yaml(document)}
        # TOML has no null, and no document that is not a table.
        if isinstance(document, dict) and "null" not in text and len(text) < 20_000:
            written["toml"] = tomlkit.dumps(document)
        for form, content in written.items():
            file = tmp_path / f"{index}.{form}"
            file.write_text(content)
            rows: list[Any] = TABLES[form].rows(path=str(file))
            ours[form][str(path)] = sorted((row.fullkey, row.value) for row in rows)
            theirs[form][str(path)] = sorted(flat(document))
    for form, oracle in (("yaml", "PyYAML's writer"), ("toml", "tomlkit's writer")):
        if not theirs[form]:
            pytest.skip("this machine has no JSON files")
        compare(form, oracle, ours[form], theirs[form], rows=sum(map(len, ours[form].values())))


def test_a_file_as_sqlite_imports_it(there: dict[str, list[Path]], compare: Compare, tmp_path: Path) -> None:
    """Compare the files whose header has no name twice, and one with all difficulties of CSV."""
    hard = tmp_path / "hard.csv"
    with hard.open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b c", 'd"e'], ["1,2", "x\ny", '"q"'], ["", " z ", "é"]])
    compared = 0
    for path in [hard, *there.get("csv", [])]:
        header = next(csv.reader(io.StringIO(path.read_text(errors="replace"))), [])
        if len(set(header)) < len(header) or "" in header or len(header) < 2:
            continue
        done = subprocess.run(
            [
                "sqlite3",
                ":memory:",
                "-cmd",
                f".import --csv {path} t",
                "-cmd",
                ".mode json",
                "select * from t",
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        records = json.loads(done.stdout or "[]")
        theirs = {
            f"{index}/{name}": value
            for index, record in enumerate(records)
            for name, value in record.items()
            if value is not None  # a record that ends early
        }
        rows: list[Any] = TABLES["csv"].rows(path=str(path))
        ours = {row.fullkey: row.value for row in rows}
        compare("csv", "sqlite3 .import", ours, theirs)
        compared += 1
    assert compared


def test_json_is_as_sqlite_has_it(there: dict[str, list[Path]], compare: Compare) -> None:
    """Return each value with the keys that lead to it, by json_tree."""
    ours: dict[str, list[str]] = {}
    theirs: dict[str, list[str]] = {}
    base = sqlite3.connect(":memory:")
    for path in there.get("json", [])[::40][:40]:
        text = path.read_text(errors="replace")
        try:
            leaves = base.execute(
                "select case type when 'true' then 'true' when 'false' then 'false' else cast(atom as "
                "text) end "
                "from json_tree(?) where atom is not null and type <> 'real'",
                [text],
            ).fetchall()
            reals = {str(value) for value in _reals(json.loads(text))}
        except (sqlite3.Error, ValueError):
            continue
        if reals:
            continue  # SQLite writes them in another way
        rows = TABLES["json"].rows(path=str(path))
        ours[str(path)] = sorted(row.value for row in rows)  # type: ignore[attr-defined]
        theirs[str(path)] = sorted(leaf[0] for leaf in leaves)
    base.close()
    if not theirs:
        pytest.skip("this machine has no JSON files")
    compare("json", "SQLite's json_tree", ours, theirs, rows=sum(map(len, ours.values())))


def _reals(value: object) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _reals(one)
