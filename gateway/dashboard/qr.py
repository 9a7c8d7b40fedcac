"""QR codes as SVG paths, without script or image. The encoder is ReportLab's."""

from typing import TYPE_CHECKING

from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    from reportlab.graphics.barcode import qrencoder
else:
    qrencoder = LazyModule("reportlab.graphics.barcode.qrencoder")

_QUIET_ZONE = 4  # modules of light border (ISO/IEC 18004)


def qr_svg_path(text: str) -> tuple[int, str]:
    """Return a QR code's width in modules, with border, and the SVG path of its dark modules."""
    code = qrencoder.QRCode(None, qrencoder.QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    size = code.getModuleCount()
    dark = (
        f"M{column + _QUIET_ZONE} {row + _QUIET_ZONE}h1v1h-1z"
        for row in range(size)
        for column in range(size)
        if code.isDark(row, column)
    )
    return size + 2 * _QUIET_ZONE, "".join(dark)
