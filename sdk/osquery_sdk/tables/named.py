"""The methods that make a tuple a named tuple for other libraries, such as pandas and polars.

The types are in the stub named.pyi: type checkers take a name with an underscore for private unless a stub
declares it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Named(tuple[Any, ...]):
    """A tuple whose items have names.

    Attributes:
        _fields: the names, in order.
        _field_defaults: value by name, for the names that may be left out.
    """

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    _field_defaults: ClassVar[dict[str, Any]] = {}

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Self:
        """Return a tuple of one value for each name, in order; raises TypeError for more or fewer values."""
        row = tuple.__new__(cls, values)
        if len(row) != len(cls._fields):
            raise TypeError(f"{cls.__name__} has {len(cls._fields)} values, not {len(row)}")
        return row

    def _asdict(self) -> dict[str, Any]:
        """Return the values by name, in order."""
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **values: Any) -> Self:
        """Return a copy with some values replaced; raises as `NamedTuple._replace` does."""
        row = self._make(map(values.pop, self._fields, self))
        if values:
            from kolide_kit.spelling import did_you_mean

            unknown = next(iter(values))
            meant = did_you_mean(unknown, self._fields)
            error = TypeError if sys.version_info >= (3, 13) else ValueError
            raise error(f"{type(self).__name__} has no {unknown!r}" + (f"; {meant}" if meant else ""))
        return row

    __replace__ = _replace  # for copy.replace

    def __reduce__(self) -> tuple[Callable[[Iterable[Any]], Self], tuple[tuple[Any, ...]]]:
        """Have copy and pickle use `_make`: a constructor with keywords takes no values by position."""
        return self._make, (tuple(self),)
