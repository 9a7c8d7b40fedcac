"""Read the cells of an Office Open XML workbook (a training set)."""

import io
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Sequence

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHARED = "xl/sharedStrings.xml"


def read_first_sheet(content: bytes) -> Sequence[Sequence[str]]:
    """Return the first sheet's rows as texts; empty cells are omitted."""
    with zipfile.ZipFile(io.BytesIO(content)) as workbook:
        shared = _shared_strings(workbook.read(_SHARED)) if _SHARED in workbook.namelist() else []
        # A trusted file: the training set is pinned by its SHA-256.
        root = ElementTree.fromstring(workbook.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    return [[_cell_text(cell, shared) for cell in row] for row in root.iter(f"{_MAIN}row")]


def _shared_strings(document: bytes) -> list[str]:
    """Return the workbook's shared strings."""
    return [_join_text(item) for item in ElementTree.fromstring(document)]  # noqa: S314


def _cell_text(cell: ElementTree.Element, shared: Sequence[str]) -> str:
    """Return a cell's text, resolving shared strings."""
    if cell.get("t") == "inlineStr":
        return _join_text(cell)
    value = cell.findtext(f"{_MAIN}v", "")
    return shared[int(value)] if cell.get("t") == "s" and value else value


def _join_text(texts: ElementTree.Element) -> str:
    """Join the text runs of an element."""
    return "".join(part.text or "" for part in texts.iter(f"{_MAIN}t"))
