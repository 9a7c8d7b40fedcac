"""Reading a file: from its bytes to text, with what heads each part of it.

Owns which kinds of files there are and how each becomes text. Pure.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from gateway.call.errors import BadRequest
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import pypdf
    import pypdf.errors
else:
    pypdf = LazyModule("pypdf")

# In this order: what is valid UTF-8 is hardly ever anything else, and GB 18030 takes nearly all.
_ENCODINGS = ("utf-8-sig", "gb18030")
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_HEADING = re.compile(r"^#{1,6} +(.+?)[ #]*$", re.MULTILINE)
_LONGEST_HEADING = 200
_MOST_PAGES = 2_000


class FileUnsupported(BadRequest):
    """A kind of file that is not read here."""

    code = "unsupported_file"


class FileUnreadable(BadRequest):
    """A file that is not what its name says, or holds no text."""

    code = "invalid_file"


@dataclass(frozen=True, slots=True)
class Document:
    """A text, and from which character on a heading is in force."""

    text: str
    headings: tuple[tuple[int, str], ...] = ()


def require_supported(filename: str) -> None:
    """Raises FileUnsupported."""
    _reader(filename)


def read(filename: str, content: bytes) -> Document:
    """Raises FileUnsupported, FileUnreadable."""
    document = _reader(filename)(content)
    if not document.text.strip():
        raise FileUnreadable("The file holds no text.")
    return document


def _reader(filename: str) -> Callable[[bytes], Document]:
    suffix = PurePath(filename).suffix.lower()
    if suffix not in _READERS:
        raise FileUnsupported(
            f"Files like {filename[-60:]!r} are not read here. These are: "
            f"{', '.join(sorted(_READERS))}."
        )
    return _READERS[suffix]


def _plain(content: bytes) -> Document:
    return Document(_decoded(content))


def _markdown(content: bytes) -> Document:
    text = _decoded(content)
    found = _HEADING.finditer(text)
    return Document(text, tuple((one.start(), one[1][:_LONGEST_HEADING]) for one in found))


def _table(content: bytes) -> Document:
    """Each row a line; the first row's names head all of them."""
    text = _decoded(content)
    try:
        dialect = csv.Sniffer().sniff(text[:8192], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), dialect) if any(row)]
    except csv.Error as error:
        raise FileUnreadable(f"The table cannot be read: {error}.") from None
    lines = [" | ".join(" ".join(cell.split()) for cell in row) for row in rows]
    heading = lines[0][:_LONGEST_HEADING] if len(lines) > 1 else ""
    return Document("\n".join(lines), ((0, heading),))


def _json_lines(content: bytes) -> Document:
    """Each object a line of `name: value`."""
    shown = []
    for number, line in enumerate(_decoded(content).splitlines(), start=1):
        if line.strip():
            try:
                shown.append(_line(msgspec.json.decode(line)))
            except (msgspec.DecodeError, RecursionError):
                raise FileUnreadable(f"Line {number} is not valid JSON.") from None
    return Document("\n".join(shown))


def _line(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_line(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_line, value))
    return "" if value is None else " ".join(str(value).split())


def _pdf(content: bytes) -> Document:
    """The text of its pages; pictures of text are not read."""
    try:
        pages = pypdf.PdfReader(io.BytesIO(content)).pages
        if len(pages) > _MOST_PAGES:
            raise FileUnreadable(f"The PDF has more than {_MOST_PAGES} pages.")
        text = "\n\n".join(page.extract_text() for page in pages)
    # A broken PDF makes the library stumble anywhere.
    except (
        pypdf.errors.PyPdfError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise FileUnreadable("The PDF cannot be read.") from error
    if not text.strip():
        raise FileUnreadable("The PDF holds no text; pictures of pages are not read.")
    return Document(text.replace("\x00", " "))


def _decoded(content: bytes) -> str:
    mark = _MARKS.get(content[:2])
    for encoding in _ENCODINGS if mark is None else (mark,):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise FileUnreadable("The file is no text in UTF-8, UTF-16 or GB 18030.")


_READERS: Mapping[str, Callable[[bytes], Document]] = {
    ".txt": _plain,
    ".log": _plain,
    ".md": _markdown,
    ".markdown": _markdown,
    ".csv": _table,
    ".tsv": _table,
    ".jsonl": _json_lines,
    ".pdf": _pdf,
}
