"""Reads the text of a PDF, page by page."""

import io

from pypdf import PdfReader


def pages(content: bytes) -> list[str]:
    """The text of each page, in the order in which it stands there."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]
