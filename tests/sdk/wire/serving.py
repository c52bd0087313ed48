"""Run a server as a program, for tests that must not share a process with it.

It ends when its standard input does.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from osquery_sdk.wire.protocol import Reply, Status
from osquery_sdk.wire.server import CallContext, Server, ServerOptions
from osquery_sdk.wire.transport import listen


class Tables:
    """A service whose plugins sleep, spin, answer with many rows or use up descriptors, as the test asks."""

    def ping(self) -> Status:
        return Status()

    def call(self, registry: str, item: str, request: dict[str, str], context: CallContext) -> Reply:
        if item == "rows":
            row = {"value": "x" * int(request["size"])}
            return Reply(Status(), [row] * int(request["count"]))
        if item == "distinct":
            # A separate string for each value, as in a real table.
            size = int(request["size"])
            return Reply(Status(), [{"value": f"{n:0{size}}"} for n in range(int(request["count"]))])
        if item == "sleep":
            time.sleep(float(request["seconds"]))
        elif item == "spin":
            end = time.monotonic() + float(request["seconds"])
            while time.monotonic() < end:
                pass
        elif item == "hoard":
            # Use up the descriptors, like a table that leaks them.
            hoard = []
            try:
                while True:
                    hoard.append(open("/dev/null", "rb"))  # noqa: PTH123, SIM115
            except OSError:
                time.sleep(float(request["seconds"]))
            for file in hoard:
                file.close()
        elif item == "limits":
            return Reply(Status(), [{"soft": str(resource.getrlimit(resource.RLIMIT_NOFILE)[0])}])
        return Reply(Status(), [request])

    def shutdown(self) -> None:
        pass


def main() -> None:
    path, text = sys.argv[1:]
    options = json.loads(text)
    descriptors = options.pop("descriptors", None)
    if descriptors:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))
    listener = listen(path, max_connections=options.pop("max_connections", 512))
    quick = options.pop("quick", None)
    server = Server(
        Tables(), listener, options=ServerOptions(**options), is_quick=lambda request: request.name == quick
    )
    server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
