"""Red letters for credit notes and refunds of amounts that a fapiao was issued for.

A periodic step finds invoices whose issued fapiao exceed what was paid less what was returned, and
requests red letters over the difference, the newest fapiao first.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.profiles import lock_profile
from billing.fapiao.amounts import FapiaoStatus, red_letter_parts
from billing.fapiao.funds import fapiao_amounts, list_invoice_fapiaos, load_funds
from billing.fapiao.requests import ALLOWANCE, add_red
from billing.invoices.lifecycle import get_invoice
from billing.tables import CreditNote, Fapiao
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

_BY = "platform"


async def request_due_red_letters(database: Database, clock: Clock) -> int:
    """Request the red letters that are due, of all accounts (account_id); return their number.

    Each invoice has a transaction of its own, so that no lock is held for another account. An error
    of one is logged and does not stop the others.
    """
    query = (
        select(Fapiao.account_id, Fapiao.invoice_id)
        .join(CreditNote, col(CreditNote.invoice_id) == col(Fapiao.invoice_id))
        .where(col(Fapiao.status) == FapiaoStatus.ISSUED.value)
        .distinct()
        .order_by(col(Fapiao.account_id), col(Fapiao.invoice_id))
    )
    async with database.transaction() as session:
        invoices = (await session.execute(query)).all()
    count = 0
    for account_id, invoice_id in invoices:
        try:
            async with database.transaction() as session:
                count += len(await request_red_letters(session, clock, account_id, invoice_id))
        except (AppError, SQLAlchemyError) as error:
            log = structlog.get_logger()
            log.error("no red letter requested", invoice=invoice_id.hex, reason=str(error))
    return count


async def request_red_letters(
    session: AsyncSession, clock: Clock, account_id: UUID, invoice_id: UUID
) -> list[Fapiao]:
    """Request the red letters that are due for one invoice; return them."""
    await lock_profile(session, account_id)
    requested = []
    for original, total in await _list_due(session, account_id, invoice_id):
        rows = await list_invoice_fapiaos(session, account_id, invoice_id)
        requested.append(await add_red(session, clock, original, rows, total, _BY, ALLOWANCE))
    return requested


async def _list_due(
    session: AsyncSession, account_id: UUID, invoice_id: UUID
) -> Sequence[tuple[Fapiao, int]]:
    """Return the fapiao of an invoice that need a red letter, with its total in minor units."""
    rows = await list_invoice_fapiaos(session, account_id, invoice_id)
    funds = await load_funds(session, await get_invoice(session, account_id, invoice_id))
    by_id = {row.id: row for row in rows}
    parts = red_letter_parts(funds, fapiao_amounts(rows))
    return [(by_id[part.original_id], part.total) for part in parts]
