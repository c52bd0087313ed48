"""kolide_nftables_rules against nft's own text, for rules in a network namespace and recorded answers."""

import json
import re
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_tables.exposure.nftables_rules import listed_rows, nftables_rules
from kolide_tables.exposure.nftlisting import parse_listing
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


def recorded(objects: list[dict[str, Any]], size: int = 1000) -> list[bytes]:
    data = json.dumps({"nftables": [{"metainfo": {"json_schema_version": 1}}, *objects]}).encode()
    return [data[at : at + size] for at in range(0, len(data), size)]


TABLES = [{"table": {"family": "ip", "name": f"t{n}", "handle": n}} for n in range(100)]


def rule(table: str, **fields: Any) -> dict[str, Any]:
    return {"rule": {"family": "ip", "table": table, "chain": "c", "handle": 1, "expr": []} | fields}


def test_a_lookup_lists_that_table_alone() -> None:
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str) -> list[bytes]:
        asked.append(arguments)
        return recorded(TABLES) if arguments == ("tables",) else recorded([rule(arguments[-1])])

    (row,) = listed_rows(Query.of(nftables_rules, equals={"table_name": "t7"}), run)
    assert row.table_name == "t7"
    assert asked == [("tables",), ("table", "ip", "t7")]


@pytest.mark.parametrize("name", ["a b", "ip}", "-f", "x;", "é", ""])
def test_a_name_that_nft_cannot_be_told_is_found_in_the_whole(name: str) -> None:
    asked: list[tuple[str, ...]] = []

    def run(*arguments: str) -> list[bytes]:
        asked.append(arguments)
        if arguments == ("tables",):
            return recorded([{"table": {"family": "ip", "name": name}}])
        return recorded([rule(name), rule("other")])

    (row,) = listed_rows(Query.of(nftables_rules, equals={"table_name": name}), run)
    assert row.table_name == name
    assert asked == [("tables",), ("ruleset",)]


def test_a_table_that_is_deleted_meanwhile_does_not_hide_the_others() -> None:
    def run(*arguments: str) -> list[bytes]:
        if arguments == ("tables",):
            return recorded(TABLES[:2])
        if arguments == ("ruleset",) or arguments[-1] == "t0":
            return recorded([rule("t0")])
        raise TableError("/usr/sbin/nft ended with 1: Error: No such file or directory")

    rows = list(listed_rows(Query.of(nftables_rules, equals={"table_name": ["t0", "t1"]}), run))
    assert [row.table_name for row in rows] == ["t0"]


def test_rules_of_other_programs() -> None:
    rules = [
        rule("t", expr=[{"xt": {"type": "target", "name": "LOG"}}, {"xt": {"type": "match", "name": "x"}}]),
        rule("t", handle=2, comment="\udcff", expr=[{"counter": "named"}, {"jump": {"target": "ünder"}}]),
        rule("t", handle=3, expr=None),
        rule("t", handle=1 << 70, expr=["odd", {"counter": {"packets": 1 << 64, "bytes": None}}]),
    ]
    data = [b"".join(recorded(rules)).replace(b"\\udcff", b"\xff")]
    rows = list(listed_rows(Query.of(nftables_rules), lambda *arguments: data))
    assert [row.verdict for row in rows] == [None, "jump ünder", None, None]
    assert [row.target for row in rows] == ["LOG", None, None, None]
    assert rows[1].counter == "named"
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
        list(parse_listing([data]))


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
    list(listed_rows(Query.of(nftables_rules), lambda *arguments: [data]))


