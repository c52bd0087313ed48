"""An extension that prints in each possible way: during its import, in tables, plugins and threads."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from osquery_sdk import Column, ConfigPlugin, Extension, Query, Row, Table, table

if TYPE_CHECKING:
    from collections.abc import Mapping

WAYS = ("print", "write", "buffer", "descriptor", "program", "C", "early", "original", "thread", "no UTF-8")
EARLY = sys.stdout


class Number(Row):
    n: int = Column("a number")


def noise(place: str) -> None:
    """Print a line in each of the `WAYS`."""
    print(f"{place} print")
    sys.stdout.write(f"{place} write\n")
    sys.stdout.buffer.write(f"{place} buffer\n".encode())
    sys.stdout.buffer.flush()
    os.write(1, f"{place} descriptor\n".encode())
    subprocess.run(["/bin/echo", place, "program"], check=True)
    libc = ctypes.CDLL(None)
    libc.puts(f"{place} C".encode())
    libc.fflush(None)
    print(f"{place} early", file=EARLY, flush=True)
    print(f"{place} original", file=sys.__stdout__, flush=True)
    thread = threading.Thread(target=print, args=(f"{place} thread",))
    thread.start()
    thread.join()
    print(f"{place} no UTF-8 \udcff \ud800")


@table("noisy", rows=Number, examples=("select n from noisy",))
def noisy(query: Query) -> list[Number]:
    """Numbers with noise."""
    noise("table")
    return [Number(n=1), Number(n=2)]


class Configured(ConfigPlugin):
    def gen_config(self) -> Mapping[str, Any]:
        noise("config")
        return {"main": {}}


def left_out() -> list[tuple[Table, str]]:
    noise("left out")
    return []


def main() -> int:
    plugins = [noisy, Configured("noisy")]
    return Extension("noisy", version="1", plugins=plugins, left_out=left_out).run()


print("imported")  # not flushed: what is written before the SDK is asked for anything is out of its reach
if __name__ == "__main__":
    raise SystemExit(main())
