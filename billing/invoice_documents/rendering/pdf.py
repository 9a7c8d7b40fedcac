"""An invoice as PDF/A on A4 pages, in Chinese or English; the same bytes for the same document.

Pure, but takes some milliseconds a page.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from billing.accounts.parties import Party
from billing.invoice_documents.document import InvoiceDocument
from billing.invoice_documents.rendering.fonts import breakable, printable
from billing.invoice_documents.rendering.typesetting import typeset
from billing.invoice_documents.tag_breakdown import Part, PartKind, Tag
from billing.invoice_documents.values import DocumentLine, Span

_REGIONS = {"zh": "cn", "en": "us"}
_ADDRESS = 12  # lines
_KEPT = 3  # rows that stay on one page with the sums below them
_SHORT = 400  # characters, at most, of rows that are kept together


def invoice_pdf(document: InvoiceDocument) -> bytes:
    """The document as a file of its own: all fonts are in it."""
    return typeset("invoice", _data(document))


def _data(document: InvoiceDocument) -> dict[str, Any]:
    day = _written_on(document)
    return {
        "title": f"{document.say('title')} {document.name}",
        "language": document.locale,
        "region": _REGIONS[document.locale],
        "date": [day.year, day.month, day.day],
        "name": document.name,
        "page": document.say("page", page="{page}", pages="{pages}"),
        "heading": f"{document.say('title')} {document.number or document.say(document.status)}",
        "facts": _facts(document),
        "parties": [
            _party(document, "seller", document.seller),
            _party(document, "buyer", document.buyer),
        ],
        "lines": _lines(document),
        "totals": _totals(document),
        **_closing(document),
        "tags": _tags(document),
    }


def _written_on(document: InvoiceDocument) -> date:
    """The date in the file's metadata: never the day of printing, which would change the bytes."""
    if document.issued_on is not None:
        return document.issued_on
    return document.as_of.date() if document.as_of else document.period.first_day


def _facts(document: InvoiceDocument) -> list[list[str]]:
    facts = {
        "state": document.say(document.status),
        "issued": document.issued_on,
        "due": document.due_on,
        "period": _days(document.period),
    }
    return [[document.say(label), str(value)] for label, value in facts.items() if value]


def _party(document: InvoiceDocument, which: str, party: Party) -> dict[str, Any]:
    number = f"{document.say('tax_number')} {party.tax_number}" if party.tax_number else ""
    texts = [_bounded(party.address), number, party.email]
    return {
        "label": document.say(which),
        "name": breakable(party.name),
        "lines": [line for text in texts for line in breakable(text).splitlines() if line],
    }


def _bounded(address: str) -> str:
    """All of it, on lines of its own only as far as a page has room for."""
    lines = address.splitlines()
    return "\n".join([*lines[:_ADDRESS], " ".join(lines[_ADDRESS:])])


def _lines(document: InvoiceDocument) -> dict[str, Any]:
    columns = ("description", "quantity", "included", "price", "amount")
    return {
        "labels": [document.say(label) for label in columns],
        "rows": [_line(document, one) for one in document.lines],
        "kept": _kept([one.description + one.price_text for one in document.lines]),
    }


def _line(document: InvoiceDocument, one: DocumentLine) -> dict[str, Any]:
    text = [*breakable(one.description).splitlines()]
    if one.service is not None:
        text.append(_days(one.service))
    if one.base is not None and one.share is not None and one.share != 1:
        text.append(f"{document.text(one.base)} × {one.share}")
    return {
        "number": str(one.number),
        "description": text,
        "quantity": one.quantity_text,
        "included": f"{one.line.included:,}" if one.line.included else "",
        "price": breakable(one.price_text),
        "amount": document.text(one.line.minor),
    }


def _kept(texts: Sequence[str]) -> int:
    """How many of the last rows stay together: few enough to find room on a page."""
    kept, room = 0, _SHORT
    for text in reversed(texts[-_KEPT:]):
        room -= len(text)
        if room < 0:
            break
        kept += 1
    return kept


def _totals(document: InvoiceDocument) -> list[dict[str, Any]]:
    balance = document.balance
    rows = [("net", document.net), ("tax", document.tax), ("total", document.total)]
    if document.final:
        settled = (("settled", balance.paid), ("credited", balance.credited))
        rows += [(label, -minor) for label, minor in settled if minor]
        rows += [("written_off", -balance.written_off)] if balance.written_off else []
        rows.append(("owed", balance.owed))
    return [
        {
            "label": document.say(label),
            "amount": f"{document.text(minor)} {document.currency}",
            "strong": (label, minor) == rows[-1],
        }
        for label, minor in rows
    ]


def _closing(document: InvoiceDocument) -> dict[str, Any]:
    """Sentences that stay with the sums; credit notes too, unless there are too many."""
    notes = _notes(document)
    few = sum(map(len, notes)) <= 2 * _SHORT
    return {
        "closing": [document.payment_terms, document.tax_note, *(notes if few else [])],
        "rule": document.billing_rule,
        "notes": [] if few else notes,
    }


def _notes(document: InvoiceDocument) -> list[str]:
    return [
        breakable(
            document.say("credit_note", number=note.number, day=note.issued_on, reason=note.reason)
        )
        + f" {document.text(note.total)} {document.currency}"
        for note in document.notes
    ]


def _tags(document: InvoiceDocument) -> dict[str, Any] | None:
    if not document.tags:
        return None
    return {
        "heading": document.say("tags"),
        "text": document.say("tags_are"),
        "amount": document.say("amount"),
        "tables": [_tag(document, tag) for tag in document.tags],
    }


def _tag(document: InvoiceDocument, tag: Tag) -> dict[str, Any]:
    return {
        "name": printable(tag.name),
        "rows": [[_value(document, part), document.text(part.minor)] for part in tag.parts],
        "kept": min(_KEPT, len(tag.parts)),
        "total": [document.say(document.usage_sum), document.text(_sum(tag.parts))],
    }


def _sum(parts: Iterable[Part]) -> int:
    return sum(part.minor for part in parts)


def _value(document: InvoiceDocument, part: Part) -> str:
    match part.kind:
        case PartKind.VALUE:
            return breakable(part.value)
        case PartKind.OTHERS:
            return document.say("other_values", count=part.count)
    return document.say("untagged")


def _days(span: Span) -> str:
    return f"{span.first_day} – {span.last_day}"
