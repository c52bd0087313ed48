"""kolide_systemd_exec beside systemd's review of units and, where one can be started, a running systemd."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kolide_tables.exposure.systemd_exec import effective, exec_rows, systemd_exec
from kolide_tables.reading.unitfiles import Directive, UnitFiles
from osquery_sdk import Query

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")

SWITCHES = (
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateNetwork",
    "PrivateTmp",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "RestrictRealtime",
    "RestrictSUIDSGID",
)
YES = ("yes", "true", "on", "1")


def test_switches_are_those_of_systemd_s_review(compare: Compare) -> None:
    """Compare this machine's services; the review needs no running systemd."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    files = UnitFiles()
    names = [
        name
        for name in files.names(".service")
        if (unit := files.find(name)) and not unit.masked and "@" not in name
    ]
    command = [analyze, "security", "--offline=yes", "--json=short", "--no-pager"]
    found: dict[tuple[str, str], bool] = {}
    reviewed: dict[tuple[str, str], bool] = {}
    plain = [name for name in names if any(row.user != "(dynamic)" for row in systemd_exec.rows(unit=name))]
    for name in plain[:12]:  # a dynamic user implies other directives
        done = subprocess.run([*command, name], capture_output=True, text=True)
        if done.returncode or not done.stdout.startswith("["):
            continue  # it reviews no one-shot services, and an older one none at all
        said = {one["json_field"]: one["set"] for one in json.loads(done.stdout)}
        ours = {row.directive: row.value for row in systemd_exec.rows(unit=name)}
        for switch in SWITCHES:
            if switch in said and (switch != "NoNewPrivileges" or switch in ours):
                found[name, switch] = ours.get(switch, "no").lower() in YES
                reviewed[name, switch] = bool(said[switch])
    if not reviewed:
        pytest.skip("systemd-analyze reviews no files here")
    compare("systemd_exec", "systemd-analyze security", found, reviewed)


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def rows_of(root: Path, **options: Any) -> list[Any]:
    return list(exec_rows(Query.of(systemd_exec, **options), UnitFiles(str(root))))


def test_drop_ins_say_what_they_change(tmp_path: Path) -> None:
    write(
        tmp_path,
        "usr/lib/systemd/system/a.service",
        "[Service]\nUser=alice\nProtectHome=yes\nSystemCallFilter=@system-service\nExecStart=/bin/x "
        "--password=y\nEnvironment=T=s\n"
        "NoNewPrivileges=no\nReadWritePaths=/a\n[Install]\nUser=no\n",
    )
    write(
        tmp_path,
        "etc/systemd/system/a.service.d/b.conf",
        (
            "[Service]\nNoNewPrivileges=yes\nSystemCallFilter=~@mount\nReadWritePaths=\nReadWritePaths=/b\n"
            "ProtectHome=\n"
        ),
    )
    own, drop_in = "/usr/lib/systemd/system/a.service", "/etc/systemd/system/a.service.d/b.conf"
    assert [tuple(row) for row in rows_of(tmp_path)] == [
        ("a.service", "NoNewPrivileges", "yes", drop_in, "alice", own),
        ("a.service", "ReadWritePaths", "/b", drop_in, "alice", own),
        ("a.service", "SystemCallFilter", "@system-service", None, "alice", own),
        ("a.service", "SystemCallFilter", "~@mount", drop_in, "alice", own),
        ("a.service", "User", "alice", None, "alice", own),
    ]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([("ProtectSystem", "full"), ("ProtectSystem", "strict")], [("ProtectSystem", "strict")]),
        (
            [("CapabilityBoundingSet", "")],
            [("CapabilityBoundingSet", "")],
        ),  # none at all, and not all of them
        (
            [("CapabilityBoundingSet", ""), ("CapabilityBoundingSet", "CAP_KILL")],
            [("CapabilityBoundingSet", ""), ("CapabilityBoundingSet", "CAP_KILL")],
        ),
        ([("DeviceAllow", "/dev/null r"), ("DeviceAllow", "/dev/null r")], [("DeviceAllow", "/dev/null r")]),
        ([("ExecStart", "/bin/x"), ("LoadCredential", "a:b"), ("Environment", "A=b")], []),
    ],
)
def test_which_lines_hold(lines: list[tuple[str, str]], found: list[tuple[str, str]]) -> None:
    said = [Directive("Service", key, value, "/x") for key, value in lines]
    assert [(one.key, one.value) for one in effective(said)] == found


