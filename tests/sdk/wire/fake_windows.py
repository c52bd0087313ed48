"""Imitate the functions of Windows that named pipes need, as their documentation describes them.

There are byte pipes with a quota and instances, overlapped operations that end, fail or are cancelled, and
events. A table of handles finds one that is never closed, closed twice, or closed while a thread waits for
it.
"""

from __future__ import annotations

import threading
import time
import types
from typing import Any

QUOTA = 64 << 10
CONSTANTS = {
    "ERROR_BROKEN_PIPE": 109,
    "ERROR_IO_PENDING": 997,
    "ERROR_NO_DATA": 232,
    "ERROR_OPERATION_ABORTED": 995,
    "ERROR_PIPE_BUSY": 231,
    "ERROR_SEM_TIMEOUT": 121,
    "FILE_FLAG_FIRST_PIPE_INSTANCE": 0x80000,
    "FILE_FLAG_OVERLAPPED": 0x40000000,
    "GENERIC_READ": 0x80000000,
    "GENERIC_WRITE": 0x40000000,
    "INFINITE": 0xFFFFFFFF,
    "NULL": 0,
    "OPEN_EXISTING": 3,
    "PIPE_ACCESS_DUPLEX": 3,
    "PIPE_UNLIMITED_INSTANCES": 255,
    "PIPE_WAIT": 0,
    "WAIT_OBJECT_0": 0,
    "WAIT_TIMEOUT": 258,
}
_KINDS = {2: FileNotFoundError, 5: PermissionError, 109: BrokenPipeError, 232: BrokenPipeError}


def failure(code: int) -> OSError:
    """Return the exception that Python raises for an error of Windows."""
    error = _KINDS.get(code, OSError)(0, f"error {code}")
    error.winerror = code  # type: ignore[attr-defined]
    return error


class Event:
    def __init__(self, *, manual: bool) -> None:
        self.manual = manual
        self.set = False
        self.waiters = 0


class End:
    """One end of a pipe, and the bytes written to it that are not read yet."""

    def __init__(self) -> None:
        self.inbox = bytearray()
        self.peer: End | None = None
        self.open = True
        self.reads: list[Overlapped] = []
        self.writes: list[Overlapped] = []


