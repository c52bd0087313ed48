"""Rows are named tuples for Python and for other libraries; a star import brings every public name."""

import copy
import os
import pickle
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

import osquery_sdk
from osquery_sdk import Column, DefinitionError, Row

from ...support.paths import ROOT


class Program(Row):
    name: str = Column("Name")
    size: int | None = Column("Bytes", default=None)


class Found(Program):
    path: str = Column("Path")
    size: int | None = Column("Bytes, or 0", default=0)


class Empty(Row):
    """A base for others."""


class Named(NamedTuple):
    """The oracle: Python's own named tuple."""

    name: str
    size: int | None = None


ROW, NAMED = Program(name="sh", size=5), Named("sh", 5)


def test_it_has_what_a_named_tuple_has():
    assert Program._fields == Program.__match_args__ == Named._fields == ("name", "size")
    assert Program._field_defaults == Named._field_defaults == {"size": None}
    assert ROW._asdict() == NAMED._asdict() == {"name": "sh", "size": 5}
    assert list(ROW._asdict()) == list(NAMED._asdict())
    assert Program._make(["sh", 5]) == Named._make(["sh", 5]) == ROW
    assert ROW._replace(size=6) == NAMED._replace(size=6) == ("sh", 6)
    for row in (Program._make(["sh", 5]), ROW._replace(name="x")):
        assert type(row) is Program
    assert {name for name in dir(Named) if not name.startswith("__")} <= set(dir(Program))


def test_columns_of_base_classes_come_first():
    assert Found._fields == ("name", "size", "path")
    assert Found(name="a", path="/a")._asdict() == {"name": "a", "size": 0, "path": "/a"}
    assert Row._fields == ()


@pytest.mark.parametrize("kind", [Program, Named])
def test_what_does_not_fit_is_refused_as_with_a_named_tuple(kind):
    with pytest.raises(TypeError):
        kind._make(["sh"])
    with pytest.raises(TypeError):
        kind._make(["sh", 5, 6])
    with pytest.raises(TypeError if sys.version_info >= (3, 13) else ValueError):
        kind._make(["sh", 5])._replace(nmae="x")


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Program, {"size": 5}, "missing 1 required keyword-only argument: 'name'"),
        (Program, {}, "missing 1 required keyword-only argument: 'name'"),
        (Program, {"name": "sh", "nmae": 5}, "got an unexpected keyword argument 'nmae'"),
        (Found, {}, "missing 2 required keyword-only arguments: 'name' and 'path'"),
        (Empty, {"name": "sh"}, "got an unexpected keyword argument 'name'"),
    ],
)
def test_errors_about_arguments_name_the_class(kind, arguments, message):
    with pytest.raises(TypeError, match=rf"^{kind.__name__}\.__new__\(\) {re.escape(message)}"):
        kind(**arguments)


@pytest.mark.parametrize("kind", [Program, Empty])
def test_a_value_without_its_name_is_refused_by_class(kind):
    with pytest.raises(
        TypeError, match=rf"^{kind.__name__}\.__new__\(\) takes 1 positional argument but 2 were"
    ):
        kind("sh")


def test_profilers_name_the_constructor():
    calls = []
    sys.setprofile(lambda frame, event, argument: calls.append(frame.f_code.co_name))
    try:
        Program(name="sh")
    finally:
        sys.setprofile(None)
    assert "__new__" in calls
    assert "<lambda>" not in calls[: calls.index("__new__") + 1]


def test_an_unknown_name_to_replace_names_the_class():
    with pytest.raises((TypeError, ValueError), match=r"Program has no 'nmae'; did you mean name\?"):
        ROW._replace(nmae="x")


COLUMN = "    n: int = Column('A number')\n"


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        (
            "x: str",
            "A.x has no Column: write `x: str = Column(...)`, or `x: ClassVar[str]` if it is no column",
        ),
        ("x: str | None", "A.x has no Column: write `x: str | None = Column(...)`"),
        ("x: list[str]", "A.x has no Column: write `x: list[str] = Column(...)`"),
        (
            "z: int = 5",
            "A.z = 5 has no Column: write `z: int = Column(..., default=...)`, or `z: ClassVar[int] = ...`",
        ),
        ("floor: str == Column('Floor')", "A.floor is compared with `==`: write `floor: str = Column(...)`"),
    ],
)
def test_a_name_with_a_type_that_is_no_column_is_refused(future, declaration, message):
    source = f"{future}from osquery_sdk import Column, Row\nclass A(Row):\n{COLUMN}    {declaration}\n"
    with pytest.raises(DefinitionError, match=f"^{re.escape(message)}"):
        exec(source, {"__name__": "made"})


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
@pytest.mark.parametrize(
    "declaration",
    [
        "x: ClassVar[int] = 5",
        "x: typing.ClassVar = 5",
        "x: 'ClassVar[str]'",
        "_x: int = 5",
        "x = 5",
        "def x(self) -> int: return self.n",
        "x = property(lambda self: self.n)",
    ],
)
def test_class_variables_private_names_and_methods_are_allowed(future, declaration):
    names = {"__name__": "made"}
    imports = "import typing\nfrom typing import ClassVar\nfrom osquery_sdk import Column, Row\n"
    exec(f"{future}{imports}class A(Row):\n{COLUMN}    {declaration}\n", names)
    assert names["A"]._fields == ("n",)
    assert names["A"](n=1).n == 1


