"""Run the embedded engine as a process in place of osqueryd, listening at the path of the argument."""

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
