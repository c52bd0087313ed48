"""The form of a line in the tables of programs."""

from typing import NamedTuple


class Line(NamedTuple):
    """Some programs, what is told of them in the language of `rules`, and where that can be read."""

    names: str
    items: str
    source: str
