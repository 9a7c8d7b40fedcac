"""`maas payments`: orders paid by QR code, their refunds and discrepancies."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from billing.collection.payments.checkout import PaymentProviderUnavailable
from billing.collection.payments.discrepancies import list_open_discrepancies
from billing.collection.payments.orders import list_all_orders
from billing.collection.payments.refunds import list_refunds
from billing.collection.payments.results import OrderState
from billing.collection.payments.views import discrepancy_json, operator_order_json
from billing.outbox import PermanentFailure, RetryLater
from gateway.cli.results import Record, Table
from gateway.cli.runner import command
from gateway.identity.audit_log import CLI_ACTOR
from gateway.operations.payments import (
    RefundRequest,
    find_any_order,
    load_order_json,
    query_order,
    refund_order,
    resolve_any_discrepancy,
)
from gateway.process.integrations import create_checkout
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

payments_app = typer.Typer(no_args_is_help=True)
OrderName = Annotated[str, typer.Argument(help="Payment order ID (pord_…).")]
_COLUMNS = ("id", "account", "method", "status", "amount", "currency", "refunded", "created_at")
_DISCREPANCY_COLUMNS = ("id", "payment_order", "kind", "amount", "currency", "recorded_at")


@payments_app.command("list")
@command
async def payments_list(
    session: AsyncSession,
    state: Annotated[OrderState | None, typer.Option(help="Only orders in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Number of orders.")] = 50,
) -> Table:
    """List payment orders, newest first."""
    rows = []
    for order in await list_all_orders(session, limit, state):
        refunds = await list_refunds(session, order.account_id, [order.id])
        rows.append(operator_order_json(order, refunds))
    return Table(rows, _COLUMNS)


@payments_app.command("show")
@command
async def payments_show(session: AsyncSession, order: OrderName) -> Record:
    """Show a payment order with its refunds."""
    found = await find_any_order(session, order)
    return Record("Payment order:", await load_order_json(session, found))


@payments_app.command("query")
@command
async def payments_query(
    database: Database, settings: Settings, clock: Clock, order: OrderName
) -> Record:
    """Query an order and its pending refunds at the provider now, and record the answer."""
    checkout = create_checkout(settings, clock, database)
    try:
        outcome, shown = await query_order(database, clock, checkout, order)
    finally:
        await checkout.close()
    return Record(f"The provider was asked: {outcome}.", shown)


@payments_app.command("refund")
@command
async def payments_refund(
    session: AsyncSession,
    clock: Clock,
    order: OrderName,
    amount: Annotated[str, typer.Argument(help="Amount to refund, e.g. 12.00.")],
    reason: Annotated[str, typer.Option(help="Reason, which the customer sees.")],
    reference: Annotated[
        str, typer.Option(help="Unique reference. A repeated one refunds nothing.")
    ],
) -> Record:
    """Refund a payment in full or in part.

    Credit that is left of it in the wallet is refunded first, then the invoice by a credit note. A
    job sends the refund to the provider.
    """
    request = RefundRequest(amount, reason, reference)
    refunded = await refund_order(session, clock, CLI_ACTOR, order, request)
    return Record("Payment refunded.", refunded)


@payments_app.command("discrepancies")
@command
async def payments_discrepancies(session: AsyncSession) -> Table:
    """List payments that differ from their order and are not resolved, oldest first."""
    rows = [discrepancy_json(found) for found in await list_open_discrepancies(session)]
    return Table(rows, _DISCREPANCY_COLUMNS)


@payments_app.command("resolve")
@command
async def payments_resolve(
    session: AsyncSession,
    clock: Clock,
    discrepancy: Annotated[str, typer.Argument(help="Discrepancy ID (pdis_…).")],
    reason: Annotated[str, typer.Option(help="How it was resolved.")],
    credit: Annotated[
        bool, typer.Option("--credit", help="Add what was received to the wallet.")
    ] = False,
) -> Record:
    """Resolve a discrepancy, with --credit by adding what was received to the wallet."""
    place = (session, clock, CLI_ACTOR, discrepancy, reason)
    found = await resolve_any_discrepancy(*place, credit=credit)
    return Record("Discrepancy resolved.", discrepancy_json(found))


@payments_app.command("keys")
@command
async def payments_keys(database: Database, settings: Settings, clock: Clock) -> Record:
    """Fetch the providers' public keys: WeChat Pay's certificates, to MAAS_WECHAT_PAY_KEYS_DIR."""
    checkout = create_checkout(settings, clock, database)
    stored: list[str] = []
    try:
        for method in checkout.providers.names:
            stored += await checkout.require_provider(method).fetch_keys()
    except (RetryLater, PermanentFailure) as error:
        raise PaymentProviderUnavailable(f"The provider does not say: {error}") from error
    finally:
        await checkout.close()
    return Record("Keys fetched.", {"new": ", ".join(stored) or "none"})
