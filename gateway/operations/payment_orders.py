"""Payment orders of customers: what the API and the pages do, idempotent and audited.

An order is stored before the provider is asked for its code, in a transaction of its own. So a
repeated request finds the order of the first one, also if the provider did not answer then.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency
from billing.collection.payments.checkout import Checkout, PaymentProviderUnavailable
from billing.collection.payments.orders import (
    PAYMENT_ORDER_PREFIX,
    NewOrder,
    PaymentOrderNotFound,
    TopUpLimits,
    open_order,
)
from billing.invoices.lifecycle import INVOICE_ID_PREFIX, get_invoice
from billing.ledger.wallets import TopUpInvalid
from billing.money import minor_from_text, minor_text
from billing.outbox import PermanentFailure, RetryLater
from billing.tables import PaymentOrder
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.operations.idempotent import IdempotentChange, run_once
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """A payment that somebody asks for: of an invoice, or else a top-up of an amount as text.

    A repeated `key` finds the order of the first request.
    """

    actor: Actor
    account_id: UUID
    method: str
    invoice_id: UUID | None = None
    top_up: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentOperations:
    """Starts and cancels payments of one process."""

    database: Database
    clock: Clock
    settings: Settings
    checkout: Checkout

    async def start(self, request: PaymentRequest) -> PaymentOrder:
        """Return a new or the active order of a payment, with its code.

        Raises the errors of `open_order` and `run_once`, and PaymentProviderUnavailable.
        """
        body = [request.method, request.invoice_id and request.invoice_id.hex, request.top_up]
        change = IdempotentChange(
            request.account_id, "payment_orders", msgspec.json.encode(body), request.key
        )

        async def open_and_audit(session: AsyncSession) -> dict[str, Any]:
            """Store the order and record it in the audit log."""
            return {"id": (await self._open(session, request)).id.hex}

        async with self.database.transaction() as session:
            result = await run_once(session, change, open_and_audit)
        order_id = UUID(hex=msgspec.json.decode(result.response)["id"])
        return await _ask(lambda: self.checkout.request_code(request.account_id, order_id))

    async def cancel(self, actor: Actor, account_id: UUID, order_id: UUID) -> PaymentOrder:
        """Cancel an order and return it; one that has ended or was paid meanwhile stays so.

        Raises PaymentOrderNotFound, PaymentProviderUnavailable.
        """
        before = await self.checkout.get(account_id, order_id)
        order = await _ask(lambda: self.checkout.cancel(account_id, order_id))
        if order.state == "closed" and before.state != order.state:
            async with self.database.transaction() as session:
                name = ids.format_id(PAYMENT_ORDER_PREFIX, order_id)
                await record_audit_event(
                    session, self.clock, actor, account_id, "payment.canceled", name
                )
        return order

    async def _open(self, session: AsyncSession, request: PaymentRequest) -> PaymentOrder:
        """Open an order in a transaction, and record it in the audit log if it is new."""
        if request.invoice_id is not None:
            await get_invoice(session, request.account_id, request.invoice_id)
        info = self.checkout.require_provider(request.method).info
        currency = await get_account_currency(session, request.account_id)
        minor = 0 if request.invoice_id else _parse_amount(request.top_up, currency)
        new = NewOrder(info, request.invoice_id, minor)
        limits = TopUpLimits.from_settings(self.settings, currency)
        now = self.clock.now()
        order = await open_order(session, self.clock, request.account_id, new, limits)
        if order.created_at >= now:
            await self._audit(session, request, order)
        return order

    async def _audit(
        self, session: AsyncSession, request: PaymentRequest, order: PaymentOrder
    ) -> None:
        """Record in the audit log that a payment was started."""
        invoice = request.invoice_id and ids.format_id(INVOICE_ID_PREFIX, request.invoice_id)
        details = {
            "method": order.method,
            "amount": minor_text(order.minor, order.currency),
            **({"invoice": invoice} if invoice else {}),
        }
        name = ids.format_id(PAYMENT_ORDER_PREFIX, order.id)
        await record_audit_event(
            session, self.clock, request.actor, request.account_id, "payment.started", name, details
        )


def parse_payment_order_id(text: str) -> UUID:
    """Parse the public id of an order. Raises PaymentOrderNotFound if it is malformed."""
    order_id = ids.parse_id(PAYMENT_ORDER_PREFIX, text)
    if order_id is None:
        raise PaymentOrderNotFound("The account has no such payment order.", param="payment_order")
    return order_id


def _parse_amount(text: str, currency: str) -> int:
    """Parse the amount of a top-up to minor units. Raises TopUpInvalid."""
    try:
        return minor_from_text(text.strip(), currency)
    except ValueError as error:
        raise TopUpInvalid(
            "The amount of a top-up must be a decimal number such as 100.00.", param="amount"
        ) from error


async def _ask(step: Callable[[], Awaitable[PaymentOrder]]) -> PaymentOrder:
    """Do a step that asks the provider. Raises PaymentProviderUnavailable."""
    try:
        return await step()
    except RetryLater as error:
        raise PaymentProviderUnavailable(
            "The payment provider does not respond. Try again in a few seconds."
        ) from error
    except PermanentFailure as error:
        raise PaymentProviderUnavailable(
            "The payment provider has rejected the payment. Try another payment method."
        ) from error
