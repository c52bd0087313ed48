"""Prepare a full scan and a look-up for each bundled table, over real files, processes and users.

Whatever the machine lacks is made: documents, keys, certificates, a LUKS file, and two users whose homes have
something for each table. The users need root: the extension alone sees their /etc/passwd, in a mount
namespace of its own.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import plistlib
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

FIXTURES = Path(__file__).parents[1] / "tests" / "fixtures" / "tables"
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
UIDS = (41001, 41002)
# Mounts the first argument over /etc/passwd, then runs the other arguments as a command.
WITH_USERS = 'mount --bind "$0" /etc/passwd && exec "$@"'


class Scene(NamedTuple):
    """The conditions under which one table is measured.

    Attributes:
        table: its name.
        scan: a condition under which it gives every row; empty if it needs none.
        lookup: a condition on one of its indexes; empty if the only index is the one in `scan`.
    """

    table: str
    scan: str
    lookup: str


class Stage(NamedTuple):
    """The scenes, and the words to put before an extension's command so that it sees them."""

    scenes: list[Scene]
    wrapper: tuple[str, ...]


def stage(folder: Path, stack: ExitStack, *, processes: int = 300, values: int = 10_000) -> Stage:
    """Make files, processes, sockets and users, and return the scenes over them.

    Args:
        folder: folder for the files.
        stack: ends the processes and closes the sockets.
        processes: number of sleeping processes to start.
        values: number of values in each document.
    """
    for _ in range(processes):
        process = stack.enter_context(subprocess.Popen(["sleep", "3600"], stdout=subprocess.DEVNULL))
        stack.callback(process.kill)
    for _ in range(50):
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    scenes = [*of_documents(folder, values), *of_files(folder), *of_the_system(listener.getsockname()[1])]
    users, wrapper = homes(folder)
    return Stage(sorted([*scenes, *of_homes(users)]), wrapper)


def of_the_system(port: int) -> Iterator[Scene]:
    """Yield the scenes that need no files."""
    pid = os.getpid()
    yield Scene("kolide_process_details", "", f"pid = {pid}")
    yield Scene("kolide_process_limits", "", f"pid = {pid}")
    yield Scene("kolide_process_ancestry", "pid in (select pid from kolide_process_details)", f"pid = {pid}")
    yield Scene("kolide_exposed_ports", "", f"port = {port}")
    yield Scene("kolide_disk_io", "", "device = 'loop0'")
    yield Scene("kolide_net_rates", "interval_ms = 50", "interface = 'lo' and interval_ms = 50")
    yield Scene("kolide_pressure", "", "cgroup = '/'")
    yield Scene("kolide_cpu_vulnerabilities", "", "name = 'meltdown'")
    yield Scene("kolide_nftables_rules", "", "table_name = 'filter'")
    yield Scene("kolide_apt_upgrades", "", "name = 'bash'")
    yield Scene("kolide_package_upgrades", "", "manager = 'apt'")
    yield Scene("kolide_systemd_timers", "", "unit = 'apt-daily.timer'")
    yield Scene("kolide_systemd_exec", "", "unit = 'cron.service'")
    yield Scene("kolide_journal", "", "identifier = 'sshd'")
    yield Scene("kolide_path_packages", "path like '/usr/bin/%'", "path = '/usr/bin/env'")
    yield Scene("kolide_containers", "", "id = 'none'")
    yield Scene("kolide_flatpak_packages", "", "uid = 0")
    yield Scene("kolide_snap_packages", "", "uid = 0")
    yield Scene("kolide_wifi", "", "interface = 'wlan0'")
    yield Scene("kolide_tpm", "", "name = 'tpm0'")
    yield Scene("kolide_disk_encryption", "", "mount_point = '/'")
    yield Scene("kolide_gsettings", "", "uid = 0")
    yield Scene("kolide_sensors", "", "chip = 'coretemp'")
    yield Scene("kolide_batteries", "", "name = 'BAT0'")
    yield Scene("kolide_sudo_rules", "", "")
    yield Scene("kolide_edr_health", "", "name = 'auditd'")
    yield Scene("kolide_ext_tables", "", "")
    yield Scene(
        "kolide_dpkg_verify", "package in ('bash', 'coreutils', 'dpkg', 'tzdata')", "package = 'bash'"
    )


