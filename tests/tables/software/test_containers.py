"""kolide_containers beside podman, which serves docker's API too, and beside hostile services."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolide_kit.unixhttp import NoAnswer, get_json, is_socket
from kolide_tables.software.container_privileges import of_engine, of_runtime
from kolide_tables.software.containers import container_rows, containers, port_texts
from osquery_sdk import Query, TableError

from ...support.compare import Compare

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the table is for Linux")

# podman with a store of its own. Its containers have no control groups and no network, so that they run
# without privileges; they end with the namespace.
PODMAN = """
set -e
mount --make-rprivate /
umount -R -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup
root=$1; p() { podman --root "$root/store" --runroot "$root/run" --tmpdir "$root/tmp" --storage-driver vfs \\
      --cgroup-manager cgroupfs --events-backend file "$@"; }
tar c -C "$root/image" . | p import - localhost/tiny:1 >&2
small="--ulimit nofile=1000:1000 --ulimit nproc=1000:1000 --cgroups=disabled --network none"
p run -d $small --name plain localhost/tiny:1 /bin/sleep 600 >&2
p run -d $small --privileged --name mighty localhost/tiny:1 /bin/sleep 600 >&2
p run -d $small --cap-add SYS_ADMIN --cap-drop CHOWN --ipc host -v /etc:/x:ro --security-opt seccomp=unconfined \\
  --name shared localhost/tiny:1 /bin/sleep 600 >&2
p run $small --name ended localhost/tiny:1 /bin/sleep 0 >&2
p create --name never -p 127.0.0.1:18080:80 -p 9000:9000/udp localhost/tiny:1 /bin/sleep 1 >&2
p ps -a --no-trunc --format json
echo ---
for name in plain mighty shared ended never; do
  p inspect --format \\
    '{{.Id}} {{.State.Pid}} {{.HostConfig.Privileged}} {{.HostConfig.NetworkMode}} {{json .BoundingCaps}}' $name
done
echo ---
p system service -t 0 "unix://$root/sock" >/dev/null 2>&1 &
"$2" -c "$3" "$root/sock"
"""
READ = """
import json, os, sys, time
from kolide_tables.software.container_privileges import of_engine, of_runtime
from kolide_tables.software.containers import container_rows, containers as t
from osquery_sdk import Query
path, said = sys.argv[1], []
until = time.monotonic() + 30
while not os.path.exists(path) and time.monotonic() < until: time.sleep(0.05)
def rows(**equals):
    query = Query.of(t, equals={"socket_path": path, **equals}, warn=said.append)
    return [dict(zip(row.__columns__, row)) for row in container_rows(query, seconds=30)]
everything = rows()
one, none = rows(id=everything[0]["id"]), rows(id="0" * 64)
root = os.path.dirname(path)
os.makedirs(root + "/etc/containers")
with open(root + "/etc/containers/storage.conf", "w") as file:
    file.write('[storage]\\ngraphroot = "/store"\\nrunroot = "/run"\\n')
