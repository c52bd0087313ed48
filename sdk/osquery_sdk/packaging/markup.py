"""Write the XML documents of packages."""

from __future__ import annotations

from xml.etree.ElementTree import Element, indent, tostring


def to_xml(top: Element) -> bytes:
    """Return an indented document in UTF-8, with a declaration and a line end. The elements are changed."""
    indent(top)
    text: bytes = tostring(top, encoding="utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + text + b"\n"
