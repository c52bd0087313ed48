"""Check the data files' tables: terms in, rows out, warnings for unreadable files, errors over a limit."""

import os
import re
import time
from pathlib import Path

import pytest

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Limits
from kolide_tables.catalog import CATALOG
from kolide_tables.documents import tables as data_file_tables
from osquery_sdk import Query, Table, TableError
from osquery_sdk.tables.query import GLOB, Constraint

NAMES = ("json", "jsonc", "jsonl", "yaml", "toml", "xml", "ini", "plist", "csv")


@pytest.fixture
def tables() -> dict[str, Table]:
    return {f"kolide_{name}": getattr(data_file_tables, name) for name in NAMES}


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the tables' warnings."""
    found: list[str] = []
    monkeypatch.setattr(Query, "warn", lambda _query, message: found.append(message))
    return found


@pytest.fixture
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make readable files, unreadable ones, and things that only look like files."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "a.json").write_text('{"x": 1, "y": [2]}')
    (folder / "b.json").write_text('{"x": "b"}')
    (folder / "bad.json").write_text('{"x": ')
    (folder / "link.json").symlink_to("a.json")
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "fifo.json")
    return folder


def test_names(tables: dict[str, Table]) -> None:
    assert [table.name for table in tables.values()] == [f"kolide_{name}" for name in NAMES]
    assert [entry.name for entry in CATALOG if entry.module == "kolide_tables.documents.tables"] == list(
        NAMES
    )


def test_path(tables: dict[str, Table], files: Path) -> None:
    path = str(files / "a.json")
    assert [tuple(row) for row in tables["kolide_json"].rows(path=path)] == [
        ("x", "", "x", "1", "*", path, ""),
        ("y/0", "y", "0", "2", "*", path, ""),
    ]


def test_raw_data(tables: dict[str, Table]) -> None:
    text = '{"a": {"b": true}}'
    (row,) = tables["kolide_json"].rows(raw_data=text)
    assert tuple(row) == ("a/b", "a", "b", "true", "*", "", text)


def test_raw_data_that_is_no_unicode(tables: dict[str, Table]) -> None:
    text = b'{"a": "\xff"}'.decode("utf-8", "surrogateescape")
    (row,) = tables["kolide_json"].rows(raw_data=text)
    assert (row.value, row.raw_data) == ("\\xff", text)


def test_several_of_all(tables: dict[str, Table], files: Path) -> None:
    paths = [str(files / "a.json"), str(files / "b.json")]
    texts = ['{"x": 3}', '{"z": 4}']
    rows = tables["kolide_json"].rows(path=[*paths, paths[0]], query=["x", "*", "nope"], raw_data=texts)
    assert [(row.path or row.raw_data, row.query, row.fullkey, row.value) for row in rows] == [
        (paths[0], "x", "x", "1"),
        (paths[0], "*", "x", "1"),
        (paths[0], "*", "y/0", "2"),
        (paths[1], "x", "x", "b"),
        (paths[1], "*", "x", "b"),
        (texts[0], "x", "x", "3"),
        (texts[0], "*", "x", "3"),
        (texts[1], "*", "z", "4"),
    ]


def test_like(tables: dict[str, Table], files: Path, warnings: list[str]) -> None:
    table = tables["kolide_json"]
    rows = table.rows(Query.of(table, like={"path": f"{files}/%.JSON"}, equals={"query": "x"}))
    assert [(row.path, row.value) for row in rows] == [(f"{files}/a.json", "1"), (f"{files}/b.json", "b")]
    assert [re.sub(r".*/", "", warning) for warning in warnings] == [
        "bad.json: line 1, column 7: Expecting value",
        "fifo.json is a FIFO",
        "link.json is a symbolic link, which is not followed",
    ]


def test_two_patterns(tables: dict[str, Table], files: Path) -> None:
    table = tables["kolide_json"]
    rows = table.rows(Query.of(table, like={"path": [f"{files}/%", "%/b.%"]}))
    assert {row.path for row in rows} == {f"{files}/b.json"}


