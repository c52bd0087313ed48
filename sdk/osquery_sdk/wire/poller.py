"""Waiting for many descriptors from several threads, each report given to one of them."""

from __future__ import annotations

import select
import sys
from time import monotonic

if sys.platform == "linux":

    class Poller:
        """Linux's epoll, each connection disarmed once it was reported: exactly one thread is woken for it."""

        _ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT

        def __init__(self) -> None:
            """Open it; raises OSError."""
            self._epoll = select.epoll()

        def add(self, fd: int, *, once: bool = True) -> None:
            """Watch a descriptor, to be reported once, or to every thread as long as it has something to read."""
            self._epoll.register(fd, self._ONCE if once else select.EPOLLIN)

        def rearm(self, fd: int) -> None:
            """Watch a descriptor again that was reported."""
            self._epoll.modify(fd, self._ONCE)

        def wait(self, spin: float = 0.0) -> int:
            """Block until a descriptor has something to read or its other end was closed.

            For the first `spin` seconds it looks again and again: a thread that sleeps takes longer to wake than a ping
            takes to be answered.
            """
            poll = self._epoll.poll
            if spin:
                end = monotonic() + spin
                while monotonic() < end:
                    for fd, _ in poll(0, 1):
                        return fd
            while True:
                for fd, _ in poll(-1, 1):
                    return fd

        def close(self) -> None:
            """Close it; no thread may be waiting."""
            self._epoll.close()

elif sys.platform != "win32":

    class Poller:
        """The same on macOS and the BSDs. Not run there by the project's own tests."""

        def __init__(self) -> None:
            """Open it; raises OSError."""
            self._kqueue = select.kqueue()

        def _change(self, fd: int, flags: int) -> None:
            self._kqueue.control([select.kevent(fd, select.KQ_FILTER_READ, flags)], 0)

        def add(self, fd: int, *, once: bool = True) -> None:
            """Watch a descriptor, to be reported once, or to every thread as long as it has something to read."""
            self._change(fd, select.KQ_EV_ADD | (select.KQ_EV_ONESHOT if once else 0))

        def rearm(self, fd: int) -> None:
            """Watch a descriptor again that was reported."""
            self._change(fd, select.KQ_EV_ADD | select.KQ_EV_ONESHOT)

        def wait(self, spin: float = 0.0) -> int:
            """Block until a descriptor has something to read or its other end was closed; see above for `spin`."""
            look = self._kqueue.control
            if spin:
                end = monotonic() + spin
                while monotonic() < end:
                    for event in look(None, 1, 0):
                        return int(event.ident)
            while True:
                for event in look(None, 1, None):
                    return int(event.ident)

        def close(self) -> None:
            """Close it; no thread may be waiting."""
            self._kqueue.close()
