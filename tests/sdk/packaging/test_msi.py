"""The msi, read back with msitools: files, components, service, order of actions; its script in node."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from osquery_sdk.packaging import maintainer

from .conftest import made, needs, off, pe_program

SCRIPT = Path(maintainer.__file__).parent / "scripts" / "actions.js"
HOME = "[ProgramFiles64Folder]osquery\\"
# Where Windows Installer's own actions are, by its documentation of a suggested sequence.
STANDARD = {
    "InstallValidate": 1400,
    "InstallInitialize": 1500,
    "RemoveFiles": 3500,
    "CreateFolders": 3700,
    "InstallFiles": 4000,
    "InstallServices": 5800,
    "StartServices": 5900,
    "InstallFinalize": 6600,
}


def table(msi: Path, name: str) -> list[dict[str, str]]:
    done = subprocess.run(["msiinfo", "export", msi, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head, _, _, *rows = done.stdout.splitlines()
    return [dict(zip(head.split("\t"), row.split("\t"), strict=True)) for row in rows]


def column(msi: Path, name: str, key: str, value: str) -> dict[str, str]:
    return {row[key]: row[value] for row in table(msi, name)}


@pytest.fixture(scope="module")
def msi(windows_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An add-on."""
    needs("wixl", "msiinfo", "msibuild")
    return made(windows_bundle, "--to", "msi", output=tmp_path_factory.mktemp("msi")).file("*.msi")