def test_a_path_that_is_named_counts_before_a_pattern(tables: dict[str, Table], files: Path) -> None:
    table = tables["kolide_json"]
    path = f"{files}/a.json"
    assert len(table.rows(Query.of(table, equals={"path": path}, like={"path": "/%/%/%/%/%"}))) == 2


def test_there_is_no_such_file(tables: dict[str, Table], files: Path, warnings: list[str]) -> None:
    for path in (files / "missing.json", files / "a.json" / "x", files / "missing" / "a.json"):
        assert tables["kolide_json"].rows(path=str(path)) == []
    assert warnings == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("link.json", "a symbolic link, which is not followed"),
        ("folder.json", "a folder"),
        ("fifo.json", "a FIFO"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_an_error(
    tables: dict[str, Table], files: Path, name: str, file: str, problem: str
) -> None:
    start = time.monotonic()
    for paths in (str(files / file), [str(files / "missing.json"), str(files / file)]):
        with pytest.raises(TableError, match=rf"^{re.escape(str(files / file))} is {problem}$"):
            tables[f"kolide_{name}"].rows(path=paths)
    assert time.monotonic() - start < 20


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_named_file_without_permission_is_an_error(tables: dict[str, Table], files: Path) -> None:
    path = files / "a.json"
    path.chmod(0)
    with pytest.raises(TableError, match=rf"^{re.escape(str(path))}: Permission denied$"):
        tables["kolide_json"].rows(path=str(path))


BAD = {
    "json": ('{"a": 1,\n x}', "line 2, column 2: "),
    "jsonc": ('// c\n{"a" 1}', "line 2, column 6: "),
    "jsonl": ('{"a": 1', "line 1, column 8: "),
    "yaml": ("a: 1\nb: [c\n", "line 3, column 1: "),
    "toml": ("a = 1\nb = \n", "line 2, column 5: "),
    "xml": ("<a>\n</b>", "line 2, column 3: "),
    "ini": ("a = 1\n[what", "line 2, column 1: "),
    "plist": ("{ a = b;\n c d; }", "line 2, column 4: "),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_named_and_does_not_parse_is_an_error(
    tables: dict[str, Table], tmp_path: Path, warnings: list[str], name: str
) -> None:
    """The text of the error names the file, line and column; with a pattern the other files still answer."""
    table, (text, place) = tables[f"kolide_{name}"], BAD[name]
    bad, good = tmp_path / f"bad.{name}", tmp_path / f"good.{name}"
    bad.write_text(text)
    good.write_text({"xml": "<a>1</a>", "plist": "{a = 1;}", "toml": "a = 1"}.get(name, '{"a": 1}'))
    for paths in (str(bad), [str(good), str(bad)]):
        with pytest.raises(TableError, match=rf"^{re.escape(str(bad))}: {place}"):
            table.rows(path=paths)
    with pytest.raises(TableError, match=rf"^raw_data: {place}"):
        table.rows(raw_data=text)
    assert warnings == []
    found = table.rows(Query.of(table, like={"path": f"{tmp_path}/%.{name}"}))
    assert {row.path for row in found} == {str(good)}
    assert [warning.startswith(f"{bad}: {place}") for warning in warnings] == [True]


@pytest.mark.parametrize("name", ["json", "file_lines"])
def test_a_pattern_that_finds_a_hundred_devices_logs_a_few_lines(tmp_path: Path, name: str) -> None:
    for number in range(100):
        os.mkfifo(tmp_path / f"{number:03}")
    table = next(entry for entry in CATALOG if entry.name == name).load()
    warnings: list[str] = []
    assert table.rows(Query.of(table, like={"path": f"{tmp_path}/%"}, warn=warnings.append)) == []
    assert [re.sub(r".*/", "", warning) for warning in warnings[:5]] == [f"00{i} is a FIFO" for i in range(5)]
    assert [warning.rpartition(": ")[2] for warning in warnings[5:]] == [
        "95 more files are left out, which cannot be read or parsed"
    ]


def test_lines_that_are_left_out_are_told(tables: dict[str, Table], warnings: list[str]) -> None:
    assert len(tables["kolide_jsonl"].rows(raw_data='{"a": 1}\n{"a":\n{"a": 3}')) == 2
    assert warnings == ["raw_data: 1 of 3 lines left out; the first: line 2, column 6: Expecting value"]


def test_neither_path_nor_text(tables: dict[str, Table]) -> None:
    """osqueryd asks so for a row of a join whose path is empty; it refuses a statement without a path."""
    for table in tables.values():
        assert table.rows(query="x") == []
        assert table.rows(path=["", ""], raw_data="") == []
        for column, said in (("path", "=, IN or LIKE"), ("raw_data", "= or IN")):
            query = Query(table.definition, {column: (Constraint(GLOB, "*"),)}, None, deadline=0)
            with pytest.raises(TableError, match=f"name .*{column} with {said}"):
                table.rows(query)


def test_limits(files: Path) -> None:
    def rows(**limits: float) -> object:
        table = data_file_tables.json.configured(limits=Limits(**limits))  # type: ignore[arg-type]
        return table.rows(Query.of(table, like={"path": f"{files}/_.json"}))

    path = str(files / "a.json")
    table = data_file_tables.json.configured(limits=Limits(max_file_bytes=17))
    with pytest.raises(LimitExceeded, match=r"a\.json has 18 bytes, the limit is 17.*raise max_file_bytes"):
        table.rows(path=path)
    warnings: list[str] = []
    query = Query.of(table, like={"path": f"{files}/_.json"}, warn=warnings.append)
    assert {row.path for row in table.rows(query)} == {str(files / "b.json")}
    assert re.fullmatch(r"kolide_json: .*a\.json has 18 bytes, the limit is 17 .*", warnings[0])
    assert rows(max_rows=3, max_file_bytes=18)
    with pytest.raises(LimitExceeded, match=r"more than 2 rows.*raise max_rows"):
        rows(max_rows=2)
    with pytest.raises(LimitExceeded, match=r"within 0 s.*raise max_seconds"):
        rows(max_seconds=0)
    with pytest.raises(LimitExceeded, match=r"more than 0 folders.*raise max_folders"):
        rows(max_folders=0)


@pytest.mark.parametrize(
    ("name", "text", "query"),
    [
        ("json", "{" + ",".join(f'"k{i}": {{"v": {i}}}' for i in range(5_000)) + "}", "k4999/v"),
        ("jsonl", "".join(f'{{"v": {i}}}\n' for i in range(5_000)), "4999/v"),
        ("jsonc", "[" + "".join(f"{{'v': {i}}}," for i in range(5_000)).replace("'", '"') + "]", "0/4999/v"),
        ("yaml", "".join(f"k{i}: {{v: {i}}}\n" for i in range(5_000)), "k4999/v"),
        ("toml", "".join(f"[k{i}]\nv = {i}\n" for i in range(5_000)), "k4999/v"),
        ("xml", "<r>" + "".join(f"<k{i}><v>{i}</v></k{i}>" for i in range(5_000)) + "</r>", "r/k4999/v"),
        ("ini", "".join(f"[k{i}]\nv = {i}\n" for i in range(5_000)), "k4999/v"),
        ("csv", "v\n" + "".join(f"{i}\n" for i in range(5_000)), "4999/v"),
    ],
)
def test_what_a_query_does_not_select_is_no_row(name: str, text: str, query: str) -> None:
    """The limit of rows counts selected rows only; and no file is opened for a text."""
    table = getattr(data_file_tables, name).configured(limits=Limits(max_rows=1))
    (row,) = table.rows(raw_data=text, query=query)
    assert row.value == "4999"
    with pytest.raises(LimitExceeded, match="more than 1 rows"):
        table.rows(raw_data=text)


def test_text_over_the_limit() -> None:
    table = data_file_tables.json.configured(limits=Limits(max_file_bytes=10))
    with pytest.raises(LimitExceeded, match=r"raw_data has 11 bytes.*raise max_file_bytes"):
        table.rows(raw_data='"123456789"')
