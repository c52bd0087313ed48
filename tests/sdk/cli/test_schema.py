"""Schemas, read back by the programs that use them.

Where OSQUERY_SOURCE names a checkout of osquery, osquery's own generator reads the specs, and its result is
compared with the JSON. Everywhere, the specs run in their language, PyYAML reads the YAML, and `check_fleet`
checks the requirements of Fleet's website.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables import all_tables
from osquery_sdk.tables.schema import SUFFIXES, ColumnSchema, TableSchema, render

from ...support.commands import EXTENSION, FEW, SDK, run

TYPES = ("TEXT", "INTEGER", "BIGINT", "UNSIGNED BIGINT", "DOUBLE", "BLOB")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)
COLUMNS = st.builds(
    ColumnSchema,
    name=NAMES,
    type=st.sampled_from(TYPES),
    description=TEXT,
    options=st.integers(0, 31).map(lambda bits: bits | 64 * (bits & 1)),
    aliases=st.lists(NAMES, max_size=2).map(tuple),
)
TABLES = st.builds(
    TableSchema,
    name=NAMES,
    description=TEXT,
    platforms=st.lists(st.sampled_from(("linux", "darwin", "windows")), unique=True).map(tuple),
    columns=st.lists(COLUMNS, min_size=1, max_size=4).map(tuple),
    examples=st.lists(TEXT, max_size=2).map(tuple),
    notes=TEXT,
    attributes=st.integers(0, 31),
    aliases=st.lists(NAMES, max_size=2).map(tuple),
    elsewhere=st.sampled_from(("", "nothing has it there")),
    writes=st.lists(st.sampled_from(("INSERT", "UPDATE", "DELETE")), unique=True).map(tuple),
    family=TEXT,
    privilege=TEXT,
)
BUNDLED = [TableSchema.of(table) for table in all_tables(enabled=["file_lines"], notes="/var/lib/notes")]


class Spec:
    """Run a spec in osquery's language, as its code generator defines it."""

    def __init__(self, text: str) -> None:
        self.said: dict[str, object] = {}
        self.columns: list[tuple[str, str, str, dict[str, object]]] = []
        words = {name: name for name in ("TEXT", "INTEGER", "BIGINT", "UNSIGNED_BIGINT", "DOUBLE", "BLOB")}
        functions = {
            name: self._says(name)
            for name in ("description", "examples", "notes", "implementation", "fuzz_paths")
        }
        exec(  # as the generator does
            text,
            {
                **words,
                **functions,
                "table_name": self._name,
                "attributes": self._attributes,
                "schema": self.columns.extend,
                "Column": lambda name, kind, text="", **options: (name, kind, text, options),
            },
        )

    def _name(self, name: str, aliases: tuple[str, ...] = ()) -> None:
        self.said |= {"name": name, "aliases": list(aliases)}

    def _attributes(self, **given: bool) -> None:
        self.said["attributes"] = given

    def _says(self, name: str):
        return lambda value: self.said.__setitem__(name, value)


def check_fleet(table: dict[str, object]) -> None:
    """Check what Fleet's website requires of a table that osquery does not have."""
    # Its script refuses a missing or empty name, description or type.
    assert isinstance(table["name"], str)
    assert isinstance(table["description"], str)
    assert table["description"]
    assert isinstance(table["platforms"], list)
    assert {*table["platforms"]} <= {"darwin", "linux", "windows", "chrome"}
    assert isinstance(table["evented"], bool)
    assert isinstance(table.get("examples", ""), str)
    assert isinstance(table.get("notes", ""), str)
    assert isinstance(table["columns"], list)
    for column in table["columns"]:
        assert isinstance(column["name"], str)
        assert isinstance(column["type"], str)
        assert isinstance(column["description"], str)
        assert column["name"]
        assert column["type"]
        assert column["description"]
        assert isinstance(column["required"], bool)
        assert isinstance(column.get("hidden", False), bool)


