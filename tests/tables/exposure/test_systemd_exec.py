"""kolide_systemd_exec beside systemd's review of units and, where one can be started, a running systemd."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kolide_tables.exposure.execsettings import effective
from kolide_tables.exposure.systemd_exec import exec_rows, systemd_exec
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
    assert [tuple(row)[:6] for row in rows_of(tmp_path)] == [
        ("a.service", "NoNewPrivileges", "yes", drop_in, "alice", own),
        ("a.service", "ProtectHome", "yes", None, "alice", own),  # what is empty is no switch
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
        # systemd passes over what is no value of a switch.
        ([("PrivateTmp", "yes"), ("PrivateTmp", "maybe"), ("PrivateTmp", "")], [("PrivateTmp", "yes")]),
        ([("UMask", "0077"), ("UMask", "x")], [("UMask", "0077")]),
        ([("KeyringMode", "shared"), ("KeyringMode", "yes")], [("KeyringMode", "shared")]),
        ([("SecureBits", "noroot"), ("SecureBits", "keep-caps")], [("SecureBits", "keep-caps")]),
        ([("User", "a"), ("User", "")], []),
        # It takes some lines for the whole list.
        ([("RestrictNamespaces", "net"), ("RestrictNamespaces", "yes")], [("RestrictNamespaces", "yes")]),
        (
            [("RestrictAddressFamilies", "none"), ("RestrictAddressFamilies", "AF_UNIX")],
            [("RestrictAddressFamilies", "AF_UNIX")],
        ),
        ([("Delegate", "cpu"), ("Delegate", "")], [("Delegate", "")]),
        (
            [("CapabilityBoundingSet", value) for value in ("CAP_KILL", "~", "CAP_CHOWN")],
            [("CapabilityBoundingSet", "CAP_CHOWN")],
        ),
        # Lines that take away what others add have an order.
        (
            [("SystemCallFilter", value) for value in ("~open", "open", "~open")],
            [("SystemCallFilter", value) for value in ("~open", "open", "~open")],
        ),
        (
            [("ReadWriteDirectories", "/a"), ("ReadWritePaths", "/b")],
            [("ReadWritePaths", "/a"), ("ReadWritePaths", "/b")],
        ),
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


def test_drop_ins_of_an_alias_apply_and_it_finds_the_service(tmp_path: Path) -> None:
    """As on Debian, where sshd.service is a link to ssh.service."""
    write(tmp_path, "usr/lib/systemd/system/ssh.service", "[Service]\nRestrictRealtime=yes\n")
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/sshd.service").symlink_to("/lib/systemd/system/ssh.service")
    (tmp_path / "lib").symlink_to("usr/lib")
    drop_in = "/etc/systemd/system/sshd.service.d/h.conf"
    write(tmp_path, drop_in[1:], "[Service]\nNoNewPrivileges=yes\n")
    own = "/usr/lib/systemd/system/ssh.service"

    def expected(name: str, other: str) -> list[tuple[Any, ...]]:
        return [
            (name, "NoNewPrivileges", "yes", drop_in, "root", own, [other]),
            (name, "RestrictRealtime", "yes", None, "root", own, [other]),
        ]

    assert [tuple(row) for row in rows_of(tmp_path)] == expected("ssh.service", "sshd.service")
    found = rows_of(tmp_path, equals={"unit": ["sshd.service", "ssh.service"]})
    assert [tuple(row) for row in found] == [
        *expected("sshd.service", "ssh.service"),
        *expected("ssh.service", "sshd.service"),
    ]


def test_a_service_that_nothing_confines_has_a_row(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nExecStart=/bin/a\n")
    write(tmp_path, "etc/systemd/system/b.service", "[Service]\nUser=b\n")
    write(tmp_path, "etc/systemd/system/c.service", "[Unit]\nDescription=c\n")
    (tmp_path / "etc/systemd/system/masked.service").symlink_to("/dev/null")
    assert [(row.unit, row.directive, row.value, row.user) for row in rows_of(tmp_path)] == [
        ("a.service", None, None, "root"),
        ("b.service", "User", "b", "b"),
        ("c.service", None, None, "root"),
    ]


def test_specifiers(tmp_path: Path) -> None:
    write(
        tmp_path,
        "usr/lib/systemd/system/job@.service",
        "[Service]\nUser=%i\nReadWritePaths=/srv/%p/%I -%t/%j\nSystemCallFilter=~%i\nBindPaths=/a%k\n",
    )
    write(tmp_path, "etc/systemd/system/job@alice.service.d/a.conf", "[Service]\nGroup=%N\n")
    for unit, user in (("job@alice.service", "alice"), ("job@.service", "%i")):
        rows = rows_of(tmp_path, equals={"unit": unit})
        assert {row.user for row in rows} == {user}
    found = {row.directive: row.value for row in rows_of(tmp_path)}
    assert found == {
        "User": "alice",
        "Group": "job@alice",
        "ReadWritePaths": "/srv/job/alice -/run/job",
        "SystemCallFilter": "~%i",  # this one has no specifiers
        "BindPaths": "/a%k",
    }


def shown_by_systemd(root: Path, *names: str) -> dict[str, dict[str, list[str]]]:
    """Return what systemd loads for units, from the dump of its own check."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    shown: dict[str, dict[str, list[str]]] = {}
    for name in names:
        command = [analyze, "verify", "--man=no", f"--root={root}", f"{root}/etc/systemd/system/{name}"]
        environment = {"PATH": "/usr/bin:/bin", "SYSTEMD_LOG_LEVEL": "debug"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        for line in done.stdout.splitlines():
            key, colon, value = line.strip().partition(": ")
            if colon:
                shown.setdefault(name, {}).setdefault(key, []).append(value.removeprefix(str(root)))
    if not shown:
        pytest.skip("this systemd-analyze shows no units")
    return shown


def test_a_tree_of_units_is_what_systemd_loads(tmp_path: Path, compare: Compare) -> None:
    folders = [f"{start}/systemd/system" for start in ("etc", "run", "usr/local/lib", "usr/lib")]
    for number, folder in enumerate(folders):
        (tmp_path / folder).mkdir(parents=True)
        names = ("a-", "a-b", "alias", "", "t@", "t@1", "t-@1", "z@", "z@2")
        for place, name in enumerate(names):
            within = f"{folder}/{name}.service.d" if name else f"{folder}/service.d"
            # Every folder has its own choice of names, so that each wins somewhere.
            for file in range(9):
                if (number + 1) * (place + 2) % (file + 2) < 2:
                    text = f"[Service]\nEnvironment=X={file}\nGroup=g{number}{place}\n"
                    write(tmp_path, f"{within}/{file}.conf", text)
    for name, text in (("a-b", "User=u\n"), ("t@", "User=%i\nUser=x%i\n"), ("plain", "ProtectHome=yes\n")):
        write(tmp_path, f"usr/lib/systemd/system/{name}.service", f"[Service]\nExecStart=/bin/true\n{text}")
    (tmp_path / "run/systemd/system/alias.service").symlink_to("/usr/lib/systemd/system/a-b.service")
    (tmp_path / "etc/systemd/system/z@.service").symlink_to("../../../usr/lib/systemd/system/t@.service")
    (tmp_path / "etc/systemd/system/t@1.service.d/5.conf").unlink(missing_ok=True)
    (tmp_path / "etc/systemd/system/t@1.service.d/5.conf").symlink_to("/dev/null")
    asked = [f"{name}.service" for name in ("a-b", "alias", "t@1", "t@2", "z@1", "z@2", "plain")]
    shown = shown_by_systemd(tmp_path, *asked)
    files = UnitFiles(str(tmp_path))
    found, expected = {}, {}
    for name in asked:
        unit = files.named(name)
        assert unit is not None
        paths = list(dict.fromkeys(each.path for each in files.directives(unit)))
        rows = {row.directive: row.value for row in rows_of(tmp_path, equals={"unit": name})}
        found[name] = [paths, rows.get("User"), rows.get("Group"), rows.get("ProtectHome", "no")]
        said = shown[name]
        drop_ins = [path for path in said["DropIn Path"] if not path.endswith("/5.conf")]
        ours = [path for path in paths[1:] if not path.endswith("/5.conf")]
        found[name][0] = [paths[0], *ours]
        expected[name] = [
            [*said["Fragment Path"], *drop_ins],
            *(said.get(key, [None])[0] for key in ("User", "Group", "ProtectHome")),
        ]
    compare("systemd_exec", "systemd-analyze verify", found, expected)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("ProtectHome", ["read-only", "yes", "", "no", "bad"]),
        ("PrivateTmp", ["yes", "bad", "off", "", "1"]),
        ("User", ["a", "", "b"]),
        ("CapabilityBoundingSet", ["CAP_KILL", "~CAP_KILL", "~", "", "CAP_CHOWN"]),
        ("AmbientCapabilities", ["CAP_KILL", "~CAP_KILL", "~", "", "CAP_CHOWN"]),
        ("SystemCallFilter", ["@system-service", "~@mount", "~open", "open", ""]),
        ("RestrictNamespaces", ["yes", "net", "~pid", "", "no"]),
        ("RestrictAddressFamilies", ["AF_UNIX", "~AF_UNIX", "none", "", "AF_INET"]),
        ("SecureBits", ["noroot", "keep-caps", ""]),
        ("ReadWritePaths", ["/a", "/b", ""]),
        ("Delegate", ["yes", "cpu", "memory", "", "no"]),
        ("NetworkNamespacePath", ["/a", "", "/b"]),
        ("IPCNamespacePath", ["/a", "/b", ""]),
        ("IPIngressFilterPath", ["/a", "/b", ""]),
    ],
)
def test_lines_that_are_left_out_change_nothing(tmp_path: Path, key: str, values: list[str]) -> None:
    """systemd loads the same from the lines that apply as from all of them."""
    orders = [values, values[::-1], values[1:] + values[:2], [*values[::2], *values[1::2], *values[:1]]]
    for number, order in enumerate(orders):
        lines = [Directive("Service", key, value, "/x") for value in order]
        for name, used in ((f"all{number}", lines), (f"some{number}", list(effective(lines)))):
            text = "".join(f"{line.key}={line.value}\n" for line in used)
            write(tmp_path, f"etc/systemd/system/{name}.service", f"[Service]\nExecStart=/bin/true\n{text}")
    names = [f"{kind}{number}.service" for kind in ("all", "some") for number in range(len(orders))]
    shown = shown_by_systemd(tmp_path, *names)

    def about(name: str) -> list[str]:
        # A list that takes away has its mark at the first word, and that may be any.
        words = [word for value in shown[name].get(key, []) for word in value.replace("~", "~ ").split()]
        return sorted(set(words))

    for number, order in enumerate(orders):
        assert about(f"all{number}.service") == about(f"some{number}.service"), order