def test_users(tmp_path: Path) -> None:
    for name, text in (("r", "PrivateTmp=1"), ("d", "DynamicUser=yes\nUser=x"), ("u", "User=%i")):
        write(tmp_path, f"etc/systemd/system/{name}.service", f"[Service]\n{text}\n")
    assert {row.unit: row.user for row in rows_of(tmp_path)} == {
        "r.service": "root",
        "d.service": "(dynamic)",
        "u.service": "%i",
    }


def test_a_lookup_reads_that_service_s_files_alone(tmp_path: Path, opened: list[str]) -> None:
    for name in "abc":
        write(tmp_path, f"etc/systemd/system/{name}.service", "[Service]\nPrivateTmp=yes\n")
    opened.clear()
    assert len(rows_of(tmp_path, equals={"unit": ["b.service", "x.service", "b.timer", "../b.service"]})) == 1
    assert opened == [f"{tmp_path}/etc/systemd/system/b.service"]


def test_files_that_cannot_be_read_do_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nPrivateTmp=yes\n")
    (tmp_path / "etc/systemd/system/b.service").mkdir()
    said: list[str] = []
    assert [row.unit for row in rows_of(tmp_path, warn=said.append)] == ["a.service"]
    assert len(said) == 1


READ = (
    "import json; from kolide_tables.exposure.systemd_exec import systemd_exec as t; "
    "print(json.dumps(t.rows()))"
)


@pytest.mark.slow
def test_a_systemd_that_runs(systemd_machine: Any, compare: Compare) -> None:
    units = {
        "our.service": (
            "[Service]\nExecStart=/bin/sleep 1000\nNoNewPrivileges=yes\nPrivateTmp=yes\nUser=nobody\n"
        ),
        "our.service.d/x.conf": "[Service]\nPrivateTmp=no\nProtectHome=read-only\n",
        "service.d/all.conf": "[Service]\nLockPersonality=yes\n",
    }
    with systemd_machine(units) as run:
        rows = json.loads(run(sys.executable, "-c", READ))
        names = sorted({row[0] for row in rows if "@" not in row[0]})
        text = run("systemctl", "show", "--all", f"--property=Id,User,{','.join(SWITCHES)}", "--", *names)
    assert {"our.service"} < set(names)
    ours: dict[str, dict[str, str]] = {}
    for unit, directive, value, _, _, _ in rows:
        ours.setdefault(unit, {})[directive] = value
    found: dict[tuple[str, str], str] = {}
    shown: dict[tuple[str, str], str] = {}
    for block in text.strip().split("\n\n"):
        said = dict(line.split("=", 1) for line in block.splitlines())
        if said["Id"] in ours:
            for switch in SWITCHES:
                # Others follow from a made up user, and from system call filters.
                implied = ours[said["Id"]].get("DynamicUser", "no") in YES or switch == "NoNewPrivileges"
                if switch in said and not (implied and switch not in ours[said["Id"]]):
                    found[said["Id"], switch] = "yes" if ours[said["Id"]].get(switch, "no") in YES else "no"
                    shown[said["Id"], switch] = said[switch]
            found[said["Id"], "User"] = ours[said["Id"]].get("User", said["User"])
            shown[said["Id"], "User"] = said["User"]
    assert len(shown) > 100
    compare("systemd_exec", "systemctl show", found, shown)
    assert ours["our.service"] == {
        "NoNewPrivileges": "yes",
        "PrivateTmp": "no",
        "ProtectHome": "read-only",
        "User": "nobody",
        "LockPersonality": "yes",
    }