@FEW
@given(TABLES)
def test_a_spec_says_what_the_table_is(table):
    spec = Spec(render([table], "spec", program="ext"))
    assert spec.said["name"] == table.name
    assert spec.said["aliases"] == list(table.aliases)
    assert str(spec.said["description"]).endswith(".")
    assert str(spec.said["implementation"]).startswith("ext@gen")
    assert spec.said.get("notes", "") == table.remarks
    assert spec.said.get("attributes", {}) == {
        name: True
        for bit, name in enumerate(
            ("utility", "cacheable", "event_subscriber", "user_data", "kernel_required")
        )
        if table.attributes >> bit & 1
    }
    assert spec.said.get("examples", []) == list(table.examples)
    for (name, kind, _, options), column in zip(spec.columns, table.columns, strict=True):
        assert (name, kind) == (column.name, column.type.replace(" ", "_"))
        assert bool(options.get("index")) == bool(column.options & 1)
        assert bool(options.get("required")) == bool(column.options & 2)
        assert bool(options.get("additional")) == bool(column.options & 4)
        assert bool(options.get("optimized")) == bool(column.options & 8)
        assert bool(options.get("hidden")) == bool(column.options & 16)
        assert options.get("collate") == ("nocase" if column.options & 64 else None)
        assert options.get("aliases", []) == list(column.aliases)


@FEW
@given(TABLES)
def test_fleet_reads_its_yaml(table):
    (read,) = yaml.safe_load_all(render([table], "fleet-yaml", program="ext"))
    check_fleet(read)
    assert read["name"] == table.name
    assert read["platforms"] == list(table.platforms)
    assert read["description"] == (table.description or table.name)
    assert read["evented"] == bool(table.attributes & 4)
    assert read.get("notes", "") == table.remarks
    assert [(c["name"], c["description"], c["required"]) for c in read["columns"]] == [
        (c.name, c.description or c.name, c.required) for c in table.columns
    ]


@FEW
@given(TABLES)
def test_json_has_the_keys_of_osquery_s_site(table):
    (read,) = json.loads(render([table], "json", program="ext"))
    assert list(read) == [
        *("name", "description", "url", "platforms", "evented", "cacheable", "notes", "examples", "columns")
    ]
    for column, known in zip(read["columns"], table.columns, strict=True):
        assert list(column) == ["name", "description", "type", "notes", "hidden", "required", "index"]
        assert column["type"] == known.type.lower().replace(" ", "_")
        assert column["description"] == known.description
        assert (column["hidden"], column["required"], column["index"]) == (
            *(bool(known.options & 16), bool(known.options & 2), bool(known.options & 1)),
        )


@FEW
@given(TABLES)
def test_markdown_s_table_has_four_cells_a_row(table):
    lines = render([table], "markdown", program="ext").split("\n")
    start = lines.index("|---|---|---|---|")
    rows = lines[start - 1 : start + 1 + len(table.columns)]
    assert all(len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 5 for row in rows)
    assert [row.split("`")[1] for row in rows[2:]] == [column.name for column in table.columns]


def test_bundled_tables_say_why_they_are_not_elsewhere():
    assert {schema.name for schema in BUNDLED if schema.only} == {
        schema.name for schema in BUNDLED if schema.elsewhere
    }
    assert len([schema for schema in BUNDLED if schema.only]) == 23


@pytest.mark.parametrize("form", SUFFIXES)
def test_the_bundled_tables_in_every_form(form):
    text = render(BUNDLED, form, program="kolide_ext")
    for table in BUNDLED:
        assert table.name in text
        assert table.description
        assert all(column.description for column in table.columns)
    if form == "fleet-yaml":
        for document in yaml.safe_load_all(text):
            check_fleet(document)
            assert document["description"]
            assert all(column["description"] for column in document["columns"])


