"""`/v1/invoices/{invoice}/disputes`: what the account says against lines of its invoices.

Answering is the operator's (`maas invoices answer`).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.collection.line_disputes import dispute_line, line_disputes_of
from billing.invoices.lifecycle import PREFIX as INVOICE_PREFIX
from billing.invoices.lifecycle import InvoiceNotFound, get_invoice
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.api.idempotency import Key, answered_once
from gateway.call.values import Principal
from gateway.operations.line_dispute_views import line_dispute_json
from gateway.wire.body import read_strictly
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class LineDisputeWish(msgspec.Struct):
    """Which line, by its number from 1, what is wrong with it, and who says it."""

    line: int
    reason: str
    by: str = ""


_WISH = msgspec.json.Decoder(LineDisputeWish)
_PATH = "/v1/invoices/{invoice}/disputes"
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: LineDisputeWish}


class LineDisputeRoutes(Controller):
    """Disputes of one invoice's lines."""

    path = "/v1/invoices/{invoice:str}/disputes"

    @get("/", summary="What was said against the invoice's lines, and what was answered")
    async def disputes(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            place = principal.account_id, invoice_id(invoice)
            await get_invoice(session, *place)
            found = await line_disputes_of(session, *place)
        data = [line_dispute_json(one) for one in found]
        return {"object": "list", "data": data, "has_more": False}

    @post("/", status_code=200, summary="Dispute a line; the operator credits it or says why not")
    async def open(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        invoice: FromPath[str],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wish = read_strictly(_WISH, await request.body())
        change = partial(_open, clock, principal, invoice, wish)
        return await answered_once(database, principal, request, idempotency_key, change)


def invoice_id(text: str) -> UUID:
    """Raises InvoiceNotFound."""
    found = ids.parse(INVOICE_PREFIX, text)
    if found is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return found


async def _open(
    clock: Clock,
    principal: Principal,
    invoice: str,
    wish: LineDisputeWish,
    session: AsyncSession,
) -> dict[str, Any]:
    by = wish.by.strip() or ids.show(KEY_PREFIX, principal.key_id)
    place = principal.account_id, invoice_id(invoice), wish.line
    return line_dispute_json(await dispute_line(session, clock, *place, by, wish.reason))
