"""Rendering of an invoice document as PDF/A on A4 pages, in Chinese or English.

The same document gives the same bytes. Rendering takes some milliseconds of CPU per page.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from billing.accounts.parties import Party
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.rendering.fonts import add_line_breaks, replace_missing_glyphs
from billing.invoice_documents.rendering.typesetting import render_pdf
from billing.invoice_documents.tag_breakdown import TagBreakdown, TagShare, TagShareKind
from billing.invoice_documents.values import DocumentLine, ServicePeriod

_REGIONS = {"zh": "cn", "en": "us"}
_MAX_ADDRESS_LINES = 12  # lines
_MAX_KEPT_ROWS = 3  # rows that stay on one page with the sums below them
_MAX_KEPT_CHARACTERS = 400  # characters, at most, of rows that are kept together


def render_invoice_pdf(document: InvoiceDocument) -> bytes:
    """Render the document as a self-contained PDF file with embedded fonts."""
    return render_pdf("invoice", _layout_data(document))


def _layout_data(document: InvoiceDocument) -> dict[str, Any]:
    """Return the values that the Typst layout of an invoice takes."""
    day = _metadata_date(document)
    title = document.translate("title")
    return {
        "title": f"{title} {document.name}",
        "language": document.locale,
        "region": _REGIONS[document.locale],
        "date": [day.year, day.month, day.day],
        "name": document.name,
        "page": document.translate("page", page="{page}", pages="{pages}"),
        "heading": f"{title} {document.number or document.translate(document.status)}",
        "facts": _facts(document),
        "parties": [
            _party(document, "seller", document.seller),
            _party(document, "buyer", document.buyer),
        ],
        "lines": _lines(document),
        "totals": _totals(document),
        **_closing_texts(document),
        "tags": _tags(document),
        "projects": _projects(document),
    }


def _metadata_date(document: InvoiceDocument) -> date:
    """Return the date for the file's metadata; never today, which would change the bytes."""
    if document.issued_on is not None:
        return document.issued_on
    return document.as_of.date() if document.as_of else document.period.first_day


def _facts(document: InvoiceDocument) -> list[list[str]]:
    """Return the (label, value) pairs of status, issue date, due date and period, if set."""
    facts = {
        "state": document.translate(document.status),
        "issued": document.issued_on,
        "due": document.due_on,
        "period": _format_days(document.period),
    }
    return [[document.translate(label), str(value)] for label, value in facts.items() if value]


def _party(document: InvoiceDocument, which: str, party: Party) -> dict[str, Any]:
    """Return the label, name and contact lines of a party; `which` is `seller` or `buyer`."""
    number = f"{document.translate('tax_number')} {party.tax_number}" if party.tax_number else ""
    texts = [_limit_address_lines(party.address), number, party.email]
    return {
        "label": document.translate(which),
        "name": add_line_breaks(party.name),
        "lines": [line for text in texts for line in add_line_breaks(text).splitlines() if line],
    }


def _limit_address_lines(address: str) -> str:
    """Keep the whole address, but join the lines beyond the maximum that fits a page."""
    lines = address.splitlines()
    return "\n".join([*lines[:_MAX_ADDRESS_LINES], " ".join(lines[_MAX_ADDRESS_LINES:])])


def _lines(document: InvoiceDocument) -> dict[str, Any]:
    """Return the column labels and rows of the line table, and how many last rows stay together."""
    columns = ("description", "quantity", "included", "price", "amount")
    return {
        "labels": [document.translate(label) for label in columns],
        "rows": [_line(document, line) for line in document.lines],
        "kept": _count_kept_rows([line.description + line.price_text for line in document.lines]),
    }


def _line(document: InvoiceDocument, line: DocumentLine) -> dict[str, Any]:
    """Return the cells of a line's row; the description includes service days and fee share."""
    text = [*add_line_breaks(line.description).splitlines()]
    if line.service is not None:
        text.append(_format_days(line.service))
    if line.base is not None and line.share is not None and line.share != 1:
        text.append(f"{document.text(line.base)} × {line.share}")
    return {
        "number": str(line.number),
        "description": text,
        "quantity": line.quantity_text,
        "included": f"{line.line.included:,}" if line.line.included else "",
        "price": add_line_breaks(line.price_text),
        "amount": document.text(line.line.minor),
    }