def test_a_table_of_the_sdk_has_all_that_its_author_wrote(sample):
    schema = TableSchema.of(sample.numbers)
    assert schema.description == "Numbers & their squares: <small> ones."
    assert schema.notes == "They are computed, *not* stored, and so | always right."
    assert schema.aliases == ("sample_digits",)
    assert [(c.name, c.type, c.indexed, c.hidden, c.aliases) for c in schema.columns] == [
        ("n", "BIGINT", True, False, ()),
        ("square", "UNSIGNED BIGINT", False, False, ()),
        ("word", "TEXT", False, False, ("called",)),
        ("half", "DOUBLE", False, False, ()),
        ("wish", "TEXT", False, True, ()),
    ]


def test_what_no_field_of_a_form_is_for_is_in_the_notes():
    notes = next(schema for schema in BUNDLED if schema.name == "kolide_notes")
    elsewhere = TableSchema("t", "", ("linux",), (), notes="Noted.", elsewhere="only there it rains")
    assert notes.remarks.startswith("Writable: INSERT, UPDATE, DELETE.\n\n")
    assert elsewhere.remarks == "Noted.\n\nLinux only: only there it rains."
    text = render([notes, elsewhere], "markdown", program="ext")
    assert "\nWritable: INSERT, UPDATE, DELETE.\n" in text
    assert "\nPlatforms: Linux (only there it rains)\n" in text
    json_table = next(schema for schema in BUNDLED if schema.name == "kolide_json")
    assert json_table.remarks.startswith("A statement has to say path or raw_data: one is enough.\n\n")
    hidden = TableSchema("t", "", (), (), family="Weather", privilege="Only root gets the rain.")
    assert hidden.remarks == "Only root gets the rain.\n\nFamily: Weather."
    text = render([hidden], "markdown", program="ext")
    assert "\nOnly root gets the rain.\n" in text
    assert "\nFamily: Weather\n" in text


REFUSED = [
    TableSchema("t", "", (), (ColumnSchema("n", "BIGINT", "", 0),)),
    TableSchema("t", "", (), (ColumnSchema("index", "BIGINT", "", 0),)),
    TableSchema("t", "", (), (ColumnSchema("time", "BIGINT", "", 0),), attributes=4),
    TableSchema("t_events", "", (), (ColumnSchema("time", "INTEGER", "", 0),), attributes=4),
]


def test_a_spec_says_what_the_generator_refuses_of_it():
    for table in REFUSED:
        text = render([table], "spec", program="ext")
        assert text.startswith("# osquery's gentable.py refuses a ")
        assert Spec(text).said["name"] == table.name
    for table in BUNDLED:
        assert "refuses" not in render([table], "spec", program="ext")


def test_osquery_s_own_generator_reads_the_specs(tmp_path):
    source = os.environ.get("OSQUERY_SOURCE")
    if not source:
        pytest.skip("OSQUERY_SOURCE names no checkout of osquery")
    tools = Path(source) / "tools/codegen"

    def generated(table: TableSchema) -> subprocess.CompletedProcess[str]:
        spec = tmp_path / f"{table.name}.table"
        spec.write_text(render([table], "spec", program="kolide_ext"), encoding="utf-8")
        command = (sys.executable, str(tools / "gentable.py"), "--templates", str(tools / "templates"))
        return run(command, str(spec), str(tmp_path / f"out/{table.name}.cpp"))

    # The folder's name gives the platforms.
    folders = {1: "linux", 2: "posix", 3: "specs"}
    for table in BUNDLED:
        done = generated(table)
        assert done.returncode == 0, done.stdout + done.stderr
        folder = tmp_path / "specs" / folders[len(table.platforms)]
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{table.name}.table").rename(folder / f"{table.name}.table")
    for table in REFUSED:
        assert generated(table).returncode != 0
    done = run((sys.executable, str(tools / "genwebsitejson.py")), "--specs", str(tmp_path / "specs"))
    theirs = {table["name"]: table for table in json.loads(done.stdout)}
    ours = {table["name"]: table for table in json.loads(render(BUNDLED, "json", program="kolide_ext"))}
    assert theirs.keys() == ours.keys()
    for name, table in theirs.items():
        assert list(table) == list(ours[name])
        assert {**table, "url": ""} == ours[name]