def test_directives_of_newer_versions(tmp_path: Path) -> None:
    text = "[Service]\nPrivateBPF=yes\nPrivateBPF=bad\nDelegateNamespaces=mnt\nDelegateNamespaces=net\n"
    write(
        tmp_path,
        "etc/systemd/system/a.service",
        f"{text}UserNamespacePath=/%p\nLandlockConfig=/l\nLandlockConfig=\n",
    )
    assert [(row.directive, row.value) for row in rows_of(tmp_path)] == [
        ("DelegateNamespaces", "mnt"),
        ("DelegateNamespaces", "net"),
        ("PrivateBPF", "yes"),
        ("UserNamespacePath", "/a"),
    ]


def test_a_lookup_reads_that_service_s_files_alone(tmp_path: Path, opened: list[str]) -> None:
    for name in "abc":
        write(tmp_path, f"etc/systemd/system/{name}.service", "[Service]\nPrivateTmp=yes\n")
    opened.clear()
    assert len(rows_of(tmp_path, equals={"unit": ["b.service", "x.service", "b.timer", "../b.service"]})) == 1
    assert opened == [f"{tmp_path}/etc/systemd/system/b.service"]


def test_files_that_cannot_be_read_do_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, "etc/systemd/system/a.service", "[Service]\nPrivateTmp=yes\n")
    (tmp_path / "etc/systemd/system/b.service").mkdir()
    (tmp_path / "etc/systemd/system/a.service.d/x.conf").mkdir(parents=True)
    said: list[str] = []
    assert [row.directive for row in rows_of(tmp_path, warn=said.append)] == ["PrivateTmp"]
    assert len(said) == 2


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
    for unit, directive, value, *_ in rows:
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