def _count_kept_rows(texts: Sequence[str]) -> int:
    """Return how many of the last rows to keep together with the sums, so that they fit a page."""
    kept, room = 0, _MAX_KEPT_CHARACTERS
    for text in reversed(texts[-_MAX_KEPT_ROWS:]):
        room -= len(text)
        if room < 0:
            break
        kept += 1
    return kept


def _totals(document: InvoiceDocument) -> list[dict[str, Any]]:
    """Return the rows of the sums; for a final invoice down to the amount owed, in bold."""
    balance = document.balance
    rows = [("net", document.net), ("tax", document.tax), ("total", document.total)]
    if document.final:
        settled = (("settled", balance.paid), ("credited", balance.credited))
        rows += [(label, -minor) for label, minor in settled if minor]
        rows += [("written_off", -balance.written_off)] if balance.written_off else []
        rows.append(("owed", balance.owed))
    return [
        {
            "label": document.translate(label),
            "amount": f"{document.text(minor)} {document.currency}",
            "strong": (label, minor) == rows[-1],
        }
        for label, minor in rows
    ]


def _closing_texts(document: InvoiceDocument) -> dict[str, Any]:
    """Return the closing texts kept on the page of the sums, with credit notes if they fit."""
    notes = _credit_note_texts(document)
    fits = sum(map(len, notes)) <= 2 * _MAX_KEPT_CHARACTERS
    return {
        "closing": [document.payment_terms, document.tax_note, *(notes if fits else [])],
        "rule": document.billing_rule,
        "notes": [] if fits else notes,
    }


def _credit_note_texts(document: InvoiceDocument) -> list[str]:
    """Return one text per credit note: number, day, reason and amount."""
    return [
        add_line_breaks(
            document.translate(
                "credit_note", number=note.number, day=note.issued_on, reason=note.reason
            )
        )
        + f" {document.text(note.total)} {document.currency}"
        for note in document.notes
    ]


def _tags(document: InvoiceDocument) -> dict[str, Any] | None:
    """Return the section of usage by tag with a table per tag, or None without tags."""
    if not document.tags:
        return None
    return {
        "heading": document.translate("tags"),
        "text": document.translate("tags_are"),
        "amount": document.translate("amount"),
        "tables": [_tag(document, tag) for tag in document.tags],
    }


def _tag(document: InvoiceDocument, tag: TagBreakdown) -> dict[str, Any]:
    """Return the table of one tag: a row per value with its amount, and the total."""
    return {
        "name": replace_missing_glyphs(tag.name),
        "rows": [[_share_label(document, part), document.text(part.minor)] for part in tag.parts],
        "kept": min(_MAX_KEPT_ROWS, len(tag.parts)),
        "total": [document.translate(document.usage_sum), document.text(_sum_shares(tag.parts))],
    }


def _projects(document: InvoiceDocument) -> dict[str, Any] | None:
    """Return the section of usage by project with a table, or None without projects."""
    sections = document.projects
    if not sections:
        return None
    total = document.text(sum(section.minor for section in sections))
    rows = [
        [add_line_breaks(document.project_name(one)), document.text(one.minor)] for one in sections
    ]
    table = {
        "name": document.translate("project"),
        "rows": rows,
        "kept": min(_MAX_KEPT_ROWS, len(rows)),
        "total": [document.translate(document.usage_sum), total],
    }
    return {
        "heading": document.translate("projects"),
        "text": document.translate("projects_are"),
        "amount": document.translate("amount"),
        "tables": [table],
    }


def _sum_shares(parts: Iterable[TagShare]) -> int:
    """Return the sum of the shares in minor units."""
    return sum(part.minor for part in parts)


def _share_label(document: InvoiceDocument, part: TagShare) -> str:
    """Return the label of one tag value's share of a line, in the document's language."""
    match part.kind:
        case TagShareKind.VALUE:
            return add_line_breaks(part.value)
        case TagShareKind.OTHERS:
            return document.translate("other_values", count=part.count)
    return document.translate("untagged")


def _format_days(span: ServicePeriod) -> str:
    """Format a service period as its first and last day, such as `2026-01-01 – 2026-01-31`."""
    return f"{span.first_day} – {span.last_day}"
