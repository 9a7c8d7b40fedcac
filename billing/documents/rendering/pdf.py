"""An invoice as PDF: A4, in Chinese or English, the same bytes for the same document.

Owns the layout. Does not own what an invoice says (billing/documents/documents.py) nor fonts
(billing/documents/rendering/pdf_text.py). Pure, but takes some milliseconds a page.
"""

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, PageBreak, SimpleDocTemplate, Spacer, Table

from billing.accounts.parties import Party
from billing.documents.breakdown import Part, PartKind, Tag
from billing.documents.documents import InvoiceDocument
from billing.documents.parts import DocumentLine, Span
from billing.documents.rendering.pdf_text import (
    FAINT,
    FONT,
    RULE,
    paragraph,
    register_font,
)

_MARGIN = 18 * mm
_PADDING = 6  # points that reportlab leaves free at a page's sides
_WIDTH = A4[0] - 2 * _MARGIN
_ADDRESS = 12  # lines
_Flow = list[Any]
_PLAIN = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, -1), 0)]
_RULED = [
    *_PLAIN,
    ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
    ("LINEBELOW", (0, 0), (-1, 0), 0.8, FAINT),
    ("LINEBELOW", (0, 1), (-1, -1), 0.4, RULE),
]


def invoice_pdf(document: InvoiceDocument) -> bytes:
    """The document with its pages numbered; built twice, since the first page names the last."""
    register_font()
    _, pages = _build(document, 0)
    return _build(document, pages)[0]


def _build(document: InvoiceDocument, pages: int) -> tuple[bytes, int]:
    out = io.BytesIO()
    template = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=_MARGIN - _PADDING,
        rightMargin=_MARGIN - _PADDING,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=f"{document.say('title')} {document.name}",
        author=document.seller.name,
        invariant=1,
    )
    footer = partial(_footer, document, pages)
    flow = [
        *_head(document),
        _lines(document),
        Spacer(0, 4 * mm),
        KeepTogether([_totals(document), Spacer(0, 6 * mm), *_closing(document)]),
        *_tags(document),
    ]
    template.build(flow, onFirstPage=footer, onLaterPages=footer)
    return out.getvalue(), template.page


def _footer(document: InvoiceDocument, pages: int, canvas: Any, template: Any) -> None:
    canvas.saveState()
    canvas.setFont(FONT, 8)
    canvas.setFillColor(FAINT)
    canvas.drawString(_MARGIN, 10 * mm, document.name)
    page = document.say("page", page=template.page, pages=pages)
    canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, page)
    canvas.restoreState()


def _head(document: InvoiceDocument) -> _Flow:
    title = f"{document.say('title')} {document.number or document.say(document.status)}"
    top = Table(
        [[paragraph(document.seller.name, 15), paragraph(title, 15, right=True)]],
        colWidths=[_WIDTH / 2] * 2,
        style=[*_PLAIN, ("RIGHTPADDING", (-1, 0), (-1, -1), 0)],
    )
    return [top, Spacer(0, 5 * mm), _facts(document), Spacer(0, 5 * mm), _parties(document)]


def _facts(document: InvoiceDocument) -> Table:
    facts = {
        "state": document.say(document.status),
        "issued": document.issued_on,
        "due": document.due_on,
        "period": _days(document.period),
    }
    told = {label: str(value) for label, value in facts.items() if value}
    rows = [
        [paragraph(document.say(label), 8, faint=True) for label in told],
        [paragraph(value) for value in told.values()],
    ]
    widths = [_WIDTH / 5] * (len(told) - 1)
    return Table(rows, colWidths=[*widths, _WIDTH - sum(widths)], style=_PLAIN)


def _parties(document: InvoiceDocument) -> Table:
    """Row by row, so that what is too long for a page goes on on the next."""
    parties = (document.seller, document.buyer)
    rows = [
        [paragraph(document.say(which), 8, faint=True) for which in ("seller", "buyer")],
        [paragraph(party.name) for party in parties],
        [paragraph(_bounded(party.address)) for party in parties],
        [paragraph(_tax_number(document, party)) for party in parties],
        [paragraph(party.email) for party in parties],
    ]
    style = [*_PLAIN, ("BOTTOMPADDING", (0, 0), (-1, -1), 0), ("TOPPADDING", (0, 1), (-1, -1), 1)]
    return Table(rows, colWidths=[_WIDTH / 2] * 2, style=style, spaceAfter=8 * mm)


def _tax_number(document: InvoiceDocument, party: Party) -> str:
    return f"{document.say('tax_number')} {party.tax_number}" if party.tax_number else ""


