"""QR codes: a text as squares, drawn as one path of SVG: without script and without picture.

Which squares are dark tells the encoder that invoices' PDFs come with. Pure.
"""

from typing import TYPE_CHECKING

from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    from reportlab.graphics.barcode import qrencoder
else:
    qrencoder = LazyModule("reportlab.graphics.barcode.qrencoder")

_QUIET = 4  # squares that stay light around it, by the standard


def qr_path(text: str) -> tuple[int, str]:
    """How many squares wide it is, its light border too, and the path of the dark ones."""
    code = qrencoder.QRCode(None, qrencoder.QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    size = code.getModuleCount()
    dark = (
        f"M{column + _QUIET} {row + _QUIET}h1v1h-1z"
        for row in range(size)
        for column in range(size)
        if code.isDark(row, column)
    )
    return size + 2 * _QUIET, "".join(dark)