os.symlink("/proc", root + "/proc")
os.unlink(path)
query = Query.of(t, warn=said.append)
stored = [dict(zip(row.__columns__, row)) for row in container_rows(query, root, seconds=30)]
print(json.dumps({"all": everything, "one": one, "none": none, "stored": stored, "warnings": said}))
"""


def run_podman(root: Path, busybox: Path) -> tuple[list[Any], list[str], Any]:
    """Podman's own list of its containers, and the table's rows from its service."""
    (root / "image/bin").mkdir(parents=True)
    shutil.copy(busybox, root / "image/bin/busybox")
    for name in ("sh", "sleep"):
        (root / "image/bin" / name).symlink_to("busybox")
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            PODMAN,
            "sh",
            str(root),
            sys.executable,
            READ,
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode and "---" not in done.stdout:
        pytest.skip(f"no containers can be run here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    listed, inspected, ours = done.stdout.split("---\n")
    return json.loads(listed), inspected.splitlines(), json.loads(ours)


def test_containers_are_those_of_podman(compare: Compare, static_busybox: Path) -> None:
    if not all(map(shutil.which, ("podman", "unshare", "crun"))) or os.geteuid() != 0:
        pytest.skip("needs root, podman, crun and unshare")
    with tempfile.TemporaryDirectory(prefix="pod", dir="/tmp") as folder:  # podman takes no long paths
        listed, inspected, ours = run_podman(Path(folder), static_busybox)

    assert ours["warnings"] == []
    facts = {line.split()[0]: line.split()[1:] for line in inspected}
    said = {
        one["Id"]: {
            "runtime": "podman",
            "uid": 0,
            "name": one["Names"][0],
            "image": one["Image"],
            "image_id": "sha256:" + one["ImageID"],
            "state": one["State"],
            "created": one["Created"],
            "pid": int(facts[one["Id"]][0]) or None,
            "privileged": int(facts[one["Id"]][1] == "true"),
            "network_mode": facts[one["Id"]][2],
            "capabilities": sorted(json.loads(facts[one["Id"]][3])),
        }
        for one in listed
    }
    fields = next(iter(said.values())).keys()
    found = {row["id"]: {name: row[name] for name in fields} for row in sorted_capabilities(ours["all"])}
    compare("containers", "podman ps, podman inspect", found, said)
    rows = {row["name"]: row for row in ours["all"]}
    assert rows.keys() == {"plain", "mighty", "shared", "ended", "never"}
    assert {name: row["privileges"] for name, row in rows.items() if name != "mighty"} == {
        "plain": [],
        # This podman's API has `shareable` for a container that shares the machine's.
        "shared": ["capability=CAP_SYS_ADMIN", "mount=/etc", "seccomp=unconfined"],
        "ended": [],
        "never": [],
    }
    assert {"privileged", "capability=CAP_SYS_MODULE"} <= set(rows["mighty"]["privileges"])
    assert (rows["plain"]["state"], rows["never"]["state"]) == ("running", "created")
    assert rows["plain"]["pid"] is not None
    assert rows["mighty"]["privileged"] == 1
    assert rows["never"]["ports"] == ["127.0.0.1:18080->80/tcp", "0.0.0.0:9000->9000/udp"]

    assert ours["one"] == ours["all"][:1]
    assert ours["none"] == []

    # The same from the files alone.
    files = {row["id"]: {name: row[name] for name in fields} for row in sorted_capabilities(ours["stored"])}
    compare("containers", "podman ps, podman inspect, without its service", files, said)
    stored = {row["name"]: row for row in ours["stored"]}
    assert {name: row["privileges"] for name, row in stored.items() if name != "mighty"} == {
        "plain": [],
        "shared": ["capability=CAP_SYS_ADMIN", "ipc=host", "mount=/etc", "seccomp=unconfined"],
        "ended": [],
        "never": [],
    }
    assert stored["never"]["ports"] == rows["never"]["ports"]


def sorted_capabilities(rows: list[Any]) -> list[Any]:
    return [row | {"capabilities": sorted(row["capabilities"] or ())} for row in rows]


ID = "0123456789abcdef" * 4
LISTED = [
    # As the documentation of Docker's API shows it.
    {
        "Id": ID,
        "Names": ["/web/database", "/boring_feynman"],
        "Image": "ubuntu:latest",
        "ImageID": "sha256:" + ID,
        "Command": "echo 1",
        "Created": 1367854155,
        "State": "running",
        "Ports": [
            {"PrivatePort": 2222, "PublicPort": 3333, "Type": "tcp", "IP": "0.0.0.0"},
            {"PrivatePort": 2222, "PublicPort": 3333, "Type": "tcp", "IP": "::"},
            {"PrivatePort": 53, "Type": "udp"},
        ],
    }
]
DETAILS = {
    "Id": ID,
    "State": {"Pid": 4242},
    "HostConfig": {"Privileged": False, "NetworkMode": "bridge"},
    "Config": {"Env": ["TOKEN=x"]},
}

# The capabilities that Docker's documentation says a container has by default.
USUAL = [
    f"CAP_{name}"
    for name in (
        *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
        *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
    )
]


@contextlib.contextmanager
def service(path: Path, answer: Any, *, slowly: bool = False) -> Iterator[list[str]]:
    """Serve on a Unix socket; `answer` returns the whole response, as bytes, for the requested target."""
    asked: list[str] = []
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                target = connection.recv(65536).split(b" ")[1].decode()
                asked.append(target)
                data = answer(target)
                for byte in data if slowly else ():
                    connection.sendall(bytes((byte,)))
                    time.sleep(0.05)
                if not slowly:
                    connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def response(content: Any, status: str = "200 OK", server: str = "Docker/28.0.1 (linux)") -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return (
        f"HTTP/1.1 {status}\r\nServer: {server}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


def docker(target: str) -> bytes:
    if target.startswith("/containers/json?all=1"):
        return response(LISTED)
    if target == f"/containers/{ID}/json":
        return response(DETAILS)
    return response({"message": "page not found"}, "404 Not Found")


def test_docker_as_documented(tmp_path: Path, compare: Compare) -> None:
    with service(tmp_path / "run/docker.sock", docker) as asked:
        (row,) = container_rows(Query.of(containers), str(tmp_path), seconds=30)
    documented = (
        "docker",
        f"{tmp_path}/run/docker.sock",
        os.geteuid(),
        ID,
        "boring_feynman",
        "ubuntu:latest",
        "sha256:" + ID,
        "running",
        4242,
        1367854155,
        0,
        ["53/udp", "0.0.0.0:3333->2222/tcp", "[::]:3333->2222/tcp"],
        [],
        "bridge",
        USUAL,
    )
    compare("containers", "Docker's API as documented", {row.id: tuple(row)}, {ID: documented})
    assert asked == ["/containers/json?all=1", f"/containers/{ID}/json"]
    assert "TOKEN" not in repr(row)


@pytest.mark.parametrize(
    ("host", "mounts", "privileges"),
    [
        ({"Privileged": True}, [], None),
        ({"CapAdd": ["SYS_ADMIN"]}, [], ["capability=CAP_SYS_ADMIN"]),
        ({"CapAdd": ["CAP_SYS_PTRACE", "net_admin"], "CapDrop": ["ALL"]}, [], None),
        ({"CapAdd": ["ALL"], "CapDrop": ["SYS_ADMIN"]}, [], None),
        ({"CapAdd": ["SYS_NICE", "IPC_LOCK"]}, [], []),
        ({"PidMode": "host", "IpcMode": "host", "UTSMode": "host"}, [], ["pid=host", "ipc=host", "uts=host"]),
        ({"NetworkMode": "host", "UsernsMode": "host"}, [], ["network=host", "user=host"]),
        ({"PidMode": "container:" + ID, "IpcMode": "private", "CgroupnsMode": "private"}, [], []),
        ({"CgroupnsMode": "host"}, [], ["cgroup=host"]),
        ({"Binds": ["/var/run/docker.sock:/s:ro"]}, [], ["socket=/var/run/docker.sock"]),
        (
            {"Binds": ["/run/user/1000/podman/podman.sock:/s"]},
            [],
            ["socket=/run/user/1000/podman/podman.sock"],
        ),
        ({}, [{"Type": "bind", "Source": "/run/containerd/containerd.sock"}], None),
        ({}, [{"Type": "bind", "Source": "/", "RW": False}], ["mount=/"]),
        ({"Binds": ["//etc/:/x", "/etc/../etc:/y", "data:/z", "/srv/www:/www"]}, [], ["mount=/etc"]),
        ({"Devices": [{"PathOnHost": "/dev/sda"}, {"PathOnHost": "/dev/kvm"}]}, [], None),
        ({"Binds": ["/dev/mem:/dev/mem"]}, [], ["device=/dev/mem"]),
        ({"SecurityOpt": ["seccomp=unconfined", "label=disable", "no-new-privileges"]}, [], None),
        ({"SecurityOpt": ["apparmor:unconfined"]}, [], ["apparmor=unconfined"]),
        ({"SecurityOpt": "x", "Binds": 5, "Devices": [1], "CapAdd": {}, "PidMode": []}, 7, []),
    ],
)
def test_privileges_of_docker_s_containers(
    host: dict[str, Any], mounts: Any, privileges: list[str] | None, tmp_path: Path
) -> None:
    details = DETAILS | {"HostConfig": {"Privileged": False} | host, "Mounts": mounts}
    others = {
        "Privileged": ["privileged", "capability=CAP_SYS_ADMIN", "capability=CAP_BPF"],
        "CapDrop": ["capability=CAP_NET_ADMIN"],
        "Devices": ["device=/dev/sda", "device=/dev/kvm"],
        "SecurityOpt": ["seccomp=unconfined", "label=disable"],
    }

    def answer(target: str) -> bytes:
        return response(details) if target.endswith(f"{ID}/json") else docker(target)

    with service(tmp_path / "run/docker.sock", answer):
        (row,) = container_rows(Query.of(containers), str(tmp_path), seconds=30)
    assert row.privileged == int("Privileged" in host)
    if privileges is not None:
        assert row.privileges == privileges
    elif mounts:
        assert row.privileges == ["socket=/run/containerd/containerd.sock"]
    else:
        wanted = next(other for name, other in others.items() if name in host)
        assert set(wanted) <= set(row.privileges or ())
        assert ("capability=CAP_SYS_ADMIN" in wanted) == (
            "capability=CAP_SYS_ADMIN" in (row.privileges or ())
        )


SPEC = {
    "ociVersion": "1.0.2",
    "process": {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/s", "type": "bind", "source": "/run/crio/crio.sock", "options": ["rbind", "ro"]},
    ],
    "annotations": {
        "io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.container-name": "web",
        "io.kubernetes.cri.image-name": "docker.io/library/nginx:1",
    },
    "linux": {
        "namespaces": [{"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "pid"}],
        "maskedPaths": ["/proc/kcore"],
        "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
    },
}


def test_tasks_of_containerd(tmp_path: Path) -> None:
    """The folders are those that containerd makes for a pod's container, for docker's and for one of ctr."""
    tasks = tmp_path / "run/containerd/io.containerd.runtime.v2.task"
    bare = {"process": {}, "linux": {"namespaces": [{"type": "network", "path": "/run/netns/x"}]}}
    broken = "{"
    for place, spec in (
        (f"k8s.io/{ID}", SPEC),
        ("default/my-redis", bare),
        (f"moby/{ID[::-1]}", SPEC),
        ("default/broken", broken),
        ("default/list", []),
    ):
        (tasks / place).mkdir(parents=True)
        (tasks / place / "config.json").write_text(spec if spec is broken else json.dumps(spec))
        (tasks / place / "init.pid").write_text("4242")
    (tmp_path / "proc/4242").mkdir(parents=True)
    (tmp_path / "proc/4242/cgroup").write_text(f"0::/kubepods.slice/cri-containerd-{ID}.scope\n")
    (tmp_path / "proc/4242/stat").write_text("4242 (a) b) S 1 4242")
    said: list[str] = []
    rows = {row.id: row for row in container_rows(Query.of(containers, warn=said.append), str(tmp_path))}
    assert rows.keys() == {ID, "my-redis", ID[::-1]}
    web = rows[ID]
    assert (web.runtime, web.name, web.image) == ("containerd", "web", "docker.io/library/nginx:1")
    assert (web.state, web.pid, web.privileged, web.network_mode) == ("running", 4242, 0, "host")
    assert web.capabilities == ["CAP_CHOWN", "CAP_SYS_ADMIN"]
    assert web.privileges == ["capability=CAP_SYS_ADMIN", "network=host", "socket=/run/crio/crio.sock"]
    assert (rows["my-redis"].state, rows["my-redis"].network_mode) == ("exited", "ns:/run/netns/x")
    assert rows[ID[::-1]].runtime == "docker"
    assert len(said) == 1
    assert "default/broken/config.json" in said[0]
    one = Query.of(containers, equals={"id": "my-redis"})
    assert [row.id for row in container_rows(one, str(tmp_path))] == ["my-redis"]
    socket = Query.of(containers, equals={"socket_path": "/run/docker.sock"})
    assert list(container_rows(socket, str(tmp_path))) == []


def test_containers_of_cri_o(tmp_path: Path) -> None:
    storage = tmp_path / "var/lib/containers/storage/overlay-containers"
    about = {"pod-name": "p", "image-name": "quay.io/a:1", "name": "k8s_web_p_0", "created-at": 1700000000}
    listed = [
        {"id": ID, "names": ["k8s_web_p_0"], "image": ID, "metadata": json.dumps(about)},
        {"id": "x", "metadata": "{}"},
        {"id": ID[::-1], "names": ["alpine-working-container"], "metadata": "{"},
        5,
    ]
    (storage / ID / "userdata").mkdir(parents=True)
    (storage / "containers.json").write_text(json.dumps(listed))
    spec = SPEC | {"annotations": {"io.container.manager": "cri-o"}}
    (storage / ID / "userdata/config.json").write_text(json.dumps(spec))
    (row,) = container_rows(Query.of(containers), str(tmp_path))
    assert (row.runtime, row.name, row.image, row.state) == ("cri-o", "k8s_web_p_0", "quay.io/a:1", "exited")
    assert (row.created, row.image_id, row.ports) == (1700000000, f"sha256:{ID}", None)
    assert row.privileges == ["capability=CAP_SYS_ADMIN", "network=host", "socket=/run/crio/crio.sock"]


def test_only_what_is_asked_for_is_asked_of_the_service(tmp_path: Path) -> None:
    with service(tmp_path / "run/docker.sock", docker) as asked:
        cheap = Query.of(containers, used=["id", "name", "state"])
        (row,) = container_rows(cheap, str(tmp_path), seconds=30)
        assert (row.pid, row.privileged) == (None, None)
        assert len(asked) == 1
        one = Query.of(containers, equals={"id": ID}, used=["id", "name"])
        assert len(list(container_rows(one, str(tmp_path), seconds=30))) == 1
        assert "filters=%7B%22id%22" in asked[-1]
        asked.clear()
        for equals in (
            {"id": "x"},
            {"socket_path": "/nowhere"},
            {"socket_path": "relative"},
            {"id": "../../version"},
        ):
            assert list(container_rows(Query.of(containers, equals=equals), str(tmp_path), seconds=30)) == []
        assert asked == []


def test_users_services_and_links_to_them(tmp_path: Path) -> None:
    path = tmp_path / "run/user/1000/podman/podman.sock"
    (tmp_path / "run/user/odd").mkdir(parents=True)
    with service(path, lambda target: docker(target).replace(b"Docker/28.0.1", b"Libpod/5.0.00")):
        (tmp_path / "run/docker.sock").symlink_to(path)
        rows = list(container_rows(Query.of(containers), str(tmp_path), seconds=30))
    assert [(row.runtime, row.socket_path) for row in rows] == [("podman", str(path))]


def test_a_container_that_is_removed_meanwhile(tmp_path: Path) -> None:
    def answer(target: str) -> bytes:
        return docker(target) if "all=1" in target else response({}, "404 Not Found")

    with service(tmp_path / "run/docker.sock", answer):
        assert list(container_rows(Query.of(containers), str(tmp_path), seconds=30)) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        response({"message": "no"}, "500 Internal Server Error"),
        response(b"<html>"),
        response({"a": 1}),
        response(b"[" * 100_000),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
    ],
)
def test_a_service_that_answers_anything_else_hides_no_others(tmp_path: Path, answer: bytes) -> None:
    said: list[str] = []
    with (
        service(tmp_path / "run/docker.sock", lambda target: answer),
        service(tmp_path / "run/podman/podman.sock", docker),
    ):
        rows = list(container_rows(Query.of(containers, warn=said.append), str(tmp_path), seconds=30))
        assert len(rows) == 1
        assert len(said) == 1
        assert "docker.sock" in said[0]
        # If the statement names the socket, its failure is the statement's.
        named = Query.of(containers, equals={"socket_path": f"{tmp_path}/run/docker.sock"})
        with pytest.raises(TableError, match=r"the engine's containers are not known: .*/run/docker\.sock"):
            list(container_rows(named, seconds=30))


@pytest.mark.parametrize("slowly", [True, False])
def test_a_service_that_does_not_come_to_an_end(tmp_path: Path, slowly: bool) -> None:
    stop = threading.Event()

    def answer(target: str) -> bytes:
        if not slowly:
            stop.wait(10)
        return response([1] * 100_000)

    with service(tmp_path / "s", answer, slowly=slowly):
        started = time.monotonic()
        with pytest.raises(NoAnswer, match=rf"{tmp_path}/s: does not answer within 0\.3 s"):
            get_json(str(tmp_path / "s"), "/", seconds=0.3)
        assert time.monotonic() - started < 5
        stop.set()


def test_a_service_that_accepts_and_says_nothing_hides_no_others(tmp_path: Path) -> None:
    stop = threading.Event()

    def nothing(target: str) -> bytes:
        stop.wait(30)
        return b""

    said: list[str] = []
    with (
        service(tmp_path / "run/docker.sock", nothing),
        service(tmp_path / "run/podman/podman.sock", docker),
    ):
        started = time.monotonic()
        query = Query.of(containers, warn=said.append)
        rows = list(container_rows(query, str(tmp_path), seconds=2))
        assert time.monotonic() - started < 10
        stop.set()
    assert [row.name for row in rows] == ["boring_feynman"]
    assert len(said) == 1
    assert f"{tmp_path}/run/docker.sock: does not answer within 2 s" in said[0]


def test_ten_thousand_containers_are_listed_in_one_request(tmp_path: Path) -> None:
    listed = [{**LISTED[0], "Id": f"{number:064x}", "Names": [f"/n{number}"]} for number in range(10_000)]
    with service(tmp_path / "run/docker.sock", lambda target: response(listed)) as asked:
        query = Query.of(containers, used=["id", "name", "ports"])
        rows = list(container_rows(query, str(tmp_path), seconds=30))
    assert len({row.id for row in rows}) == 10_000
    assert len(asked) == 1


def test_an_endless_answer(tmp_path: Path) -> None:
    with (
        service(tmp_path / "s", lambda target: response(b"1" * 2_000_000)),
        pytest.raises(NoAnswer, match="more than 1,000,000 bytes"),
    ):
        get_json(str(tmp_path / "s"), "/", seconds=30, max_bytes=1_000_000)


def test_what_is_no_socket(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/run/docker.sock")
    assert not any(is_socket(str(tmp_path / name)) for name in ("pipe", "link", "none", "a\0"))
    with pytest.raises(NoAnswer):
        get_json(str(tmp_path / "none"), "/")
    with pytest.raises(NoAnswer):
        get_json("/" + "x" * 300, "/")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["PrivatePort", "PublicPort", "IP", "Type"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_any_ports(value: Any) -> None:
    assert all(isinstance(port, str) for port in port_texts(value))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["host", "bind", "/", "ALL"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "HostConfig",
                        "Mounts",
                        "Source",
                        "Binds",
                        "Devices",
                        "PathOnHost",
                        "CapAdd",
                        "CapDrop",
                    ),
                    *(
                        "SecurityOpt",
                        "NetworkMode",
                        "PidMode",
                        "Privileged",
                        "linux",
                        "namespaces",
                        "type",
                        "path",
                    ),
                    *(
                        "process",
                        "capabilities",
                        "bounding",
                        "mounts",
                        "source",
                        "options",
                        "devices",
                        "seccomp",
                    ),
                    "annotations",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(ANYTHING, st.booleans())
def test_any_details_and_configuration(value: Any, podman: bool) -> None:
    document = value if isinstance(value, dict) else {"HostConfig": value, "linux": value}
    for access in (of_engine(document, podman=podman), of_runtime(document)):
        assert all(
            isinstance(text, str) for text in (*(access.privileges or ()), *(access.capabilities or ()))
        )
        assert access.privileged in (0, 1, None)
