"""`/v1/admin/price_changes`: preview, announce, list and withdraw price changes of plans."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.plan_changes.price_change_views import list_price_changes, preview_price_change
from billing.price_changes.price_changes import PRICE_CHANGE_ID_PREFIX
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.operations.price_changes import (
    announce_change,
    parse_effective,
    price_change_json,
    price_change_preview_json,
    withdraw_change,
)
from infra import ids


class PriceChangeChoice(msgspec.Struct):
    """A plan in a currency, and the version to change to; by default the newest."""

    plan: str
    version: int | None = None
    currency: str | None = None


class NewPriceChange(PriceChangeChoice, kw_only=True):
    """A price change to announce.

    `effective` is an ISO 8601 date or time at least 30 days from now. A date is midnight in
    Shanghai.
    """

    effective: str


_PATH = "/v1/admin/price_changes"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: NewPriceChange,
    f"{_PATH}/preview": PriceChangeChoice,
}
_CHOICE = msgspec.json.Decoder(PriceChangeChoice)
_NEW = msgspec.json.Decoder(NewPriceChange)


class AdminPriceChangeRoutes(Controller):
    """Changes that move the accounts of a plan to a newer version, after a notice by e-mail."""

    path = "/price_changes"

    @get("/", summary="List price changes, newest first", admin_scope=AdminScope.ACCOUNTS_READ)
    async def changes(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return all price changes with their number of accounts by state."""
        data = [
            price_change_json(change, version.number, counts)
            for change, version, counts in await admin.read(list_price_changes)
        ]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/preview",
        status_code=200,
        summary="Show the accounts on earlier versions, and their fees before and after",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def preview(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the accounts that a change to a version would move."""
        body = admin.decode(_CHOICE)
        place = (admin.clock, body.plan, _currency(admin, body), body.version)
        return price_change_preview_json(
            await admin.read(lambda session: preview_price_change(session, *place))
        )

    @post(
        "/",
        status_code=200,
        summary="Announce a price change to its accounts by e-mail",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def announce(self, admin_change: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Announce a change; accounts move at the end of the period paid on the date."""
        body, clock = admin_change.decode(_NEW), admin_change.clock
        effective_at = parse_effective(body.effective)
        place = (clock, body.plan, _currency(admin_change, body), body.version)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Announce the change and return it."""
            preview = await preview_price_change(session, *place)
            actor = admin_change.actor
            change = await announce_change(session, clock, actor, preview, effective_at)
            counts = {"announced": len(preview.accounts)}
            return price_change_json(change, preview.version.number, counts)

        return await admin_change.change(apply)

    @post(
        "/{change:str}/withdraw",
        status_code=200,
        summary="Withdraw a price change",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def withdraw(
        self, admin_change: NamedDependency[AdminRequest], change: FromPath[str]
    ) -> Response[bytes]:
        """Withdraw a change; accounts that are scheduled already still change."""

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Withdraw the change and return its state."""
            place = (session, admin_change.clock, admin_change.actor)
            row = await withdraw_change(*place, change)
            public_id = ids.format_id(PRICE_CHANGE_ID_PREFIX, row.id)
            return {"object": "price_change", "id": public_id, "status": "withdrawn"}

        return await admin_change.change(apply)


def _currency(admin: AdminRequest, body: PriceChangeChoice) -> str:
    """Return the currency of the plan, by default the platform's."""
    return (body.currency or admin.settings.currency).upper()