def _bounded(address: str) -> str:
    """All of it, on lines of its own only as far as a page has room for."""
    lines = address.splitlines()
    return "\n".join([*lines[:_ADDRESS], " ".join(lines[_ADDRESS:])])


def _lines(document: InvoiceDocument) -> Table:
    labels = ("description", "quantity", "included", "price", "amount")
    head = [paragraph("", 8), *_labels(document, labels, right_from=1)]
    rows = [head, *(_line(document, one) for one in document.lines)]
    widths = [8 * mm, 0, 27 * mm, 25 * mm, 38 * mm, 26 * mm]
    widths[1] = _WIDTH - sum(widths)
    return Table(rows, colWidths=widths, repeatRows=1, splitInRow=1, style=_RULED)


def _line(document: InvoiceDocument, one: DocumentLine) -> Sequence[Any]:
    text = one.description
    if one.service is not None:
        text += f"\n{_days(one.service)}"
    if one.base is not None and one.share is not None and one.share != 1:
        text += f"\n{document.text(one.base)} × {one.share}"
    line = one.line
    return [
        paragraph(str(one.number), 8, faint=True),
        paragraph(text),
        paragraph(one.quantity_text, right=True),
        paragraph(f"{line.included:,}" if line.included else "", right=True),
        paragraph(one.price_text, 8, right=True),
        paragraph(document.text(line.minor), right=True),
    ]


def _totals(document: InvoiceDocument) -> Table:
    balance = document.balance
    rows = [("net", document.net), ("tax", document.tax), ("total", document.total)]
    if document.final:
        settled = (("settled", balance.paid), ("credited", balance.credited))
        rows += [(label, -minor) for label, minor in settled if minor]
        rows += [("written_off", -balance.written_off)] if balance.written_off else []
        rows.append(("owed", balance.owed))
    cells = [
        [
            paragraph(document.say(label), size, right=True),
            paragraph(f"{document.text(minor)} {document.currency}", size, right=True),
        ]
        for (label, minor), size in zip(rows, [*[9] * (len(rows) - 1), 12], strict=True)
    ]
    style = [
        *_PLAIN,
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("LINEABOVE", (0, -1), (-1, -1), 0.8, FAINT),
    ]
    return Table(cells, colWidths=[45 * mm, 40 * mm], hAlign="RIGHT", style=style)


def _closing(document: InvoiceDocument) -> _Flow:
    notes = [
        f"{document.say('credit_note', number=note.number, day=note.issued_on, reason=note.reason)}"
        f" {document.text(note.total)} {document.currency}"
        for note in document.notes
    ]
    texts = [document.payment_terms, document.tax_note, *notes]
    return [
        *(paragraph(text) for text in texts),
        Spacer(0, 3 * mm),
        paragraph(document.billing_rule, 8, faint=True),
    ]


def _tags(document: InvoiceDocument) -> _Flow:
    if not document.tags:
        return []
    head = [paragraph(document.say("tags"), 13), paragraph(document.say("tags_are"), 8, faint=True)]
    tables = [flow for tag in document.tags for flow in (Spacer(0, 5 * mm), _tag(document, tag))]
    return [PageBreak(), *head, *tables]


def _tag(document: InvoiceDocument, tag: Tag) -> Table:
    head = [paragraph(tag.name, 8, faint=True), *_labels(document, ("amount",), right_from=0)]
    rows = [
        [paragraph(_value(document, part)), paragraph(document.text(part.minor), right=True)]
        for part in tag.parts
    ]
    total = document.text(sum(part.minor for part in tag.parts))
    last = [paragraph(document.say("total"), faint=True), paragraph(total, right=True)]
    widths = [_WIDTH - 40 * mm, 40 * mm]
    return Table([head, *rows, last], colWidths=widths, repeatRows=1, splitInRow=1, style=_RULED)


def _value(document: InvoiceDocument, part: Part) -> str:
    match part.kind:
        case PartKind.VALUE:
            return part.value
        case PartKind.OTHERS:
            return document.say("other_values", count=part.count)
    return document.say("untagged")


def _labels(document: InvoiceDocument, labels: Sequence[str], right_from: int) -> _Flow:
    return [
        paragraph(document.say(label), 8, faint=True, right=at >= right_from)
        for at, label in enumerate(labels)
    ]


def _days(span: Span) -> str:
    """`2026-10-01 – 2026-10-31`, with a sign that the font has."""
    return f"{span.first_day} ~ {span.last_day}"
