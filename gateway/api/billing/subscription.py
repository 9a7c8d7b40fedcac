"""`/v1/subscription`, `/v1/plans` and `/v1/wallet`: the account's plan, offers and balance."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.invoices.lifecycle import INVOICE_ID_PREFIX
from billing.plan_changes.add_on_changes import preview_add_on, set_add_on
from billing.plan_changes.add_on_views import add_on_change_json, add_on_preview_json
from billing.plan_changes.offers import find_offer, list_offers, preview_plan, take_plan
from billing.plan_changes.plan_changes import cancel_plan, pause_plan, resume_plan
from billing.plan_changes.views import (
    offer_json,
    plan_change_json,
    subscription_json,
    wallet_json,
)
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.call.values import Principal
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.clock import Clock
from infra.database.database import Database


class PlanChangeRequest(msgspec.Struct):
    """The plan to subscribe to; with `preview`, only its cost is returned."""

    plan: str
    preview: bool = False


class CancellationRequest(msgspec.Struct):
    """Whether the subscription ends at the end of the paid period or now."""

    at_period_end: bool = True


class AddOnRequest(msgspec.Struct):
    """How many of an add-on of the plan the account has from now on; 0 removes it.

    With `preview`, only the cost is returned.
    """

    add_on: str
    quantity: int
    preview: bool = False


class PauseRequest(msgspec.Struct):
    """When the paused plan continues by itself; without it, when it is resumed."""

    resumes_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


_PLAN_DECODER = msgspec.json.Decoder(PlanChangeRequest)
_CANCELLATION_DECODER = msgspec.json.Decoder(CancellationRequest)
_ADD_ON_DECODER = msgspec.json.Decoder(AddOnRequest)
_PAUSE_DECODER = msgspec.json.Decoder(PauseRequest)
# For the OpenAPI document. Handlers parse bodies themselves, so that errors name the field.
BODIES: Mapping[str, type[msgspec.Struct]] = {
    "/v1/subscription": PlanChangeRequest,
    "/v1/subscription/cancel": CancellationRequest,
    "/v1/subscription/pause": PauseRequest,
    "/v1/subscription/add_ons": AddOnRequest,
}


class SubscriptionRoutes(Controller):
    """The account's subscription, the plans on offer, and its wallet."""

    path = "/v1"

    @get("/subscription", summary="Retrieve the subscription")
    async def subscription(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return the account's subscription, with a scheduled change and available credit."""
        async with database.transaction() as session:
            return await subscription_json(session, clock, principal.account_id)

    @post("/subscription", status_code=200, summary="Subscribe to a plan, or preview the cost")
    async def choose(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Subscribe or change to a plan, or only return a price preview with `preview`."""
        plan_request = decode_body_strict(_PLAN_DECODER, await request.body())
        change = partial(_change_plan, clock, principal.account_id, plan_request)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/subscription/cancel", status_code=200, summary="Cancel the subscription")
    async def cancel(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Cancel the plan, at the period's end or at once; return the subscription."""
        cancellation = decode_body_strict(_CANCELLATION_DECODER, await request.body() or b"{}")
        change = partial(_cancel_subscription, clock, principal.account_id, cancellation)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post("/subscription/pause", status_code=200, summary="Pause the subscription")
    async def pause(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Pause the plan from the end of the paid period; return the subscription.

        Until it is resumed there is no fee, no usage is included, and list prices apply.
        """
        pause = decode_body_strict(_PAUSE_DECODER, await request.body() or b"{}")
        change = partial(_pause_subscription, clock, principal.account_id, pause)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post(
        "/subscription/resume",
        status_code=200,
        summary="Resume the subscription: end a pause, or undo a scheduled change",
    )
    async def resume(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """End a pause, or undo a scheduled cancellation, plan change or pause.

        Returns the subscription. The fee is due again when a pause ends.
        """
        change = partial(_resume_subscription, clock, principal.account_id)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @post(
        "/subscription/add_ons",
        status_code=200,
        summary="Add or remove an add-on of the plan, or preview the cost",
    )
    async def set_add_on(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Set the quantity of an add-on and return the subscription.

        More is invoiced and fewer are credited for the rest of the paid period, by days.
        """
        wanted = decode_body_strict(_ADD_ON_DECODER, await request.body())
        change = partial(_set_add_on, clock, principal.account_id, wanted)
        return await idempotent_response(database, principal, request, idempotency_key, change)

    @get("/plans", summary="List the plans available to the account in its currency")
    async def plans(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return all plans that the account can subscribe to."""
        async with database.transaction() as session:
            plan_offers = await list_offers(session, principal.account_id)
        return {"object": "list", "data": [offer_json(offer) for offer in plan_offers]}

    @get("/wallet", summary="Retrieve the wallet")
    async def wallet(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the account's wallet balance and its grants."""
        async with database.transaction() as session:
            return await wallet_json(session, principal.account_id)


async def _change_plan(
    clock: Clock, account_id: UUID, plan_request: PlanChangeRequest, session: AsyncSession
) -> dict[str, Any]:
    """Subscribe or change to a plan, or return a price preview without changing it."""
    version = await find_offer(session, account_id, plan_request.plan)
    if plan_request.preview:
        price_preview = await preview_plan(session, clock, account_id, version)
        return await plan_change_json(session, account_id, version, price_preview)
    result = await take_plan(session, clock, account_id, version)
    subscription = await subscription_json(session, clock, account_id)
    return {
        **subscription,
        "invoices": [ids.format_id(INVOICE_ID_PREFIX, invoice.id) for invoice in result.invoices],
    }


async def _set_add_on(
    clock: Clock, account_id: UUID, wanted: AddOnRequest, session: AsyncSession
) -> dict[str, Any]:
    """Set the quantity of an add-on, or return a price preview without changing it."""
    place = (session, clock, account_id, wanted.add_on, wanted.quantity)
    if wanted.preview:
        return await add_on_preview_json(session, account_id, await preview_add_on(*place))
    return await add_on_change_json(session, clock, account_id, await set_add_on(*place))


async def _cancel_subscription(
    clock: Clock, account_id: UUID, cancellation: CancellationRequest, session: AsyncSession
) -> dict[str, Any]:
    """Cancel the plan, at the period's end or at once, and return the subscription as JSON."""
    await cancel_plan(session, clock, account_id, at_end=cancellation.at_period_end)
    return await subscription_json(session, clock, account_id)


async def _pause_subscription(
    clock: Clock, account_id: UUID, pause: PauseRequest, session: AsyncSession
) -> dict[str, Any]:
    """Pause the plan and return the subscription as JSON."""
    await pause_plan(session, clock, account_id, pause.resumes_at)
    return await subscription_json(session, clock, account_id)


async def _resume_subscription(
    clock: Clock, account_id: UUID, session: AsyncSession
) -> dict[str, Any]:
    """Undo a scheduled cancellation or plan change and return the subscription as JSON."""
    await resume_plan(session, clock, account_id)
    return await subscription_json(session, clock, account_id)