def test_examples_are_code_for_fleet(sample):
    read = yaml.safe_load(render([TableSchema.of(sample.numbers)], "fleet-yaml", program="ext"))
    assert read["examples"].split("```")[1::2] == [
        "\nselect * from sample_numbers where n in (1, 2);\n",
        "\nselect word from sample_numbers where word like 't%';\n",
    ]


def test_long_examples_are_broken_at_their_clauses():
    example = (
        "select a.x, (select max(y) from other where z = 1) as y "
        "from first_table a left join second_table b using (id) "
        "where a.text = 'from here and  where' and b.kind in (select kind from kinds) "
        "group by a.x order by a.x"
    )
    table = TableSchema("t", "T.", ("linux",), (), (example, "select 1 from t"))
    text = render([table], "markdown", program="ext")
    assert text.split("```")[1] == (
        "sql\n"
        "select a.x, (select max(y) from other where z = 1) as y\n"
        "from first_table a\n"
        "left join second_table b using (id)\n"
        "where a.text = 'from here and  where' and b.kind in (select kind from kinds)\n"
        "group by a.x\n"
        "order by a.x;\n"
        "\n"
        "select 1 from t;\n"
    )
    for form in ("json", "spec"):
        assert example in render([table], form, program="ext")


@FEW
@given(st.lists(st.sampled_from(["from", "join", "left", "and", "(", ")", "'a  and'", '"where"', "x", "é"])))
def test_a_broken_example_is_the_same_statement(words):
    words = ["select", *words, "from", "a" * 100]
    text = render([TableSchema("t", "T.", (), (), (" ".join(words),))], "markdown", program="ext")
    assert re.split(r"\s+", text.split("```")[1].removeprefix("sql").strip("\n;")) == re.split(
        r"\s+", " ".join(words)
    )


def test_markdown_keeps_code_and_escapes_what_it_would_take_for_its_own():
    table = TableSchema("t", "As `a_b -c` and a_b, *x* _y_ [z] <i> a|b.", (), ())
    text = render([table], "markdown", program="ext")
    assert r"As `a_b -c` and a_b, \*x\* \_y\_ \[z\] \<i> a\|b." in text


def test_the_command_prints_the_tables_that_it_is_asked_for():
    done = run(EXTENSION, "schema", "sample_naps", "sample_numbers")
    assert [table["name"] for table in json.loads(done.stdout)] == ["sample_naps", "sample_numbers"]
    assert len(json.loads(run(EXTENSION, "schema").stdout)) == 4
    failed = run(EXTENSION, "schema", "no_such")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "no table no_such; there are sample_elsewhere," in failed.stderr


def test_a_file_for_each_table(tmp_path):
    for form, suffix in SUFFIXES.items():
        done = run(EXTENSION, "schema", "--format", form, "--output", str(tmp_path / form))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert sorted(path.name for path in (tmp_path / form).iterdir()) == [
            f"sample_{name}{suffix}" for name in ("elsewhere", "naps", "numbers", "texts")
        ]


def test_the_schema_of_any_extension_is_what_it_tells_osquery():
    """Compare all but descriptions, notes, examples and platforms, by way of the engine."""
    own = {table["name"]: table for table in json.loads(run(EXTENSION, "schema").stdout)}
    done = run(SDK, "schema", "--extension", EXTENSION[1])
    told_schemas = {table["name"]: table for table in json.loads(done.stdout)}
    assert set(told_schemas) == {"sample_naps", "sample_numbers", "sample_texts"}
    for name, table in told_schemas.items():
        assert table["cacheable"] == own[name]["cacheable"]
        for column, known in zip(table["columns"], own[name]["columns"], strict=True):
            assert column == {**known, "description": ""}
