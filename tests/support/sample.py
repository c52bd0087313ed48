"""An extension with a table for each case of the command line's tests."""

import time
from collections.abc import Iterator

from osquery_sdk import Column, ColumnType, Extension, Query, Row, table


class Number(Row):
    n: int = Column("A number, 1 to 20", index=True, key=True)
    square: int = Column("n * n", type=ColumnType.UNSIGNED_BIGINT)
    word: str = Column(
        "Its name: \"one\" | 'two' | `three`", collate="nocase", additional=True, aliases=("called",)
    )
    half: float | None = Column("n / 2; NULL for odd numbers: they have none", default=None)
    wish: str = Column("What the statement asks for", hidden=True, default="")


WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@table(
    "sample_numbers",
    examples=(
        "select * from sample_numbers where n in (1, 2);",
        "select word from sample_numbers where word like 't%'",
    ),
    aliases=("sample_digits",),
    attributes=2,
)
def numbers(query: Query) -> Iterator[Number]:
    """Numbers & their squares: <small> ones.

    They are computed, *not* stored,
    and so | always right.
    """
    wanted = query.equals("n")
    for n in range(1, 21) if wanted is None else wanted:
        if 1 <= n <= 20:
            half = n / 2 if n % 2 == 0 else None
            yield Number(n=n, square=n * n, word=WORDS[n - 1] if n <= 10 else str(n), half=half)


class Text(Row):
    text: str = Column("Something that a terminal must not get as it is")


@table("sample_texts")
def texts(query: Query) -> list[Text]:
    """Texts that are hard to print."""
    return [
        Text(text=text)
        for text in (
            "\x1b[31mred\x9b",
            "two\nlines",
            'a,b"c',
            "日本",
            "",
            "x" * 300,
            b"\xff".decode(errors="surrogateescape"),
        )
    ]


class Nap(Row):
    seconds: float = Column("How long it took", required=True)


@table("sample_naps")
def naps(query: Query) -> Iterator[Nap]:
    """Sleeps for as many seconds as a statement says."""
    for seconds in query.equals("seconds") or ():
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            query.check()
            time.sleep(0.02)
        yield Nap(seconds=seconds)


@table(
    "sample_elsewhere",
    platforms=("windows", "darwin"),
    elsewhere="on Linux nobody wants it",
    privilege="Only root gets what is there.",
)
def elsewhere(query: Query) -> list[Text]:
    """Not on Linux."""
    return [Text(text="there")]


def main() -> int:
    return Extension("sample", version="1.2.3", plugins=[numbers, texts, naps, elsewhere]).run()


if __name__ == "__main__":
    raise SystemExit(main())
