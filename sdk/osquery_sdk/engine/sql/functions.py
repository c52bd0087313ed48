"""Give a connection osquery's SQL functions and collations, and hide those that osqueryd's SQLite lacks.

Facts from `osquery/sql/sqlite_*.cpp`: names, arguments, results and error texts. Each module `*_functions`
has a table `FUNCTIONS`: name -> function and numbers of arguments, -1 for any number.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from . import encoding_functions, math_functions, network_functions, path_functions, text_functions
from .values import Functions, SQLiteValue, value_int32
from .versions import COLLATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    import apsw

# The functions of SQLite 3.42 as osquery compiles it. A newer SQLite has more; a statement that used one
# would fail later on osqueryd.
_BUILT_IN = """
    -> ->> abs avg changes char coalesce count cume_dist current_date current_time current_timestamp
    date datetime dense_rank first_value format glob group_concat hex ifnull iif instr json json_array
    json_array_length json_error_position json_extract json_group_array json_group_object json_insert
    json_object json_patch json_quote json_remove json_replace json_set json_type json_valid julianday
    lag last_insert_rowid last_value lead length like likelihood likely load_extension lower ltrim match
    max min nth_value ntile nullif percent_rank printf quote random randomblob rank replace round
    row_number rtrim sign sqlite_compileoption_get sqlite_compileoption_used sqlite_log sqlite_source_id
    sqlite_version strftime substr substring subtype sum time total total_changes trim typeof unhex
    unicode unixepoch unlikely upper zeroblob
"""


def hide_functions(connection: apsw.Connection) -> frozenset[str]:
    """Hide the functions that osqueryd's SQLite does not have, and return their names.

    SQLite then speaks of a wrong number of arguments where osqueryd's does not know the function at all.
    """
    known = {*_BUILT_IN.split(), *_FUNCTIONS, "carve"}
    listed = connection.execute("select distinct name, narg from pragma_function_list").fetchall()
    # -1 stands for any number of arguments. SQLite's own functions have other negative numbers for "at least
    # so many".
    hidden = {(str(name), max(int(str(count)), -1)) for name, count in listed if name not in known}
    for name, count in hidden:
        # A function that was added and removed again hides the built-in one of the same name.
        connection.createscalarfunction(name, _nothing, count)
        connection.createscalarfunction(name, None, count)
    return frozenset(name for name, _ in hidden)


def _nothing(*_: SQLiteValue) -> None:
    """Stand in for a function that is removed at once; it is never called."""


def register_functions(connection: apsw.Connection) -> None:
    """Add every function to a connection."""
    for name, (function, counts) in _FUNCTIONS.items():
        for count in counts:
            connection.createscalarfunction(name, function, count, deterministic=name != "sleep")
    connection.createaggregatefunction("carve", _carve, 1)


def register_collations(connection: apsw.Connection) -> None:
    """Add every collation to a connection."""
    for collation, comparison in COLLATIONS.items():
        connection.createcollation(collation.lower(), comparison)


def _sleep(value: SQLiteValue) -> int:
    seconds = max(value_int32(value), 0)
    time.sleep(seconds)
    return seconds


def _carve() -> tuple[None, Callable[..., None], Callable[..., str]]:
    """Return the aggregate `carve(path)`, which answers as an osqueryd that may not carve, the default."""
    return None, lambda *_: None, lambda *_: "Carve Failed:"


_FUNCTIONS: Functions = {
    **math_functions.FUNCTIONS,
    **text_functions.FUNCTIONS,
    **network_functions.FUNCTIONS,
    **encoding_functions.FUNCTIONS,
    **path_functions.FUNCTIONS,
    "sleep": (_sleep, (1,)),
}
