"""Wait for many descriptors from several threads; each report wakes one of them."""

from __future__ import annotations

import select
import sys
from time import monotonic

if sys.platform == "linux":

    class Poller:
        """Linux's epoll. A reported connection is disarmed, so exactly one thread wakes for it."""

        _ONCE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT

        def __init__(self) -> None:
            """Open the poller; raises OSError."""
            self._epoll = select.epoll()

        def add(self, fd: int, *, once: bool = True) -> None:
            """Watch a descriptor: report it once, or to every thread while it has something to read."""
            self._epoll.register(fd, self._ONCE if once else select.EPOLLIN)

        def rearm(self, fd: int) -> None:
            """Watch a descriptor again after it was reported."""
            self._epoll.modify(fd, self._ONCE)

        def wait(self, spin: float = 0.0) -> int:
            """Block until a descriptor can be read or its other end was closed; return the descriptor.

            It polls for the first `spin` seconds: waking a thread takes longer than answering a ping.
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
            """Close the poller; no thread may be waiting."""
            self._epoll.close()

elif sys.platform != "win32":

    class Poller:
        """kqueue, which works alike on macOS and the BSDs. The project's own tests do not run there."""

        def __init__(self) -> None:
            """Open the poller; raises OSError."""
            self._kqueue = select.kqueue()

        def _change(self, fd: int, flags: int) -> None:
            self._kqueue.control([select.kevent(fd, select.KQ_FILTER_READ, flags)], 0)

        def add(self, fd: int, *, once: bool = True) -> None:
            """Watch a descriptor: report it once, or to every thread while it has something to read."""
            self._change(fd, select.KQ_EV_ADD | (select.KQ_EV_ONESHOT if once else 0))

        def rearm(self, fd: int) -> None:
            """Watch a descriptor again after it was reported."""
            self._change(fd, select.KQ_EV_ADD | select.KQ_EV_ONESHOT)

        def wait(self, spin: float = 0.0) -> int:
            """Block until a descriptor can be read or its other end was closed; poll for `spin` seconds."""
            poll = self._kqueue.control
            if spin:
                end = monotonic() + spin
                while monotonic() < end:
                    for event in poll(None, 1, 0):
                        return int(event.ident)
            while True:
                for event in poll(None, 1, None):
                    return int(event.ident)

        def close(self) -> None:
            """Close the poller; no thread may be waiting."""
            self._kqueue.close()
