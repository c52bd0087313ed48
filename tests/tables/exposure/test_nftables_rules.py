"""kolide_nftables_rules against nft's own text, for rules in a network namespace and recorded answers."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.nftables_rules import listed_rows, nftables_rules, parse_listing
from osquery_sdk import Query, TableError

from ...support.compare import Compare

RULES = """
table inet host {
  set friends { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
  chain in {
    type filter hook input priority 0; policy drop;
    ct state established,related accept comment "those that are known"
    tcp dport 22 counter packets 5 bytes 300 accept comment "a; b }"
    ip saddr @friends counter jump tail
    tcp dport vmap { 80 : accept, 81 : drop }
    meta mark set 7
    udp dport 53 reject
    iifname "lo" goto tail
    counter
  }
  chain tail {
    return
  }
  chain out {
    type filter hook output priority 0; policy accept;
  }
}
table ip host {
  chain nat {
    type nat hook postrouting priority 100;
    oifname "eth0" masquerade
  }
}
table ip6 other {
  chain c {
    type filter hook forward priority 0; policy accept;
    drop
  }
}
"""
RUN = """
import json
from kolide_tables.exposure.nftables_rules import nftables_rules as t
from osquery_sdk import Query
rows = {"all": t.rows(), "host": t.rows(table_name="host"), "other": t.rows(table_name=["other", "none"]),
        "like": t.rows(Query.of(t, like={"table_name": "OTH%"})),
        "injected": t.rows(table_name="host; flush ruleset"),
        "again": t.rows()}
print(json.dumps({name: [dict(zip(row.__columns__, row)) for row in found] for name, found in rows.items()}))
"""


def in_namespace(script: str, rules: str = RULES) -> tuple[Any, str]:
    """Run Python in a network namespace with these rules; return the JSON that it prints, and nft's text."""
    unshare, nft = shutil.which("unshare"), shutil.which("nft", path="/usr/sbin:/usr/bin")
    if sys.platform != "linux" or unshare is None or nft is None:
        pytest.skip("needs unshare and nft")
    shell = f'echo "$1" | {nft} -f - || exit 77; "$0" -c "$2" && echo && {nft} -a list ruleset'
    done = subprocess.run(
        [unshare, "--net", "sh", "-c", shell, sys.executable, rules, script], capture_output=True, text=True
    )
    if "Operation not permitted" in done.stderr or "unshare failed" in done.stderr:
        pytest.skip(f"no nftables in a namespace here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    first, _, rest = done.stdout.partition("\n\n")
    return json.loads(first), rest


def said_by_nft(text: str) -> list[tuple[Any, ...]]:
    """Return family, table, chain, hook, policy, handle, position, comment, packets and bytes from nft's
    text.
    """
    rules: list[tuple[Any, ...]] = []
    family = table = chain = hook = policy = None
    position = 0
    for line in map(str.strip, text.splitlines()):
        if match := re.match(r"table (\w+) (\S+) {", line):
            family, table = match.groups()
        elif match := re.match(r"chain (\S+) {", line):
            chain, hook, policy, position = match[1], None, None, 0
        elif match := re.match(r"type \w+ hook (\w+) .*?(?:policy (\w+);)?$", line):
            hook, policy = match.groups()
        elif chain is not None and (match := re.search(r"# handle (\d+)$", line)):
            position += 1
            comment = re.search(r'comment "(.*)" #', line)
            counter = re.search(r"counter packets (\d+) bytes (\d+)", line)
            counted = (int(counter[1]), int(counter[2])) if counter else (None, None)
            said = comment[1] if comment else None
            rules.append((family, table, chain, hook, policy, int(match[1]), position, said, *counted))
        elif line == "}":
            chain = None
    return rules


FIELDS = (
    "family",
    "table_name",
    "chain",
    "hook",
    "policy",
    "handle",
    "position",
    "comment",
    "packets",
    "bytes",
)


def test_rules_are_those_that_nft_shows(compare: Compare) -> None:
    said, text = in_namespace(RUN)
    expected = said_by_nft(text)
    assert len(expected) == 11
    ours = sorted((tuple(row[name] for name in FIELDS) for row in said["all"]), key=str)
    compare("nftables_rules", "nft -a list ruleset", ours, sorted(expected, key=str))
    assert [row["verdict"] for row in said["all"] if row["chain"] == "in"] == [
        "accept",
        "accept",
        "jump tail",
        "vmap",
        None,
        "reject",
        "goto tail",
        None,
    ]
    assert {row["verdict"] for row in said["all"] if row["chain"] != "in"} == {"return", "masquerade", "drop"}
    matched = next(row["expr"] for row in said["all"] if row["comment"] == "a; b }")
    assert matched[0]["match"]["right"] == 22
    # A set may have many elements, and they are no rule's.
    assert "192.0.2.1" not in json.dumps(said)


def test_a_thousand_rules_are_those_that_nft_shows(compare: Compare) -> None:
    chains = "".join(
        f"chain c{chain} {{\n"
        + "".join(
            f'tcp dport {port} counter packets {port} bytes {chain} drop comment "{chain}/{port}"\n'
            for port in range(1, 101)
        )
        + "}\n"
        for chain in range(10)
    )
    script = "import json; from kolide_tables.exposure.nftables_rules import nftables_rules as t\n"
    script += "print(json.dumps([dict(zip(row.__columns__, row)) for row in t.rows()]))"
    said, text = in_namespace(script, f"table inet many {{\n{chains}}}\n")
    ours = sorted((tuple(row[name] for name in FIELDS) for row in said), key=str)
    compare("nftables_rules", "nft -a list ruleset", ours, sorted(said_by_nft(text), key=str))
    assert {row["verdict"] for row in said} == {"drop"}


def test_a_table_is_looked_up_by_its_name() -> None:
    said, _ = in_namespace(RUN)
    of = {name: [row for row in said["all"] if row["table_name"] == name] for name in ("host", "other")}
    assert said["host"] == of["host"]
    assert {row["family"] for row in said["host"]} == {"inet", "ip"}
    assert said["other"] == said["like"] == of["other"] != []
    assert said["injected"] == []
    assert said["again"] == said["all"]


def test_counters_count() -> None:
    if shutil.which("ip") is None:
        pytest.skip("needs ip")
    script = (
        "import json, socket, subprocess; "
        "from kolide_tables.exposure.nftables_rules import nftables_rules as t\n"
        "subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)\n"
        "s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "for _ in range(7):\n"
        "    try: s.sendto(b'x' * 72, ('127.0.0.1', 9))\n"
        "    except PermissionError: pass\n"
        "(row,) = t.rows(); print(json.dumps([row.packets, row.bytes]))"
    )
    rules = "table ip t {\nchain c {\ntype filter hook output priority 0\nudp dport 9 counter drop\n}\n}\n"
    said, _ = in_namespace(script, rules)
    assert said == [7, 7 * 100]  # with the headers of IP and UDP


def test_no_rules_at_all() -> None:
    said, text = in_namespace(RUN, "table ip empty {\nchain c {\n}\n}\n")
    assert set(map(len, said.values())) == {0}
    assert "chain c" in text


def recorded(objects: list[dict[str, Any]]) -> bytes:
    return json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}, *objects]}).encode()


