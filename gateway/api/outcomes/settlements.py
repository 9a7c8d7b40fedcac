"""`/v1/outcomes/settlements` and `/v1/outcomes/disputes`: what a month of outcomes comes to, and
what the customer says against it.

Each answers with one function of billing's. Answering and deciding disputes is the operator's
(gateway/cli/outcomes/settlements.py).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
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
    Objection,
    get_dispute,
    give_in,
    open_dispute,
    reply,
)
from billing.outcomes.settlement.settlement import get_settlement
from billing.outcomes.settlement.views import (
    dispute_json,
    disputes_page,
    settlement_json,
    settlements_page,
)
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.api.idempotency import Key, answered_once
from gateway.api.outcomes.pagination import page_of
from gateway.api.pagination import Limit
from gateway.call.values import Principal
from gateway.operations.outcome_ids import dispute_id, settlement_id
from gateway.wire.body import read_strictly
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class DisputeWish(msgspec.Struct):
    """What is said against a settlement, or against some outcomes of it; and who says it."""

    settlement: str
    reason: str
    outcomes: list[str] = []
    by: str = ""


class ReplyWish(msgspec.Struct):
    """What the customer replies to the operator's answer."""

    reply: str


_DISPUTE = msgspec.json.Decoder(DisputeWish)
_REPLY = msgspec.json.Decoder(ReplyWish)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/outcomes/disputes": DisputeWish,
    "/v1/outcomes/disputes/{dispute}/reply": ReplyWish,
}


class SettlementRoutes(Controller):
    """What months of contracts come to."""

    path = "/v1/outcomes/settlements"

    @get("/", summary="What months of contracts came to, the newest first")
    async def settlements(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = (SETTLEMENT_PREFIX, after)
        return await page_of(database, principal.account_id, settlements_page, limit, mark)

    @get("/{settlement:str}", summary="A settlement, by who attested")
    async def settlement(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            place = principal.account_id, settlement_id(settlement)
            return await settlement_json(session, await get_settlement(session, *place))

    @get("/{settlement:str}/bundle", summary="All by which it can be computed again")
    async def bundle(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        settlement: FromPath[str],
    ) -> Response[bytes]:
        async with database.transaction() as session:
            place = principal.account_id, settlement_id(settlement)
            found = await get_settlement(session, *place)
        # Byte for byte: its SHA-256 is the settlement's digest.
        return Response(found.bundle.encode(), media_type="application/json")


class DisputeRoutes(Controller):
    """What the customer says against settlements."""

    path = "/v1/outcomes/disputes"

    @get("/", summary="The account's disputes, the newest first")
    async def disputes(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Limit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = (DISPUTE_PREFIX, after)
        return await page_of(database, principal.account_id, disputes_page, limit, mark)

    @post("/", status_code=200, summary="Dispute a settlement or outcomes of it; that is frozen")
    async def open(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wish = read_strictly(_DISPUTE, await request.body())
        change = partial(_open, clock, principal, wish)
        return await answered_once(database, principal, request, idempotency_key, change)

    @get("/{dispute:str}", summary="A dispute, with the settlement computed again")
    async def dispute(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        dispute: FromPath[str],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            place = principal.account_id, dispute_id(dispute)
            return await dispute_json(session, await get_dispute(session, *place))

    @post("/{dispute:str}/reply", status_code=200, summary="Reply to the operator's answer")
    async def reply(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wish = read_strictly(_REPLY, await request.body())
        change = partial(_reply, clock, principal.account_id, dispute_id(dispute), wish)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/{dispute:str}/withdraw", status_code=200, summary="Agree with the operator after all")
    async def withdraw(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        dispute: FromPath[str],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        change = partial(_withdraw, clock, principal.account_id, dispute_id(dispute))
        return await answered_once(database, principal, request, idempotency_key, change)


async def _open(
    clock: Clock, principal: Principal, wish: DisputeWish, session: AsyncSession
) -> dict[str, Any]:
    by = wish.by.strip()[:200] or ids.show(KEY_PREFIX, principal.key_id)
    said = Objection(by, wish.reason, tuple(wish.outcomes))
    place = principal.account_id, settlement_id(wish.settlement)
    return await dispute_json(session, await open_dispute(session, clock, *place, said))


async def _reply(
    clock: Clock, account_id: UUID, of: UUID, wish: ReplyWish, session: AsyncSession
) -> dict[str, Any]:
    done = await reply(session, clock, account_id, of, wish.reply)
    return await dispute_json(session, done)


async def _withdraw(
    clock: Clock, account_id: UUID, of: UUID, session: AsyncSession
) -> dict[str, Any]:
    done = await give_in(session, clock, account_id, of, CUSTOMER)
    return await dispute_json(session, done)
