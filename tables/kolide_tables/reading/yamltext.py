"""Read YAML with PyYAML's scanner and rules for scalars, and a builder that hostile documents cannot exhaust.

The document is built from libyaml's events, not by the library's constructors: nesting, and the size of what
aliases stand for, are counted before anything is made of them, and no tag makes anything but maps, arrays and
scalars. A tag that YAML itself does not have (`!Ref`, `!vault`) is ignored.

Scalars are those of YAML 1.1, as PyYAML's SafeLoader reads them, except that numbers to the base of 60 stay
text (`22:22` is more often a port than 1342). A map's keys are the text that is written, so that the key `on`
is not `true`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from kolide_kit.limits import Budget

from .parsing import MAX_DEPTH, ParseError, too_deep
from .scalars import key_text

if TYPE_CHECKING:
    from yaml import Event

# Most values that all aliases of a document may stand for, each counted as often as it would be written out.
MAX_ALIASED = 100_000

_PREFIX = "tag:yaml.org,2002:"
_BUILT_SCALARS = frozenset(_PREFIX + name for name in ("null", "bool", "int", "float", "binary", "timestamp"))
_MERGE = "<<"


def yaml_documents(text: str, budget: Budget) -> list[object]:
    """Return the documents of a YAML stream; raises ParseError."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return list(_build(yaml.parse(text, Loader=loader), budget))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ParseError(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise ParseError(" ".join(str(error).split())) from error


class _Frame:
    """A container that is being filled."""

    __slots__ = ("anchor", "height", "key", "merged", "merging", "size", "tag", "value")

    def __init__(self, value: dict[str, object] | list[object], anchor: str | None, tag: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.tag = tag
        self.key: str | None = None
        self.merging = False
        self.merged: list[dict[str, object]] = []
        self.size = 1
        self.height = 1


class _Anchored(NamedTuple):
    value: object
    size: int
    height: int


def _build(events: "Iterator[Event]", budget: Budget) -> Iterator[object]:
    import yaml

    scalars = _Scalars()
    document = _Document()
    for event in events:
        budget.step()
        if isinstance(event, yaml.ScalarEvent):
            document.scalar(scalars.value(event), event.value, event.anchor, plain=event.implicit[0])
        elif isinstance(event, yaml.AliasEvent):
            document.alias(event.anchor or "")
        elif isinstance(event, yaml.MappingStartEvent):
            document.begin(_Frame({}, event.anchor, event.tag))
        elif isinstance(event, yaml.SequenceStartEvent):
            document.begin(_Frame([], event.anchor, event.tag))
        elif isinstance(event, yaml.CollectionEndEvent):
            document.end()
        elif isinstance(event, yaml.DocumentStartEvent):
            document = _Document()
        elif isinstance(event, yaml.DocumentEndEvent):
            yield document.root


class _Document:
    """A document while it is built."""

    def __init__(self) -> None:
        self.root: object = None
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._aliased = 0

    def scalar(self, value: object, text: str, anchor: str | None, *, plain: bool) -> None:
        if anchor is not None:
            self._anchors[anchor] = _Anchored(value, 1, 0)
        if self._wants_key():
            self._frames[-1].key = text
            self._frames[-1].merging = plain and text == _MERGE
        else:
            self._add(value, 1, 0)

    def alias(self, anchor: str) -> None:
        known = self._anchors.get(anchor)
        if known is None:
            raise ParseError(f"the alias *{anchor} stands for nothing before it, or for what it is in")
        if self._wants_key():
            if isinstance(known.value, (dict, list)):
                raise _complex_key()
            self._frames[-1].key = key_text(known.value)
            return
        self._aliased += known.size
        if self._aliased > MAX_ALIASED:
            raise ParseError(f"its aliases stand for more than {MAX_ALIASED:,} values")
        if len(self._frames) + known.height > MAX_DEPTH:
            raise too_deep()
        self._add(known.value, known.size, known.height)

    def begin(self, frame: _Frame) -> None:
        if self._wants_key():
            raise _complex_key()
        if len(self._frames) >= MAX_DEPTH:
            raise too_deep()
        self._frames.append(frame)

    def end(self) -> None:
        frame = self._frames.pop()
        value: object = frame.value
        if isinstance(frame.value, dict):
            if frame.merged:
                # A map's own keys win over merged ones, and of those the first over the later ones.
                value = {key: v for other in reversed(frame.merged) for key, v in other.items()} | frame.value
            if frame.tag == _PREFIX + "set":
                value = list(frame.value)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(value, frame.size, frame.height)
        self._add(value, frame.size, frame.height)

    def _wants_key(self) -> bool:
        return (
            bool(self._frames) and isinstance(self._frames[-1].value, dict) and self._frames[-1].key is None
        )

    def _add(self, value: object, size: int, height: int) -> None:
        if not self._frames:
            self.root = value
            return
        frame = self._frames[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.value, list):
            frame.value.append(value)
            return
        key, frame.key = frame.key, None
        assert key is not None
        if frame.merging:
            frame.merging = False
            values = value if isinstance(value, list) else [value]
            maps = [other for other in values if isinstance(other, dict)]
            if len(maps) == len(values):
                frame.merged.extend(maps)
                return
        frame.value[key] = value


class _Scalars:
    """PyYAML's rules for the types of scalars, without the rest of its loader."""

    def __init__(self) -> None:
        from yaml import ScalarNode
        from yaml.constructor import SafeConstructor
        from yaml.resolver import Resolver

        self._node: Any = ScalarNode
        self._constructor: Any = SafeConstructor()
        self._resolve: Any = Resolver().resolve

    def value(self, event: Any) -> object:
        text: str = event.value
        tag = event.tag
        if tag is None:
            tag = self._resolve(self._node, text, event.implicit)
        if tag not in _BUILT_SCALARS or (":" in text and tag.endswith((":int", ":float"))):
            return text
        from yaml import YAMLError

        try:
            built: object = self._constructor.yaml_constructors[tag](self._constructor, self._node(tag, text))
        except (YAMLError, ArithmeticError, AttributeError, KeyError, IndexError, ValueError):
            # The tag does not fit the text, or the text is a date that no calendar has.
            return text
        return built


def _complex_key() -> ParseError:
    return ParseError("a map's key is a map or an array")
