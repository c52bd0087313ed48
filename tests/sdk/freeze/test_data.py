"""The data files of a package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from osquery_sdk.errors import FreezeError
from osquery_sdk.freeze.data import data_files


def below(package: str) -> set[str]:
    """The files of an installed package that are no modules, as importlib finds them."""
    top = files(package)
    assert isinstance(top, Path)
    found = {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}
    return {name for name in found if not name.endswith((".py", ".pyc", ".so"))}


@pytest.mark.parametrize("package", ["pytest", "osquery_sdk.packaging", "osquery_sdk.freeze"])
def test_an_installed_package(package: str, tmp_path: Path) -> None:
    inside = package.replace(".", "/")
    names = {
        str((Path(folder) / Path(file).name).relative_to(inside))
        for file, folder in data_files([package], [tmp_path])
    }
    assert names == below(package) != set()


def test_one_beside_the_extension_comes_first(tmp_path: Path) -> None:
    package = tmp_path / "pytest" / "inner"
    (package / "deep").mkdir(parents=True)
    (tmp_path / "pytest" / "__init__.py").touch()
    for name in ("__init__.py", "words.txt", "deep/more.json", "compiled.cpython-311-x86_64-linux-gnu.so"):
        (package / name).write_text("")
    assert data_files(["pytest.inner"], [tmp_path]) == [
        (str(package / "deep/more.json"), "pytest/inner/deep"),
        (str(package / "words.txt"), "pytest/inner"),
    ]


@pytest.mark.parametrize(
    ("package", "says"),
    [
        ("no_such_package", "--data no_such_package: there is no such package"),
        ("pytest.no_such", "--data pytest.no_such: there is no such package"),
        ("colorsys", "--data colorsys: it is a module; only a package"),
        ("colorsys.inner", "--data colorsys.inner: there is no such package"),
        ("json", "the package json has no data files"),
        ("", "--data : there is no such package"),
        ("..", "--data ..: there is no such package"),
    ],
)
def test_what_has_none_is_told(package: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(FreezeError, match=f"^{says}"):
        data_files([package], [tmp_path])