def test_what_a_listing_says_of_tables_chains_counters_and_maps() -> None:
    objects = [
        {"table": {"family": "ip", "name": "t", "flags": "dormant", "comment": "of t"}},
        {"table": {"family": "ip", "name": "u", "flags": ["owner", "dormant"]}},
        {"table": {"family": "ip", "name": "v", "flags": ["owner"]}},
        {"chain": {"family": "ip", "table": "t", "name": "c", "type": "nat", "hook": "input", "prio": -100}},
        {"chain": {"family": "ip", "table": "u", "name": "c", "dev": ["a", "b"], "comment": "of c"}},
        {"chain": {"family": "ip", "table": "v", "name": "c", "dev": "eth0", "prio": 1 << 40}},
        {"counter": {"family": "ip", "table": "t", "name": "web", "packets": 3, "bytes": 4}},
        {"map": {"family": "ip", "table": "u", "name": "m", "map": "verdict", "elem": [[1, {"drop": None}]]}},
        rule("t", expr=[{"counter": "web"}, {"vmap": {"data": {"set": [[1, {"goto": {"target": "x"}}]]}}}]),
        rule("u", expr=[{"vmap": {"key": 1, "data": "@m"}}]),
        rule("v", expr=[{"xt": {"type": "target", "name": "MASQUERADE"}}]),
    ]
    rows = list(listed_rows(Query.of(nftables_rules), lambda *arguments: recorded(objects)))
    assert [(row.dormant, row.table_comment, row.chain_comment) for row in rows] == [
        (1, "of t", None),
        (1, None, "of c"),
        (0, None, None),
    ]
    assert [(row.chain_type, row.priority, row.devices) for row in rows] == [
        ("nat", -100, []),
        (None, None, ["a", "b"]),
        (None, None, ["eth0"]),
    ]
    assert (rows[0].counter, rows[0].packets, rows[0].bytes) == ("web", 3, 4)
    assert [(row.verdict, row.outcomes) for row in rows] == [
        ("vmap", ["goto x"]),
        ("vmap", ["drop"]),
        ("masquerade", ["masquerade"]),
    ]


# Each with the verdict that nftables' own words have for it.
IPTABLES = {
    "iptables -N OTHER": "",
    "iptables -A INPUT -p tcp --dport 22 -m comment --comment 'a; \"b\"' -j REJECT": "reject",
    "iptables -A INPUT -p udp -j LOG --log-prefix x": None,
    "iptables -A INPUT -p udp -j NFQUEUE --queue-num 3": "queue",
    "iptables -A INPUT -p udp -j OTHER": "jump OTHER",
    "iptables -A INPUT -p udp -g OTHER": "goto OTHER",
    "iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT": "accept",
    "iptables -A INPUT -m comment --comment only": None,
    "iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE": "masquerade",
    "iptables -t nat -A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.1": "snat",
    "iptables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.0.2.1:8080": "dnat",
    "iptables -t nat -A PREROUTING -p tcp --dport 81 -j REDIRECT --to-ports 8081": "redirect",
    "iptables -t mangle -A PREROUTING -j MARK --set-mark 7": None,
    "iptables -t mangle -A PREROUTING -p tcp -j TPROXY --on-port 99 --on-ip 127.0.0.1": "tproxy",
    "iptables -t raw -A PREROUTING -j CT --notrack": None,
    "ip6tables -A INPUT -j REJECT": "reject",
    "ebtables -A INPUT -p arp -j DROP": "drop",
    "ebtables -A INPUT -j mark --mark-set 3 --mark-target RETURN": "return",
    "ebtables -t nat -A PREROUTING -p arp -j arpreply --arpreply-mac 10:0:0:0:0:1": "drop",
    "arptables -A INPUT -j mangle --mangle-ip-s 192.0.2.1": "accept",
    "arptables -A INPUT -j mangle --mangle-ip-s 192.0.2.2 --mangle-target DROP": "drop",
    "arptables -A INPUT -j mangle --mangle-ip-s 192.0.2.3 --mangle-target CONTINUE": None,
    "arptables -A OUTPUT -j CLASSIFY --set-class 1:2": None,
}
FROM_IPTABLES = """
import json, subprocess
from kolide_tables.exposure.nftables_rules import nftables_rules as t
done = [command for command in COMMANDS
        if subprocess.run(command, shell=True, capture_output=True, env={"PATH": "/usr/sbin:/usr/bin:/bin"}).returncode == 0]
rows = [dict(zip(row.__columns__, row)) for row in t.rows()]
print(json.dumps({"done": done, "rows": rows}))
"""