def of_files(folder: Path) -> Iterator[Scene]:
    """Yield the scenes of tables over single files."""
    bundle = next((path for path in BUNDLES if Path(path).is_file()), f"{FIXTURES}/certificates/many.pem")
    single = FIXTURES / "certificates" / "p256.pem"
    yield Scene("kolide_certificates", f"path in ('{bundle}', '{single}')", f"path = '{single}'")
    yield Scene("kolide_keyinfo", f"path like '{FIXTURES}/keys/%'", f"path = '{FIXTURES}/keys/ed25519'")
    yield Scene(
        "kolide_node_packages",
        f"root in ('{FIXTURES}/node/npm3', '{FIXTURES}/node/yarn1', '{FIXTURES}/node/pnpm9')",
        f"root = '{FIXTURES}/node/npm3'",
    )
    program = folder / "program"
    program.write_bytes(gzip.decompress((FIXTURES / "go" / "hello-linux-amd64.gz").read_bytes()))
    yield Scene("kolide_go_buildinfo", f"path = '{program}'", "")
    server = folder / "sshd_config"
    server.write_text("".join(f"Match User user{n}\n  PermitTTY no\n" for n in range(500)))
    yield Scene("kolide_sshd_config", f"path = '{server}'", "")
    secrets = folder / "settings.py"
    # Put together here, so that no scanner takes this file's own text for a secret.
    secrets.write_text("x = 1\n" * 5000 + "token = '" + "gh" + "p_0123456789abcdefABCDEF0123456789abcdef'\n")
    yield Scene("kolide_secret_scan", f"path = '{secrets}'", "")
    # RFC 7519, section 6.1: a token that nothing signs.
    tokens = folder / "tokens"
    tokens.write_text("eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.\n" * 1_000)
    yield Scene("kolide_jwt", f"path = '{tokens}'", "")
    yield Scene("kolide_file_lines", f"path = '{secrets}'", "")
    disk = folder / "disk.luks"
    with disk.open("wb") as file:
        file.truncate(32 << 20)
    cryptsetup = shutil.which("cryptsetup", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if cryptsetup is not None:
        cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
        command = [cryptsetup, "luksFormat", "--type", "luks2", "-q", *cheap, str(disk), "-"]
        subprocess.run(command, input=b"words", check=True, capture_output=True)
    yield Scene("kolide_luks", f"device_path = '{disk}'", "")


def of_documents(folder: Path, values: int) -> Iterator[Scene]:
    """Yield the scenes of the data files' tables, over documents of `values` values in objects of four."""
    items = [
        {"id": n, "name": f"item {n}", "kind": "even" if n % 2 == 0 else "odd", "size": n * 1.5}
        for n in range(values // 4)
    ]
    objects = [json.dumps(item) for item in items]
    tables = {
        "json": json.dumps({"items": items}),
        "jsonc": '{"items": [ // all of them\n' + ",\n".join(objects) + ",\n]}",
        "jsonl": "\n".join(objects),
        "yaml": "items:\n" + "".join(f"- {item}\n" for item in objects),
        "toml": "".join(
            f'[[items]]\nid = {item["id"]}\nname = "{item["name"]}"\n'
            f'kind = "{item["kind"]}"\nsize = {item["size"]}\n'
            for item in items
        ),
        "xml": "<items>"
        + "".join(
            f'<item id="{i["id"]}" kind="{i["kind"]}"><name>{i["name"]}</name><size>{i["size"]}</size></item>'
            for i in items
        )
        + "</items>",
        "ini": "".join(
            f"[{i['id']}]\nname = {i['name']}\nkind = {i['kind']}\nsize = {i['size']}\n" for i in items
        ),
    }
    for kind, text in tables.items():
        (folder / f"items.{kind}").write_text(text)
    (folder / "items.plist").write_bytes(plistlib.dumps({"items": items}, fmt=plistlib.FMT_BINARY))
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, items[0])
        writer.writeheader()
        writer.writerows(items)
    queries = {
        "json": "items/7",
        "jsonc": "0/items/7",
        "jsonl": "7",
        "yaml": "items/7",
        "toml": "items/7",
        "xml": "items/item/7",
        "ini": "7",
        "plist": "items/7",
        "csv": "7",
    }
    for kind, query in queries.items():
        here = f"path = '{folder}/items.{kind}'"
        yield Scene(f"kolide_{kind}", here, f"{here} and query = '{query}'")


def homes(folder: Path) -> tuple[list[int], tuple[str, ...]]:
    """Make users with homes that have something for each table; return their ids and the command's prefix.

    Without root, the only user is the one who runs this.
    """
    if os.geteuid() != 0 or shutil.which("unshare") is None or sys.platform != "linux":
        return [os.geteuid()], ()
    passwd = ["root:x:0:0::/nonexistent:/bin/sh\n"]
    for uid in UIDS:
        home = folder / f"user{uid}"
        passwd.append(f"user{uid}:x:{uid}:{uid}::{home}:/bin/sh\n")
        shutil.copytree(FIXTURES / "keys", home / ".ssh")
        site = home / "project" / "lib" / "python3.11" / "site-packages"
        for n in range(100):
            about = site / f"package{n}-1.{n}.dist-info"
            about.mkdir(parents=True)
            (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: package{n}\nVersion: 1.{n}\n")
            (about / "INSTALLER").write_text("pip\n")
        (home / "project" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
        servers = {
            f"server{n}": {"command": "run", "args": [str(n)], "env": {"TOKEN": "t"}} for n in range(20)
        }
        profiles = {f"Profile {n}": {"user_name": f"u{n}@example.org"} for n in range(10)}
        documents = {
            ".cursor/mcp.json": {"mcpServers": servers},
            ".config/chromium/Local State": {"profile": {"info_cache": profiles}},
            ".ollama/models/manifests/registry.ollama.ai/library/m/1": {"layers": [{"size": 5}]},
        }
        for path, content in documents.items():
            (home / path).parent.mkdir(parents=True)
            (home / path).write_text(json.dumps(content))
        firefox = home / ".mozilla/firefox"
        (firefox / "p").mkdir(parents=True)
        (firefox / "profiles.ini").write_text("[Profile0]\nIsRelative=1\nPath=p\n")
        preferences = (f'user_pref("extensions.example{n}.value", "text {n}");\n' for n in range(1_000))
        (firefox / "p" / "prefs.js").write_text("".join(preferences))
    file = folder / "passwd"
    file.write_text("".join(passwd))
    return list(UIDS), ("unshare", "--mount", "--", "sh", "-c", WITH_USERS, str(file))


def of_homes(uids: list[int]) -> Iterator[Scene]:
    """Yield the scenes of tables over users' homes."""
    names = ("ssh_keys", "venv_packages", "mcp_servers", "llm_models", "browser_profiles")
    for name in (*names, "firefox_preferences", "ai_tools"):
        yield Scene(f"kolide_{name}", "", f"uid = {uids[0]}")
