"""The exceptions that an author's code may raise, each with the text that users get."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


class Mute(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("nor has this")


class Ending(Mute):
    """Ends the program when it is asked for its text."""

    def __str__(self) -> str:
        raise SystemExit("the text")

    __repr__ = __str__


class Number(Mute):
    """Has a text that is none."""

    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # noqa: PLE0307


class Shy(Exception):
    """Does not say of which class it is."""

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise SystemExit("the class")


class Nameless(type):
    """Makes classes that have no name."""

    def __getattribute__(cls, name: str) -> Any:
        raise SystemExit("the class")


class Unnamed(Exception, metaclass=Nameless):
    """Has a class without a name."""


class Text(str):
    """A text that is of another class, and ends the program when it is looked at."""

    __slots__ = ()

    def __len__(self) -> int:
        raise SystemExit("the length")

    __str__ = __format__ = isprintable = strip = __len__  # type: ignore[assignment]


class Wordy(Exception):
    """Has a text of another class."""

    def __str__(self) -> str:
        return Text("words")


def deeper(depth: int = 0) -> int:
    """Call itself without an end."""
    return deeper(depth + 1) + 1


class Fault(NamedTuple):
    """One way to fail."""

    name: str
    fail: Callable[[], NoReturn]
    text: str


def _raising(error: BaseException) -> Callable[[], NoReturn]:
    def fail() -> NoReturn:
        raise error

    return fail


def _group() -> BaseException:
    inner = BaseExceptionGroup("inner", [SystemExit(2), KeyError("k")])
    return BaseExceptionGroup("all", [ValueError("x"), inner, Mute(), OSError(2, "gone")])


_GROUPED = (
    "BaseExceptionGroup: all (4 sub-exceptions): ValueError: x; "
    "BaseExceptionGroup: inner (2 sub-exceptions): SystemExit: 2; KeyError: 'k'; "
    "Mute: its text cannot be had; ..."
)
_FAULTS = (
    ("exit_text", SystemExit("disk full"), "SystemExit: disk full"),
    ("exit_number", SystemExit(3), "SystemExit: 3"),
    ("exit", SystemExit(), "SystemExit"),
    ("interrupt", KeyboardInterrupt("x"), "KeyboardInterrupt: x"),
    ("generator_exit", GeneratorExit(), "GeneratorExit"),
    ("cancelled", asyncio.CancelledError("c"), "CancelledError: c"),
    ("memory", MemoryError(), "MemoryError"),
    ("mute", Mute(), "Mute: its text cannot be had"),
    ("ending", Ending(), "Ending: its text cannot be had"),
    ("number", Number(), "Number: its text cannot be had"),
    ("shy", Shy("text"), "Shy: text"),
    ("unnamed", Unnamed("text"), "Unnamed: text"),
    ("wordy", Wordy(), "Wordy: words"),
    ("lines", ValueError("two\r\n  lines\u2028and\x85more\n"), "ValueError: two lines and more"),
    ("controls", ValueError("nul \0 escape \x1b tab\t."), "ValueError: nul \\x00 escape \\x1b tab\t."),
    ("surrogates", ValueError("half \ud800, byte \udcff"), "ValueError: half \\ud800, byte \\udcff"),
    ("long", ValueError("x" * 10_000_000), f"ValueError: {'x' * 4081}..."),
    (
        "group",
        _group(),
        _GROUPED,
    ),
)

FAULTS = (
    *(Fault(name, _raising(error), text) for name, error, text in _FAULTS),
    Fault("recursion", deeper, "RecursionError: maximum recursion depth exceeded"),  # type: ignore[arg-type]
)
