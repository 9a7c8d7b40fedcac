"""`/v1/payment_orders`: pay an invoice or top up the wallet by QR code (WeChat Pay, Alipay)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from billing.collection.payments.checkout import Checkout
from billing.collection.payments.orders import PAYMENT_ORDER_PREFIX, get_order, list_orders
from billing.collection.payments.refunds import list_refunds
from billing.collection.payments.views import payment_order_json
from billing.tables import PaymentOrder
from gateway.api.actors import key_actor
from gateway.api.billing.line_disputes import parse_invoice_id
from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.operations.payment_orders import (
    PaymentOperations,
    PaymentRequest,
    parse_payment_order_id,
)
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings


class PaymentOrderRequest(msgspec.Struct):
    """A payment by QR code of `invoice`, or a top-up of the wallet by `amount`, such as `100.00`.

    `method` is `wechat_pay` or `alipay`.
    """

    method: str
    invoice: str | None = None
    amount: str | None = None


_DECODER = msgspec.json.Decoder(PaymentOrderRequest)
_PATH = "/v1/payment_orders"
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: PaymentOrderRequest}


class PaymentOrderRoutes(Controller):
    """The account's payment orders. Whoever pays scans the code that `code_url` contains."""

    path = _PATH

    @get("/", summary="List payment orders, newest first")
    async def payment_orders(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of the account's payment orders."""
        cursor, account_id = parse_cursor(PAYMENT_ORDER_PREFIX, after), principal.account_id
        async with database.transaction() as session:
            orders = await list_orders(session, account_id, limit + 1, cursor)
            refunds = await list_refunds(session, account_id, [order.id for order in orders])

        def to_json(order: PaymentOrder) -> dict[str, Any]:
            """Return an order with its own refunds."""
            own = [refund for refund in refunds if refund.order_id == order.id]
            return payment_order_json(order, own)

        return page_json(orders, limit, to_json)

    @post("/", status_code=200, summary="Create a payment order: a QR code to pay by")
    async def create_payment_order(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> dict[str, Any]:
        """Create an order, or return the one that waits for the payment of the same invoice."""
        wanted = decode_body_strict(_DECODER, await request.body())
        if (wanted.invoice is None) == (wanted.amount is None):
            raise ParameterInvalid(
                "Send either `invoice`, or the `amount` of a top-up.", param="invoice"
            )
        payment = PaymentRequest(
            actor=key_actor(principal, request),
            account_id=principal.account_id,
            method=wanted.method,
            invoice_id=None if wanted.invoice is None else parse_invoice_id(wanted.invoice),
            top_up=wanted.amount or "",
            key=idempotency_key,
        )
        operations = PaymentOperations(database, clock, settings, checkout)
        return await _to_json(database, await operations.start(payment))

    @get("/{payment_order:str}", summary="Retrieve a payment order with its refunds")
    async def payment_order(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        payment_order: FromPath[str],
    ) -> dict[str, Any]:
        """Return a payment order."""
        order_id = parse_payment_order_id(payment_order)
        async with database.transaction() as session:
            order = await get_order(session, principal.account_id, order_id)
        return await _to_json(database, order)

    @post(
        "/{payment_order:str}/cancel",
        status_code=200,
        summary="Cancel a payment order that waits for its payment",
    )
    async def cancel_payment_order(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        settings: NamedDependency[Settings],
        checkout: NamedDependency[Checkout],
        request: Request[Any, Any, Any],
        payment_order: FromPath[str],
    ) -> dict[str, Any]:
        """Cancel an order; one that has ended, or was paid meanwhile, is only returned."""
        operations = PaymentOperations(database, clock, settings, checkout)
        order_id = parse_payment_order_id(payment_order)
        actor, account_id = key_actor(principal, request), principal.account_id
        return await _to_json(database, await operations.cancel(actor, account_id, order_id))


async def _to_json(database: Database, order: PaymentOrder) -> dict[str, Any]:
    """Return an order as JSON, with its refunds."""
    async with database.transaction() as session:
        refunds = await list_refunds(session, order.account_id, [order.id])
    return payment_order_json(order, refunds)
