"""Extract text and headings from files: text, Markdown, CSV, JSONL, PDF, Word, Excel, pictures."""

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from gateway.call.errors import BadRequest
from gateway.retrieval.office_files import OfficeFileInvalid, read_excel, read_word
from gateway.retrieval.scans import ScanInvalid, read_picture, read_scanned_pages
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import pypdf
    import pypdf.errors
else:
    pypdf = LazyModule("pypdf")

# Tried in this order: text in another encoding is hardly ever valid UTF-8, while GB 18030 decodes
# almost any bytes.
_ENCODINGS = ("utf-8-sig", "gb18030")
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_HEADING = re.compile(r"^#{1,6} +([^ \n].*)$", re.MULTILINE)
_MAX_HEADING_LENGTH = 200
_MAX_PDF_PAGES = 2_000


class FileUnsupported(BadRequest):
    """The file name has an extension that cannot be read."""

    code = "unsupported_file"


class FileUnreadable(BadRequest):
    """The content does not match the file's extension, or contains no text."""

    code = "invalid_file"


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a file, and its headings with the character offset from which each applies."""

    text: str
    headings: tuple[tuple[int, str], ...] = ()


def require_supported(filename: str) -> None:
    """Raise FileUnsupported if files with this name's extension cannot be read."""
    _extractor_for(filename)


def extract_text(filename: str, content: bytes) -> Document:
    """Return the text and headings of a file. Raises FileUnsupported, FileUnreadable."""
    document = _extractor_for(filename)(content)
    if not document.text.strip():
        raise FileUnreadable("The file contains no text.")
    return document


def _extractor_for(filename: str) -> Callable[[bytes], Document]:
    """Return the extractor for the file name's extension. Raises FileUnsupported."""
    suffix = PurePath(filename).suffix.lower()
    if suffix not in _EXTRACTORS:
        raise FileUnsupported(
            f"The file type of {filename[-60:]!r} is not supported. Supported types: "
            f"{', '.join(sorted(_EXTRACTORS))}."
        )
    return _EXTRACTORS[suffix]


def _extract_plain(content: bytes) -> Document:
    """Return the decoded text, without headings."""
    return Document(_decode_text(content))


def _extract_markdown(content: bytes) -> Document:
    """Return the decoded text with the positions of its `#` headings."""
    text = _decode_text(content)
    matches = _HEADING.finditer(text)
    return Document(text, tuple((match.start(), _heading_text(match[1])) for match in matches))


def _heading_text(text: str) -> str:
    """Return the text of a heading without the `#` that may follow it."""
    return (text.rstrip(" #") or text)[:_MAX_HEADING_LENGTH]


def _extract_table(content: bytes) -> Document:
    """Return one line per row. The first row is the heading of the whole document."""
    text = _decode_text(content)
    try:
        dialect = csv.Sniffer().sniff(text[:8192], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), dialect) if any(row)]
    except csv.Error as error:
        raise FileUnreadable(f"The table is not valid: {error}.") from None
    lines = [" | ".join(" ".join(cell.split()) for cell in row) for row in rows]
    heading = lines[0][:_MAX_HEADING_LENGTH] if len(lines) > 1 else ""
    return Document("\n".join(lines), ((0, heading),))


def _extract_json_lines(content: bytes) -> Document:
    """Return one line of `name: value` pairs per JSON object."""
    lines = []
    for number, line in enumerate(_decode_text(content).splitlines(), start=1):
        if line.strip():
            try:
                lines.append(_format_json(msgspec.json.decode(line)))
            except (msgspec.DecodeError, RecursionError):
                raise FileUnreadable(f"Line {number} is not valid JSON.") from None
    return Document("\n".join(lines))


def _format_json(value: object) -> str:
    """Return a JSON value as one line of text."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_format_json(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_format_json, value))
    return "" if value is None else " ".join(str(value).split())


def _extract_pdf(content: bytes) -> Document:
    """Return the text of the pages: their text layer, or what is recognised on scanned pages."""
    try:
        texts = read_scanned_pages(content, _read_text_layer(content))
    except ScanInvalid as error:
        raise FileUnreadable(str(error)) from error
    text = "\n\n".join(texts)
    if not text.strip():
        raise FileUnreadable("The PDF contains no text, and none was recognised on its pages.")
    return Document(text.replace("\x00", " "))


def _read_text_layer(content: bytes) -> list[str]:
    """Return the text layer of each page of a PDF, empty for scanned pages."""
    try:
        pages = pypdf.PdfReader(io.BytesIO(content)).pages
        if len(pages) > _MAX_PDF_PAGES:
            raise FileUnreadable(f"The PDF has more than {_MAX_PDF_PAGES} pages.")
        return [page.extract_text() for page in pages]
    # pypdf raises any of these on a damaged file.
    except (
        pypdf.errors.PyPdfError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise FileUnreadable("The PDF is damaged or encrypted.") from error


def _extract_picture(content: bytes) -> Document:
    """Return the text that is recognised on a picture of a page."""
    try:
        return Document(read_picture(content))
    except ScanInvalid as error:
        raise FileUnreadable(str(error)) from error


def _extract_word(content: bytes) -> Document:
    """Return the text of a Word document with its headings."""
    try:
        return Document(*read_word(content))
    except OfficeFileInvalid as error:
        raise FileUnreadable(str(error)) from error


def _extract_excel(content: bytes) -> Document:
    """Return the visible sheets of a workbook, one line per row."""
    try:
        return Document(*read_excel(content))
    except OfficeFileInvalid as error:
        raise FileUnreadable(str(error)) from error


def _decode_text(content: bytes) -> str:
    """Decode the content (UTF-8, UTF-16 or GB 18030) with LF line ends. Raises FileUnreadable."""
    encoding_by_mark = _BYTE_ORDER_MARKS.get(content[:2])
    for encoding in _ENCODINGS if encoding_by_mark is None else (encoding_by_mark,):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise FileUnreadable("The file is not text in UTF-8, UTF-16 or GB 18030.")


_EXTRACTORS: Mapping[str, Callable[[bytes], Document]] = {
    ".txt": _extract_plain,
    ".log": _extract_plain,
    ".md": _extract_markdown,
    ".markdown": _extract_markdown,
    ".csv": _extract_table,
    ".tsv": _extract_table,
    ".jsonl": _extract_json_lines,
    ".pdf": _extract_pdf,
    ".png": _extract_picture,
    ".jpg": _extract_picture,
    ".jpeg": _extract_picture,
    ".docx": _extract_word,
    ".xlsx": _extract_excel,
    ".xlsm": _extract_excel,
}
