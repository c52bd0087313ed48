"""kolide_llm_models and kolide_browser_profiles on homes as the tools lay them out; kolide_file_lines."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from kolide_kit.errors import LimitExceeded
from kolide_kit.limits import Budget, Limits
from kolide_tables import all_tables
from kolide_tables.documents.file_lines import file_lines
from kolide_tables.reading.homes import Home
from kolide_tables.software.browser_profiles import browser_profiles, profiles_in
from kolide_tables.software.llm_models import llm_models
from osquery_sdk import DefinitionError, Query

from ...support.compare import Compare
from ...support.homes import Users
from ...support.tools import Run


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
    rows = llm_models.rows()
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
    assert len(llm_models.rows(uid=1002)) == 2
    assert not [path for path in opened if "/home" in path or "/ann/" in path]


def test_models_are_the_files_that_find_finds(users: Users, run: Run, compare: Compare) -> None:
    home = users.add(1001, "ann")
    for number, folder in enumerate(
        (".lmstudio/models", ".cache/llama.cpp", "jan/models", ".cache/lm-studio/models")
    ):
        for name in ("a.gguf", "b/c.safetensors", "b/d/E.GGUF", "b/notes.txt", ".git/x.gguf"):
            sparse(home / folder / name, 1000 * number + len(name))
    options = ("(", "-iname", "*.gguf", "-o", "-name", "*.safetensors", ")", "-not", "-path", "*/.git/*")
    said = run("find", home, "-type", "f", *options, "-printf", "%p\t%s\n")
    theirs = {tuple(line.split("\t")) for line in said.splitlines()}
    compare("llm_models", "find", {(row.path, str(row.size)) for row in llm_models.rows()}, theirs)


def test_models_are_those_that_hugging_face_s_own_library_lists(
    users: Users, fixtures: Path, compare: Compare
) -> None:
    """Make a cache as its library lays it out; return what `scan_cache_dir` said of it."""
    hub = users.add(1001, "ann") / ".cache/huggingface/hub"
    recorded = json.loads((fixtures / "llm" / "huggingface.json").read_text())
    for name, files in recorded["files"].items():
        sparse(hub / name, files)
    for name, target in recorded["links"].items():
        (hub / name).parent.mkdir(parents=True, exist_ok=True)
        (hub / name).symlink_to(target)
    for name, revision in recorded["refs"].items():
        write(hub / name, revision)
    ours = {row.name: [row.size, row.digest] for row in llm_models.rows()}
    compare("llm_models", "huggingface_hub, recorded", ours, recorded["scan_cache_dir"])


def test_ollama_s_models_are_those_that_jq_reads(users: Users, run: Run, compare: Compare) -> None:
    folder = users.add(1001, "ann") / ".ollama/models/manifests/registry.ollama.ai/library"
    for number in range(20):
        layers = [
            {
                "mediaType": f"application/vnd.ollama.image.{kind}",
                "digest": f"sha256:{kind}{number}",
                "size": size,
            }
            for kind, size in (("model", 10**9 * number), ("params", 7), ("template", 100))
        ]
        write(folder / f"m{number}" / "latest", MANIFEST | {"layers": layers})
    program = '[.layers | ([.[].size] | add), (.[] | select(.mediaType | endswith(".model")) | .digest)]'
    said = run("jq", "-c", f"[input_filename] + {program}", *sorted(folder.glob("*/*")))
    theirs = {
        f"{Path(path).parent.name}:latest": (size, digest)
        for path, size, digest in map(json.loads, said.splitlines())
    }
    compare("llm_models", "jq", {row.name: (row.size, row.digest) for row in llm_models.rows()}, theirs)


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
    rows = llm_models.rows(Query.of(llm_models, warn=warnings.append))
    assert time.monotonic() - started < 20
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
INI = (
    "[Install4F96]\nDefault=x\n\n[Profile1]\nName=work\nIsRelative=1\nPath=abc.work\n\n[Profile0]\n"
    "Name=default\nIsRelative=1\nPath=xyz.default\n\n[General]\nVersion=2\n"
)
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
    rows = browser_profiles.rows()
    chrome, firefox = ann / ".config/google-chrome", ann / ".mozilla/firefox"
    assert [tuple(row) for row in rows] == [
        (1001, "chrome", "Default", "corp.example", True, str(chrome / "Default")),
        (1001, "chrome", "Profile 1", "gmail.com", False, str(chrome / "Profile 1")),
        (1001, "chrome", "Profile 2", None, None, str(chrome / "Profile 2")),
        (1001, "firefox", "abc.work", "corp.example", None, str(firefox / "abc.work")),
        (1001, "firefox", "xyz.default", None, None, str(firefox / "xyz.default")),
        (1002, "chromium", "Default", None, None, str(bob / ".config/chromium/Default")),
    ]
    assert "ann@" not in repr(rows)
    assert "hunter2" not in repr(rows)
    del opened[:]
    assert len(browser_profiles.rows(uid=1002)) == 1
    assert not [path for path in opened if "/ann/" in path]


CHROMIUM_FOLDERS = """
brave           snap/brave/current/.config/BraveSoftware/Brave-Browser
brave           .var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser
brave-nightly   .config/BraveSoftware/Brave-Browser-Nightly
chrome          .var/app/com.google.Chrome/config/google-chrome
chrome-dev      .config/google-chrome-unstable
chrome-for-testing .config/google-chrome-for-testing
chromium        .var/app/org.chromium.Chromium/config/chromium
chromium        snap/chromium/common/chromium
brave-origin    .config/BraveSoftware/Brave-Origin
edge            .var/app/com.microsoft.Edge/config/microsoft-edge
edge-dev        .config/microsoft-edge-dev
helium          .config/net.imput.helium
helium          .var/app/net.imput.helium/config/net.imput.helium
opera           .config/opera
opera           .var/app/com.opera.Opera/config/opera
opera           snap/opera/current/.config/opera
thorium         .config/thorium
ungoogled-chromium .var/app/io.github.ungoogled_software.ungoogled_chromium/config/chromium
vivaldi         .var/app/com.vivaldi.Vivaldi/config/vivaldi
vivaldi-snapshot .config/vivaldi-snapshot
yandex          .config/yandex-browser
"""
FIREFOX_FOLDERS = """
firefox    .config/mozilla/firefox
firefox    .mozilla/firefox
firefox    .var/app/org.mozilla.firefox/.mozilla/firefox
firefox    .var/app/org.mozilla.firefox/config/mozilla/firefox
firefox    snap/firefox/common/.mozilla/firefox
floorp     .floorp
floorp     .var/app/one.ablaze.floorp/.floorp
librewolf  .librewolf
librewolf  .var/app/io.gitlab.librewolf-community/.librewolf
basilisk   .moonchild productions/basilisk
cachy      .cachy
firefox    .mozilla/firefox-trunk
mullvad    .mullvad/mullvadbrowser
tor        .local/share/torbrowser/tbb/x86_64/tor-browser/Browser/TorBrowser/Data/Browser
tor        tor-browser_en-US/Browser/TorBrowser/Data/Browser
zen        .var/app/app.zen_browser.zen/data/zen
waterfox   .waterfox
waterfox   .var/app/net.waterfox.waterfox/.waterfox
zen        .zen
zen        .var/app/app.zen_browser.zen/.zen
"""


def test_profiles_of_flatpaks_snaps_and_newer_browsers(users: Users) -> None:
    home = users.add(1001, "ann")
    expected = []
    state = {"profile": {"info_cache": {"Default": {"user_name": "ann@corp.example"}}}}
    for browser, folder in map(str.split, CHROMIUM_FOLDERS.strip().splitlines()):
        write(home / folder / "Local State", state)
        expected.append((browser, str(home / folder / "Default"), "corp.example"))
    for browser, folder in (line.split(maxsplit=1) for line in FIREFOX_FOLDERS.strip().splitlines()):
        write(home / folder / "profiles.ini", "[Profile0]\nIsRelative=1\nPath=abc.work\n")
        write(home / folder / "abc.work/signedInUser.json", SIGNED_IN)
        expected.append((browser, str(home / folder / "abc.work"), "corp.example"))
    rows = browser_profiles.rows()
    assert sorted((row.browser, row.path, row.email_domain) for row in rows) == sorted(expected)


@pytest.mark.parametrize(
    ("info", "managed"),
    [
        ({"hosted_domain": "corp.example"}, True),
        ({"hosted_domain": "NO_HOSTED_DOMAIN"}, False),
        ({"hosted_domain": ""}, None),  # it has not been asked for yet
        ({}, None),
        ({"hosted_domain": "", "edge_account_type": 2}, True),
        ({"hosted_domain": "", "edge_account_type": 1}, False),
        ({"edge_account_type": [2]}, None),
        ({"hosted_domain": "NO_HOSTED_DOMAIN", "user_accepted_account_management": True}, True),
        ({"user_name": "", "profile_management_id": "x"}, True),
        ({"user_name": "", "profile_management_id": "", "hosted_domain": ""}, None),
        ({"user_name": "", "user_accepted_account_management": False}, None),
    ],
)
def test_who_manages_a_profile(info: dict[str, Any], managed: bool | None, users: Users) -> None:
    state = {"profile": {"info_cache": {"Default": {"user_name": "ann@corp.example", **info}}}}
    write(users.add(1001, "ann") / ".config/microsoft-edge/Local State", state)
    (row,) = browser_profiles.rows()
    assert row.managed is managed


def test_the_profiles_of_a_group_of_firefox(users: Users) -> None:
    """Only the last one used is in profiles.ini; the database has all, in its log as long as Firefox runs."""
    folder = users.add(1001, "ann") / ".mozilla/firefox"
    write(folder / "profiles.ini", "[Profile0]\nName=a\nIsRelative=1\nPath=a.work\nStoreID=1f\n")
    write(folder / "b.home/signedInUser.json", SIGNED_IN)
    database = write(folder / "Profile Groups/1f.sqlite", "")
    with contextlib.closing(sqlite3.connect(database)) as file:
        file.execute("pragma journal_mode = wal")
        file.execute('create table "Profiles" (id integer primary key, path text unique, name text)')
        file.execute("insert into Profiles (path) values ('a.work'), ('b.home'), ('/far/c')")
        file.commit()
        rows = browser_profiles.rows()
    assert [(row.profile, row.path, row.email_domain) for row in rows] == [
        ("a.work", str(folder / "a.work"), None),
        ("b.home", str(folder / "b.home"), "corp.example"),
        ("/far/c", "/far/c", None),
    ]


def test_a_browser_that_does_not_list_its_profiles(users: Users) -> None:
    folder = users.add(1001, "ann") / ".config/opera"
    write(folder / "Local State", {"browser": {}})
    assert browser_profiles.rows() == []
    write(folder / "Default/Preferences", {})
    (row,) = browser_profiles.rows()
    assert (row.browser, row.profile, row.path) == ("opera", "Default", str(folder / "Default"))


@pytest.mark.parametrize(
    ("platform", "browser", "state"),
    [
        ("darwin", "arc", "Library/Application Support/Arc/User Data"),
        ("darwin", "dia", "Library/Application Support/Dia/User Data"),
        ("darwin", "opera-gx", "Library/Application Support/com.operasoftware.OperaGX"),
        (
            "win32",
            "arc",
            "AppData/Local/Packages/TheBrowserCompany.Arc_ttt1ap7aakyb4/LocalCache/Local/Arc/User Data",
        ),
        ("win32", "opera", "AppData/Roaming/Opera Software/Opera Stable"),
        ("win32", "brave-origin", "AppData/Local/BraveSoftware/Brave-Origin/User Data"),
        ("win32", "chrome-canary", "AppData/Local/Google/Chrome SxS/User Data"),
    ],
)
def test_newer_browsers_on_other_systems(platform: str, browser: str, state: str, tmp_path: Path) -> None:
    write(tmp_path / state / "Local State", {"profile": {"info_cache": {"Default": {}}}})
    home = Home(501, "ann", str(tmp_path))
    (row,) = profiles_in(home, Query.of(browser_profiles), Budget(Limits()), platform)
    assert (row.browser, row.path) == (browser, str(tmp_path / state / "Default"))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home in which Chromium itself has made two profiles."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on PATH: it is the oracle of this test")
    home = tmp_path_factory.mktemp("chromium")
    folder = home / ".config" / "chromium"
    for profile in ("Default", "Profile 7"):
        options = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        )
        try:
            done = subprocess.run(
                [
                    program,
                    *options,
                    f"--user-data-dir={folder}",
                    f"--profile-directory={profile}",
                    "--dump-dom",
                    "about:blank",
                ],
                capture_output=True,
                timeout=50,
                env={**os.environ, "HOME": str(home)},
            )
        except subprocess.TimeoutExpired:
            pytest.skip("Chromium does not start on this machine")
        if done.returncode or not (folder / "Local State").exists():
            pytest.skip("Chromium does not start on this machine")
    return home


@pytest.mark.slow
def test_profiles_that_chromium_made(chromium: Path, users: Users, run: Run, compare: Compare) -> None:
    """Compare the folders with preferences of their own, and the entries of the list."""
    users.add(1001, "ann", chromium)
    folder = chromium / ".config" / "chromium"
    names = {path.parent.name for path in folder.glob("*/Preferences")} - {"System Profile", "Guest Profile"}
    rows = browser_profiles.rows()
    compare("browser_profiles", "folders that Chromium made", {row.profile for row in rows}, names)
    program = '.profile.info_cache | to_entries[] | [.key, (.value.user_name | split("@")[1])]'
    said = [tuple(json.loads(line)) for line in run("jq", "-c", program, folder / "Local State").splitlines()]
    compare("browser_profiles", "jq", sorted((row.profile, row.email_domain) for row in rows), sorted(said))
    assert {row.browser for row in rows} == {"chromium"}
    assert len(names) == 2


@pytest.mark.slow
def test_profiles_that_firefox_made(users: Users, compare: Compare) -> None:
    program = shutil.which("firefox") or shutil.which("firefox-esr")
    if program is None:
        pytest.skip("no Firefox on PATH: it is the oracle of this test")
    home = users.add(1001, "ann")
    for name in ("work", "other"):
        subprocess.run(
            [program, "--headless", "-CreateProfile", name],
            check=True,
            capture_output=True,
            timeout=60,
            env={**os.environ, "HOME": str(home)},
        )
    # Its folder has changed between its versions.
    places = (home / ".mozilla/firefox", home / ".config/mozilla/firefox")
    folders = {path.name for place in places for path in place.glob("*.*") if path.is_dir()}
    rows = browser_profiles.rows()
    compare("browser_profiles", "folders that Firefox made", {row.profile for row in rows}, folders)
    assert len(folders) == 2


def test_profiles_are_those_that_jq_reads(users: Users, run: Run, compare: Compare) -> None:
    """A list of a hundred profiles, signed in or not, managed or not."""
    file = users.add(1001, "ann") / ".config/google-chrome/Local State"
    cache = {
        f"Profile {number}": {
            "user_name": f"u{number}@d{number % 5}.example" if number % 3 else "",
            "hosted_domain": ("NO_HOSTED_DOMAIN", "", f"d{number % 5}.example")[number % 7 % 3],
        }
        for number in range(100)
    }
    write(file, {"profile": {"info_cache": cache}})
    program = (
        '.profile.info_cache | to_entries[] | [.key, (.value.user_name | split("@")[1]), '
        '(if .value.user_name == "" or .value.hosted_domain == "" then null else (.value.hosted_domain | '
        '. != "NO_HOSTED_DOMAIN") end)]'
    )
    said = [tuple(json.loads(line)) for line in run("jq", "-c", program, file).splitlines()]
    ours = [(row.profile, row.email_domain, row.managed) for row in browser_profiles.rows()]
    compare("browser_profiles", "jq", sorted(ours), sorted(said))


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
        profiles_in(Home(501, "ann", str(tmp_path)), Query.of(browser_profiles), Budget(Limits()), platform)
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
    write(
        home / ".librewolf/profiles.ini",
        "\ufeffno section\nx=1\n[Profile0]\nPath=%(x)s\n[General]\nPath=x\n; Path=y\n[Profile0]\n"
        "words\nPath=../../bob\n  [Profile9]\n[Profile",
    )
    warnings: list[str] = []
    rows = browser_profiles.rows(Query.of(browser_profiles, warn=warnings.append))
    assert [(row.browser, row.profile, row.email_domain) for row in rows] == [
        ("brave", "P", None),
        ("brave", "\\ud800", "\\udfff"),
        ("librewolf", "../../bob", None),
    ]
    assert len(warnings) == 3


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
        rows = file_lines.rows(path=str(tmp_path / name))
        assert [row.line for row in rows] == expected
        assert [row.line_number for row in rows] == list(range(1, len(expected) + 1))
    passwd = file_lines.rows(path="/etc/passwd")
    assert [row.line for row in passwd] == Path("/etc/passwd").read_text().splitlines()
    (tmp_path / "g").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "h")
    warnings: list[str] = []
    query = Query.of(file_lines, like={"path": f"{tmp_path}/%"}, warn=warnings.append)
    assert {Path(row.path).name for row in file_lines.rows(query)} == {"a", "b", "d", "e", "f"}
    assert len(warnings) == 2
    (tmp_path / "many").write_text("\n" * 11)
    with pytest.raises(LimitExceeded, match="more than 10 rows"):
        file_lines.configured(limits=Limits(max_rows=10)).rows(path=str(tmp_path / "many"))


def test_lines_are_those_of_grep(run: Run, compare: Compare) -> None:
    """Compare every line of the files in /etc that are UTF-8."""
    paths = []
    for path in sorted(Path("/etc").iterdir()):
        if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
            data = path.read_bytes()
            if data and b"\0" not in data and data.decode("utf-8", "ignore").encode() == data:
                paths.append(str(path))
    said = run("grep", "-nH", "", "--", *paths)
    theirs = [line.removesuffix("\r") for line in said.split("\n") if line]
    rows = file_lines.rows(path=paths)
    ours = [f"{row.path}:{row.line_number}:{row.line}" for row in rows]
    compare("file_lines", "grep -n ''", ours, theirs)


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
