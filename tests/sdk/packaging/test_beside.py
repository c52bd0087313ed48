"""The files beside the packages and the output: manifest, checksums, bill of materials, summary."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from .conftest import Done, made, needs

if TYPE_CHECKING:
    from pathlib import Path

HOME = "/usr/lib/osquery/extensions/hello_ext"


@pytest.fixture(scope="module")
def done(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A run for three forms."""
    return made(bundle, "--to", "deb,tar", "--to", "rpm", output=tmp_path_factory.mktemp("beside"))


def test_the_manifest(done: Done) -> None:
    manifest = json.loads(done.file("*.manifest.json").read_text())
    assert (manifest["schema"], manifest["name"], manifest["version"]) == (1, "hello_ext", "1.2.3")
    assert (manifest["kind"], manifest["date"]) == ("add-on", "2026-01-02T03:04:05Z")
    assert [one["form"] for one in manifest["packages"]] == ["deb", "tar", "rpm"]
    for one in manifest["packages"]:
        content = (done.output / one["file"]).read_bytes()
        assert (one["size"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert (one["signed"], one["secret"], one["platform"]) == (False, False, "linux")
    ((target, contents),) = manifest["contents"].items()
    assert target.startswith("linux/")
    assert contents["program"] == f"{HOME}/hello_ext.ext"
    files = {one["path"]: one for one in contents["files"]}
    assert files[f"{HOME}/hello_ext.ext"]["mode"] == "0755"
    assert files[f"{HOME}/_internal/link.txt"]["target"] == "lib/with blank.txt"
    data = files[f"{HOME}/_internal/data.txt"]
    assert data["sha256"] == hashlib.sha256(b"data of 1.2.3\n").hexdigest()


def test_checksums(done: Done) -> None:
    needs("sha256sum")
    run = subprocess.run(
        ["sha256sum", "--check", "--strict", done.file("*.sha256").name],
        cwd=done.output,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(": OK") == len(list(done.output.iterdir())) - 1 == 5


def test_the_summary(done: Done) -> None:
    lines = done.stdout.splitlines()
    assert lines[0] == "hello_ext 1.2.3, add-on"
    for form in ("*.deb", "*.rpm", "*.tar.gz"):
        file = done.file(form)
        (place,) = (i for i, line in enumerate(lines) if file.name in line and "MiB" in line)
        assert lines[place + 1].split() == ["sha256", hashlib.sha256(file.read_bytes()).hexdigest()]
    assert f"    {HOME}/hello_ext.ext, one of 6 files in {HOME}" in lines
    assert "    /etc/osquery/extensions.load  gets a line" in lines


def test_progress_is_on_standard_error(done: Done) -> None:
    assert "[1/5] looking at what goes in" in done.stderr
    assert "[5/5] writing bills of materials, manifest and checksums" in done.stderr


def test_json_is_the_manifest(bundle: Path, tmp_path: Path) -> None:
    run = made(bundle, "--to", "tar", "--json", output=tmp_path)
    assert run.stdout == run.file("*.manifest.json").read_text()


def test_packages_are_for_all_to_read(done: Done) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in done.output.iterdir()} == {0o644}


def test_the_bill_without_one_of_the_bundle(done: Done, bundle: Path) -> None:
    bill = json.loads(done.file("*.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert bill["metadata"]["component"]["licenses"] == [{"expression": "MIT"}]
    hashes = {one["name"]: one["hashes"][0]["content"] for one in bill["components"]}
    data = (bundle / "_internal/data.txt").read_bytes()
    assert hashes["_internal/data.txt"] == hashlib.sha256(data).hexdigest()
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(set(references)) == len(references)
    assert {ref for one in bill["dependencies"] for ref in one["dependsOn"]} <= set(references)


def test_the_bill_with_one_of_the_bundle(bundle: Path, tmp_path: Path) -> None:
    """The bill of materials that freezing wrote beside the bundle is included."""
    shutil.copytree(bundle, tmp_path / "hello_ext.bundle", symlinks=True)
    inner = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"component": {"type": "application", "bom-ref": "hello_ext", "name": "hello_ext"}},
        "components": [{"type": "library", "bom-ref": "pkg:pypi/x@1", "name": "x", "version": "1"}],
        "dependencies": [{"ref": "hello_ext", "dependsOn": ["pkg:pypi/x@1"]}],
    }
    (tmp_path / "hello_ext.cdx.json").write_text(json.dumps(inner))
    run = made(tmp_path / "hello_ext.bundle", "--to", "tar", output=tmp_path / "out")
    bill = json.loads(run.file("*.cdx.json").read_text())
    assert [one["name"] for one in bill["components"]] == ["hello_ext", "x"]
    assert bill["components"][0]["hashes"][0]["alg"] == "SHA-256"
    assert bill["dependencies"] == [
        {"ref": "hello_ext@1.2.3", "dependsOn": ["hello_ext"]},
        {"ref": "hello_ext", "dependsOn": ["pkg:pypi/x@1"]},
    ]


@pytest.mark.slow
def test_cyclonedx_accepts_the_bill(done: Done) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx is not installed")
    from cyclonedx.schema import SchemaVersion

    validator = validation.JsonStrictValidator(SchemaVersion.V1_5)
    assert validator.validate_str(done.file("*.cdx.json").read_text()) is None


def test_a_folder_of_the_building_machine_is_warned_of(bundle: Path, tmp_path: Path) -> None:
    needs("cc")
    other = shutil.copytree(bundle, tmp_path / "hello_ext.bundle", symlinks=True)
    (tmp_path / "x.c").write_text("int x;\n")
    library = other / "_internal" / "libx.so"
    command = ["cc", "-shared", "-o", library, tmp_path / "x.c"]
    subprocess.run([*command, "-Wl,-rpath,/usr/lib/x:$ORIGIN"], check=True)
    assert "warning" not in made(other, "--to", "tar", output=tmp_path / "1").stdout
    subprocess.run([*command, "-Wl,-rpath,/home/maker/lib"], check=True)
    said = made(other, "--to", "tar", output=tmp_path / "2").stdout
    assert "warning  1 of the bundle's binaries look for libraries in /home/maker/lib" in said


def test_one_command_for_every_platform(
    bundle: Path, windows_bundle: Path, mac_bundle: Path, tmp_path: Path
) -> None:
    needs("wixl", "msibuild", "bsdtar")
    run = made(bundle, windows_bundle, mac_bundle, output=tmp_path)
    manifest = json.loads(run.file("*.manifest.json").read_text())
    assert [(one["form"], one["platform"]) for one in manifest["packages"]] == [
        ("deb", "linux"),
        ("rpm", "linux"),
        ("apk", "linux"),
        ("arch", "linux"),
        ("msi", "win32"),
        ("pkg", "darwin"),
        ("tar", "linux"),
        ("tar", "darwin"),
    ]
    assert len(list(tmp_path.glob("*.cdx.json"))) == 3


def test_the_secret_is_in_no_manifest(bundle: Path, tmp_path: Path) -> None:
    needs("osqueryd")
    (tmp_path / "secret").write_text("very secret\n")
    osqueryd = shutil.which("osqueryd")
    assert osqueryd is not None
    run = made(
        bundle,
        *("--to", "tar", "--full", "--identifier", "acme", "--osqueryd", osqueryd),
        *("--secret", tmp_path / "secret"),
        output=tmp_path / "out",
    )
    digest = hashlib.sha256(b"very secret\n").hexdigest()
    manifest = run.file("*.manifest.json").read_text()
    assert digest not in manifest
    assert json.loads(manifest)["osquery"]
    assert json.loads(manifest)["packages"][0]["secret"] is True
    assert stat.S_IMODE(run.file("*.tar.gz").stat().st_mode) == 0o600
    assert "holds the secret" in run.stdout
