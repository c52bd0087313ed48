"""A flatpak with installations, and a repository in a folder, of its own."""

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

METADATA = "[{kind}]\nname={id}\nruntime=org.acme.Platform/{arch}/1\n"
COLLECTION = (
    '<?xml version="1.0"?><components version="0.8"><component '
    'type="desktop"><id>{id}</id><name>{name}</name>'
    '<summary>{summary}</summary><releases><release version="{version}" '
    'timestamp="1700000000"/></releases></component></components>'
)


class Flatpak:
    """Runs flatpak below a root folder: in system and user its installations, in repo its repository."""

    def __init__(self, root: Path) -> None:
        program = shutil.which("flatpak")
        if program is None:
            pytest.skip("flatpak is not installed: it is the oracle of this test")
        self._program = program
        self.root = root
        self._environment = os.environ | {
            "FLATPAK_SYSTEM_DIR": f"{root}/system",
            "FLATPAK_USER_DIR": f"{root}/user",
            "HOME": str(root),
            "XDG_RUNTIME_DIR": str(root),
            "LC_ALL": "C.UTF-8",
        }
        self.architecture = self.run("--default-arch").strip()

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._program, *arguments],
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self.root,
            timeout=120,
        )
        if done.returncode and "bubblewrap" in done.stderr:
            pytest.skip(f"flatpak cannot work here: {done.stderr}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def publish(self, kind: str, package: str, branch: str, **facts: str) -> None:
        """Put a new build of a package into the repository."""
        folder = self.root / f"{package}-{branch}"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "files/share/app-info/xmls").mkdir(parents=True)
        (folder / ("export" if kind == "Application" else "usr")).mkdir()
        (folder / "metadata").write_text(METADATA.format(kind=kind, id=package, arch=self.architecture))
        (folder / "files" / "content").write_text(str(facts))
        if facts:
            text = COLLECTION.format(id=package, **facts).encode()
            (folder / f"files/share/app-info/xmls/{package}.xml.gz").write_bytes(gzip.compress(text))
        options = ["-r"] if kind == "Runtime" else []
        self.run("build-export", *options, "repo", str(folder), branch)