@pytest.fixture(scope="module")
def full(windows_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full one; its osqueryd is a header and the flag that tells one."""
    needs("wixl", "msiinfo", "msibuild")
    folder = tmp_path_factory.mktemp("full")
    (folder / "osqueryd.exe").write_bytes(pe_program(more=b"extensions_autoload"))
    (folder / "secret").write_text("very secret\n")
    arguments = [
        "--full",
        "--identifier",
        "acme",
        "--osqueryd",
        folder / "osqueryd.exe",
        "--secret",
        folder / "secret",
    ]
    return made(windows_bundle, "--to", "msi", *arguments, output=folder / "out").file("*.msi")


def test_extracted(msi: Path, windows_bundle: Path, tmp_path: Path) -> None:
    needs("msiextract")
    subprocess.run(["msiextract", "-C", tmp_path, msi], check=True, capture_output=True)
    (home,) = tmp_path.rglob("osquery/extensions/hello_ext")
    given = {p.relative_to(windows_bundle): p.read_bytes() for p in windows_bundle.rglob("*") if p.is_file()}
    found = {p.relative_to(home): p.read_bytes() for p in home.rglob("*") if p.is_file()}
    assert found == given


def test_properties(msi: Path) -> None:
    properties = column(msi, "Property", "Property", "Value")
    assert (properties["ProductName"], properties["ProductVersion"]) == ("hello_ext", "1.2.3")
    assert properties["Manufacturer"] == "Table Makers"
    assert properties["ALLUSERS"] == "1"
    assert re.fullmatch(r"\{[0-9A-F-]{36}\}", properties["UpgradeCode"])
    said = subprocess.run(
        ["msiinfo", "suminfo", msi], capture_output=True, text=True, env={"TZ": "UTC"}
    ).stdout
    assert "Template: x64;1033" in said
    assert "Created: Fri Jan  2 03:04:05 2026" in said


def test_all_versions_are_one_product(msi: Path, windows_bundle: Path, tmp_path: Path) -> None:
    other = made(windows_bundle, "--to", "msi", "--version", "1.2.4", output=tmp_path).file("*.msi")
    one, two = (column(file, "Property", "Property", "Value") for file in (msi, other))
    assert one["UpgradeCode"] == two["UpgradeCode"]
    assert one["ProductCode"] != two["ProductCode"]
    components = [set(column(file, "Component", "ComponentId", "Component")) for file in (msi, other)]
    assert components[0] == components[1]
    upgrades = {row["ActionProperty"]: row for row in table(msi, "Upgrade")}
    assert upgrades["WIX_UPGRADE_DETECTED"]["VersionMax"] == "1.2.3"
    assert upgrades["WIX_DOWNGRADE_DETECTED"]["VersionMin"] == "1.2.3"
    assert "NOT WIX_DOWNGRADE_DETECTED" in column(msi, "LaunchCondition", "Condition", "Description")


def test_components_are_of_64_bits_and_have_a_key(msi: Path) -> None:
    rows = table(msi, "Component")
    assert {row["Attributes"] for row in rows} == {"256"}
    assert len({row["ComponentId"] for row in rows}) == len(rows)
    files = column(msi, "File", "File", "Component_")
    assert {row["KeyPath"]: row["Component"] for row in rows if row["KeyPath"]} == files
    folders = {row["Component_"] for row in table(msi, "CreateFolder")}
    assert {row["Component"] for row in rows if not row["KeyPath"]} == folders


def sequence(msi: Path) -> dict[str, int]:
    rows = table(msi, "InstallExecuteSequence")
    numbers = {row["Action"]: int(row["Sequence"]) for row in rows}
    assert len(set(numbers.values())) == len(numbers)
    assert {name: numbers[name] for name in STANDARD if name in numbers} == {
        name: number for name, number in STANDARD.items() if name in numbers
    }
    return numbers


def test_actions_are_where_they_belong(msi: Path) -> None:
    at = sequence(msi)
    assert at["CostFinalize"] < at["StopOsqueryd"] < at["InstallValidate"] < at["RemoveExistingProducts"]
    assert at["RemoveExistingProducts"] < at["InstallInitialize"] < at["SetAddToList"] < at["AddToList"]
    assert at["RemoveFiles"] < at["RemoveFromList"] < at["InstallFiles"] < at["AddToList"]
    assert at["AddToList"] < at["StartOsqueryd"] < at["InstallFinalize"]
    when = column(msi, "InstallExecuteSequence", "Action", "Condition")
    assert when["AddToList"] == when["SetAddToList"] == "NOT Installed AND NOT WIX_UPGRADE_DETECTED"
    assert when["RemoveFromList"] == 'REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE'
    assert when["StartOsqueryd"] == 'OSQUERYD_RAN="1"'


def test_actions_run_as_the_system_and_know_what_to_do(msi: Path) -> None:
    rows = {row["Action"]: row for row in table(msi, "CustomAction")}
    script, ignored, deferred, as_system = 5, 64, 1024, 2048
    assert int(rows["AddToList"]["Type"]) == script + ignored + deferred + as_system
    assert int(rows["StopOsqueryd"]["Type"]) & ~as_system == script + ignored
    assert (
        rows["SetAddToList"]["Target"] == f"{HOME}extensions.load|{HOME}extensions\\hello_ext\\hello_ext.exe"
    )
    functions = set(re.findall(r"^function (\w+)", SCRIPT.read_text(), re.MULTILINE))
    assert {row["Target"] for row in rows.values() if row["Source"] == "Actions"} <= functions


def test_service(full: Path) -> None:
    (service,) = table(full, "ServiceInstall")
    assert (service["Name"], service["StartType"], service["ServiceType"]) == ("acme", "2", "16")
    top = "[ProgramFiles64Folder]acme\\"
    assert f'"--flagfile={top}conf\\osquery.flags"' in service["Arguments"]
    assert f'"--enroll_secret_path={top}conf\\secret"' in service["Arguments"]
    assert '"--extensions_socket=\\\\.\\pipe\\acme.em"' in service["Arguments"]
    key = column(full, "Component", "Component", "KeyPath")[service["Component_"]]
    assert column(full, "File", "File", "FileName")[key].split("|")[-1] == "osqueryd.exe"
    (control,) = table(full, "ServiceControl")
    # Start when installing; stop when installing and removing; delete when removing.
    assert int(control["Event"]) == 0x1 | 0x2 | 0x20 | 0x80
    at = sequence(full)
    assert (
        at["CreateFolders"] < at["Protect"] < at["InstallFiles"] < at["PutDefaults"] < at["InstallServices"]
    )
    assert at["InstallServices"] < at["RestartOnFailure"] < at["StartServices"] < at["InstallFinalize"]


def test_folders_are_there_before_they_are_closed_to_others(full: Path) -> None:
    parents = {
        row["Directory"]: (row["Directory_Parent"], row["DefaultDir"]) for row in table(full, "Directory")
    }

    def path(directory: str) -> str:
        parent, name = parents[directory]
        return (
            f"[{directory}]"
            if directory == "ProgramFiles64Folder"
            else f"{path(parent)}\\{name.split('|')[-1]}"
        )

    made = {path(row["Directory_"]).replace("]\\", "]") for row in table(full, "CreateFolder")}
    told = {row["Action"]: row["Target"] for row in table(full, "CustomAction")}
    assert set(told["SetProtect"].split("|")) <= made


def test_settings_travel_as_defaults(full: Path, tmp_path: Path) -> None:
    """An upgrade replaces files, so settings are copied once; the secret's folder is closed first."""
    needs("msiextract")
    subprocess.run(["msiextract", "-C", tmp_path, full], check=True, capture_output=True)
    (top,) = tmp_path.rglob("acme")
    names = {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}
    assert {f"conf/defaults/{name}" for name in ("osquery.flags", "secret", "extensions.load")} <= names
    assert "conf/secret" not in names
    told = {row["Action"]: row["Target"] for row in table(full, "CustomAction")}
    assert "conf\\defaults\\secret|[ProgramFiles64Folder]acme\\conf\\secret" in told["SetPutDefaults"]
    assert told["SetProtect"].startswith("[ProgramFiles64Folder]acme\\conf|")
    loaded = (top / "conf/defaults/extensions.load").read_text()
    assert loaded == "C:\\Program Files\\acme\\extensions\\hello_ext\\hello_ext.exe\n"


PROGRAM = "C:\\Program Files\\osquery\\extensions\\hello\\hello.exe"


@pytest.mark.parametrize(
    ("function", "before", "after"),
    [
        ("withLine", "", f"{PROGRAM}\r\n"),
        ("withLine", "C:\\a.exe", f"C:\\a.exe\r\n{PROGRAM}\r\n"),
        ("withLine", f"{PROGRAM}\n", f"{PROGRAM}\n"),
        ("withLine", f"  {PROGRAM.upper()} \r\n", f"  {PROGRAM.upper()} \r\n"),
        ("withLine", f"# {PROGRAM}\r\n", f"# {PROGRAM}\r\n"),
        ("withLine", f"{PROGRAM}.old\r\n", f"{PROGRAM}.old\r\n{PROGRAM}\r\n"),
        ("withoutLine", f"C:\\a.exe\r\n{PROGRAM}\r\nC:\\b.exe", "C:\\a.exe\r\nC:\\b.exe"),
        ("withoutLine", f"{PROGRAM}\r\n", ""),
        ("withoutLine", f"# {PROGRAM}\r\n", f"# {PROGRAM}\r\n"),
        ("withoutLine", "# x\n\n y \r\n", "# x\n\n y \r\n"),
    ],
)
def test_the_list_keeps_what_is_not_its_line(function: str, before: str, after: str) -> None:
    """The functions of the script that decide; those that touch Windows run there alone."""
    assert call(function, before, PROGRAM) == after


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (f"# mine\r\n;  {PROGRAM.upper()}\r\n", 2),
        (f"# {PROGRAM}\n{PROGRAM}\n", 0),
        (f"{PROGRAM}\r\n", 0),
        ("", 0),
    ],
)
def test_what_is_switched_off_is_said(content: str, number: int) -> None:
    says = off(number, "C:\\x.load", "the extension").replace("extension: stays", "extension stays")
    assert call("offText", content, PROGRAM, "C:\\x.load") == (says if number else "")


def call(function: str, *arguments: str) -> str:
    needs("node")
    code = f"{SCRIPT.read_text().replace('record.StringData(0) = text;', '').replace(SESSION, '')}"
    written = f"process.stdout.write({function}({', '.join(map(json.dumps, arguments))}))"
    done = subprocess.run(["node", "-e", f"{code}\n{written}"], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


# What JScript may assign to and JavaScript may not.
SESSION = 'Session.Property("OSQUERYD_RAN") = "1";'