TABLES = [{"table": {"family": "ip", "name": f"t{n}", "handle": n}} for n in range(100)]


def rule(table: str, **fields: Any) -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": table, "chain": "c", "handle": 1, "expr": []} | fields}


def test_a_lookup_lists_that_table_alone() -> None:
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str) -> bytes:
        asked.append(arguments)
        return recorded(TABLES) if arguments == ("tables",) else recorded([rule(arguments[-1])])

    (row,) = listed_rows(Query.of(nftables_rules, equals={"table_name": "t7"}), run)
    assert row.table_name == "t7"
    assert asked == [("tables",), ("table", "ip", "t7")]


@pytest.mark.parametrize("name", ["a b", "ip}", "-f", "x;", "é", ""])
def test_a_name_that_nft_cannot_be_told_is_found_in_the_whole(name: str) -> None:
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str) -> bytes:
        asked.append(arguments)
        if arguments == ("tables",):
            return recorded([{"table": {"family": "ip", "name": name}}])
        return recorded([rule(name), rule("other")])

    (row,) = listed_rows(Query.of(nftables_rules, equals={"table_name": name}), run)
    assert row.table_name == name
    assert asked == [("tables",), ("ruleset",)]


def test_a_table_that_is_deleted_meanwhile_does_not_hide_the_others() -> None:
    def run(*arguments: str) -> bytes:
        if arguments == ("tables",):
            return recorded(TABLES[:2])
        if arguments == ("ruleset",) or arguments[-1] == "t0":
            return recorded([rule("t0")])
        raise TableError("/usr/sbin/nft ended with 1: Error: No such file or directory")

    rows = list(listed_rows(Query.of(nftables_rules, equals={"table_name": ["t0", "t1"]}), run))
    assert [row.table_name for row in rows] == ["t0"]


def test_rules_of_other_programs() -> None:
    rules = [
        rule("t", expr=[{"xt": {"type": "target", "name": "LOG"}}]),
        rule("t", handle=2, comment="\udcff", expr=[{"counter": "named"}, {"jump": {"target": "ünder"}}]),
        rule("t", handle=3, expr=None),
        rule("t", handle=1 << 70, expr=["odd", {"counter": {"packets": 1 << 64, "bytes": None}}]),
    ]
    data = recorded(rules).replace(b"\\udcff", b"\xff")
    rows = list(listed_rows(Query.of(nftables_rules), lambda *arguments: data))
    assert [row.verdict for row in rows] == ["xt", "jump ünder", None, None]
    assert rows[1].comment == "\\xff"
    assert [row.packets for row in rows] == [None, None, None, (1 << 63) - 1]
    assert [row.position for row in rows] == [1, 2, 3, 4]


def test_a_firewall_of_ten_thousand_rules_and_of_one_that_is_deep() -> None:
    deep: dict[str, Any] = {"match": 1}
    for _ in range(400):
        deep = {"&": [deep, 1]}
    rules = [rule("t", handle=n, expr=[{"counter": {"packets": n, "bytes": n}}]) for n in range(10_000)]
    data = recorded([*rules, rule("t", handle=10_000, expr=[deep, {"accept": None}])])
    rows = list(listed_rows(Query.of(nftables_rules), lambda *arguments: data))
    assert [row.position for row in rows] == list(range(1, 10_002))
    assert (rows[77].handle, rows[77].packets, rows[-1].verdict) == (77, 77, "accept")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"nftables": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(TableError, match="nft's answer"):
        parse_listing(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["rule", "chain", "expr", "counter", "jump"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=4))
def test_any_answer(objects: list[Any]) -> None:
    data = json.dumps({"nftables": objects}).encode()
    list(listed_rows(Query.of(nftables_rules), lambda *arguments: data))


def test_without_nft(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kolide_tables.reading.tools.FOLDERS", (str(tmp_path),))
    with pytest.raises(TableError, match="nft is not installed: it is part of the package nftables"):
        nftables_rules.rows()
