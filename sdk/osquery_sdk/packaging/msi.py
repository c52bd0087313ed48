"""Write packages for Windows Installer: compose a WiX source, and have wixl make the msi.

wixl comes with msitools. It lacks WiX's elements for permissions, for settings of services and for files that
stay. A script in the package, which Windows Installer runs, does their work: see `scripts/actions.js`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from ..errors import PackagingError
from .defaults import with_defaults
from .markup import to_xml
from .msi_actions import Action, actions, declare, steps
from .msi_tables import rewrite
from .names import machine_name
from .tools import find_tool, run_tool

if TYPE_CHECKING:
    from .model import Entry, Package, Service
    from .signing import Keys

_ACTIONS = Path(__file__).parent / "scripts" / "actions.js"
_NAMESPACE = uuid.UUID("5d0f1c1e-6a58-4b44-9f1c-6f7371776978")
_TOP = "/Program Files/"
# wixl crashes on some texts and takes others for names of variables. It gets these placeholders instead, and
# `rewrite` puts the texts into the tables that wixl has written.
_MANUFACTURER, _SUMMARY, _DESCRIPTION, _HOMEPAGE = (f"osquery-sdk-text-{number}" for number in range(4))
_PLAIN = re.compile(r"[A-Za-z0-9 _.+,()@=~-]+")


def find_wixl() -> str:
    """Return the path of wixl, or raise PackagingError if it is not installed."""
    return find_tool("wixl", "msi", "wixl")


def file_name(package: Package) -> str:
    """Return the name of the package's file."""
    machine_name(package.machine, "msi")
    package.version.msi()
    return f"{package.name}-{package.version.text}-windows-{package.machine}.msi"


def upgrade_code(package: Package) -> str:
    """Return the code that all versions of a package share."""
    return _code(f"{package.identifier}/{package.name}")


def _code(text: str, namespace: uuid.UUID = _NAMESPACE) -> str:
    return str(uuid.uuid5(namespace, text)).upper()


def render(package: Package, work: Path, keys: Keys) -> Path:
    """Write the package into a folder, and return its file.

    Args:
        package: for Windows.
        work: a folder to write to.
        keys: the keys to sign with.

    Raises:
        PackagingError: the package does not suit Windows Installer, or a tool failed.
    """
    for entry in package.entries:
        if not entry.path.startswith(_TOP) and entry.path + "/" != _TOP:
            raise PackagingError(
                f"msi: {entry.path} is not below C:\\Program Files, where only administrators write"
            )
        if entry.kind == "link":
            raise PackagingError(f"msi: {entry.path} is a link, and Windows Installer has no links")
    plain, defaults = with_defaults(package)
    source = work / "package.wxs"
    staged = work / "files"
    staged.mkdir()
    # wixl finds only files below the folder that it is started in.
    shutil.copyfile(_ACTIONS, work / _ACTIONS.name)
    product = _product_code(plain)
    listed = actions(plain, defaults, formatted)
    source.write_bytes(_source(plain, listed, staged, product))
    file = work / file_name(package)
    machine = machine_name(package.machine, "msi")
    command = [find_wixl(), "--arch", machine, "--output", str(file), str(source)]
    environment = {"TZ": "UTC", "SOURCE_DATE_EPOCH": str(package.build_time)}
    run_tool("wixl", "write the msi", command, makes=file, folder=work, environment=environment)
    code = _code("package", uuid.UUID(product))
    rewrite(file, work, steps(listed), date=package.date, code=f"{{{code}}}", texts=_texts(package))
    return _sign(file, package, keys) if keys.authenticode else file


def _sign(file: Path, package: Package, keys: Keys) -> Path:
    program = find_tool("osslsigncode", "msi", "osslsigncode")
    out = file.with_suffix(".signed")
    command = [program, "sign", "-pkcs12", str(keys.authenticode), "-n", package.name, "-h", "sha256"]
    if keys.passphrase:
        # Other users of this machine could read an argument, so the passphrase goes into a file.
        secret = file.with_suffix(".pass")
        secret.touch(mode=0o600)
        secret.write_text(keys.passphrase, encoding="utf-8")
        command += ["-readpass", str(secret)]
    if package.homepage:
        command += ["-i", package.homepage]
    command += ["-time", str(package.build_time), "-in", str(file), "-out", str(out)]
    run_tool("osslsigncode", "sign the msi", command, makes=out)
    out.replace(file)
    return file


def _texts(package: Package) -> dict[str, str]:
    """Return the texts by their placeholders; each is one line."""
    paths = (package.load_list, *(entry.path for entry in package.entries))
    return {
        _MANUFACTURER: package.maintainer.partition("<")[0].strip() or package.identifier,
        _SUMMARY: package.summary,
        _DESCRIPTION: " ".join(package.description.split()),
        _HOMEPAGE: package.homepage,
        **{_name(part): part for path in paths for part in path.split("/")},
    }


