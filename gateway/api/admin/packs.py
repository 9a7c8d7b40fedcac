"""`/v1/admin/packs` and `pack_purchases`: offer prepaid packs, and refund bought ones."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.accounts import get_account
from billing.metering.packs import PACK_PURCHASE_PREFIX
from billing.prepaid.pack_offers import list_all_packs, parse_pack_file
from billing.prepaid.pack_purchases import (
    BoughtPack,
    find_purchase_account,
    list_pack_purchases,
    parse_purchase_id,
)
from billing.prepaid.views import pack_json
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.errors import ParameterInvalid
from gateway.operations.pack_publication import (
    offer_json,
    pack_publication_json,
    preview_offer,
)
from gateway.operations.parsing import parse_currency
from gateway.operations.prepaid import (
    offer_pack,
    pack_refund_json,
    refund_purchase,
    sold_pack_json,
    withdraw_offer,
)
from models.catalog import Catalog


class PackFile(msgspec.Struct):
    """A pack file (TOML)."""

    file: str


class PackWithdrawal(msgspec.Struct):
    """The currency of the pack to withdraw."""

    currency: str = "CNY"


class NewPackRefund(msgspec.Struct):
    """Why a pack is refunded, printed on the credit note; `to_customer`: not to the wallet."""

    reason: str
    to_customer: bool = False


_PACKS = "/v1/admin/packs"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PACKS: PackFile,
    f"{_PACKS}/preview": PackFile,
    f"{_PACKS}/{{pack}}/withdraw": PackWithdrawal,
    "/v1/admin/pack_purchases/{purchase}/refund": NewPackRefund,
}
_FILE = msgspec.json.Decoder(PackFile)
_WITHDRAWAL = msgspec.json.Decoder(PackWithdrawal)
_REFUND = msgspec.json.Decoder(NewPackRefund)


class AdminPackRoutes(Controller):
    """Prepaid packs on offer. Bought packs stay as they were."""

    path = "/packs"

    @get(
        "/",
        summary="List all packs, also those that are not offered any more",
        admin_scope=AdminScope.ACCOUNTS_READ,
    )
    async def packs(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the packs by name and currency, newest first."""
        data = [pack_json(one) for one in await admin.read(list_all_packs)]
        return {"object": "list", "data": data, "has_more": False}

    @post(
        "/preview",
        status_code=200,
        summary="Validate a pack file; show which offer it replaces",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def preview(
        self, admin: NamedDependency[AdminRequest], catalog: NamedDependency[Catalog]
    ) -> dict[str, Any]:
        """Return the pack, and the offer that it replaces."""
        offer = parse_pack_file(admin.decode(_FILE).file, catalog.models)
        now = admin.clock.now()
        return pack_publication_json(
            await admin.read(lambda session: preview_offer(session, now, offer))
        )

    @post("/", status_code=200, summary="Offer a pack", admin_scope=AdminScope.PLANS_WRITE)
    async def publish(
        self, admin_change: NamedDependency[AdminRequest], catalog: NamedDependency[Catalog]
    ) -> Response[bytes]:
        """Offer a pack, in place of the one with its name and currency."""
        offer = parse_pack_file(admin_change.decode(_FILE).file, catalog.models)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Publish the pack and return it."""
            place = (session, admin_change.clock, admin_change.actor)
            return offer_json(await offer_pack(*place, offer), offer)

        return await admin_change.change(apply)

    @post(
        "/{pack:str}/withdraw",
        status_code=200,
        summary="Stop offering a pack",
        admin_scope=AdminScope.PLANS_WRITE,
    )
    async def withdraw(
        self, admin_change: NamedDependency[AdminRequest], pack: FromPath[str]
    ) -> Response[bytes]:
        """Withdraw a pack; bought ones stay valid."""
        currency = parse_currency(admin_change.decode(_WITHDRAWAL).currency, ParameterInvalid)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Withdraw the pack and return its name."""
            place = (session, admin_change.clock, admin_change.actor)
            row = await withdraw_offer(*place, pack, currency)
            values = {"pack": row.name, "currency": row.currency, "offered": False}
            return {"object": "pack", **values}

        return await admin_change.change(apply)


class AdminPackPurchaseRoutes(Controller):
    """Bought packs of all accounts."""

    path = "/pack_purchases"

    @get("/", summary="List bought packs, newest first", admin_scope=AdminScope.ACCOUNTS_READ)
    async def purchases(
        self,
        admin: NamedDependency[AdminRequest],
        account: FromQuery[str | None] = None,
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of purchases of all accounts, or of one."""
        cursor, now = parse_cursor(PACK_PURCHASE_PREFIX, after), admin.clock.now()

        async def load(session: AsyncSession) -> list[BoughtPack]:
            """Return the purchases."""
            owner = None if account is None else (await get_account(session, account)).id
            return await list_pack_purchases(session, limit + 1, cursor, owner)

        rows = await admin.read(load)
        return page_json(rows, limit, lambda one: sold_pack_json(one, now))

    @post(
        "/{purchase:str}/refund",
        status_code=200,
        summary="Refund the unused units of a pack",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def refund(
        self, admin_change: NamedDependency[AdminRequest], purchase: FromPath[str]
    ) -> Response[bytes]:
        """Refund a pack and end it: its invoice times the unused share, rounded down."""
        body, purchase_id = admin_change.decode(_REFUND), parse_purchase_id(purchase)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Refund the pack and return the refund."""
            owner = await find_purchase_account(session, purchase_id)
            place = (session, admin_change.clock, admin_change.actor, owner, purchase_id)
            done = await refund_purchase(*place, body.reason, to_customer=body.to_customer)
            return {"object": "pack.refund", **pack_refund_json(done)}

        return await admin_change.change(apply)
