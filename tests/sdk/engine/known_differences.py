"""Statements of `statements.sql` that the engine treats in another way than osqueryd, each with the reason.

The reasons are the left column of the table in docs/engine.md.
"""

from __future__ import annotations

import apsw

OWN_SQLITE = apsw.sqlitelibversion().startswith("3.42.")
"""Return True if the engine runs on osqueryd's version of SQLite."""

_ARGUMENTS = "text that is not UTF-8, as an argument or operand"
_RESULTS = "text that is not UTF-8, in a result"
_TYPEOF = "`typeof` of text that is not UTF-8"
_TYPES = "types of result columns that are expressions"
_DIGITS = "last digits in `printf` and `quote`"
_ORDER = "the order in `pragma collation_list`"
_JOINS = "the order of the calls in some joins"

# Another answer.
ANSWERS = {
    "select * from pushed where t = cast(x'ff41' as text)": _ARGUMENTS,
    "select sha256(cast(x'ff' as text))": _ARGUMENTS,
    "select typeof(from_base64('/w=='))": _TYPEOF,
    "COLUMNS select name, pid + 1 as p, soundex(name) s from ref_scan where cpu in (1.5, 3)": _TYPES,
    "COLUMNS select cast(x'ff' as text) || ifnull(?, '') as a": _TYPES,
}
# The same answer, but other calls into the tables.
CALLS = {"select cast(x'ff61' as text) as a, pid from ref_indexed where pid = 103": _RESULTS}

ANSWERS_OF_NEWER_SQLITE = {
    "select printf('%f %g %s', 1.5, 0.1+0.2, 0.1+0.2), round(2.567, 2), quote(0.1+0.2), quote(1e20)": _DIGITS,
    "select printf('%.3f', 1.0005), printf('%d', 5), format('%s', 'x')": _DIGITS,
    "select s.pid, r.name from ref_scan s left join ref_required r on r.pid = s.pid"
    " where r.path in ('/usr/bin/p1', '/usr/bin/p2')": _JOINS,
}
ANSWERS_OF_SOME_NEWER_SQLITE = {"pragma collation_list": _ORDER}
CALLS_OF_NEWER_SQLITE = {
    "select * from (select * from pushed where i = 1 limit 2) p join ref_scan s on s.pid = p.i": _JOINS,
}

_ALL = (ANSWERS, CALLS, ANSWERS_OF_NEWER_SQLITE, ANSWERS_OF_SOME_NEWER_SQLITE, CALLS_OF_NEWER_SQLITE)
REASONS = {reason for known in _ALL for reason in known.values()}


def answers() -> dict[str, str]:
    """Return the statements with another answer on this version of SQLite."""
    return ANSWERS if OWN_SQLITE else ANSWERS | ANSWERS_OF_NEWER_SQLITE | ANSWERS_OF_SOME_NEWER_SQLITE


def calls() -> dict[str, str]:
    """Return the statements with other calls on this version of SQLite."""
    return CALLS if OWN_SQLITE else CALLS | CALLS_OF_NEWER_SQLITE
