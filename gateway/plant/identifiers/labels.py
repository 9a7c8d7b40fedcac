"""Labels of identifiers as PDF: QR codes or Data Matrix symbols on A4 sheets.

The symbol contains a URI that a phone can open: the GS1 Digital Link itself, or the short address
of the identifier at a node; without a node it contains the identifier.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from billing.invoice_documents.rendering.fonts import replace_missing_glyphs
from billing.invoice_documents.rendering.typesetting import render_source
from gateway.plant.identifiers.codes import GS1_BASE, Identifier, parse_identifier
from gateway.plant.identifiers.prefixes import Scheme
from infra.errors import AppError
from infra.lazy_import import LazyModule

if TYPE_CHECKING:
    import zxingcpp
else:
    zxingcpp = LazyModule("zxingcpp")

MAX_LABELS = 1_000
MAX_TEXT = 60
SYMBOLOGIES = ("qr", "datamatrix")
_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "qr": {"ec_level": "M"},
    "datamatrix": {"force_square": True},
}


class LabelsInvalid(AppError):
    """Labels cannot be printed as asked for: too many, too small, or a text that is too long."""

    status = 400
    type = "invalid_request_error"
    code = "labels_invalid"


@dataclass(frozen=True, slots=True)
class Label:
    """A label: the identifier, the content of its symbol, and a text for people."""

    identifier: Identifier
    content: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class LabelSheet:
    """Day of printing, symbology, and columns and rows of an A4 sheet."""

    day: date
    symbology: str = "qr"
    columns: int = 3
    rows: int = 8


def make_labels(
    identifiers: Sequence[str], texts: Sequence[str], node_url: str | None
) -> Sequence[Label]:
    """Return the labels of identifiers; `texts` is empty or has one text each.

    Raises LabelsInvalid, IdentifierInvalid.
    """
    if not 0 < len(identifiers) <= MAX_LABELS:
        raise LabelsInvalid(f"A request has 1 to {MAX_LABELS} labels.", param="ids")
    if texts and len(texts) != len(identifiers):
        raise LabelsInvalid("`texts` must be empty or have one text per label.", param="texts")
    if any(len(text) > MAX_TEXT for text in texts):
        raise LabelsInvalid(f"A label's text has at most {MAX_TEXT} characters.", param="texts")
    parsed = [parse_identifier(one) for one in identifiers]
    shown = texts or [""] * len(parsed)
    return [
        Label(one, label_content(one, node_url), text)
        for one, text in zip(parsed, shown, strict=True)
    ]


def label_content(identifier: Identifier, node_url: str | None) -> str:
    """Return what the symbol of an identifier contains."""
    if node_url is None:
        return identifier.text
    base = node_url.rstrip("/")
    if identifier.scheme is Scheme.GS1:
        return base + identifier.text.removeprefix(GS1_BASE)
    return f"{base}/id/{quote(identifier.text, safe='/')}"


def render_labels(labels: Sequence[Label], sheet: LabelSheet) -> bytes:
    """Return labels as PDF. Takes about 10 ms per label. Raises LabelsInvalid."""
    if sheet.symbology not in SYMBOLOGIES:
        raise LabelsInvalid("`symbology` is `qr` or `datamatrix`.", param="symbology")
    if not (1 <= sheet.columns <= 5 and 1 <= sheet.rows <= 12):
        raise LabelsInvalid("A sheet has 1 to 5 columns and 1 to 12 rows.", param="columns")
    data = {
        "title": "Labels",
        "date": [sheet.day.year, sheet.day.month, sheet.day.day],
        "columns": sheet.columns,
        "rows": sheet.rows,
        "labels": [
            {
                "svg": symbol_svg(label.content, sheet.symbology),
                "id": replace_missing_glyphs(label.identifier.text),
                "text": replace_missing_glyphs(label.text),
            }
            for label in labels
        ],
    }
    return render_source(_layout(), data)


def symbol_svg(content: str, symbology: str) -> str:
    """Return a symbol with its quiet zone as SVG."""
    formats = zxingcpp.BarcodeFormat
    form = formats.QRCode if symbology == "qr" else formats.DataMatrix
    symbol = zxingcpp.create_barcode(content, form, **_OPTIONS[symbology])
    return str(zxingcpp.write_barcode_to_svg(symbol, add_quiet_zones=True))


@cache
def _layout() -> bytes:
    """Return the Typst source of the sheet."""
    return Path(__file__).with_name("labels.typ").read_bytes()
