"""Carries out automatic top-ups: charges the saved payment method and records the result.

    begin (transaction) -> charge at Stripe -> record_payment_result + end of the attempt

No transaction is open while Stripe is asked. An attempt whose process died is found as pending, and
charged again under the same idempotency key after Stripe has been asked for it. What is credited
goes through the function that records all payments by order.
"""

from uuid import UUID

import structlog

from billing.accounts.profiles import get_profile, lock_profile
from billing.collection.payments.off_session import OffSessionCharger, SavedMethodCharge
from billing.collection.payments.orders import get_order
from billing.collection.payments.provider import PaymentResult, TradeState
from billing.collection.payments.recording import record_payment_result
from billing.collection.payments.results import OrderState
from billing.outbox import PermanentFailure, RetryLater
from billing.prepaid.auto_top_up import (
    METHOD,
    begin_due_top_up,
    end_attempt,
    find_pending_attempt,
    list_accounts_to_check,
)
from billing.tables import PaymentOrder
from infra.clock import Clock
from infra.database.database import Database


class AutoTopUpRunner:
    """Tops up the wallets that need it, from saved payment methods."""

    def __init__(self, database: Database, clock: Clock, charger: OffSessionCharger) -> None:
        self._database = database
        self._clock = clock
        self._charger = charger

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._charger.close()

    async def run(self) -> int:
        """Top up every account that needs it. Returns how many payments were made.

        An error of one account is logged and does not stop the others.
        """
        async with self._database.transaction() as session:
            accounts = await list_accounts_to_check(session, self._clock.now())
        return sum([await self._try_to_top_up(account_id) for account_id in accounts])

    async def _try_to_top_up(self, account_id: UUID) -> bool:
        """Top up one account if it needs it; return whether it was paid. Errors are logged.

        An attempt that has begun stays pending: the next run asks for its charge before it charges.
        """
        try:
            return await self._top_up(account_id)
        except Exception as error:  # clients of payment methods raise errors of their own
            log = structlog.get_logger()
            log.error(
                "an account could not be topped up", account=account_id.hex, reason=repr(error)
            )
            return False

    async def _top_up(self, account_id: UUID) -> bool:
        """Top up one account if it needs it; return whether it was paid."""
        async with self._database.transaction() as session:
            attempt = await begin_due_top_up(session, self._clock, account_id)
            if attempt is None:
                return False
            order = await get_order(session, account_id, attempt.order_id)
            profile = await get_profile(session, account_id)
        customer = profile.external_customer
        if profile.collector != self._charger.collector:
            customer = None
        try:
            result = await self._charge(order, customer)
        except RetryLater as error:
            log = structlog.get_logger()
            log.warning("an automatic top-up waits", order=order.number, reason=str(error))
            return False
        return await self._record(order, result)

    async def _charge(self, order: PaymentOrder, customer: str | None) -> PaymentResult:
        """Return the result of an earlier charge of the order, or charge it.

        Raises RetryLater.
        """
        if customer is None:
            return PaymentResult(order.number, TradeState.FAILED)
        charge = SavedMethodCharge(order.number, customer, order.minor, order.currency)
        try:
            earlier = await self._charger.find(charge)
            return earlier or await self._charger.charge(charge)
        except PermanentFailure as error:
            log = structlog.get_logger()
            log.warning("an automatic top-up was refused", order=order.number, reason=str(error))
            return PaymentResult(order.number, TradeState.FAILED)

    async def _record(self, order: PaymentOrder, result: PaymentResult) -> bool:
        """Record a result, and end the attempt unless the bank still decides."""
        async with self._database.transaction() as session:
            await lock_profile(session, order.account_id)
            await record_payment_result(session, self._clock, METHOD, result)
            recorded = await get_order(session, order.account_id, order.id)
            await session.refresh(recorded)
            paid = recorded.state == OrderState.PAID
            attempt = await find_pending_attempt(session, order.account_id)
            has_ended = not OrderState(recorded.state).is_active
            if attempt is not None and attempt.order_id == order.id and has_ended:
                await end_attempt(session, self._clock, attempt, paid=paid)
        return paid
