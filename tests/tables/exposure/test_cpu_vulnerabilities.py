"""kolide_cpu_vulnerabilities against lscpu, and folders of every kind."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kolide_tables.exposure.cpu_vulnerabilities import (
    assess,
    cpu_vulnerabilities,
    folder_rows,
    open_parts,
)
from osquery_sdk import Query

from ...support.compare import Compare

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /sys, which only Linux has")


@linux
def test_flaws_are_those_of_lscpu(compare: Compare) -> None:
    lscpu = shutil.which("lscpu")
    if lscpu is None:
        pytest.skip("needs lscpu")
    if not Path("/sys/devices/system/cpu/vulnerabilities").is_dir():
        pytest.skip("this kernel tells nothing of flaws")
    entries = json.loads(subprocess.check_output([lscpu, "-J"], env={**os.environ, "LC_ALL": "C"}))["lscpu"]
    # Newer versions nest the fields.
    fields = [*entries, *(child for entry in entries for child in entry.get("children", ()))]
    fields += [leaf for child in fields for leaf in child.get("children", ()) if leaf not in fields]
    said = {
        field["field"].removeprefix("Vulnerability ").rstrip(":").lower().replace(" ", "_"): field["data"]
        for field in fields
        if field["field"].startswith("Vulnerability ")
    }
    rows = cpu_vulnerabilities.rows()
    assert len(said) > 5
    # lscpu writes "Mitigation; x" for "Mitigation: x", and takes out the other colons as well.
    compare(
        "cpu_vulnerabilities",
        "lscpu -J",
        {
            row.name: (
                row.status.replace("Mitigation: ", "Mitigation; ").replace(":", ""),
                row.affected == 0,
                row.affected == 1 and (row.mitigated == 1 or bool(row.open_parts)),
            )
            for row in rows
        },
        {
            name: (
                status.replace(":", ""),
                status.startswith("Not affected"),
                status.startswith("Mitigation"),
            )
            for name, status in said.items()
        },
    )


@pytest.mark.parametrize(
    ("status", "affected", "mitigated"),
    [
        ("Not affected", 0, None),
        ("Vulnerable", 1, 0),
        ("Vulnerable: Clear CPU buffers attempted, no microcode", 1, 0),
        ("Mitigation: Clear CPU buffers; SMT vulnerable", 1, 1),
        ("Mitigation: Retpolines; BHI: Not affected", 1, 1),
        ("KVM: Vulnerable", 1, 0),
        ("KVM: Mitigation: VMX disabled", 1, 1),
        ("Processor vulnerable", 1, 0),
        ("Unknown: No mitigations", None, None),
        ("Unknown: Dependent on hypervisor status", None, None),
        ("Unknown (XEN PV detected, hypervisor mitigation required)", None, None),
        ("Vulnerable: Safe RET, no microcode", 1, 0),
        ("Vulnerable, ori31 speculation barrier enabled", 1, 0),
        ("", None, None),
    ],
)
def test_the_kernel_s_words(status: str, affected: int | None, mitigated: int | None) -> None:
    assert assess(status) == (affected, mitigated)


# The words are those of the kernel: bugs.c of x86, proton-pack.c of arm64, security.c of powerpc.
@pytest.mark.parametrize(
    ("status", "mitigated", "parts"),
    [
        (
            "Enhanced / Automatic IBRS; IBPB: conditional; PBRSB-eIBRS: SW sequence; BHI: Vulnerable",
            0,
            ["BHI"],
        ),
        ("Enhanced IBRS; RSB filling; PBRSB-eIBRS: Vulnerable; BHI: BHI_DIS_S", 0, ["PBRSB-eIBRS"]),
        ("Retpolines; BHI: Vulnerable, KVM: SW loop", 0, ["BHI"]),
        ("Retpolines; BHI: Vulnerable (Syscall hardening enabled), KVM: SW loop", 0, ["BHI"]),
        ("Retpolines; IBPB: conditional; STIBP: disabled; RSB filling; BHI: SW loop, KVM: SW loop", 1, []),
        ("PTE Inversion; VMX: vulnerable", 0, ["VMX"]),
        ("PTE Inversion; VMX: SMT vulnerable, L1D vulnerable", 0, ["SMT", "L1D"]),
        ("PTE Inversion; VMX: conditional cache flushes, SMT vulnerable", 1, ["SMT"]),
        ("PTE Inversion; VMX: EPT disabled", 1, []),
        ("untrained return thunk; SMT vulnerable", 1, ["SMT"]),
        ("Clear CPU buffers; SMT Host state unknown", 1, []),
        ("CSV2, but not BHB", 0, ["BHB"]),
        ("Retpolines; RSB filling; BHI: Not affected - vulnerable module loaded", 0, ["module"]),
        ("Full generic retpoline, IBPB, IBRS_FW - vulnerable module loaded", 0, ["module"]),
        ("Retpolines; BHI: Vulnerable - vulnerable module loaded", 0, ["BHI", "module"]),
        ("PTE Inversion; VMX: SMT disabled, L1D conditional cache flushes", 1, []),
        ("Enhanced IBRS; IBPB: disabled; STIBP: disabled; PBRSB-eIBRS: Not affected", 1, []),
        ("Retpolines, Stuffing RSB", 1, []),
        ("Clear CPU buffers: VM", 1, []),
        ("RFI Flush, L1D private per thread", 1, []),
        ("etokens", 1, []),
        ("xtheadvector disabled", 1, []),
        ("Branch predictor hardening, BHB", 1, []),
        ("Vulnerable, KVM: Not affected", 0, ["host"]),
        ("None", 0, ["host"]),
        ("microcode", 0, ["host"]),
        ("safe RET, no microcode", 0, ["host"]),
        ("Microcode", 1, []),
        ("AVX disabled, no microcode", 1, []),
        ("Software count cache flush (hardware accelerated), Software link stack flush", 1, []),
    ],
)
def test_a_part_may_be_open_beside_a_mitigation(status: str, mitigated: int, parts: list[str]) -> None:
    assert assess(f"Mitigation: {status}") == (1, mitigated)
    assert open_parts(f"Mitigation: {status}") == parts


@linux
def test_only_the_flaw_that_is_asked_for_is_read(tmp_path: Path) -> None:
    (tmp_path / "meltdown").write_text("Mitigation: PTI\n")
    os.mkfifo(tmp_path / "mds")  # whoever opened it would wait, or warn
    said: list[str] = []
    query = Query.of(cpu_vulnerabilities, equals={"name": "meltdown"}, warn=said.append)
    assert [tuple(row) for row in folder_rows(query, str(tmp_path))] == [
        ("meltdown", "Mitigation: PTI", 1, 1, [])
    ]
    assert said == []


@linux
def test_what_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    secret = tmp_path.parent / "secret"
    secret.write_text("root's")
    (tmp_path / "a").symlink_to(secret)
    os.mkfifo(tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "d").write_bytes(b"Vulnerable: \xff\n")
    said: list[str] = []
    query = Query.of(cpu_vulnerabilities, warn=said.append)
    assert [row.status for row in folder_rows(query, str(tmp_path))] == ["Vulnerable: \\xff"]
    assert len(said) == 3
    assert "root's" not in repr(said)


@linux
def test_an_older_kernel_has_no_such_folder(tmp_path: Path) -> None:
    assert list(folder_rows(Query.of(cpu_vulnerabilities), str(tmp_path / "none"))) == []
