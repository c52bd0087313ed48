"""kolide_ext_tables counts requests; all_tables puts the bundle together."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kolide_tables import Limits, all_tables
from kolide_tables.own.ext_tables import ExtTable, ext_tables
from osquery_sdk import Column, DefinitionError, Extension, Query, Row, Table, TableError, table
from osquery_sdk.engine import Host, SqlError
from osquery_sdk.wire.client import ManagerConnection

from ...support.compare import Compare

Serve = Callable[..., Host]


class Number(Row):
    n: int = Column("number", index=True, key=True)


def numbers(name: str = "numbers", **options: Any) -> Table:
    @table(name, **options)
    def made(query: Query) -> Iterator[Number]:
        """Three rows; an error for 13."""
        if query.equals("n") == (13,):
            raise TableError("thirteen")
        yield from (Number(n=n) for n in range(3))

    return made


def about(host: Host, name: str = "numbers") -> dict[str, str | None]:
    (row,) = host.query(f"select * from kolide_ext_tables where name = '{name}'").rows
    return row


def test_a_row_for_each_table_and_for_itself() -> None:
    disabled = numbers("off")
    made = ext_tables(
        [numbers(), numbers("kept", cache=5.0), numbers("snap", snapshot=True)], disabled=[disabled]
    )
    assert made.rows() == [
        ExtTable(
            name=name,
            calls=0,
            errors=0,
            last_ms=None,
            total_ms=0.0,
            last_rows=None,
            last_error="",
            enabled=enabled,
            cached=cached,
        )
        for name, enabled, cached in (
            ("numbers", True, False),
            ("kept", True, True),
            ("snap", True, True),
            ("kolide_ext_tables", True, False),
            ("off", False, False),
        )
    ]


def test_the_caller_s_list_may_change_afterwards() -> None:
    tables = [numbers()]
    tables.append(ext_tables(tables))
    assert [row.name for row in tables[1].rows()] == ["numbers", "kolide_ext_tables"]


def test_known_queries_are_counted(osquery_host: Serve) -> None:
    tables = [numbers()]
    host = osquery_host(*tables, ext_tables(tables))
    before = about(host)
    assert (before["calls"], before["errors"], before["last_ms"], before["last_rows"]) == ("0", "0", "", "")
    for _ in range(4):
        host.query("select * from numbers where n = 2")
    after = about(host)
    # The rows that were sent are counted, not those that osquery's own filter left.
    assert (after["calls"], after["errors"], after["last_rows"], after["last_error"]) == ("4", "0", "3", "")


def test_an_error_is_counted_and_kept(osquery_host: Serve) -> None:
    tables = [numbers()]
    host = osquery_host(*tables, ext_tables(tables))
    host.query("select * from numbers")
    with pytest.raises(SqlError, match="numbers: thirteen"):
        host.query("select * from numbers where n = 13")
    host.query("select * from numbers")
    row = about(host)
    assert (row["calls"], row["errors"], row["last_rows"], row["last_error"]) == (
        "3",
        "1",
        "3",
        "numbers: thirteen",
    )


def test_the_whole_bundle_s_counters_are_those_of_what_was_asked(
    osquery_host: Serve, compare: Compare
) -> None:
    """Ask each table once more often than the one before it, with a look-up that finds nothing and reads
    little.
    """
    tables = {one.name.removeprefix("kolide_"): one for one in all_tables()}
    host = osquery_host(*tables.values())
    asked = {}
    for times, (name, where) in enumerate(LOOKUPS.items(), start=1):
        for _ in range(times):
            host.query(f"select * from kolide_{name} where {where}")
        asked[f"kolide_{name}"] = (times, 0, 0, "")
    rows = host.query("select * from kolide_ext_tables where calls > 0 and name <> 'kolide_ext_tables'").rows
    counted = {
        row["name"]: (
            int(row["calls"] or 0),
            int(row["errors"] or 0),
            int(row["last_rows"] or 0),
            row["last_error"],
        )
        for row in rows
    }
    compare("ext_tables", "known queries", counted, asked)


LOOKUPS = {
    "process_details": "pid = 0",
    "process_limits": "pid = 0",
    "process_ancestry": "pid = 0",
    "exposed_ports": "pid = 0",
    "disk_io": "device = ' '",
    "pressure": "cgroup = ' '",
    "cpu_vulnerabilities": "name = ' '",
    "snap_packages": "uid = -5",
    "flatpak_packages": "uid = -5",
    "systemd_exec": "unit = ' '",
    "containers": "id = ' '",
    "batteries": "name = ' '",
    "dpkg_verify": "package = ' '",
    "json": "raw_data = '[]'",
    "csv": "raw_data = ' '",
    "ini": "raw_data = ' '",
}


def test_it_counts_itself(osquery_host: Serve) -> None:
    host = osquery_host(ext_tables([]))
    assert [about(host, "kolide_ext_tables")["calls"] for _ in range(3)] == ["1", "2", "3"]


def test_times_are_those_that_the_caller_measures(osquery_host: Serve) -> None:
    @table("slow")
    def slow(query: Query) -> Iterator[Number]:
        """Rows that take long."""
        time.sleep(0.05)
        yield Number(n=1)

    host = osquery_host(slow, ext_tables([slow]))
    start = time.monotonic()
    host.query("select * from slow")
    host.query("select * from slow")
    measured = (time.monotonic() - start) * 1000
    row = about(host, "slow")
    last, total = float(row["last_ms"] or 0), float(row["total_ms"] or 0)
    assert 50 <= last <= total - 50
    assert 100 <= total <= measured


def test_a_late_answer_is_an_error(osquery_host: Serve) -> None:
    @table("late", deadline=0.1)
    def late(query: Query) -> Iterator[Number]:
        """Rows that ignore the deadline."""
        time.sleep(0.3)
        yield Number(n=1)

    host = osquery_host(late, ext_tables([late]))
    with pytest.raises(SqlError, match=r"late: no answer within 0\.1 s"):
        host.query("select * from late")
    ends = time.monotonic() + 5
    while (row := about(host, "late"))["errors"] == "0":
        assert time.monotonic() < ends
    assert (row["calls"], row["errors"], row["last_rows"]) == ("1", "1", "")
    assert row["last_error"] == "late: no answer within 0.1 s; the table's deadline is over"


def test_a_refused_call_is_an_error(osquery_host: Serve) -> None:
    release = threading.Event()

    @table("busy")
    def busy(query: Query) -> Iterator[Number]:
        """Rows that wait."""
        release.wait(20)
        yield Number(n=1)

    host = osquery_host(busy, ext_tables([busy]))

    def ask() -> None:
        with ManagerConnection(host.socket, timeout=30) as manager:
            manager.query("select * from busy")

    threads = [threading.Thread(target=ask) for _ in range(9)]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + 5
    while (row := about(host, "busy"))["errors"] == "0":
        assert time.monotonic() < ends
    release.set()
    for thread in threads:
        thread.join()
    assert (row["calls"], row["errors"]) == ("9", "1")
    assert row["last_error"] == "busy: 8 queries of it are running; try again later"


def test_a_table_whose_name_is_taken_is_not_enabled(osquery_host: Serve) -> None:
    tables = [numbers("time"), numbers()]
    host = osquery_host(*tables, ext_tables(tables))
    assert (about(host, "time")["enabled"], about(host)["enabled"]) == ("0", "1")


@pytest.mark.parametrize("platform", ["linux", "darwin", "windows"])
def test_a_table_for_another_platform_is_not_enabled(osquery_host: Serve, platform: str) -> None:
    one = numbers(platforms=(platform,))
    host = osquery_host(one, ext_tables([one]))
    assert about(host)["enabled"] == str(int(one.is_here))


# The bundle

# In the specification's own notation: ! is required, ^ an index, ? a hidden input; i, b and d are INTEGER,
# BIGINT and DOUBLE, text the rest. The platforms stand before the columns.
SPECIFIED = {
    "process_details": "L M W: pid^b, io_read_count b, io_write_count b, io_read_bytes "
    "b, io_write_bytes b, ctx_voluntary "
    "b, "
    "ctx_involuntary b, num_fds i, affinity, ionice_class, ionice_value i, uss b, pss b, swap b, "
    "terminal, oom_score_adj i, "
    "no_new_privs i, seccomp i, cap_eff, lsm_label, exe_deleted i",
    "exposed_ports": (
        "L M W: pid^b, protocol, address, port^i, scope, name, path, cmdline, uid b, unit, container_id"
    ),
    "ext_tables": (
        "L M W: name, calls b, errors b, last_ms d, total_ms d, last_rows b, last_error, enabled i, cached i"
    ),
    "process_limits": "L: pid^b, resource, soft b, hard b",
    "process_ancestry": "L M W: pid!^b, depth i, ancestor_pid b, name, path, cmdline, start_time b",
    "disk_io": (
        "L M W: device^, reads b, writes b, read_bytes b, write_bytes b, read_ms b, write_ms b, busy_ms b"
    ),
    "net_rates": "L M W: interface^, interval_ms?i, rx_bytes_per_s d, tx_bytes_per_s d, rx_packets_per_s d, "
    "tx_packets_per_s d, "
    "errors b, drops b",
    "pressure": "L: cgroup^, resource, kind, avg10 d, avg60 d, avg300 d, total_us b",
    "cpu_vulnerabilities": "L: name^, status, affected i, mitigated i, open_parts",
    "certificates": "L M W: path!^, idx i, subject, issuer, serial, sans, "
    "not_before b, not_after b, is_ca i, "
    "self_signed i, "
    "key_algorithm, key_bits i, signature_algorithm, sha256, container, error, key_usages, extended_key_usages, "
    "signature_digest",
    "jwt": "L M W: path!^, raw_data!^, idx i, level i, format, kind, algorithm, type, key_id, issuer, subject, "
    "audience, issued_at b, not_before b, expires b, header, claims, error",
    "keyinfo": (
        "L M W: path!^, type, encrypted i, bits i, fingerprint_sha256, fingerprint_md5, format, comment, "
        "kdf, mode, kind, iterations b, digest, options, keys i, certificates i, error"
    ),
    "ssh_keys": "L M W: user, uid^b, path, type, encrypted i, bits i, "
    "fingerprint_sha256, fingerprint_md5, format, "
    "comment, kdf, "
    "mode, kind, iterations b, digest, options, keys i, certificates i, error",
    "venv_packages": (
        "L M W: root?^, uid^b, venv_path, python_version, name, version, editable i, direct_url, installer"
    ),
    "node_packages": "L M W: root!^, name, version, manager, lockfile, dev i, integrity",
    "go_buildinfo": (
        "L M W: path!^, go_version, module, version, is_main i, vcs_revision, vcs_time, vcs_modified i, settings"
    ),
    "ai_tools": "L M W: uid^b, username, tool, kind, version, path, source, running i, config_path",
    "mcp_servers": "L M W: uid^b, username, client, scope, config_path, "
    "server_name, transport, command, args, url, "
    "env_keys, "
    "enabled i, config_sha256, header_names",
    "sshd_config": "L M: path^, keyword, value, match_block, source, line i, arguments, criteria",
    "sudo_rules": "L M: source, line i, users, hosts, runas, nopasswd i, command, nopasswd_partly i, nopasswd_by, "
    "options, digests, user_list, host_list, runas_users, runas_groups, command_list",
    "secret_scan": (
        "L M W: path!^, raw_data!^, rule_id, line_number i, column_start i, entropy d, sha256_prefix"
    ),
    "llm_models": "L M W: uid^b, tool, name, path, size b, digest",
    "browser_profiles": "L M W: uid^b, browser, profile, email_domain, managed i, path",
    "firefox_preferences": ("L M W: uid^b, browser, profile, name^, value, type, source, locked i, path"),
    "nftables_rules": (
        "L: family, table_name^, chain, hook, policy, handle b, position i, verdict, comment, packets b, "
        "bytes b, expr, dormant i, chain_type, priority i, devices, outcomes, target, counter, "
        "chain_comment, table_comment"
    ),
    "apt_upgrades": "L: name^, installed, candidate, origin, security i, phased i",
    "systemd_timers": "L: unit^, activates, next b, last b, calendar, persistent i, enabled, fragment_path",
    "package_upgrades": "L M: manager^, name^, installed, candidate, origin, security i, uid^b",
    "path_packages": "L: root^?, path!^, manager, package, version, origin",
    "containers": (
        "L: runtime, socket_path^, uid b, id^, name, image, image_id, state, pid b, created b, privileged "
        "i, ports, privileges, network_mode, capabilities"
    ),
    "flatpak_packages": "L: name, id, version, channel, revision, origin, installation, uid^b",
    "snap_packages": "L: name, id, version, channel, revision, origin, installation, uid^b",
    "systemd_exec": "L: unit^, directive, value, drop_in, user, path, other_names",
    "journal": "L: unit^, identifier^, priority^i, since?b, time b, pid b, uid b, message, cursor",
    "luks": "L: device_path!^, version i, uuid, cipher, key_bits i, slot i, kdf, iterations b, tokens",
    "edr_health": (
        "L M W: name^, vendor, kind, version, installed i, path, package, unit, unit_state, running i"
    ),
    "dpkg_verify": "L: package!^, path, expected_md5, actual_md5, conffile i",
    # The specification names these two alone.
    "wifi": (
        "L: interface^, mac, mode, ssid, bssid, frequency i, channel i, channel_width i, signal i, "
        "transmit_rate d, receive_rate d, connected_seconds b, transmit_power d, security, key_managements, "
        "ciphers, management_frames"
    ),
    "tpm": (
        "L: name^, version, manufacturer, firmware_version, description, device_id, driver, pcr_banks, "
        "enabled i, active i, owned i"
    ),
    "disk_encryption": (
        "L: path^, mount_point^, device, filesystem, encrypted i, methods, cipher, encrypted_device, "
        "mapped_name, uuid, key_id, uid^b"
    ),
    "gsettings": (
        "L: uid^b, username, database, schema^, key, value, type, locked i, effective i, path, file, error"
    ),
    "sensors": "L: chip^, kind, idx i, label, value d, high d, critical d",
    "batteries": (
        "L: name^, scope, manufacturer, model, technology, status, percent d, health_percent d, cycles i, "
        "voltage d, power d"
    ),
}
DATA_FILES = ("json", "jsonc", "jsonl", "yaml", "toml", "xml", "ini", "plist", "csv")
SPECIFIED |= dict.fromkeys(DATA_FILES, "L M W: fullkey, parent, key, value, query^, path!^, raw_data!^")
KINDS = {"": "TEXT", "i": "INTEGER", "b": "BIGINT", "d": "DOUBLE"}
SYSTEMS = {"L": "linux", "M": "darwin", "W": "windows"}


def test_all_tables() -> None:
    assert sorted(one.name for one in all_tables()) == sorted(f"kolide_{name}" for name in SPECIFIED)


@pytest.mark.parametrize("prefix", ["", "acme_", "_", "Kolide"])
def test_a_prefix_is_that_of_every_table_and_example(prefix: str) -> None:
    tables = all_tables(prefix=prefix)
    assert sorted(one.name for one in tables) == sorted(prefix + name for name in SPECIFIED)
    for one in tables:
        assert one.definition.examples
        for example in one.definition.examples:
            assert one.name in example.split()
            assert "kolide_" not in example


@pytest.mark.parametrize(
    "disabled", [["xml", "ini"], ["kolide_xml", "kolide_ini"], ("ini", "kolide_xml", "xml")]
)
def test_disabled_tables_are_left_out_and_reported(osquery_host: Serve, disabled: list[str]) -> None:
    tables = all_tables(disabled=disabled)
    assert len(tables) == len(SPECIFIED) - 2
    host = osquery_host(*tables)
    rows = host.query("select name from kolide_ext_tables where not enabled order by name").rows
    assert rows == [{"name": "kolide_ini"}, {"name": "kolide_xml"}]
    with pytest.raises(SqlError, match="no such table: kolide_xml"):
        host.query("select * from kolide_xml where raw_data = '<a/>'")


def test_the_table_of_tables_may_be_disabled_as_well() -> None:
    assert "kolide_ext_tables" not in [one.name for one in all_tables(disabled=["ext_tables"])]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"disabled": ["xlm"]}, "no table kolide_xlm to disable; there are .*kolide_xml"),
        ({"disabled": ["acme_xml"]}, "no table kolide_acme_xml"),
        ({"disabled": [""]}, "no table kolide_ to disable"),
        ({"prefix": "1"}, "'1json'"),
        ({"prefix": "a-"}, "'a-json'"),
    ],
)
def test_what_is_no_table(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        all_tables(**options)


def test_limits_are_every_table_s(osquery_host: Serve) -> None:
    tables = all_tables(limits=Limits(max_rows=2, max_seconds=7))
    assert {(one.options.max_rows, one.options.deadline) for one in tables} == {(2, 7)}
    host = osquery_host(*tables)
    for name, sql in (
        ("kolide_process_details", "select * from kolide_process_details"),
        ("kolide_ext_tables", "select * from kolide_ext_tables"),
        ("kolide_json", "select * from kolide_json where raw_data = '[1, 2, 3]'"),
    ):
        with pytest.raises(SqlError, match=f"{name}.* more than 2 rows.*raise max_rows"):
            host.query(sql)


def test_the_bundle_twice_shares_no_counters() -> None:
    one, other = (all_tables()[0] for _ in range(2))
    assert one.counters is not other.counters


@pytest.mark.parametrize("name", SPECIFIED)
def test_columns_types_and_indexes_are_those_of_the_specification(name: str) -> None:
    (one,) = (one for one in all_tables() if one.name == f"kolide_{name}")
    systems, _, columns = SPECIFIED[name].partition(": ")
    specified = [
        (column, "!" in marks, "^" in marks, "?" in marks, KINDS[kind])
        for column, marks, kind in re.findall(r"(\w+)([!^?]*) ?([ibd]?)(?:, |$)", columns)
    ]
    assert len(specified) == columns.count(",") + 1
    assert [
        (c.name, c.definition.required, c.definition.index, c.definition.hidden, c.type.value)
        for c in one.columns
    ] == specified
    assert one.options.platforms == tuple(SYSTEMS[letter] for letter in systems.split())
    assert len(one.definition.examples) == 2


def test_every_table_says_what_it_is() -> None:
    for one in all_tables():
        assert one.description
        assert "\n" not in one.description
        for column in one.columns:
            assert column.definition.description, f"{one.name}.{column.name}"
            assert "\n" not in column.definition.description
    Extension("bundle", version="0", plugins=all_tables())
