"""JSON views of buyer titles and fapiao, for the API, the CLI and webhooks."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.fapiao.lines import lines_from_json
from billing.fapiao.requests import FAPIAO_ID_PREFIX
from billing.fapiao.titles import TITLE_ID_PREFIX, title_fields
from billing.invoice_documents.price_format import format_percent
from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.invoices.numbering import format_invoice_number
from billing.money import minor_text
from billing.rating.taxes import Tax, TaxTreatment
from billing.tables import Fapiao, FapiaoTitle, Invoice, LegalEntity
from infra import ids

_CURRENCY = "CNY"


async def invoice_number(session: AsyncSession, row: Fapiao) -> str:
    """Return the number of a fapiao's invoice, such as `MAAS-000012`."""
    invoice = await session.get_one(Invoice, row.invoice_id)
    entity = await session.get_one(LegalEntity, row.legal_entity_id)
    return format_invoice_number(entity.code, invoice.number or 0)


def title_to_json(title: FapiaoTitle) -> dict[str, Any]:
    """Return a buyer title as JSON."""
    return {
        "object": "fapiao_title",
        "id": ids.format_id(TITLE_ID_PREFIX, title.id),
        **title_fields(title).to_json(),
        "is_default": title.is_default,
        "created_at": title.created_at.isoformat(),
    }


def fapiao_to_json(row: Fapiao, invoice_number: str, files: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a fapiao as JSON: amounts as decimal text in CNY, `files` the formats it has."""
    tax = Tax(TaxTreatment(row.tax_treatment), row.tax_ppm)
    original, issued_on = row.original_id, row.issued_on
    return {
        "object": "fapiao",
        "id": ids.format_id(FAPIAO_ID_PREFIX, row.id),
        "invoice": ids.format_id(INVOICE_ID_PREFIX, row.invoice_id),
        "invoice_number": invoice_number,
        "serial": row.serial,
        "colour": row.colour,
        "original": None if original is None else ids.format_id(FAPIAO_ID_PREFIX, original),
        "kind": row.kind,
        "status": row.status,
        "reason": row.reason or None,
        "number": row.number,
        "issued_on": None if issued_on is None else issued_on.isoformat(),
        "currency": _CURRENCY,
        "net": minor_text(row.net, _CURRENCY),
        "tax": minor_text(row.tax, _CURRENCY),
        "total": minor_text(row.total, _CURRENCY),
        "tax_percent": format_percent(tax.applied_ppm),
        "title": row.title,
        "lines": [
            {
                "code": line.code,
                "item": line.item,
                "net": minor_text(line.net, _CURRENCY),
                "tax": minor_text(line.tax, _CURRENCY),
                "total": minor_text(line.total, _CURRENCY),
            }
            for line in lines_from_json(row.lines)
        ],
        "requested_by": row.requested_by,
        "requested_at": row.requested_at.isoformat(),
        "files": list(files),
    }
