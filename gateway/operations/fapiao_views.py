"""JSON views of several fapiao with their invoices' numbers and files, for API, pages and CLI."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.fapiao.files import list_formats
from billing.fapiao.views import fapiao_to_json, invoice_number
from billing.tables import Fapiao


async def render_fapiaos(session: AsyncSession, rows: Sequence[Fapiao]) -> list[dict[str, Any]]:
    """Return fapiao as JSON, each with the formats in which it can be downloaded."""
    rendered = []
    for row in rows:
        formats = await list_formats(session, row.account_id, [row.id])
        number = await invoice_number(session, row)
        rendered.append(fapiao_to_json(row, number, formats.get(row.id, ())))
    return rendered


async def render_fapiao(session: AsyncSession, row: Fapiao) -> dict[str, Any]:
    """Return one fapiao as JSON."""
    (rendered,) = await render_fapiaos(session, [row])
    return rendered
