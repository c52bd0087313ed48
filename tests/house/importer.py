"""Import the modules that are named as arguments, and print as JSON how that changed the process.

The program runs in an interpreter of its own, so it reports the side effects that any importer would get.
"""

import importlib
import json
import os
import signal
import sys
import threading
import warnings

# Audit events that act outside of the interpreter. Source: Python's library reference, table of audit events.
FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.fork",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.startfile",
    "os.kill",
    "os.putenv",
    "os.unsetenv",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.chown",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "os.chdir",
    "os.setxattr",
    "tempfile.",
    "shutil.",
    "urllib.",
    "http.",
    "fcntl.",
    "sqlite3.connect",
    "sys.settrace",
    "sys.setprofile",
    "sys.addaudithook",
    "setopencodehook",
    "_thread.start",
    "builtins.input",
)


def state() -> dict[str, str]:
    """Return the state of the process that a program or another module would see changed."""
    fds = "/proc/self/fd"
    return {
        "threads": repr(sorted(thread.name for thread in threading.enumerate())),
        "signal handlers": repr([signal.getsignal(number) for number in sorted(signal.valid_signals())]),
        "wake-up descriptor": repr(signal.set_wakeup_fd(-1)),
        "open files": repr(sorted(os.listdir(fds)) if os.path.isdir(fds) else ""),  # noqa: PTH112, PTH208
        "environment": repr(sorted(os.environ.items())),
        "working folder": os.getcwd(),  # noqa: PTH109
        "path": repr(sys.path),
        "finders": repr((sys.meta_path, sys.path_hooks)),
        "hooks": repr(
            (sys.excepthook, sys.displayhook, threading.excepthook, sys.unraisablehook, sys.breakpointhook)
        ),
        "streams": repr((sys.stdout, sys.stderr, sys.stdin)),
        "recursion limit": repr(sys.getrecursionlimit()),
        "switch interval": repr(sys.getswitchinterval()),
        "warning filters": repr(warnings.filters),
    }


def main(names: list[str]) -> int:
    """Import the modules and print the report."""
    events: list[str] = []
    current = ""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event.startswith(FORBIDDEN) and event != "sys.addaudithook":
            events.append(f"{current}: {event}{arguments!r}"[:200])
        # An import reads files, so only flags for writing count.
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & writes:
            events.append(f"{current}: opened {arguments[0]!r} for writing")

    sys.addaudithook(hook)
    missing: dict[str, str] = {}
    changes: list[str] = []
    for current in names:
        before = state()
        try:
            importlib.import_module(current)
        except Exception as error:
            missing[current] = repr(error)
        after = state()
        changes += [
            f"{current}: {what}: {before[what]} -> {after[what]}"
            for what in before
            if before[what] != after[what]
        ]
    done = list(events)
    print(json.dumps({"events": done, "changes": changes, "missing": missing}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