def test_rules_that_iptables_made(compare: Compare) -> None:
    iptables = shutil.which("iptables", path="/usr/sbin:/usr/bin")
    if iptables is None or "nf_tables" not in subprocess.check_output([iptables, "--version"], text=True):
        pytest.skip("needs iptables-nft")
    said, _ = in_namespace(FROM_IPTABLES.replace("COMMANDS", repr(list(IPTABLES))), "")
    made = [command for command in said["done"] if IPTABLES[command] != ""]
    assert len(made) > len(IPTABLES) - 5

    def about(command: str) -> tuple[str, str, str]:
        words = command.split()
        family = {"iptables": "ip", "ip6tables": "ip6", "ebtables": "bridge", "arptables": "arp"}[words[0]]
        return family, words[2] if words[1] == "-t" else "filter", words[words.index("-A") + 1]

    expected = sorted((*about(command), str(IPTABLES[command])) for command in made)
    found = sorted(
        (row["family"], row["table_name"], row["chain"], str(row["verdict"])) for row in said["rows"]
    )
    compare("nftables_rules", "iptables-nft", found, expected)
    targets = {row["target"] for row in said["rows"]}
    assert {"REJECT", "LOG", "MASQUERADE", "MARK", None} <= targets
    assert {row["comment"] for row in said["rows"]} == {'a; "b"', "only", None}
    hooks = {(row["table_name"], row["hook"], row["priority"], row["chain_type"]) for row in said["rows"]}
    assert {("filter", "input", 0, "filter"), ("nat", "prerouting", -100, "nat")} <= hooks


DETAILS = """
table inet details {
  comment "the table"
  flags dormant
  counter web { }
  map verdicts {
    type inet_service : verdict
    elements = { 80 : accept, 81 : jump tail, 82 : accept }
  }
  chain tail {
    comment "its tail"
    return
  }
  chain in {
    type filter hook input priority -5; policy drop;
    counter name web comment "x"
    tcp dport vmap @verdicts
    tcp dport vmap { 1 : drop, 2 : goto tail }
    ip saddr 192.0.2.1 jump {
      accept
    }
  }
}
table netdev edge {
  chain in {
    type filter hook ingress device lo priority -500; policy accept;
    drop
  }
}
"""


def test_what_tells_the_order_of_chains_and_whether_they_are_live() -> None:
    said, _ = in_namespace(RUN, DETAILS)
    rows = {(row["table_name"], row["chain"], row["position"]): row for row in said["all"]}
    of_chain, of_device = rows["details", "in", 1], rows["edge", "in", 1]
    columns = ("hook", "chain_type", "priority", "policy", "dormant", "devices", "table_comment")
    assert [of_chain[name] for name in columns] == ["input", "filter", -5, "drop", 1, [], "the table"]
    assert [of_device[name] for name in columns] == ["ingress", "filter", -500, "accept", 0, ["lo"], None]
    assert rows["details", "tail", 1]["chain_comment"] == "its tail"
    assert (of_chain["counter"], of_chain["packets"], of_chain["comment"]) == ("web", 0, "x")
    assert set(rows["details", "in", 2]["outcomes"]) == {"accept", "jump tail"}
    assert set(rows["details", "in", 3]["outcomes"]) == {"drop", "goto tail"}
    # nft 1.0.6 has no JSON for a chain within a rule.
    inline = rows["details", "in", 4]["verdict"].partition(" ")
    assert inline[0] == "jump"
    assert rows["details", inline[2], 1]["verdict"] == "accept"
    assert {row["dormant"] for row in said["all"] if row["table_name"] == "details"} == {1}


