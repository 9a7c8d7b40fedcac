"""`/v1/subscription`, `/v1/plans`, `/v1/wallet`: what is agreed, what could be, what is there.

Each answers with one function of billing's.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.lifecycle import PREFIX
from billing.plan_changes.offers import find_offer, offers, preview, take
from billing.plan_changes.plan_changes import end, go_on
from billing.plan_changes.views import (
    change_json,
    offer_json,
    subscription_json,
    wallet_json,
)
from gateway.api.idempotency import Key, answered_once
from gateway.call.values import Principal
from gateway.wire.body import read_strictly
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class PlanWish(msgspec.Struct):
    """Which plan is wanted; with `preview` only what it would cost now."""

    plan: str
    preview: bool = False


class Cancellation(msgspec.Struct):
    """Whether the paid time is used up first."""

    at_period_end: bool = True


_WISH = msgspec.json.Decoder(PlanWish)
_CANCELLATION = msgspec.json.Decoder(Cancellation)
# For the OpenAPI document: bodies are read by hand, so that a mistake is named by its field.
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/subscription": PlanWish,
    "/v1/subscription/cancel": Cancellation,
}


class SubscriptionRoutes(Controller):
    """What the account is on, and changing it."""

    path = "/v1"

    @get("/subscription", summary="The plan that the account is on")
    async def subscription(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            return await subscription_json(session, clock, principal.account_id)

    @post("/subscription", status_code=200, summary="Take a plan, or see what it would cost now")
    async def choose(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wish = read_strictly(_WISH, await request.body())
        change = partial(_choose, clock, principal.account_id, wish)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/subscription/cancel", status_code=200, summary="End the subscription")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        wish = read_strictly(_CANCELLATION, await request.body() or b"{}")
        change = partial(_cancel, clock, principal.account_id, wish)
        return await answered_once(database, principal, request, idempotency_key, change)

    @post("/subscription/resume", status_code=200, summary="Take back what would end or follow it")
    async def resume(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: Key = None,
    ) -> Response[bytes]:
        change = partial(_resume, clock, principal.account_id)
        return await answered_once(database, principal, request, idempotency_key, change)

    @get("/plans", summary="The plans that the account can take, in its currency")
    async def plans(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            found = await offers(session, principal.account_id)
        return {"object": "list", "data": [offer_json(offer) for offer in found]}

    @get("/wallet", summary="What is in the account's wallet")
    async def wallet(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        async with database.transaction() as session:
            return await wallet_json(session, principal.account_id)


async def _choose(
    clock: Clock, account_id: UUID, wish: PlanWish, session: AsyncSession
) -> dict[str, Any]:
    version = await find_offer(session, account_id, wish.plan)
    if wish.preview:
        seen = await preview(session, clock, account_id, version)
        return await change_json(session, account_id, version, seen)
    taken = await take(session, clock, account_id, version)
    shown = await subscription_json(session, clock, account_id)
    return {**shown, "invoices": [ids.show(PREFIX, one.id) for one in taken.invoices]}


async def _cancel(
    clock: Clock, account_id: UUID, wish: Cancellation, session: AsyncSession
) -> dict[str, Any]:
    await end(session, clock, account_id, at_end=wish.at_period_end)
    return await subscription_json(session, clock, account_id)


async def _resume(clock: Clock, account_id: UUID, session: AsyncSession) -> dict[str, Any]:
    await go_on(session, clock, account_id)
    return await subscription_json(session, clock, account_id)
