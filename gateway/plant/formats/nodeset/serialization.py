"""Write the elements of a NodeSet2 file one by one, so that a large file needs little memory."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from gateway.plant.formats.nodeset.terms import NODESET, PLANT, TYPES

_PREFIXES = {NODESET: "", TYPES: "uax:", PLANT: "plant:"}
_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
_ROOT = f'<UANodeSet xmlns="{NODESET}" xmlns:uax="{TYPES}" xmlns:plant="{PLANT}">\n'


class NodeSetFile:
    """The text of a file; elements are added in their order."""

    def __init__(self) -> None:
        self._parts = [(_DECLARATION + _ROOT).encode()]

    def add(self, element: Element) -> None:
        """Add an element below the root."""
        self._parts.append("".join(_pieces(element)).encode())

    def content(self) -> bytes:
        """Return the whole file."""
        return b"".join((*self._parts, b"</UANodeSet>\n"))


def _pieces(element: Element) -> Iterator[str]:
    """Yield the text of an element.

    Lines end after tags: some importers overlook structures without white space in them.
    """
    namespace, _, name = element.tag[1:].partition("}")
    tag = f"{_PREFIXES[namespace]}{name}"
    attributes = "".join(f" {key}={quoteattr(value)}" for key, value in element.items())
    if not len(element) and element.text is None:
        yield f"<{tag}{attributes}/>\n"
        return
    yield f"<{tag}{attributes}>"
    yield escape(element.text or "") if not len(element) else "\n"
    for child in element:
        yield from _pieces(child)
    yield f"</{tag}>\n"
