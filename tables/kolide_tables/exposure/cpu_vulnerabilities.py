"""kolide_cpu_vulnerabilities: the processor's known flaws, and the kernel's judgement of each.

Source: the kernel's Documentation/ABI/testing/sysfs-devices-system-cpu and Documentation/admin-guide/hw-vuln.
"""

import os
import re
from collections.abc import Iterator

from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

_FOLDER = "/sys/devices/system/cpu/vulnerabilities"
_PAGE = 4096  # nothing under /sys has more
# The end of spectre_v2's status if a module was built without the mitigation.
_LOADED_MODULE = " - vulnerable module loaded"


class CpuVulnerability(Row):
    """A known flaw of processors, and how this machine stands."""

    name: str = Column("The kernel's name for it: meltdown, spectre_v2, ...", index=True, key=True)
    status: str = Column("The kernel's own words")
    affected: int | None = Column(
        "1 if the processor has the flaw, mitigated or not; NULL if the kernel does not know",
        type=ColumnType.INTEGER,
    )
    mitigated: int | None = Column(
        "1 if the kernel does what it can against it, 0 if it, or a part of it other than SMT, is open; "
        "NULL if not known, or not affected",
        type=ColumnType.INTEGER,
    )
    open_parts: list[str] = Column(
        "Parts that are open although there is a mitigation: BHI, VMX, SMT (a core's other thread), ...; "
        "a JSON array"
    )


@table(
    "kolide_cpu_vulnerabilities",
    platforms=("linux",),
    elsewhere="its kernel tells, in /sys/devices/system/cpu/vulnerabilities",
    examples=(
        "select name, status from kolide_cpu_vulnerabilities where affected = 1 and mitigated = 0",
        (
            "select c.cpu_brand, v.name, v.status from system_info c cross join kolide_cpu_vulnerabilities v "
            "where v.affected = 1"
        ),
    ),
)
def cpu_vulnerabilities(query: Query) -> Iterator[CpuVulnerability]:
    """Flaws of processors such as Meltdown and Spectre: whether this one has them, and is protected."""
    return folder_rows(query)


def folder_rows(query: Query, folder: str = _FOLDER) -> Iterator[CpuVulnerability]:
    """Yield the rows from the kernel's folder, one for each file.

    Kernels before 4.15 have no such folder, and no rows.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is needed
    except (FileNotFoundError, NotADirectoryError):
        return
    for file in names:
        name = shown(file)
        if not query.matches("name", name):
            continue
        try:
            status = shown(read_file(f"{folder}/{file}", max_bytes=_PAGE).strip())
        except Unreadable as error:
            query.warn(str(error))
            continue
        affected, mitigated = assess(status)
        yield CpuVulnerability(
            name=name, status=status, affected=affected, mitigated=mitigated, open_parts=open_parts(status)
        )


def assess(status: str) -> tuple[int | None, int | None]:
    """Return whether a status in the kernel's words means affected, and mitigated.

    The first word is the kernel's judgement. A mitigation with an open part is none, unless that part is SMT:
    the kernel leaves it to the administrator to give up a core's other thread.
    """
    verdict = _verdict(status).lower()
    if verdict.startswith("not affected"):
        return 0, None
    if verdict.startswith("vulnerable"):
        return 1, 0
    if verdict.startswith("mitigation"):
        return 1, int(set(open_parts(status)) <= {"SMT"})
    return None, None


def open_parts(status: str) -> list[str]:
    """Return the parts that a mitigation leaves open.

    The kernel writes them as `BHI: Vulnerable`, `VMX: vulnerable`, `SMT vulnerable` or `but not BHB`. With
    `Mitigation: Vulnerable, KVM: Not affected` and `Mitigation: None` the host itself is open, and with AMD's
    `Mitigation: microcode`, and `safe RET, no microcode`, of older kernels, as newer ones say.
    """
    verdict, _, words = _verdict(status).partition(":")
    if verdict.lower() != "mitigation":
        return []
    found: list[str] = []
    for part in words.replace(_LOADED_MODULE, "").split(";"):
        for phrase in part.split(","):
            name = _open_part(phrase.strip())
            if name is not None and name not in found:
                found.append(name)
    if _LOADED_MODULE in words:
        found.append("module")
    if words.strip() == "microcode" or re.search(r"\bsafe RET, no microcode", words):
        found.append("host")
    return found


def _verdict(status: str) -> str:
    return status.removeprefix("KVM: ").removeprefix("Processor ")


def _open_part(phrase: str) -> str | None:
    """Return the name of the part that a phrase calls open; None if it calls none so."""
    if phrase.startswith("but not "):
        return phrase.removeprefix("but not ")
    match = re.match(r"(?:(.*?)(?::|\s))?\s*(?:vulnerable|none)\b", phrase, re.IGNORECASE)
    # Of `VMX: SMT vulnerable` the last name is the part's.
    return None if match is None else (match[1] or "host").split(":")[-1].strip()
