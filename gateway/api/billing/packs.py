"""`/v1/packs` and `/v1/vouchers`: buy prepaid packs, see what is left, redeem vouchers."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.prepaid.pack_offers import list_offered_packs
from billing.prepaid.pack_purchases import (
    PackMethod,
    get_purchase,
    list_purchases,
    parse_purchase_id,
)
from billing.prepaid.views import pack_json, purchase_json, redemption_json
from gateway.api.actors import key_actor
from gateway.api.idempotency import IdempotencyKey, idempotent_response
from gateway.call.values import Principal
from gateway.operations.prepaid import PackOrder, order_pack, redeem_code
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database


class PackPurchaseRequest(msgspec.Struct):
    """A prepaid pack to buy.

    `payment_method` is `wallet` (paid at once), `invoice` (usable once the invoice is paid) or
    `on_account` (usable at once, if the plan allows it).
    """

    pack: str
    payment_method: Literal["wallet", "invoice", "on_account"] = "wallet"


class VoucherRequest(msgspec.Struct):
    """A voucher `code` to redeem. Spaces, hyphens and lower case do not matter."""

    code: str


_PURCHASE_DECODER = msgspec.json.Decoder(PackPurchaseRequest)
_VOUCHER_DECODER = msgspec.json.Decoder(VoucherRequest)
_PACKS, _VOUCHERS = "/v1/packs", "/v1/vouchers"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_PACKS}/purchases": PackPurchaseRequest,
    f"{_VOUCHERS}/redeem": VoucherRequest,
}


class PackRoutes(Controller):
    """Prepaid packs on offer, and the account's own."""

    path = _PACKS

    @get("/", summary="List prepaid packs on offer")
    async def packs(
        self, principal: NamedDependency[Principal], database: NamedDependency[Database]
    ) -> dict[str, Any]:
        """Return the packs in the account's currency, cheapest first."""
        async with database.transaction() as session:
            offered = await list_offered_packs(session, principal.account_id)
        return {"object": "list", "data": [pack_json(one) for one in offered]}

    @get("/purchases", summary="List the account's prepaid packs, newest first")
    async def pack_purchases(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> dict[str, Any]:
        """Return the last 100 purchases with their used and remaining units and expiry."""
        async with database.transaction() as session:
            bought = await list_purchases(session, principal.account_id)
        now = clock.now()
        return {"object": "list", "data": [purchase_json(one, now) for one in bought]}

    @post("/purchases", status_code=200, summary="Buy a prepaid pack")
    async def buy(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Buy a pack: its invoice is issued at once."""
        wanted = decode_body_strict(_PURCHASE_DECODER, await request.body())
        order = PackOrder(
            key_actor(principal, request),
            principal.account_id,
            wanted.pack,
            PackMethod(wanted.payment_method),
        )

        async def buy_once(session: AsyncSession) -> dict[str, Any]:
            """Buy the pack in the request's transaction."""
            return purchase_json(await order_pack(session, clock, order), clock.now())

        return await idempotent_response(database, principal, request, idempotency_key, buy_once)

    @get("/purchases/{purchase:str}", summary="Retrieve a prepaid pack of the account")
    async def pack_purchase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        purchase: FromPath[str],
    ) -> dict[str, Any]:
        """Return a purchase with its used and remaining units."""
        purchase_id = parse_purchase_id(purchase)
        async with database.transaction() as session:
            bought = await get_purchase(session, principal.account_id, purchase_id)
        return purchase_json(bought, clock.now())


class VoucherRoutes(Controller):
    """Vouchers: codes for promotional credit or a prepaid pack."""

    path = _VOUCHERS

    @post("/redeem", status_code=200, summary="Redeem a voucher")
    async def redeem(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Redeem a code. An account redeems each code once, so a repeated request is refused."""
        wanted = decode_body_strict(_VOUCHER_DECODER, await request.body())
        actor = key_actor(principal, request)
        return redemption_json(
            await redeem_code(database, clock, actor, principal.account_id, wanted.code)
        )
