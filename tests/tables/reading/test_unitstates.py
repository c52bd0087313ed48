"""States of units as systemctl reads them from the links in a folder of units."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kolide_tables.reading.unitfiles import UnitFiles
from kolide_tables.reading.unitstates import unit_state

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

VENDOR, CONFIG, RUNTIME = "usr/lib/systemd/system", "etc/systemd/system", "run/systemd/system"
WANTED = "[Install]\nWantedBy=m.target\n"
# Name of the unit -> where its file is, what its Install section has, and the links to it.
UNITS: dict[str, tuple[str, str, list[str]]] = {
    "plain": (VENDOR, "", []),
    "disabled": (VENDOR, WANTED, []),
    "wanted": (VENDOR, WANTED, [f"{CONFIG}/m.target.wants/wanted.service"]),
    "required": (VENDOR, WANTED, [f"{CONFIG}/m.target.requires/required.service"]),
    "atruntime": (VENDOR, WANTED, [f"{RUNTIME}/m.target.wants/atruntime.service"]),
    "byvendor": (VENDOR, "", [f"{VENDOR}/m.target.wants/byvendor.service"]),
    "alias": (VENDOR, "[Install]\nAlias=other1.service other2.service\n", [f"{CONFIG}/other2.service"]),
    "othername": (VENDOR, WANTED, [f"{CONFIG}/unknown.service"]),
    "also": (VENDOR, "[Install]\nAlso=plain.service\n", []),
    "configured": (CONFIG, WANTED, []),
    "linked": ("opt", WANTED, [f"{CONFIG}/linked.service"]),
    "linkedandwanted": (
        "opt",
        WANTED,
        [f"{CONFIG}/linkedandwanted.service", f"{CONFIG}/m.target.wants/linkedandwanted.service"],
    ),
    "linkedatruntime": ("opt", WANTED, [f"{RUNTIME}/linkedatruntime.service"]),
}
STATES = {
    "plain": "static",
    "disabled": "disabled",
    "wanted": "enabled",
    "required": "enabled",
    "atruntime": "enabled-runtime",
    "byvendor": "static",
    "alias": "enabled",
    "othername": "indirect",
    "also": "indirect",
    "configured": "disabled",
    "linked": "linked",
    "linkedandwanted": "enabled",
    "linkedatruntime": "linked-runtime",
    "masked": "masked",
    "maskedatruntime": "masked-runtime",
}


def test_states_are_those_of_systemctl(tmp_path: Path) -> None:
    for name, (folder, install, links) in UNITS.items():
        for path in (f"{folder}/{name}.service", *links):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"{name}.service").write_text(f"[Service]\nExecStart=/bin/true\n{install}")
        for link in links:
            (tmp_path / link).symlink_to(f"/{folder}/{name}.service")
    for folder, name in ((CONFIG, "masked"), (RUNTIME, "maskedatruntime")):
        (tmp_path / folder / f"{name}.service").symlink_to("/dev/null")
    files = UnitFiles(str(tmp_path))
    found = {}
    for name in files.names(".service"):
        unit = files.find(name)
        assert unit is not None
        found[name.removesuffix(".service")] = unit_state(files, unit)
    assert found == STATES
    systemctl = shutil.which("systemctl")
    if systemctl is None:
        pytest.skip("needs systemctl")
    command = [systemctl, f"--root={tmp_path}", "list-unit-files", "--no-pager", "--no-legend", "*.service"]
    lines = subprocess.check_output(command, text=True).splitlines()
    said = {name.removesuffix(".service"): state for name, state, *_ in map(str.split, lines)}
    assert {name: state for name, state in said.items() if state != "alias"} == found
