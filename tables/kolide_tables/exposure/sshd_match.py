"""The criteria of Match blocks in sshd_config, with those of the blocks around an included file.

Source: sshd_config(5), `match_cfg_line` and the reading of Include in OpenSSH's servconf.c.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Criteria without a value.
_ALONE = frozenset(("all", "invalid-user"))
_CRITERIA = _ALONE | {"user", "group", "host", "address", "localaddress", "localport", "rdomain", "version"}


class Block(NamedTuple):
    """The criteria that have to hold for the lines of a Match block.

    Attributes:
        text: the criteria as they are written, those of outer blocks first; empty for `Match all`.
        criteria: the same as JSON, a list of [name, pattern]. Each has to hold.
        problem: a reason for which the server refuses the Match line; empty without one.
    """

    text: str
    criteria: str
    problem: str


def block_of(words: Sequence[str], outer: Block | None) -> Block:
    """Return the block that a Match line with these words begins.

    In an included file `outer` is the block that the Include is in: its criteria have to hold too, even for
    `Match all`.
    """
    pairs = list(_pairs(words))
    texts = [outer.text] if outer is not None and outer.text else []
    problem = _problem(pairs)
    if pairs[:1] == [["all"]] and not problem:
        pairs = []
    else:
        texts.append(" ".join(words))
    outer_pairs: list[list[str]] = json.loads(outer.criteria) if outer is not None else []
    return Block(" ".join(texts), json.dumps(outer_pairs + pairs, ensure_ascii=False), problem)


def _problem(pairs: Sequence[list[str]]) -> str:
    """Return a reason for which the server refuses these criteria; empty without one."""
    for name, *pattern in pairs:
        if name not in _CRITERIA:
            return f"Match has no criterion {name}" if name else "a Match line without a criterion"
        if pattern == [""]:
            return f"the criterion {name} has no value"
        if name == "all" and len(pairs) > 1:
            return "all stands alone in a Match line"
    return ""


def _pairs(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the name of each criterion, in lower case, and its pattern; `User bob` and `User=bob` are the
    same.
    """
    left = list(reversed(words)) or [""]
    while left:
        name, equals, pattern = left.pop().partition("=")
        name = name.lower()
        if name in _ALONE and not equals:
            yield [name]
            continue
        if not pattern and left:
            pattern = left.pop()
            # Versions before 9.9 allow blanks around the sign.
            if not equals and pattern.startswith("="):
                pattern = pattern[1:] or (left.pop() if left else "")
        yield [name, pattern]
