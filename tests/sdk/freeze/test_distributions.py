"""Installed distributions that a bundle is made of, and their metadata in it, read back by importlib."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from osquery_sdk.errors import FreezeError
from osquery_sdk.freeze.distributions import Installed, module_of, write_metadata

if TYPE_CHECKING:
    from pathlib import Path


def install(site: Path, folder: str, **files: str) -> Path:
    """Write metadata where an installer would; a double underscore in a name stands for a dot."""
    place = site / folder
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / (name if "." in name else name.replace("__", "."))).write_text(text)
    return place


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed distributions: from a wheel, in place, from a system's package, and one without a name."""
    site = tmp_path / "site"
    install(
        site,
        "Some_Wheel-1.0.dist-info",
        METADATA="Metadata-Version: 2.1\nName: Some.Wheel\nVersion: 1.0\nRequires-Dist: thrift\n\nLong é.\n",
        RECORD="wheel_top/__init__.py,,\nwheel_top/data.txt,,\nSome_Wheel-1.0.dist-info/METADATA,,\n",
        entry_points__txt="[a.group]\nhere = wheel_top:here\naway = wheel_top.away:it [extra]\nbad = \n",
    )
    install(site, "wheel_top", **{"__init__.py": "", "data.txt": ""})
    project = tmp_path / "project"
    install(
        site,
        "in_place-2.0.dist-info",
        METADATA="Metadata-Version: 2.1\nName: in-place\nVersion: 2.0\n",
        RECORD="in_place.pth,,\n",
        direct_url__json=json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}}),
    )
    install(
        site,
        "system_one-3.0.egg-info",
        **{"PKG-INFO": "Metadata-Version: 1.0\nName: system-one\nVersion: 3.0\n"},
        top_level__txt="sys_top\n",
    )
    (site / "lone_file-4.0.egg-info").write_text("Metadata-Version: 1.0\nName: lone_file\nVersion: 4.0\n")
    install(site, "broken-5.0.dist-info", RECORD="")
    monkeypatch.syspath_prepend(site)
    return site


def bundle(modules: dict[str, Path], datas: dict[str, Path] | None = None) -> dict[str, dict[str, str]]:
    return {
        "modules": {name: str(path) for name, path in modules.items()},
        "binaries": {},
        "datas": {name: str(path) for name, path in (datas or {}).items()},
    }


def found(site: Path, contents: dict[str, dict[str, str]], **asked: list[str]) -> dict[str, set[str]]:
    return {
        one.distribution.name: set(one.packages)
        for one in Installed().in_bundle(contents, **asked)
        if one.distribution.locate_file("") == site
    }


def test_one_is_in_a_bundle_by_its_files(site: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    assert found(site, bundle({"json": tmp_path / "json.py"})) == {}
    assert found(site, bundle({"wheel_top": site / "wheel_top/__init__.py"})) == {"Some.Wheel": {"wheel_top"}}
    assert found(site, bundle({}, {"wheel_top/data.txt": site / "wheel_top/data.txt"})) == {
        "Some.Wheel": {"wheel_top"}
    }
    assert found(site, bundle({"deep.er": project / "src/deep/er.py", "top": project / "top.py"})) == {
        "in-place": {"deep", "top"}
    }
    assert found(site, bundle({"sys_top.inner": site / "sys_top/inner.py"})) == {"system-one": {"sys_top"}}
    assert found(site, bundle({"lone_file": site / "lone_file.py"})) == {"lone_file": {"lone_file"}}


def test_an_environment_within_a_project_is_not_the_project_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    site = project / ".venv" / "site-packages"
    install(
        site,
        "in_place-2.0.dist-info",
        METADATA="Metadata-Version: 2.1\nName: in-place\nVersion: 2.0\n",
        RECORD="",
        direct_url__json=json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}}),
    )
    monkeypatch.syspath_prepend(site)
    assert found(site, bundle({"other": site / "other.py"})) == {}
    assert found(site, bundle({"own": project / "own.py"})) == {"in-place": {"own"}}


def test_others_are_there_by_name(site: Path) -> None:
    assert found(site, bundle({}), names=["some-wheel", "no-such"]) == {"Some.Wheel": set()}
    assert found(site, bundle({}), asked=["SYSTEM_one"]) == {"system-one": set()}


@pytest.mark.parametrize(("asked", "points"), [([], {"here"}), (["some_wheel"], {"here", "away"})])
def test_metadata_is_read_back(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], points: set[str]
) -> None:
    """The entry points of modules that are not there are left out, unless it was asked for."""
    contents = bundle(
        {
            "wheel_top": site / "wheel_top/__init__.py",
            "sys_top": site / "sys_top.py",
            "lone_file": site / "lone_file.py",
        }
    )
    written = write_metadata(
        Installed().in_bundle(contents, asked=asked), contents["modules"].keys(), tmp_path / "made"
    )
    assert {kind for _, _, kind in written} == {"DATA"}
    assert all(path == str(tmp_path / "made" / name) for name, path, _ in written)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "made")])
    assert {
        one: metadata.version(one) for one in ("Some.Wheel", "some-wheel", "system_one", "lone-file")
    } == {
        "Some.Wheel": "1.0",
        "some-wheel": "1.0",
        "system_one": "3.0",
        "lone-file": "4.0",
    }
    assert metadata.requires("some_wheel") == ["thrift"]
    assert metadata.metadata("some_wheel").get_payload() == "Long é.\n"
    assert {point.name for point in metadata.entry_points(group="a.group")} - {"bad"} == points
    assert set(metadata.packages_distributions()) == {"wheel_top", "sys_top", "lone_file"}


def test_groups_of_scripts_are_no_plugins(site: Path) -> None:
    install(
        site,
        "more-1.0.dist-info",
        METADATA="Metadata-Version: 2.1\nName: more\nVersion: 1.0\n",
        entry_points__txt="[console_scripts]\nmore = more:main\n[b.group]\nmore = more\n",
    )
    installed = Installed()
    assert installed.plugin_groups({"console_scripts", "a.group", "b.group", "c.group"}) == {
        "a.group",
        "b.group",
    }
    assert {module_of(point) for point in installed.entry_points(["a.group", "b.group"])} == {
        "wheel_top",
        "wheel_top.away",
        "more",
        "",
    }


@pytest.mark.parametrize(
    ("metadata", "groups", "says"),
    [
        (["no-such"], [], "--metadata no-such: no such distribution is installed"),
        ([""], [], "--metadata : no such"),
        ([], ["no.such"], "--entry-points no.such: no installed distribution"),
    ],
)
def test_what_is_not_there_is_told(metadata: list[str], groups: list[str], says: str) -> None:
    with pytest.raises(FreezeError, match=f"^{says}"):
        Installed().require(metadata=metadata, groups=groups)
