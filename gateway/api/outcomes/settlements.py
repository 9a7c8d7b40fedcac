"""`/v1/outcomes/settlements` and `/v1/outcomes/disputes`: monthly settlements and their disputes.

The operator answers and decides disputes (gateway/cli/outcomes/settlements.py).
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoice_documents.outcome_charge import SETTLEMENT_PREFIX
from billing.outcomes.settlement.amounts import CUSTOMER
from billing.outcomes.settlement.disputes import PREFIX as DISPUTE_PREFIX
from billing.outcomes.settlement.disputes import (
    NewDispute,
    concede_dispute,
    get_dispute,
    open_dispute,
    reply_to_dispute,
)
from billing.outcomes.settlement.settlement import get_settlement
from billing.outcomes.settlement.statement import render_statement_csv, render_statement_pdf
from billing.outcomes.settlement.views import (
    dispute_json,
    disputes_page,
    settlement_json,
    settlements_page,
)
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.api.outcomes.pagination import list_response
from gateway.api.pagination import PageLimit
from gateway.call.values import Principal
from gateway.operations.outcome_ids import parse_dispute_id, parse_settlement_id
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class DisputeRequest(msgspec.Struct):
    """A dispute of a settlement, or of some of its outcomes; `by` is the person's name."""

    settlement: str
    reason: str
    outcomes: list[str] = []
    by: str = ""


class DisputeReplyRequest(msgspec.Struct):
    """The customer's reply to the operator's answer."""

    reply: str


_DISPUTE_DECODER = msgspec.json.Decoder(DisputeRequest)
_REPLY_DECODER = msgspec.json.Decoder(DisputeReplyRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/outcomes/disputes": DisputeRequest,
    "/v1/outcomes/disputes/{dispute}/reply": DisputeReplyRequest,
}


class SettlementRoutes(Controller):
    """Monthly settlements of the account's contracts."""

    path = "/v1/outcomes/settlements"

    @get("/", summary="List monthly settlements, newest first")
    async def settlements(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's monthly settlements, newest first."""
        cursor = (SETTLEMENT_PREFIX, after)
        return await list_response(database, principal.account_id, settlements_page, limit, cursor)

    @get("/{settlement:str}", summary="Retrieve a settlement, itemised by attester")
    async def settlement(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> dict[str, Any]:
        """Return one settlement; `settlement` is its public id."""
        async with database.transaction() as session:
            settlement_id = parse_settlement_id(settlement)
            row = await get_settlement(session, principal.account_id, settlement_id)
            return await settlement_json(session, row)

    @get("/{settlement:str}/bundle", summary="Download the evidence bundle of a settlement")
    async def bundle(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> Response[bytes]:
        """Return the evidence bundle as the bytes whose SHA-256 is the settlement's digest."""
        async with database.transaction() as session:
            settlement_id = parse_settlement_id(settlement)
            row = await get_settlement(session, principal.account_id, settlement_id)
        # Unchanged bytes: their SHA-256 is the settlement's digest.
        return Response(row.bundle.encode(), media_type="application/json")

    @get("/{settlement:str}/statement", summary="Download the statement of a settlement")
    async def statement(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settlement: FromPath[str],
        format: FromQuery[Literal["pdf", "csv"]] = "pdf",
        language: FromQuery[Literal["zh", "en"]] = "en",
    ) -> Response[bytes]:
        """Return amount, outcomes and prediction scores of a settlement as PDF or CSV."""
        async with database.transaction() as session:
            settlement_id = parse_settlement_id(settlement)
            row = await get_settlement(session, principal.account_id, settlement_id)
        if format == "csv":
            content = await asyncio.to_thread(render_statement_csv, row.bundle)
            return Response(content, media_type="text/csv")
        content = await asyncio.to_thread(
            render_statement_pdf, row.bundle, row.digest.hex(), language
        )
        return Response(content, media_type="application/pdf")


class DisputeRoutes(Controller):
    """The account's disputes against settlements."""

    path = "/v1/outcomes/disputes"

    @get("/", summary="List disputes, newest first")
    async def disputes(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's settlement disputes, newest first."""
        cursor = (DISPUTE_PREFIX, after)
        return await list_response(database, principal.account_id, disputes_page, limit, cursor)

    @post(
        "/",
        status_code=200,
        summary="Dispute a settlement or some of its outcomes; the disputed amount is held",
    )
    async def open(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Dispute a settlement or some of its outcomes, and return the dispute."""
        body = decode_body_strict(_DISPUTE_DECODER, await request.body())
        change = partial(_open_dispute, clock, principal, body)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @get("/{dispute:str}", summary="Retrieve a dispute with the recomputed settlement")
    async def dispute(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        dispute: FromPath[str],
    ) -> dict[str, Any]:
        """Return one dispute; `dispute` is its public id."""
        async with database.transaction() as session:
            row = await get_dispute(session, principal.account_id, parse_dispute_id(dispute))
            return await dispute_json(session, row)

    @post("/{dispute:str}/reply", status_code=200, summary="Reply to the operator's answer")
    async def reply(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Store the customer's reply to the operator's answer, and return the dispute."""
        body = decode_body_strict(_REPLY_DECODER, await request.body())
        change = partial(
            _reply_to_dispute, clock, principal.account_id, parse_dispute_id(dispute), body
        )
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/{dispute:str}/withdraw", status_code=200, summary="Concede a dispute")
    async def withdraw(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Concede a dispute for the customer and return the dispute."""
        change = partial(_withdraw_dispute, clock, principal.account_id, parse_dispute_id(dispute))
        return await idempotent_response(database, principal, request, idempotency_key, change)


async def _open_dispute(
    clock: Clock, principal: Principal, body: DisputeRequest, session: AsyncSession
) -> dict[str, Any]:
    """Open a dispute for the person that the body's `by` names, else for the API key."""
    by = body.by.strip()[:200] or ids.format_id(KEY_PREFIX, principal.key_id)
    new_dispute = NewDispute(by, body.reason, tuple(body.outcomes))
    settlement_id = parse_settlement_id(body.settlement)
    row = await open_dispute(session, clock, principal.account_id, settlement_id, new_dispute)
    return await dispute_json(session, row)


async def _reply_to_dispute(
    clock: Clock,
    account_id: UUID,
    dispute_id: UUID,
    body: DisputeReplyRequest,
    session: AsyncSession,
) -> dict[str, Any]:
    """Store the customer's reply to a dispute and return the dispute as JSON."""
    row = await reply_to_dispute(session, clock, account_id, dispute_id, body.reply)
    return await dispute_json(session, row)


async def _withdraw_dispute(
    clock: Clock, account_id: UUID, dispute_id: UUID, session: AsyncSession
) -> dict[str, Any]:
    """Withdraw a dispute: the customer concedes."""
    row = await concede_dispute(session, clock, account_id, dispute_id, CUSTOMER)
    return await dispute_json(session, row)