def test_it_matches_patterns():
    match ROW:
        case Program(name, 5):
            assert name == "sh"
        case _:
            pytest.fail("no match")
    match ROW:
        case Program(name="bash"):
            pytest.fail("a match")
        case (name, size):
            assert (name, size) == ("sh", 5)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_pickled(protocol):
    for row in (ROW, Found(name="a", path="/a")):
        again = pickle.loads(pickle.dumps(row, protocol))
        assert (type(again), again) == (type(row), row)


def test_it_is_copied():
    row = Program(name="sh", size=[1])
    shallow, deep = copy.copy(row), copy.deepcopy(row)
    assert type(shallow) is type(deep) is Program
    assert shallow == deep == row
    assert shallow.size is row.size
    assert deep.size is not row.size


@pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace came with Python 3.13")
def test_copy_replace():
    assert copy.replace(ROW, size=6) == ("sh", 6)


@pytest.mark.parametrize(
    "name", ["_asdict", "_fields", "_replace", "_make", "__len__", "__class__", "__reduce__"]
)
def test_a_column_does_not_take_the_name_of_what_a_row_has(name):
    body = {"__annotations__": {name: str}, name: Column("x")}
    with pytest.raises(DefinitionError, match=f"column Wrong.{name}: every row has a {name} of its own"):
        type(Row)("Wrong", (Row,), body)


def test_count_is_a_column():
    class Counted(Row):
        count: int = Column("x")  # type: ignore[assignment]

    assert Counted(count=2)._asdict() == {"count": 2}


class Everything(Row):
    text: str = Column("text")
    number: int = Column("number")
    real: float | None = Column("real", default=None)
    truth: bool = Column("truth", default=True)
    data: bytes = Column("data", default=b"\x00")
    at: datetime = Column("at", default=datetime(2024, 1, 2, tzinfo=UTC))
    parts: list[str] = Column("parts", default=["a"])


class Turned(Everything):
    """Columns of the base class again, in another order, and something that is no column."""

    number: int = Column("number")
    text: str = Column("text")
    kind = "x"


ROWS = [Everything(text="a", number=1), Everything(text="b", number=2, real=1.5)]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_it_becomes_a_frame(library):
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    frame = frames.DataFrame(ROWS)
    assert list(frame.columns) == list(Everything._fields)
    assert (frame["number"].sum(), list(frame["text"]), frame["real"][1]) == (3, ["a", "b"], 1.5)
    assert list(frames.DataFrame([ROW, NAMED])["name"]) == ["sh", "sh"]
    turned = frames.DataFrame([Turned(text="a", number=1)] * 2)
    assert list(turned.columns) == list(Everything._fields)
    assert list(turned["number"]) == [1, 1]


def test_every_public_name_is_listed_and_imported():
    assert set(osquery_sdk.__all__) <= set(dir(osquery_sdk))
    assert {"Client", "Host"} <= set(osquery_sdk.__all__)
    namespace = {}
    exec("from osquery_sdk import *", namespace)
    assert set(osquery_sdk.__all__) <= set(namespace)
    from osquery_sdk.asking.client import Client
    from osquery_sdk.engine import Host

    assert (namespace["Client"], namespace["Host"]) == (Client, Host)


def test_all_are_there_without_the_engine_which_says_what_to_install():
    code = (
        "import sys; sys.modules['apsw'] = None\n"
        "from osquery_sdk import *\n"
        "try:\n    Host([]).__enter__()\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the embedded engine needs apsw; run: ")


def test_what_is_imported_later_is_not_imported_at_first():
    code = "import sys, osquery_sdk; dir(osquery_sdk); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {
        "apsw",
        "difflib",
        "osquery_sdk.asking.client",
        "osquery_sdk.engine",
        "kolide_kit.spelling",
    } & set(loaded)


def test_the_wheel_has_the_types_of_rows(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, os.fspath(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {"osquery_sdk/tables/named.py", "osquery_sdk/tables/named.pyi"} <= set(archive.namelist())


def test_the_stub_says_what_the_code_says(tmp_path):
    """Compare as mypy's stubtest does."""
    command = [sys.executable, "-m", "mypy.stubtest", "osquery_sdk.tables.named", "--concise"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
