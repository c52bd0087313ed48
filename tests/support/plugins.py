"""Real sinks for loggers: servers on this machine, files, a broker; and helpers that the tests share."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osquery_sdk.wire.service import CallContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from osquery_sdk.wire.protocol import Response

PROGRAM = Path(__file__).with_name("plugins_program.py")


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)


def ask(plugin: Any, lines: list[str] | None = None, /, **request: str) -> Response:
    """A request to a plugin, as the extension's server makes it."""
    said = [] if lines is None else lines
    context = CallContext(None, None)  # type: ignore[arg-type]
    answer: Response = plugin.call(request, context, said.append, None)
    return answer


def line(number: int) -> str:
    """A result as osqueryd logs it."""
    head = {"name": "numbers", "hostIdentifier": "vm", "calendarTime": "Mon Nov 23 07:39:26 2026 UTC"}
    return json.dumps(
        {
            **head,
            "unixTime": 1795419566 + number // 1000,
            "epoch": 0,
            "counter": 0,
            "numerics": False,
            "columns": {"n": str(number), "path": f"/usr/bin/program-{number}"},
            "action": "added",
        },
        separators=(",", ":"),
    )


def number_of(text: str) -> int | None:
    """The number that `line` made a result of; None of other lines, such as warnings."""
    columns = json.loads(text).get("columns")
    return None if columns is None else int(columns["n"])


@contextmanager
def tmpfs(size: str) -> Iterator[Path]:
    """A file system of so many bytes, for root."""
    import tempfile

    import pytest

    if os.geteuid() != 0:
        pytest.skip("a full disk needs root, to mount one")
    if shutil.which("mount") is None:
        pytest.skip("a full disk needs mount, which is not there")
    folder = tempfile.mkdtemp(prefix="osq-disk-")
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder],
        capture_output=True,
        text=True,
    )
    if mount.returncode:
        Path(folder).rmdir()
        pytest.skip(f"no tmpfs can be mounted here: {mount.stderr}")
    try:
        yield Path(folder)
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        Path(folder).rmdir()


def certificates(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost, by its own authority, and its key: made by openssl."""
    import pytest

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not there, to make a certificate")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


class WebServer:
    """An HTTP or HTTPS server.

    `answer` gets the request's handler and body, and returns status, headers and body.
    """

    def __init__(
        self,
        answer: Callable[[BaseHTTPRequestHandler, bytes], tuple[int, dict[str, str], bytes]],
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, out = answer(self, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 304 and "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                if status != 304:
                    self.wfile.write(out)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that breaks off is what some tests are about."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://localhost:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class HttpSink:
    """Takes batches, as a log collector does: a batch whose key it knows counts once.

    Fails when it is told to.
    """

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.batches: dict[str, list[str]] = {}
        self.requests = 0
        self.fail_with: list[tuple[int, dict[str, str]]] = []
        self.max_bytes = 1 << 30
        self._lock = threading.Lock()
        self.server = WebServer(self._answer, tls)
        self.url = self.server.url

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            self.requests += 1
            if self.fail_with:
                return (*self.fail_with.pop(0), b"told to fail")
            if len(body) > self.max_bytes:
                return 413, {}, b""
            text = gzip.decompress(body) if handler.headers.get("Content-Encoding") == "gzip" else body
            assert handler.headers["Content-Type"] == "application/x-ndjson"
            self.batches[handler.headers["Idempotency-Key"]] = text.decode().splitlines()
            return 200, {}, b"ok"

    def lines(self) -> list[str]:
        with self._lock:
            return [text for batch in self.batches.values() for text in batch]

    def close(self) -> None:
        self.server.close()


class SyslogSink:
    """A syslog server, on a datagram socket of the file system, or on UDP or TCP with counted octets."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.messages: list[bytes] = []
        self._open = True
        self._connections: list[socket.socket] = []
        if kind == "unix":
            self.address = str(folder / "log")
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(self.address)
        else:
            stream = kind == "tcp"
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
            self._socket.bind(("127.0.0.1", 0))
            if stream:
                self._socket.listen()
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
            self.address = f"{kind}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept if kind == "tcp" else self._receive, daemon=True)
        self._socket.settimeout(0.2)
        self._thread.start()

    def _receive(self) -> None:
        while self._open:
            try:
                self.messages.append(self._socket.recv(1 << 20))
            except TimeoutError:
                continue

    def _accept(self) -> None:
        while self._open:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self._connections.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def drop_connections(self) -> None:
        """Close all connections, as a server does that is started again."""
        while self._connections:
            self._connections.pop().shutdown(socket.SHUT_RDWR)

    def _read(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while True:
                digits = b""
                while (byte := stream.read(1)) not in (b" ", b""):
                    digits += byte
                if not digits:
                    return
                message = stream.read(int(digits))
                if len(message) == int(digits):
                    self.messages.append(message)

    def lines(self) -> list[str]:
        """The JSON in the messages."""
        return [message.decode().split(" ", 7)[7] for message in list(self.messages)]

    def close(self) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()
