"""The files that a statement names, or the default ones, and the naming of lines."""

from pathlib import Path

import pytest

from kolide_kit.limits import Budget
from kolide_tables.exposure.faults import BadLines, paths_or_default
from kolide_tables.exposure.sshd_config import sshd_config
from osquery_sdk import Query


@pytest.mark.parametrize(
    ("existing", "chosen"), [((), "etc"), (("etc",), "etc"), (("usr",), "usr"), (("etc", "usr"), "etc")]
)
def test_the_default_is_the_first_that_exists(existing: tuple[str, ...], chosen: str, tmp_path: Path) -> None:
    for name in existing:
        (tmp_path / name).touch()
    query = Query.of(sshd_config)
    defaults = (str(tmp_path / "etc"), str(tmp_path / "usr"))
    assert list(paths_or_default(query, defaults, Budget.of(query))) == [str(tmp_path / chosen)]


def test_what_is_named_comes_before_the_default(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for query in (
        Query.of(sshd_config, equals={"path": str(tmp_path / "a")}),
        Query.of(sshd_config, like={"path": f"{tmp_path}/_"}),
    ):
        assert list(paths_or_default(query, ("/etc",), Budget.of(query))) == [str(tmp_path / "a")]


def test_lines_are_named_once() -> None:
    lines = BadLines()
    assert not lines
    for line in (2, 2, 4):
        lines.add(line, 1, "why")
    assert str(lines) == "line 2, column 1: why; also line 4"
    for line in range(5, 1_010):
        lines.add(line, 1, "why")
    assert str(lines) == "line 2, column 1: why; also lines 4, 5, 6, 7, 8 and 1,001 more"
