"""Read the text of a PDF, page by page, with PDFium: in a twentieth of the time of pypdf."""

from contextlib import closing

from pypdfium2 import PdfDocument


def pages(content: bytes) -> list[str]:
    """The text of each page, in the order in which it stands there."""
    with closing(PdfDocument(content)) as document:
        return [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in document]
