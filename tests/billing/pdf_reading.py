"""Reads the text of a PDF that reportlab made, page by page; no reader of PDF is installed."""

import base64
import re
import zlib

_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_TOKEN = re.compile(rb"/F(\d+) [\d.]+ Tf|\(((?:\\.|[^\\)])*)\) Tj", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages(content: bytes) -> list[str]:
    """The shown strings of each page, one a line; helvetica's as they are, others as UTF-16."""
    return [_text(_inflated(found[1])) for found in _STREAM.finditer(content)]


def _inflated(stream: bytes) -> bytes:
    return zlib.decompress(base64.a85decode(b"<~" + stream.strip(), adobe=True))


def _text(page: bytes) -> str:
    font, lines = b"1", []
    for token in _TOKEN.finditer(page):
        if token[1]:
            font = token[1]
        else:
            shown = _ESCAPE.sub(_byte, token[2])
            lines.append(shown.decode("cp1252" if font == b"1" else "utf-16-be"))
    return "\n".join(lines)


def _byte(found: "re.Match[bytes]") -> bytes:
    name = found[1]
    return bytes([int(name, 8)]) if name.isdigit() else _NAMED.get(name, name)
