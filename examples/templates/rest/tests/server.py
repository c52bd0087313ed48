"""A stand-in for the API, on this machine, which misbehaves on request.

Run a command with the settings for it:

    python -m tests.server .venv/bin/my-ext query "select name from my_ext"
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "t0p-s3cret"
_VARIABLE = "MY_EXT_SETTINGS"
PEOPLE = ("maria", "tom", None)
DEVICES: list[dict[str, Any]] = [
    {
        "id": number,
        "name": f"device-{number}",
        "owner": PEOPLE[number % 3],
        "online": number % 2 == 0,
        "seen": f"2024-03-{number % 28 + 1:02}T12:00:00+01:00" if number % 5 else None,
    }
    for number in range(1, 251)
]


class Api:
    """The server.

    Attributes:
        faults: faults of the next requests, one each: a status, or a word that `_misbehave` knows.
        headers: sent along with a status.
        times: when requests came.
        paths: what they asked for.
    """

    def __init__(self) -> None:
        """Listen on a free port."""
        self.faults: list[int | str] = []
        self.headers: dict[str, str] = {}
        self.times: list[float] = []
        self.paths: list[str] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.times.append(time.monotonic())
                api.paths.append(self.path)
                fault = api.faults.pop(0) if api.faults else None
                self.close_connection = True
                if fault is not None:
                    api._misbehave(self, fault)
                elif self.headers["Authorization"] != f"Bearer {TOKEN}":
                    api._send(self, 401, {"error": f"no such token: {self.headers['Authorization']}"})
                else:
                    api._send(self, *api._answer(self.path))

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> tuple[int, Any]:
        parts = urlsplit(path)
        if parts.path.startswith("/v1/devices/"):
            key = unquote(parts.path.removeprefix("/v1/devices/"))
            found = [device for device in DEVICES if str(device["id"]) == key]
            return (200, found[0]) if found else (404, {})
        if parts.path != "/v1/devices":
            return 404, {}
        asked = parse_qs(parts.query)
        chosen = [device for device in DEVICES if device["owner"] in asked.get("owner", PEOPLE)]
        start, limit = int(asked.get("from", ["0"])[0]), int(asked["limit"][0])
        rest = parts.query.partition("&from=")[0]
        following = f"/v1/devices?{rest}&from={start + limit}" if start + limit < len(chosen) else None
        return 200, {"items": chosen[start : start + limit], "next": following}

    def _misbehave(self, handler: BaseHTTPRequestHandler, fault: int | str) -> None:
        if isinstance(fault, int):
            self._send(handler, fault, {}, **self.headers)
        elif fault == "later":
            self._send(handler, 503, {}, **{"Retry-After": formatdate(time.time() + 2, usegmt=True)})
        elif fault == "elsewhere":
            self._send(handler, 302, {}, Location="http://localhost:9/v1/devices")
        elif fault == "moved":
            self._send(handler, 307, {}, Location="/v1/devices?limit=2&from=248")
        elif fault == "half":
            self._send(handler, 200, {"items": [], "next": None}, **{"Content-Length": "1000"})
        elif fault == "no json":
            self._send_bytes(handler, 200, b"<html>", {})
        elif fault == "other server":
            self._send(handler, 200, {"items": [], "next": "http://localhost:9/v1/devices"})
        elif fault == "forever":
            self._send(handler, 200, {"items": [], "next": handler.path})
        elif fault == "huge":
            self._send_bytes(handler, 200, b" " * (17 << 20), {})
        elif fault == "other form":
            self._send(handler, 200, {"items": [{"id": "one"}], "next": None})
        elif fault == "drip":
            handler.send_response(200)
            handler.end_headers()
            for _ in range(200):
                handler.wfile.write(b" ")
                time.sleep(0.05)
        # Otherwise close the connection without an answer.

    def _send(self, handler: BaseHTTPRequestHandler, status: int, content: Any, **headers: str) -> None:
        self._send_bytes(handler, status, json.dumps(content).encode(), headers)

    def _send_bytes(
        self, handler: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        try:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:  # the client has gone
            pass


def main(command: list[str]) -> int:
    """Run a command while the server runs, with the settings that lead to it; returns its exit code."""
    with Api() as api, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "my_ext.toml")
        file.touch(mode=0o600)
        file.write_text(f'url = "{api.url}"\ntoken = "{TOKEN}"\n')
        return subprocess.run(command, env={**os.environ, _VARIABLE: str(file)}).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