def _name(name: str) -> str:
    """Return a file's name, or a placeholder if wixl would not take the name."""
    return name if _PLAIN.fullmatch(name) else f"osquery-sdk-name-{hashlib.sha256(name.encode()).hexdigest()}"


def _product_code(package: Package) -> str:
    """Return the code of this version with this content: building it again gives the same code."""
    digest = hashlib.sha256()
    for entry in sorted(package.entries):
        digest.update(f"{entry.path}\0{entry.kind}\0".encode())
        if entry.kind == "file":
            digest.update(hashlib.sha256(entry.read()).digest())
    text = f"{upgrade_code(package)}/{package.version.text}-{package.release}/{digest.hexdigest()}"
    return _code(text)


def _id(kind: str, path: str) -> str:
    return f"{kind}{hashlib.sha256(path.encode()).hexdigest()[:24]}"


def formatted(path: str) -> str:
    """Return a path for Windows Installer to complete, as the folder of programs may be on any drive."""
    return "[ProgramFiles64Folder]" + "\\".join(map(_name, path.removeprefix(_TOP).split("/")))


def _source(package: Package, listed: list[Action], staged: Path, product: str) -> bytes:
    wix = Element("Wix", xmlns="http://schemas.microsoft.com/wix/2006/wi")
    top = SubElement(
        wix,
        "Product",
        Id=product,
        Name=package.name,
        UpgradeCode=upgrade_code(package),
        Language="1033",
        Codepage="65001",
        Version=package.version.msi(),
        Manufacturer=_MANUFACTURER,
    )
    about = {"Description": _SUMMARY, "Comments": _DESCRIPTION, "Manufacturer": _MANUFACTURER}
    SubElement(top, "Package", about, InstallerVersion="500", Compressed="yes", InstallScope="perMachine")
    SubElement(top, "Media", Id="1", Cabinet="files.cab", EmbedCab="yes")
    refusal = "A newer version is installed; remove it first to go back."
    SubElement(top, "MajorUpgrade", DowngradeErrorMessage=refusal)
    SubElement(top, "Property", Id="ARPNOMODIFY", Value="1")
    if package.homepage:
        SubElement(top, "Property", Id="ARPURLINFOABOUT", Value=_HOMEPAGE)
    root = SubElement(top, "Directory", Id="TARGETDIR", Name="SourceDir")
    components = _directories(package, SubElement(root, "Directory", Id="ProgramFiles64Folder"), staged)
    feature = SubElement(top, "Feature", Id="Complete", Level="1", Title=package.name)
    for component in components:
        SubElement(feature, "ComponentRef", Id=component)
    declare(top, listed, _ACTIONS.name)
    return to_xml(wix)


def _directories(package: Package, top: Element, staged: Path) -> list[str]:
    folders = {_TOP.rstrip("/"): top}
    components = []

    def folder(path: str) -> Element:
        if path not in folders:
            parent, _, name = path.rpartition("/")
            folders[path] = SubElement(folder(parent), "Directory", Id=_id("d", path), Name=_name(name))
        return folders[path]

    for entry in sorted(package.entries):
        if entry.kind == "folder":
            # Folders are made before any file, so that the script can close some to others while they are
            # empty.
            guid = _code(f"{upgrade_code(package)}{entry.path}")
            component = _component(folder(entry.path), entry.path, guid)
            SubElement(component, "CreateFolder")
        else:
            component = _component(folder(entry.path.rpartition("/")[0]), entry.path, "*")
            _add_file(component, entry, staged, package.build_time)
            if package.services and entry.path.endswith("/bin/osqueryd.exe"):
                _add_service(component, package.services[0])
        components.append(component.attrib["Id"])
    return components


def _component(folder: Element, path: str, guid: str) -> Element:
    return SubElement(folder, "Component", Id=_id("c", path), Guid=guid, Win64="yes")


def _add_file(component: Element, entry: Entry, staged: Path, build_time: int) -> None:
    """Add a file to a component: a copy with the package's date, as the msi takes its files' dates."""
    copy = staged / _id("f", entry.path)
    copy.write_bytes(entry.read())
    os.utime(copy, (build_time, build_time))
    place = {"Name": _name(entry.path.rpartition("/")[2]), "Source": f"{staged.name}/{copy.name}"}
    SubElement(component, "File", place, Id=copy.name, KeyPath="yes", DiskId="1")


def _add_service(component: Element, service: Service) -> None:
    name = service.name
    arguments = " ".join(
        f'"{word.replace("C:" + chr(92) + "Program Files" + chr(92), "[ProgramFiles64Folder]")}"'
        for word in service.arguments
    )
    SubElement(
        component,
        "ServiceInstall",
        Id=_id("s", name),
        Name=name,
        DisplayName=name,
        Description=service.description,
        Type="ownProcess",
        Start="auto",
        ErrorControl="normal",
        Arguments=arguments,
        Interactive="no",
        Account="LocalSystem",
    )
    occasions = {"Start": "install", "Stop": "both", "Remove": "uninstall"}
    SubElement(component, "ServiceControl", occasions, Id=_id("t", name), Name=name, Wait="yes")
