"""Recognizes and runs the processes that `multiprocessing` starts in a frozen program.

Python starts a helper of the workers as `python -c "from multiprocessing..."`. Where `sys.frozen` is set, it
starts a worker with `--multiprocessing-fork` as the first argument. In a frozen program `python` is the
program itself. So it looks at its arguments to tell these processes from an ordinary start.
"""

import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

UNGUARDED = (
    "multiprocessing runs this script again in each process that it starts: "
    "start the extension under if __name__ == '__main__'"
)

_WORKER = "--multiprocessing-fork"
_HANDLE = re.compile(r"\w+=(?:\d+|None)")
# https://github.com/python/cpython/blob/3.13/Lib/multiprocessing/forkserver.py and resource_tracker.py
_HELPER = re.compile(
    r"(?:import sys; ?)?from multiprocessing\.(?:forkserver|resource_tracker) import main;.*", re.DOTALL
)


def is_child(arguments: Sequence[str]) -> bool:
    """Return True if `multiprocessing` started the program with these arguments.

    The first is the program's name.
    """
    if arguments[1:2] == [_WORKER]:
        return len(arguments) > 2 and all(map(_HANDLE.fullmatch, arguments[2:]))
    return _helper(arguments) is not None


def is_defining() -> bool:
    """Return True in a worker process that runs the program's script only to have its definitions."""
    process = sys.modules.get("multiprocessing.process")
    # Python checks the same mark before such a process starts another one.
    return process is not None and getattr(process.current_process(), "_inheriting", False)


def run_child(arguments: Sequence[str]) -> NoReturn:
    """Do the work that the process was started for, and end it."""
    code = _helper(arguments)
    try:
        if code is None:
            from multiprocessing.spawn import freeze_support

            freeze_support()
        else:
            exec(code, {"__name__": "__main__"})  # noqa: S102  as Python does with -c
    except (EOFError, OSError) as error:
        # An exception of the task itself never gets here.
        why = getattr(error, "strerror", None) or "end of file"
        sys.exit(f"{arguments[0]}: started for a process that is gone: {why}")
    sys.exit()


def _helper(arguments: Sequence[str]) -> str | None:
    """Return the code of a helper process, else None; options of Python itself may come before it."""
    for option, text in pairwise(arguments):
        if option == "-c" and _HELPER.fullmatch(text):
            return text
    return None
