"""Read YAML 1.2 as maps, arrays and scalars, with a parser that hostile documents cannot exhaust.

Why not a library: PyYAML and libyaml read YAML 1.1. Of those that read all of the public test suite, which
are bindings of saphyr, none gives a map's keys as they are written (the key `3.10` becomes 3.1). In one
of them aliases that stand for too much end the process. So nesting and aliases are counted here before any
value is made of them, and no tag makes anything but maps, arrays and scalars.

A map's keys are the text that is written. The key `<<` merges maps, as YAML 1.1 has it and files still do.
"""

import re

from kolide_kit.limits import Budget

from .places import Place
from .yamlblock import BlockReader
from .yamlnodes import MAX_ALIASED, Anchors

__all__ = ["MAX_ALIASED", "YamlReader", "yaml_documents"]

_BLANK_LINE = re.compile(r"\ufeff?[ \t]*(?:#[^\n]*)?\n")
_REST = re.compile(r"(?:[ \t]+#[^\n]*|[ \t]*)\n")
_DIRECTIVE = re.compile(r"%([^ \t\n]+)([^\n]*)\n")
_VERSION = re.compile(r"[ \t]+1\.[0-9]+(?:[ \t]+#.*|[ \t]*)")
_TAG = re.compile(r"[ \t]+(!(?:[0-9A-Za-z-]*!)?)[ \t]+([^ \t,\[\]{}][^ \t]*)(?:[ \t]+#.*|[ \t]*)")
_TAGS = {"!": "!", "!!": "tag:yaml.org,2002:"}


def yaml_documents(text: str, budget: Budget) -> list[object]:
    """Return the documents of a YAML stream; raises ParseError."""
    reader = YamlReader(text, budget)
    documents: list[object] = []
    while reader.next_document():
        documents.append(reader.document())
    return documents


class YamlReader(BlockReader):
    """Reads the documents of a YAML stream one after the other."""

    _after_end = True

    def next_document(self) -> bool:
        """Go to the content of the next document; return False at the end."""
        self.tags = dict(_TAGS)
        self.anchors = Anchors()
        directives = self._begin_of_document()
        while not directives and self.text.startswith("...", self.pos) and self.at_marker(self.pos):
            self._end_of_document()
            directives = self._begin_of_document()
        if self.pos >= len(self.text) and not directives:
            return False
        if self.text.startswith("---", self.pos) and self.at_marker(self.pos):
            self.pos += 3
        elif directives:
            raise self.error("expected --- after directives")
        else:
            self.begin_line(self.pos)
        return True

    def _begin_of_document(self) -> int:
        """Skip comments and directives; return the number of directives."""
        self._blank_lines()
        return self._directives() if self._after_end else 0

    def document(self, place: Place | None = None) -> object:
        """Read a document's content for a place, and go behind it."""
        self.place = place
        value = self.node(-1)
        if not self.gap() or self.column >= 0:
            raise self.error("more after the end of the document")
        self._after_end = self.text.startswith("...", self.pos)
        if self._after_end:
            self._end_of_document()
        return value

    def _end_of_document(self) -> None:
        rest = _REST.match(self.text, self.pos + 3)
        if rest is None:
            raise self.error("more in the line of the document's end")
        self.pos = rest.end()
        self._after_end = True

    def _blank_lines(self) -> None:
        while (blank := _BLANK_LINE.match(self.text, self.pos)) is not None:
            self.pos = blank.end()
        if self.text.startswith("\ufeff", self.pos):
            self.pos += 1

    def _directives(self) -> int:
        names: list[str] = []
        while (line := _DIRECTIVE.match(self.text, self.pos)) is not None:
            names.append(self._directive(line[1], line[2], names))
            self.pos = line.end()
            self._blank_lines()
        return len(names)

    def _directive(self, name: str, rest: str, names: list[str]) -> str:
        if name == "YAML" and (name in names or _VERSION.fullmatch(rest) is None):
            raise self.error("a second version, or none of YAML 1")
        if name == "TAG":
            tag = _TAG.fullmatch(rest)
            if tag is None or f"TAG {tag[1]}" in names:
                raise self.error("a wrong or second directive for a tag")
            self.tags[tag[1]] = tag[2]
            return f"TAG {tag[1]}"
        return name
