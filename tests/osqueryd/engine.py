"""The embedded engine as a process of its own, in osqueryd's place: listens at the path that it is given."""

import signal
import sys
import threading

from osquery_sdk.engine import Host


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Host(socket=sys.argv[1]):
        stop.wait()


if __name__ == "__main__":
    main()