class Instance(End):
    """The server's end."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.listening = True
        self.connecting: Overlapped | None = None


class Overlapped:
    """An operation that has begun."""

    def __init__(self, windows: Windows, size: int = 0, data: bytes = b"") -> None:
        self._windows = windows
        self.event = windows.new(Event(manual=True))
        self.size = size
        self.rest = data
        self.count = 0
        self.error: int | None = CONSTANTS["ERROR_IO_PENDING"]
        self.result = b""

    def finish(self, error: int = 0) -> None:
        self.error = error
        self._windows.handles[self.event].set = True
        self._windows.changed.notify_all()

    def cancel(self) -> None:
        with self._windows.changed:
            if self.error == CONSTANTS["ERROR_IO_PENDING"]:
                for end in list(self._windows.handles.values()):
                    if isinstance(end, End):
                        end.reads = [o for o in end.reads if o is not self]
                        end.writes = [o for o in end.writes if o is not self]
                        if isinstance(end, Instance) and end.connecting is self:
                            end.connecting = None
                self.finish(CONSTANTS["ERROR_OPERATION_ABORTED"])

    def GetOverlappedResult(self, wait: bool) -> tuple[int, int]:  # noqa: N802
        with self._windows.changed:
            while wait and self.error == CONSTANTS["ERROR_IO_PENDING"]:
                assert self._windows.changed.wait(20), "an operation that never ended was waited for"
            assert self.error is not None
            if self.error not in (0, CONSTANTS["ERROR_OPERATION_ABORTED"], CONSTANTS["ERROR_IO_PENDING"]):
                raise failure(self.error)
            return self.count, self.error

    def getbuffer(self) -> bytes:
        return self.result

    def __del__(self) -> None:
        # Like _winapi's own object, it closes its event with itself.
        self._windows.handles.pop(self.event, None)


class Windows:
    """The machine: `_winapi`'s functions by name, and those of `osquery_sdk.wire.windows`."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.handles: dict[int, Any] = {}
        self.security: list[OwnerOnly] = []
        self.instances_allowed = 1000
        self._last = 100
        for name, value in CONSTANTS.items():
            setattr(self, name, value)

    def module(self, name: str, *functions: str) -> types.ModuleType:
        module = types.ModuleType(name)
        for function in functions:
            setattr(module, function, getattr(self, function))
        return module

    def new(self, thing: Any) -> int:
        with self.changed:
            self._last += 4
            self.handles[self._last] = thing
            return self._last

    def _end(self, handle: int) -> End:
        end = self.handles.get(handle)
        if not isinstance(end, End):
            raise failure(6)
        return end

    def _pump(self, end: End) -> None:
        """Move the bytes that can be moved, towards this end and away from it."""
        peer = end.peer
        for target, source in ((end, peer), (peer, end)):
            if target is None:
                continue
            moved = True
            while moved:
                moved = False
                while source is not None and source.writes and len(target.inbox) < QUOTA:
                    write = source.writes[0]
                    piece = write.rest[: QUOTA - len(target.inbox)]
                    target.inbox += piece
                    write.rest = write.rest[len(piece) :]
                    write.count += len(piece)
                    moved = moved or bool(piece)
                    if not write.rest:
                        source.writes.pop(0)
                        write.finish()
                while target.reads and target.inbox:
                    read = target.reads.pop(0)
                    read.result = bytes(target.inbox[: read.size])
                    del target.inbox[: read.size]
                    read.count = len(read.result)
                    read.finish()
                    moved = moved or bool(read.count)
            if target.reads and (source is None or not source.open):
                for read in target.reads:
                    read.finish(CONSTANTS["ERROR_BROKEN_PIPE"])
                target.reads = []
            if source is not None and source.writes and not target.open:
                for write in source.writes:
                    write.finish(CONSTANTS["ERROR_NO_DATA"])
                source.writes = []

    # _winapi

    def CreateNamedPipe(  # noqa: N802
        self, name: str, mode: int, kind: int, most: int, out: int, into: int, timeout: int, security: int
    ) -> int:
        assert mode & CONSTANTS["FILE_FLAG_OVERLAPPED"]
        assert kind == 8, "a byte pipe that other machines cannot reach"
        assert any(s.address == security and s.valid for s in self.security)
        with self.changed:
            existing = [i for i in self.handles.values() if isinstance(i, Instance) and i.name == name]
            if existing and mode & CONSTANTS["FILE_FLAG_FIRST_PIPE_INSTANCE"]:
                raise failure(5)
            if len(existing) >= self.instances_allowed:
                raise failure(1450)
            handle = self.new(Instance(name))
            self.changed.notify_all()
            return handle

    def ConnectNamedPipe(self, handle: int, overlapped: bool) -> Overlapped:  # noqa: N802
        with self.changed:
            instance = self._end(handle)
            assert isinstance(instance, Instance)
            operation = Overlapped(self)
            if instance.peer is not None:
                if not instance.peer.open:
                    raise failure(CONSTANTS["ERROR_NO_DATA"])
                operation.finish()
            else:
                instance.listening = True
                instance.connecting = operation
                self.changed.notify_all()
            return operation

    def CreateFile(self, name: str, access: int, *_: int) -> int:  # noqa: N802
        with self.changed:
            instances = [i for i in self.handles.values() if isinstance(i, Instance) and i.name == name]
            if not instances:
                raise failure(2)
            free = [i for i in instances if i.listening]
            if not free:
                raise failure(CONSTANTS["ERROR_PIPE_BUSY"])
            client = End()
            free[0].listening = False
            free[0].peer, client.peer = client, free[0]
            if free[0].connecting is not None:
                free[0].connecting.finish()
                free[0].connecting = None
            return self.new(client)

    def WaitNamedPipe(self, name: str, milliseconds: int) -> None:  # noqa: N802
        with self.changed:

            def free() -> bool:
                return any(
                    isinstance(i, Instance) and i.name == name and i.listening for i in self.handles.values()
                )

            if not self.changed.wait_for(free, milliseconds / 1000):
                raise failure(CONSTANTS["ERROR_SEM_TIMEOUT"])

    def ReadFile(self, handle: int, size: int, overlapped: bool) -> tuple[Overlapped, int]:  # noqa: N802
        with self.changed:
            end = self._end(handle)
            operation = Overlapped(self, size=size)
            if not end.inbox and (end.peer is None or not end.peer.open):
                raise failure(CONSTANTS["ERROR_BROKEN_PIPE"])
            end.reads.append(operation)
            self._pump(end)
            assert operation.error is not None
            return operation, operation.error

    def WriteFile(self, handle: int, data: bytes, overlapped: bool) -> tuple[Overlapped, int]:  # noqa: N802
        with self.changed:
            end = self._end(handle)
            if end.peer is None or not end.peer.open:
                raise failure(CONSTANTS["ERROR_NO_DATA"])
            operation = Overlapped(self, data=data)
            end.writes.append(operation)
            self._pump(end)
            assert operation.error is not None
            return operation, operation.error

    def PeekNamedPipe(self, handle: int) -> tuple[int, int]:  # noqa: N802
        with self.changed:
            end = self._end(handle)
            if not end.inbox and (end.peer is None or not end.peer.open):
                raise failure(CONSTANTS["ERROR_BROKEN_PIPE"])
            return len(end.inbox), 0

    def WaitForMultipleObjects(self, handles: list[int], every: bool, milliseconds: int) -> int:  # noqa: N802
        assert len(handles) <= 63
        assert not every
        end = None if milliseconds == CONSTANTS["INFINITE"] else time.monotonic() + milliseconds / 1000
        with self.changed:
            events = [self.handles[handle] for handle in handles]
            assert all(isinstance(event, Event) for event in events)
            for event in events:
                event.waiters += 1
            try:
                while True:
                    for index, event in enumerate(events):
                        if event.set:
                            event.set = event.manual
                            return index
                    left = None if end is None else end - time.monotonic()
                    if left is not None and left <= 0:
                        return CONSTANTS["WAIT_TIMEOUT"]
                    self.changed.wait(left)
            finally:
                for event in events:
                    event.waiters -= 1

    def CloseHandle(self, handle: int) -> None:  # noqa: N802
        with self.changed:
            thing = self.handles.pop(handle, None)
            assert thing is not None, "a handle was closed twice"
            if isinstance(thing, Event):
                assert not thing.waiters, "an event was closed while somebody waited for it"
            else:
                assert not thing.reads, "an end was closed with an operation under way"
                assert not thing.writes
                thing.open = False
                self._pump(thing)
            self.changed.notify_all()

    # osquery_sdk.wire.windows

    def create_event(self) -> int:
        return self.new(Event(manual=False))

    def set_event(self, handle: int) -> None:
        with self.changed:
            self.handles[handle].set = True
            self.changed.notify_all()

    def disconnect(self, handle: int) -> None:
        with self.changed:
            end = self._end(handle)
            peer, end.peer = end.peer, None
            end.inbox.clear()
            for operation in end.reads + end.writes:
                operation.finish(233)
            end.reads, end.writes = [], []
            if peer is not None:
                peer.inbox.clear()
                peer.peer = None
                self._pump(peer)
            self.changed.notify_all()

    def OwnerOnly(self) -> OwnerOnly:  # noqa: N802
        self.security.append(OwnerOnly(len(self.security) + 1))
        return self.security[-1]


class OwnerOnly:
    def __init__(self, address: int) -> None:
        self.address = address
        self.valid = True

    def close(self) -> None:
        assert self.valid
        self.valid = False
