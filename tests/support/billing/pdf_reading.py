"""Read the text of a PDF by page, with PDFium, which is 20 times as fast as pypdf."""

from contextlib import closing

from pypdfium2 import PdfDocument


def pages(content: bytes) -> list[str]:
    """The text of each page in document order."""
    with closing(PdfDocument(content)) as document:
        return [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in document]
