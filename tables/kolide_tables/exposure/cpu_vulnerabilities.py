"""kolide_cpu_vulnerabilities: the processor's known flaws, and the kernel's judgement of each.

Source: the kernel's Documentation/ABI/testing/sysfs-devices-system-cpu and Documentation/admin-guide/hw-vuln.
"""

import os
from collections.abc import Iterator

from kolide_kit.files import Unreadable, read_file
from kolide_kit.text import shown
from osquery_sdk import Column, ColumnType, Query, Row, table

_FOLDER = "/sys/devices/system/cpu/vulnerabilities"
_PAGE = 4096  # nothing under /sys has more


class CpuVulnerability(Row):
    """A known flaw of processors, and how this machine stands."""

    name: str = Column("The kernel's name for it: meltdown, spectre_v2, ...", index=True, key=True)
    status: str = Column("The kernel's own words")
    affected: int | None = Column(
        "1 if the processor has the flaw, mitigated or not; NULL if the kernel does not know",
        type=ColumnType.INTEGER,
    )
    mitigated: int | None = Column(
        "1 if the kernel does what it can against it, 0 if it is open; NULL if not known, or not affected",
        type=ColumnType.INTEGER,
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
        yield CpuVulnerability(name=name, status=status, affected=affected, mitigated=mitigated)


def assess(status: str) -> tuple[int | None, int | None]:
    """Return whether a status in the kernel's words means affected, and mitigated.

    The first word is the kernel's judgement. The words after it may call parts vulnerable ("Mitigation: Clear
    CPU buffers; SMT vulnerable") or not affected.
    """
    verdict = status.removeprefix("KVM: ").removeprefix("Processor ").lower()
    if verdict.startswith("not affected"):
        return 0, None
    if verdict.startswith("vulnerable"):
        return 1, 0
    if verdict.startswith("mitigation"):
        return 1, 1
    return None, None
