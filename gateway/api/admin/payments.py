"""`/v1/admin/bank_lines`, `payment_orders` and `payment_discrepancies`: money received."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from billing.bank_statements.csv_file import StatementDefaults
from billing.bank_statements.lines import BANK_LINE_ID_PREFIX, list_lines
from billing.bank_statements.matching import LineStatus
from billing.bank_statements.views import render_line
from billing.collection.payments.checkout import Checkout
from billing.collection.payments.discrepancies import list_open_discrepancies
from billing.collection.payments.orders import list_all_orders
from billing.collection.payments.refunds import list_refunds
from billing.collection.payments.results import OrderState
from billing.collection.payments.views import discrepancy_json, operator_order_json
from gateway.access.admin_scopes import AdminScope
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit
from gateway.operations.bank_statements import (
    confirm_exact,
    confirm_one,
    find_any_invoice,
    import_file,
    parse_line_id,
    reject_one,
)
from gateway.operations.payments import (
    RefundRequest,
    find_any_order,
    load_order_json,
    query_order,
    refund_order,
    resolve_any_discrepancy,
)
from infra import ids


class BankStatement(msgspec.Struct):
    """A bank statement: its `name`, and `content` as text (CSV or camt.053).

    `account` and `currency` are those of the bank account, if the file has none. `columns` is TOML
    with the names of its columns.
    """

    name: str
    content: str
    account: str = ""
    currency: str = "CNY"
    columns: str = ""


class BankConfirmation(msgspec.Struct):
    """The `invoice` (number or id) that a transfer pays, by default the proposed one."""

    invoice: str | None = None


class OrderRefund(msgspec.Struct):
    """A refund: `amount` such as `12.00`, a `reason` for the customer, a unique `reference`."""

    amount: str
    reason: str
    reference: str


class DiscrepancyResolution(msgspec.Struct):
    """How a discrepancy was resolved; `credit: true` adds what was received to the wallet."""

    reason: str
    credit: bool = False


_LINES, _ORDERS = "/v1/admin/bank_lines", "/v1/admin/payment_orders"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    f"{_LINES}/import": BankStatement,
    f"{_LINES}/{{line}}/confirm": BankConfirmation,
    f"{_ORDERS}/{{order}}/refunds": OrderRefund,
    "/v1/admin/payment_discrepancies/{discrepancy}/resolve": DiscrepancyResolution,
}
_STATEMENT = msgspec.json.Decoder(BankStatement)
_CONFIRMATION = msgspec.json.Decoder(BankConfirmation)
_REFUND = msgspec.json.Decoder(OrderRefund)
_RESOLUTION = msgspec.json.Decoder(DiscrepancyResolution)
_MAX_STATEMENT_BYTES = 12 << 20


class AdminBankLineRoutes(Controller):
    """Transfers of imported bank statements."""

    path = "/bank_lines"

    @get(
        "/",
        summary="List transfers with the invoices that they may pay",
        admin_scope=AdminScope.PAYMENTS_READ,
    )
    async def lines(
        self, admin: NamedDependency[AdminRequest], status: FromQuery[LineStatus | None] = None
    ) -> dict[str, Any]:
        """Return transfers of a status, by default all that are not confirmed."""

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the transfers as JSON."""
            return [await render_line(session, line) for line in await list_lines(session, status)]

        return {"object": "list", "data": await admin.read(load), "has_more": False}

    @post(
        "/import",
        status_code=200,
        summary="Import a bank statement and match its transfers",
        admin_scope=AdminScope.PAYMENTS_WRITE,
        request_max_body_size=_MAX_STATEMENT_BYTES,
    )
    async def import_statement(
        self, admin_change: NamedDependency[AdminRequest]
    ) -> Response[bytes]:
        """Store the new transfers of a statement; rows that cannot be read are listed."""
        body = admin_change.decode(_STATEMENT)
        defaults = StatementDefaults(body.account, body.currency)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Import the statement."""
            place = (session, admin_change.clock, admin_change.actor, body.name)
            done = await import_file(*place, body.content.encode(), body.columns, defaults)
            problems = [{"row": row, "problem": problem} for row, problem in done.problems]
            figures = {"new": done.new, "known": done.known, "skipped": done.skipped}
            return {"object": "bank_statement", **figures, "problems": problems}

        return await admin_change.change(apply)

    @post(
        "/confirm_exact",
        status_code=200,
        summary="Record all transfers whose reference, amount and payer agree as payments",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def confirm_all(self, admin_change: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Confirm each transfer in a transaction of its own; a repeated call confirms no more."""
        by, place = _name(admin_change), (admin_change.database, admin_change.clock)
        done = await confirm_exact(*place, admin_change.actor, by)
        failed = [
            {"line": ids.format_id(BANK_LINE_ID_PREFIX, line_id), "reason": reason}
            for line_id, reason in done.failed
        ]
        return {"object": "bank_confirmation", "confirmed": len(done.confirmed), "failed": failed}

    @post(
        "/{line:str}/confirm",
        status_code=200,
        summary="Record a transfer as a payment",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def confirm(
        self, admin_change: NamedDependency[AdminRequest], line: FromPath[str]
    ) -> Response[bytes]:
        """Confirm a transfer; an overpayment is added to the wallet."""
        invoice, by = admin_change.decode(_CONFIRMATION).invoice, _name(admin_change)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Confirm the transfer and return it."""
            chosen = None if invoice is None else await find_any_invoice(session, invoice)
            place = (session, admin_change.clock, admin_change.actor, parse_line_id(line), by)
            return await render_line(session, await confirm_one(*place, chosen))

        return await admin_change.change(apply)

    @post(
        "/{line:str}/reject",
        status_code=200,
        summary="Reject the proposals of a transfer",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def reject(
        self, admin_change: NamedDependency[AdminRequest], line: FromPath[str]
    ) -> Response[bytes]:
        """Reject the proposals; they are not made again."""

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Reject the proposals and return the transfer."""
            by, place = _name(admin_change), (session, admin_change.clock, admin_change.actor)
            return await render_line(session, await reject_one(*place, parse_line_id(line), by))

        return await admin_change.change(apply)


class AdminPaymentOrderRoutes(Controller):
    """Payment orders (payment by QR code) of all accounts."""

    path = "/payment_orders"

    @get("/", summary="List payment orders, newest first", admin_scope=AdminScope.PAYMENTS_READ)
    async def orders(
        self,
        admin: NamedDependency[AdminRequest],
        limit: PageLimit = 20,
        status: FromQuery[OrderState | None] = None,
    ) -> dict[str, Any]:
        """Return the newest orders of all accounts, of a status if given."""

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the orders with their refunds as JSON."""
            return [
                operator_order_json(
                    order, await list_refunds(session, order.account_id, [order.id])
                )
                for order in await list_all_orders(session, limit, status)
            ]

        return {"object": "list", "data": await admin.read(load), "has_more": False}

    @get("/{order:str}", summary="Retrieve a payment order", admin_scope=AdminScope.PAYMENTS_READ)
    async def order(
        self, admin: NamedDependency[AdminRequest], order: FromPath[str]
    ) -> dict[str, Any]:
        """Return an order with its refunds."""

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the order as JSON."""
            return await load_order_json(session, await find_any_order(session, order))

        return await admin.read(load)

    @post(
        "/{order:str}/query",
        status_code=200,
        summary="Query an order and its refunds at the payment provider now",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def query(
        self,
        admin_change: NamedDependency[AdminRequest],
        checkout: NamedDependency[Checkout],
        order: FromPath[str],
    ) -> dict[str, Any]:
        """Record the provider's answer, once however often it is queried, and return the order."""
        place = (admin_change.database, admin_change.clock, checkout)
        return (await query_order(*place, order))[1]

    @post(
        "/{order:str}/refunds",
        status_code=200,
        summary="Refund a payment in full or in part",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def refund(
        self, admin_change: NamedDependency[AdminRequest], order: FromPath[str]
    ) -> Response[bytes]:
        """Refund a payment; a repeated `reference` refunds nothing."""
        body = RefundRequest(**msgspec.structs.asdict(admin_change.decode(_REFUND)))

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Create the refund and return the order."""
            clock, actor = admin_change.clock, admin_change.actor
            return await refund_order(session, clock, actor, order, body)

        return await admin_change.change(apply)


class AdminDiscrepancyRoutes(Controller):
    """Payments that differ from their order."""

    path = "/payment_discrepancies"

    @get(
        "/",
        summary="List discrepancies that are not resolved, oldest first",
        admin_scope=AdminScope.PAYMENTS_READ,
    )
    async def discrepancies(self, admin: NamedDependency[AdminRequest]) -> dict[str, Any]:
        """Return the discrepancies of all accounts."""
        rows = await admin.read(list_open_discrepancies)
        return {"object": "list", "data": list(map(discrepancy_json, rows)), "has_more": False}

    @post(
        "/{discrepancy:str}/resolve",
        status_code=200,
        summary="Resolve a discrepancy",
        admin_scope=AdminScope.PAYMENTS_WRITE,
    )
    async def resolve(
        self, admin_change: NamedDependency[AdminRequest], discrepancy: FromPath[str]
    ) -> Response[bytes]:
        """Resolve a discrepancy, with `credit` by adding what was received to the wallet."""
        body = admin_change.decode(_RESOLUTION)

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Resolve the discrepancy and return it."""
            place = (session, admin_change.clock, admin_change.actor, discrepancy, body.reason)
            return discrepancy_json(await resolve_any_discrepancy(*place, credit=body.credit))

        return await admin_change.change(apply)


def _name(admin: AdminRequest) -> str:
    """Return the public id of the admin key, as the name of who decided."""
    return admin.actor.public_id or ""
