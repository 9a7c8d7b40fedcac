"""`/v1/invoices/{invoice}/disputes`: dispute lines of the account's invoices.

Disputes are answered by the operator (`maas invoices answer`).
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

from billing.collection.line_disputes import dispute_line, list_line_disputes
from billing.invoices.lifecycle import INVOICE_ID_PREFIX as INVOICE_PREFIX
from billing.invoices.lifecycle import InvoiceNotFound, get_invoice
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.call.values import Principal
from gateway.operations.line_dispute_views import render_line_dispute
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class LineDisputeRequest(msgspec.Struct):
    """A dispute of an invoice line.

    `line` is the line's number, from 1; `reason` is the problem; `by` is the person's name.
    """

    line: int
    reason: str
    by: str = ""


_DECODER = msgspec.json.Decoder(LineDisputeRequest)
_PATH = "/v1/invoices/{invoice}/disputes"
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: LineDisputeRequest}


class LineDisputeRoutes(Controller):
    """Disputes about the lines of one invoice."""

    path = "/v1/invoices/{invoice:str}/disputes"

    @get("/", summary="List the disputes of an invoice's lines")
    async def disputes(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        invoice: FromPath[str],
    ) -> dict[str, Any]:
        """Return all disputes of an invoice's lines as JSON."""
        async with database.transaction() as session:
            account_id, invoice_id = principal.account_id, parse_invoice_id(invoice)
            await get_invoice(session, account_id, invoice_id)
            rows = await list_line_disputes(session, account_id, invoice_id)
        data = [render_line_dispute(row) for row in rows]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/",
        status_code=200,
        summary="Dispute an invoice line; the operator credits it or explains why not",
    )
    async def open(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        invoice: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Open a dispute about one invoice line and return it as JSON."""
        dispute = decode_body_strict(_DECODER, await request.body())
        change = partial(_open_dispute, clock, principal, invoice, dispute)
        return await idempotent_response(database, principal, request, idempotency_key, change)


def parse_invoice_id(text: str) -> UUID:
    """Parse a public invoice id. Raises InvoiceNotFound if it is malformed."""
    invoice_id = ids.parse_id(INVOICE_PREFIX, text)
    if invoice_id is None:
        raise InvoiceNotFound("The account has no such invoice.", param="invoice")
    return invoice_id


async def _open_dispute(
    clock: Clock,
    principal: Principal,
    invoice: str,
    dispute: LineDisputeRequest,
    session: AsyncSession,
) -> dict[str, Any]:
    """Open a dispute about a line for the person that the body's `by` names, else the API key."""
    by = dispute.by.strip() or ids.format_id(KEY_PREFIX, principal.key_id)
    invoice_id = parse_invoice_id(invoice)
    return render_line_dispute(
        await dispute_line(
            session, clock, principal.account_id, invoice_id, dispute.line, by, dispute.reason
        )
    )
