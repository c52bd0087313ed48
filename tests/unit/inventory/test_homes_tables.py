"""kolide_llm_models and kolide_browser_profiles on homes laid out as the tools do it; kolide_file_lines, which is off by default."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from kolide_tables import all_tables
from kolide_tables.browser_profiles import _profiles, browser_profiles
from kolide_tables.file_lines import file_lines
from kolide_tables.homes import Home
from kolide_tables.limits import Budget, Limits
from kolide_tables.llm_models import llm_models
from osquery_sdk import DefinitionError, LimitExceeded, Query

Users = Any  # of conftest.py


def write(path: Path, content: str | bytes | dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def sparse(path: Path, size: int) -> Path:
    write(path, b"")
    with path.open("wb") as file:
        file.truncate(size)
    return path


# -- models

MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "config": {
        "mediaType": "application/vnd.docker.container.image.v1+json",
        "digest": "sha256:c0",
        "size": 5,
    },
    "layers": [
        {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:11ce", "size": 20},
        {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:abcd", "size": 4_000_000_000},
    ],
}


def test_models(users: Users, opened: list[str]) -> None:
    ann, bob = users.add(1001, "ann"), users.add(1002, "bob")
    manifests = ann / ".ollama/models/manifests"
    write(manifests / "registry.ollama.ai/library/llama3.2/3b", MANIFEST)
    write(manifests / "registry.ollama.ai/someone/tuned/latest", MANIFEST)
    write(manifests / "hf.co/owner/name-GGUF/Q4_K_M", MANIFEST)
    hub = ann / ".cache/huggingface/hub"
    sparse(hub / "models--org--name/blobs/aa", 3000)
    sparse(hub / "models--org--name/blobs/bb", 500)
    write(hub / "models--org--name/refs/main", "0123abcd\n")
    write(hub / "datasets--org--data/refs/main", "0123abcd")
    sparse(bob / ".lmstudio/models/pub/model-GGUF/model-Q4.gguf", 1 << 33)
    write(bob / ".lmstudio/models/pub/model-GGUF/readme.md", "")
    sparse(bob / ".local/share/nomic.ai/GPT4All/x.gguf", 7)
    (bob / ".cache/llama.cpp").mkdir(parents=True)
    (bob / ".cache/llama.cpp/link.gguf").symlink_to("/etc/shadow")
    rows = llm_models().rows()
    blob = str(ann / ".ollama/models/blobs/sha256-abcd")
    assert [tuple(row) for row in rows] == [
        (1001, "ollama", "hf.co/owner/name-GGUF:Q4_K_M", blob, 4_000_000_020, "sha256:abcd"),
        (1001, "ollama", "llama3.2:3b", blob, 4_000_000_020, "sha256:abcd"),
        (1001, "ollama", "someone/tuned:latest", blob, 4_000_000_020, "sha256:abcd"),
        (1001, "huggingface", "org/name", str(hub / "models--org--name"), 3500, "0123abcd"),
        (
            1002,
            "lm-studio",
            "pub/model-GGUF/model-Q4.gguf",
            str(bob / ".lmstudio/models/pub/model-GGUF/model-Q4.gguf"),
            1 << 33,
            None,
        ),
        (1002, "gpt4all", "x.gguf", str(bob / ".local/share/nomic.ai/GPT4All/x.gguf"), 7, None),
    ]
    del opened[:]
    assert len(llm_models().rows(uid=1002)) == 2
    assert not [path for path in opened if "/home" in path or "/ann/" in path]


def test_broken_models(users: Users) -> None:
    home = users.add(1001, "ann")
    folder = home / ".ollama/models/manifests/registry.ollama.ai/library/m"
    write(folder / "a", "{")
    write(
        folder / "b",
        {"layers": [1, {"size": "x", "digest": 5, "mediaType": "application/vnd.ollama.image.model"}]},
    )
    write(folder / "c", "[" * 100_000)
    os.mkfifo(folder / "d")
    (folder / "e").symlink_to("/etc/shadow")
    sparse(folder / "f", 1 << 30)
    write(folder / "g", {"layers": [{"size": 1 << 70}, {"size": True}]})
    write(folder / "z", MANIFEST)
    write(home / ".cache/huggingface/hub/models--a/refs/main", b"\xff\xfe")
    warnings: list[str] = []
    started = time.monotonic()
    rows = llm_models().rows(Query.of(llm_models(), warn=warnings.append))
    assert time.monotonic() - started < 2
    assert [(row.name, row.digest) for row in rows] == [
        ("m:b", "5"),
        ("m:g", None),
        ("m:z", "sha256:abcd"),
        ("a", None),
    ]
    assert len(warnings) == 5


# -- browsers

STATE = {
    "profile": {
        "info_cache": {
            "Default": {
                "name": "Ann",
                "user_name": "ann@corp.example",
                "hosted_domain": "corp.example",
                "gaia_name": "Ann",
            },
            "Profile 1": {"name": "me", "user_name": "Ann@GMAIL.com", "hosted_domain": "NO_HOSTED_DOMAIN"},
            "Profile 2": {"name": "nobody", "user_name": ""},
        }
    }
}
INI = "[Install4F96]\nDefault=x\n\n[Profile1]\nName=work\nIsRelative=1\nPath=abc.work\n\n[Profile0]\nName=default\nIsRelative=1\nPath=xyz.default\n\n[General]\nVersion=2\n"
SIGNED_IN = {
    "version": 1,
    "accountData": {"email": "ann@corp.example", "sessionToken": "hunter2", "uid": "x"},
}


def test_profiles(users: Users, opened: list[str]) -> None:
    ann, bob = users.add(1001, "ann"), users.add(1002, "bob")
    write(ann / ".config/google-chrome/Local State", STATE)
    write(ann / ".mozilla/firefox/profiles.ini", INI)
    write(ann / ".mozilla/firefox/abc.work/signedInUser.json", SIGNED_IN)
    write(bob / ".config/chromium/Local State", {"profile": {"info_cache": {"Default": {}}}})
    rows = browser_profiles().rows()
    assert [tuple(row) for row in rows] == [
        (1001, "chrome", "Default", "corp.example", True),
        (1001, "chrome", "Profile 1", "gmail.com", False),
        (1001, "chrome", "Profile 2", None, None),
        (1001, "firefox", "abc.work", "corp.example", None),
        (1001, "firefox", "xyz.default", None, None),
        (1002, "chromium", "Default", None, None),
    ]
    assert "ann@" not in repr(rows)
    assert "hunter2" not in repr(rows)
    del opened[:]
    assert len(browser_profiles().rows(uid=1002)) == 1
    assert not [path for path in opened if "/ann/" in path]


@pytest.mark.parametrize(
    ("platform", "chrome", "firefox"),
    [
        ("darwin", "Library/Application Support/Google/Chrome", "Library/Application Support/Firefox"),
        ("win32", "AppData/Local/Google/Chrome/User Data", "AppData/Roaming/Mozilla/Firefox"),
    ],
)
def test_profiles_on_other_systems(platform: str, chrome: str, firefox: str, tmp_path: Path) -> None:
    write(tmp_path / chrome / "Local State", STATE)
    write(tmp_path / firefox / "profiles.ini", INI.replace("abc.work", "Profiles/abc.work"))
    write(tmp_path / firefox / "Profiles/abc.work/signedInUser.json", SIGNED_IN)
    found = list(
        _profiles(Home(501, "ann", str(tmp_path)), Query.of(browser_profiles()), Budget(Limits()), platform)
    )
    assert [(one.browser, one.email_domain) for one in found] == [
        ("chrome", "corp.example"),
        ("chrome", "gmail.com"),
        ("chrome", None),
        ("firefox", "corp.example"),
        ("firefox", None),
    ]


def test_broken_profiles(users: Users) -> None:
    home = users.add(1001, "ann")
    for folder, content in (
        ("google-chrome", b"{"),
        ("chromium", b'{"profile": {"info_cache": [1]}}'),
        ("vivaldi", b"[" * 100_000),
    ):
        write(home / ".config" / folder / "Local State", content)
    (home / ".config/microsoft-edge").mkdir()
    os.mkfifo(home / ".config/microsoft-edge/Local State")
    write(
        home / ".config/BraveSoftware/Brave-Browser/Local State",
        '{"profile": {"info_cache": {"P": 5, "\\ud800": {"user_name": "a@\\udfff"}}}}',
    )
    write(home / ".mozilla/firefox/profiles.ini", "no section\n[Profile0]\n")
    write(home / ".librewolf/profiles.ini", "[Profile0]\nPath=%(x)s\n[Profile0]\nPath=../../bob\n")
    warnings: list[str] = []
    rows = browser_profiles().rows(Query.of(browser_profiles(), warn=warnings.append))
    assert [(row.browser, row.profile, row.email_domain) for row in rows] == [
        ("brave", "P", None),
        ("brave", "\\ud800", "\\udfff"),
        ("librewolf", "../../bob", None),
    ]
    assert len(warnings) == 4


# -- lines


def test_lines(tmp_path: Path) -> None:
    for name, content, expected in (
        ("a", b"one\ntwo\n", ["one", "two"]),
        ("b", b"one\r\n\r\nend", ["one", "", "end"]),
        ("c", b"", []),
        ("d", b"\n", [""]),
        ("e", b"\xff\xc3\xa9", ["\\xffé"]),
        ("f", "\ufeffé\n".encode("utf-16"), ["\ufeffé"]),
    ):
        (tmp_path / name).write_bytes(content)
        rows = file_lines().rows(path=str(tmp_path / name))
        assert [row.line for row in rows] == expected
        assert [row.line_number for row in rows] == list(range(1, len(expected) + 1))
    passwd = file_lines().rows(path="/etc/passwd")
    assert [row.line for row in passwd] == Path("/etc/passwd").read_text().splitlines()
    (tmp_path / "g").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "h")
    warnings: list[str] = []
    query = Query.of(file_lines(), like={"path": f"{tmp_path}/%"}, warn=warnings.append)
    assert {Path(row.path).name for row in file_lines().rows(query)} == {"a", "b", "d", "e", "f"}
    assert len(warnings) == 2
    (tmp_path / "many").write_text("\n" * 11)
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        file_lines(Limits(max_rows=10)).rows(path=str(tmp_path / "many"))


@pytest.mark.parametrize("name", ["file_lines", "kolide_file_lines", "acme_file_lines"])
def test_lines_are_there_only_if_they_are_asked_for(name: str) -> None:
    assert "acme_file_lines" not in {one.name for one in all_tables(prefix="acme_")}
    (one,) = (one for one in all_tables(prefix="acme_", enabled=[name]) if one.name == "acme_file_lines")
    assert [(column.name, column.type.value) for column in one.columns] == [
        ("path", "TEXT"),
        ("line_number", "BIGINT"),
        ("line", "TEXT"),
    ]
    with pytest.raises(DefinitionError, match="no table processes to enable; there is file_lines"):
        all_tables(enabled=["processes"])
