"""The cells of a training set that comes as a workbook (Office Open XML)."""

import io
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Sequence

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_SHARED = "xl/sharedStrings.xml"


def sheet(packed: bytes) -> Sequence[Sequence[str]]:
    """The rows of the first sheet; of each, the cells that there are, as texts."""
    with zipfile.ZipFile(io.BytesIO(packed)) as workbook:
        shared = _shared(workbook.read(_SHARED)) if _SHARED in workbook.namelist() else []
        # Our own training file, named with its sha256: not what the parser must be guarded from.
        root = ElementTree.fromstring(workbook.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    return [[_text(cell, shared) for cell in row] for row in root.iter(f"{_MAIN}row")]


def _shared(document: bytes) -> list[str]:
    return [_joined(one) for one in ElementTree.fromstring(document)]  # noqa: S314


def _text(cell: ElementTree.Element, shared: Sequence[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _joined(cell)
    value = cell.findtext(f"{_MAIN}v", "")
    return shared[int(value)] if cell.get("t") == "s" and value else value


def _joined(texts: ElementTree.Element) -> str:
    return "".join(part.text or "" for part in texts.iter(f"{_MAIN}t"))