WITHOUT_NFT = """
import json
from kolide_tables.exposure.nftables_rules import nftables_rules as t
from kolide_tables.reading import tools
def rows(): return [dict(zip(row.__columns__, row)) for row in t.rows()]
both = rows()
tools.FOLDERS = ()
alone = rows()
one = [row.table_name for row in t.rows(table_name="other")]
print(json.dumps({"both": both, "alone": alone, "one": one}))
"""


@pytest.mark.parametrize("rules", [RULES, DETAILS])
def test_without_nft_the_kernel_says_the_same(compare: Compare, rules: str) -> None:
    said, _ = in_namespace(WITHOUT_NFT, rules)
    assert said["one"] == ["other"] * (rules is RULES)
    alone = [{name: value for name, value in row.items() if name != "expr"} for row in said["alone"]]
    both = [{name: value for name, value in row.items() if name != "expr"} for row in said["both"]]
    assert alone
    compare("nftables_rules", "nft -j list ruleset", alone, both)
    assert {name for row in said["alone"] for each in row["expr"] for name in each} > {"cmp", "payload"} - (
        set() if rules is RULES else {"cmp"}
    )


def test_a_kernel_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*arguments: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("kolide_tables.exposure.nftables_rules.kernel_listing", refused)
    monkeypatch.setattr("kolide_tables.reading.tools.FOLDERS", (str(tmp_path),))
    # Where the kernel refuses this process, nft is no help.
    (tmp_path / "nft").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "nft").chmod(0o755)
    with pytest.raises(TableError, match=r"the kernel does not list .*Operation not permitted"):
        nftables_rules.rows()


def test_an_nft_that_fails_leaves_what_the_kernel_says() -> None:
    def run(*arguments: str) -> list[bytes]:
        raise TableError("/usr/sbin/nft ended with 1: Error: JSON support not compiled-in")

    kernel = [rule("t", comment=None, expr=[{"cmp": None}, {"drop": None}])] * 2
    warnings: list[str] = []
    row, _ = listed_rows(Query.of(nftables_rules, warn=warnings.append), run, kernel)
    assert (row.verdict, row.expr) == ("drop", [{"cmp": None}, {"drop": None}])
    assert len(warnings) == 1


def test_nft_runs_only_for_what_rules_match() -> None:
    def run(*arguments: str) -> list[bytes]:
        raise AssertionError("nft has nothing to say")

    kernel = [rule("t", comment=None, expr=[{"cmp": None}, {"drop": None}])]
    (row,) = listed_rows(Query.of(nftables_rules, used=["verdict"]), run, kernel)
    assert row.verdict == "drop"
    assert list(listed_rows(Query.of(nftables_rules), run, [])) == []


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)), st.integers(1, 200))
def test_nft_may_list_other_rules_in_another_order(order: list[int], deleted: set[int], size: int) -> None:
    spelled = [rule("t", handle=n, expr=[{"match": n}]) for n in order if n not in deleted]
    kernel = [rule("t", handle=n, comment=None, expr=[{"cmp": None}]) for n in range(6)]
    rows = list(listed_rows(Query.of(nftables_rules), lambda *_: recorded(spelled, size), kernel))
    assert [row.expr for row in rows] == [
        [{"cmp": None}] if n in deleted else [{"match": n}] for n in range(6)
    ]


def test_many_rules_take_little_memory() -> None:
    def kernel() -> Iterator[dict[str, Any]]:
        return (rule("t", handle=n, comment=None, expr=None) for n in range(5_000))

    matched = {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 1}}

    def run(*arguments: str) -> Iterator[bytes]:
        yield b'{"nftables": ['
        for n in range(5_000):
            yield (
                json.dumps(rule("t", handle=n, expr=[matched, {"counter": {"packets": n}}])).encode() + b", "
            )
        yield b"]}"

    tracemalloc.start()
    handles = sum(row.handle for row in listed_rows(Query.of(nftables_rules), run, kernel()) if row.expr)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert handles == sum(range(5_000))
    assert peak < 1_000_000
