"""Automatic top-up: threshold, ceiling of a month, one at a time, failures, crashes.

Each top-up is 100.00 when the balance falls below 50.00, at most 250.00 in a month.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import stripe
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from billing.collection.external_ids import store_external_customer
from billing.collection.payments.off_session import SavedMethodCharge
from billing.collection.payments.orders import TopUpLimits, list_orders
from billing.collection.payments.providers import create_off_session_charger
from billing.collection.payments.refunds import NewRefund, RefundInvalid, create_refund
from billing.collection.stripe.checkout_client import CheckoutClient
from billing.collection.stripe.off_session import StripeOffSession
from billing.cycle import aggregate_new_usage
from billing.outbox import RetryLater
from billing.prepaid import auto_top_up_runner
from billing.prepaid.auto_top_up import (
    AutoTopUpInvalid,
    AutoTopUpTerms,
    begin_due_top_up,
    end_attempt,
    find_auto_top_up,
    remove_auto_top_up,
    set_auto_top_up,
)
from billing.prepaid.auto_top_up_runner import AutoTopUpRunner
from billing.schedule import Worker
from billing.tables import AutoTopUp, AutoTopUpAttempt
from infra.clock import Clock, SystemClock
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.mail import Mailer
from infra.outbound.webhook_post import SignedPoster
from infra.settings import Settings
from tests.support.billing.making import append, call, sql
from tests.support.builders import SEALER
from tests.support.fakes.stripe.clock import SteppedClock
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.stories.pack_story import bought, buys, offers
from tests.support.stories.story import Firm, Story

LIMITS = TopUpLimits.from_settings(Settings(), "CNY")
TERMS = AutoTopUpTerms(5_000, 10_000, 25_000, "owner@acme.example")


@dataclass
class Topping:
    """A firm with a saved card and automatic top-up, and what charges it."""

    firm: Firm
    fake: FakeStripe
    client: CheckoutClient
    customer: str

    @property
    def story(self) -> Story:
        return self.firm.story

    @property
    def runner(self) -> AutoTopUpRunner:
        charger = StripeOffSession(self.client)
        return AutoTopUpRunner(self.story.database, self.story.clock, charger)

    async def saves(self, card: str) -> None:
        """Save a card as the customer's payment method."""
        api = self.client._api
        method = await api.payment_methods.attach_async(card, {"customer": self.customer})
        await self.client.set_default_payment_method(method.id, self.customer, method.id)

    async def second(self) -> Firm:
        """Another firm with a saved card and automatic top-up, which comes after the first one."""
        firm = await self.story.firm("Second", credit="0")
        customer = await self.client.create_customer("c2", firm.account.id.hex, "Second", "")
        async with self.story.database.transaction() as session:
            await store_external_customer(session, firm.account.id, "stripe", customer)
        await replace(self, firm=firm, customer=customer).saves("pm_card_visa")
        await consents(firm)
        return firm

    async def state(self) -> AutoTopUp:
        async with self.story.database.transaction() as session:
            row = await find_auto_top_up(session, self.firm.account.id)
        assert row is not None
        return row

    def paid(self) -> list[int]:
        """The amounts of succeeded payments at Stripe."""
        intents = self.fake.objects("payment_intent", status="succeeded")
        return [one["amount"] for one in intents]


async def consents(firm: Firm, terms: AutoTopUpTerms = TERMS) -> None:
    async with firm.story.database.transaction() as session:
        await set_auto_top_up(session, firm.story.clock, firm.account.id, terms, LIMITS)


@pytest.fixture
async def topping(story: Story, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Topping]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # An order's number tells Stripe's side when it was made, by the machine's clock.
    async with run_fake_stripe(SteppedClock(SystemClock().now())) as fake:
        client = CheckoutClient(fake.key, fake.url)
        firm = await story.firm(credit="0")
        customer = await client.create_customer("c", firm.account.id.hex, "Acme", "")
        async with story.database.transaction() as session:
            await store_external_customer(session, firm.account.id, "stripe", customer)
        made = Topping(firm, fake, client, customer)
        await made.saves("pm_card_visa")
        await consents(firm)
        yield made
        await made.runner.close()


async def test_wallet_below_the_threshold_is_topped_up_until_the_ceiling(topping: Topping) -> None:
    """Two payments of 100.00 in October; the third would pass 250.00, and is made in November."""
    firm, story = topping.firm, topping.story
    assert await topping.runner.run() == 1
    assert (await firm.wallet(), await firm.credit()) == ("100.00", "100")
    assert await topping.runner.run() == 0
    await firm.use("vib", rows=60_000)
    await story.counts()
    assert await topping.runner.run() == 1  # 100.00 - 60.00 is below 50.00
    await firm.use("vib", rows=100_000)
    await story.counts()
    assert await topping.runner.run() == 0
    story.clock.set(2026, 10, 31, 23, 59, 59)
    assert await topping.runner.run() == 0
    story.clock.set(2026, 11, 1)
    assert await topping.runner.run() == 1
    assert topping.paid() == [10_000] * 3
    assert await story.differences() == ()


async def test_runs_at_the_same_time_make_one_payment(topping: Topping) -> None:
    await asyncio.gather(*(topping.runner.run() for _ in range(4)))
    assert topping.paid() == [10_000]
    assert await topping.firm.wallet() == "100.00"
    database, account_id = topping.story.database, topping.firm.account.id
    async with database.transaction() as session:
        (order,) = await list_orders(session, account_id, 10)
    async with database.transaction() as session:
        new = NewRefund(100, "goodwill", "r-1")
        with pytest.raises(RefundInvalid, match="at Stripe"):
            await create_refund(session, topping.story.clock, account_id, order.id, new)


async def test_payment_of_a_process_that_died_is_found_and_not_repeated(topping: Topping) -> None:
    firm, story = topping.firm, topping.story
    async with story.database.transaction() as session:
        attempt = await begin_due_top_up(session, story.clock, firm.account.id)
    assert attempt is not None
    number = attempt.order_id.hex
    await topping.client.charge_saved_method(number, topping.customer, 10_000, "CNY")
    async with story.database.transaction() as session:
        assert await remove_auto_top_up(session, firm.account.id)
        assert not await remove_auto_top_up(session, firm.account.id)
    assert await topping.runner.run() == 1
    assert (topping.paid(), await firm.wallet()) == ([10_000], "100.00")


@pytest.mark.parametrize("card", ["pm_card_chargeCustomerFail", "pm_card_authenticationRequired"])
async def test_failed_payments_are_retried_later_and_then_stop_it(
    topping: Topping, card: str
) -> None:
    await topping.saves(card)
    await topping.firm.billed(email="owner@acme.example")
    waits = []
    for _ in range(3):
        assert await topping.runner.run() == 0
        state = await topping.state()
        waits.append(state.retry_at and (state.retry_at - topping.story.clock.now()).seconds)
        topping.story.clock.pass_(hours=7)
    state = await topping.state()
    assert (waits, state.failures) == ([3600, 6 * 3600, None], 3)
    assert state.stopped_at is not None
    await topping.saves("pm_card_visa")
    assert await topping.runner.run() == 0
    mails = "select count(*) from outbox where business_key like '%auto_top_up_stopped%'"
    assert (await sql(topping.story.database, mails))[0][0] == 1
    await consents(topping.firm)
    assert await topping.runner.run() == 1
    states = {one["status"] for one in topping.fake.objects("payment_intent")}
    assert states == {"canceled", "succeeded"}
    assert await topping.story.differences() == ()


async def test_account_without_a_saved_method_fails(topping: Topping) -> None:
    other = await topping.story.firm("Other", credit="0")
    await consents(other)
    charge = SavedMethodCharge("0" * 32, topping.customer, 1, "CNY")
    blank = await topping.client.create_customer("d", "b", "B", "")
    failed = await StripeOffSession(topping.client).charge(
        SavedMethodCharge(charge.number, blank, 100, "CNY")
    )
    assert failed.state == "failed"
    await topping.runner.run()
    async with topping.story.database.transaction() as session:
        row = await find_auto_top_up(session, other.account.id)
    assert row is not None
    assert row.failures == 1


async def test_customer_that_stripe_does_not_know_fails(topping: Topping) -> None:
    other = await topping.story.firm("Other", credit="0")
    await consents(other)
    async with topping.story.database.transaction() as session:
        await store_external_customer(session, other.account.id, "stripe", "cus_nobody")
    assert await topping.runner.run() == 1  # of the first firm
    assert await other.wallet() == "0.00"


async def test_accounts_after_one_whose_stripe_customer_was_deleted_are_topped_up(
    topping: Topping, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, customers = await topping.second(), topping.client._api.customers
    retrieve = customers.retrieve_async

    async def deleted(customer: str, *arguments: Any) -> stripe.Customer:
        if customer != topping.customer:
            return await retrieve(customer, *arguments)
        values = {"id": customer, "object": "customer", "deleted": True}
        return stripe.Customer.construct_from(values, "sk_test")

    monkeypatch.setattr(customers, "retrieve_async", deleted)
    assert await topping.runner.run() == 1
    assert await second.wallet() == "100.00"
    assert (await topping.state()).failures == 1


async def test_accounts_after_one_with_an_unexpected_error_are_topped_up(
    topping: Topping, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, customers = await topping.second(), topping.client._api.customers
    retrieve = customers.retrieve_async

    async def failing(customer: str, *arguments: Any) -> stripe.Customer:
        if customer == topping.customer:
            raise AttributeError("invoice_settings")
        return await retrieve(customer, *arguments)

    monkeypatch.setattr(customers, "retrieve_async", failing)
    assert await topping.runner.run() == 1
    assert await second.wallet() == "100.00"


async def test_suspended_account_is_not_topped_up(topping: Topping) -> None:
    suspend = "update billing_profile set suspended_at = now() where account_id = :of"
    await sql(topping.story.database, suspend, of=topping.firm.account.id)
    assert await topping.runner.run() == 0
    assert topping.paid() == []


async def test_attempt_waits_while_stripe_does_not_answer(
    topping: Topping, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: Any) -> None:
        raise RetryLater("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(StripeOffSession, "find", silent)
        assert await topping.runner.run() == 0
    assert await topping.runner.run() == 1


async def test_accounts_after_one_with_unknown_terms_are_topped_up(topping: Topping) -> None:
    second, story = await topping.second(), topping.story
    bad = call(topping.firm.account.id, story.clock.now(), plan_version_id=UUID(int=9))
    await append(story.database, bad)
    await aggregate_new_usage(story.database, story.clock)
    with capture_logs() as logs:
        assert await topping.runner.run() == 1
    assert (topping.paid(), await second.wallet()) == ([10_000], "100.00")
    (line,) = (one for one in logs if one["log_level"] == "error")
    assert line["account"] == topping.firm.account.id.hex
    assert "refer to unknown terms" in line["reason"]


@pytest.mark.parametrize("error", [AutoTopUpInvalid("broken"), SQLAlchemyError("broken")])
async def test_payment_that_could_not_be_recorded_is_recorded_later_and_not_repeated(
    topping: Topping, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    second, story = await topping.second(), topping.story

    async def fail_first(
        session: AsyncSession, clock: Clock, attempt: AutoTopUpAttempt, *, paid: bool
    ) -> None:
        if attempt.account_id == topping.firm.account.id:
            raise error
        await end_attempt(session, clock, attempt, paid=paid)

    with monkeypatch.context() as patched:
        patched.setattr(auto_top_up_runner, "end_attempt", fail_first)
        assert [await topping.runner.run() for _ in range(2)] == [1, 0]
    assert (await topping.firm.wallet(), await second.wallet()) == ("0.00", "100.00")
    assert topping.paid() == [10_000] * 2
    assert await topping.runner.run() == 1
    assert topping.paid() == [10_000] * 2
    assert await topping.firm.wallet() == "100.00"
    assert await story.differences() == ()


async def test_retry_time_is_kept_and_bank_may_decide_later(topping: Topping) -> None:
    """A payment that the bank still processes stays pending; the month counts it."""
    later = "update auto_top_up set retry_at = :at"
    database, clock = topping.story.database, topping.story.clock
    await sql(database, later, at=clock.at(2026, 10, 2))
    async with database.transaction() as session:
        assert await begin_due_top_up(session, clock, topping.firm.account.id) is None
    clock.set(2026, 10, 2)
    async with database.transaction() as session:
        attempt = await begin_due_top_up(session, clock, topping.firm.account.id)
    assert attempt is not None
    number = attempt.order_id.hex
    await topping.client.charge_saved_method(number, topping.customer, 10_000, "CNY")
    (intent,) = topping.fake.account.all("payment_intent")
    intent["status"] = "processing"
    assert await topping.runner.run() == 0
    intent["status"] = "succeeded"
    assert await topping.runner.run() == 1


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (AutoTopUpTerms(5_000, 50, 25_000, "x"), r"amount: must be from 1\.00"),
        (AutoTopUpTerms(0, 10_000, 25_000, "x"), "threshold"),
        (AutoTopUpTerms(5_000, 10_000, 9_999, "x"), "monthly_ceiling"),
    ],
)
async def test_terms_out_of_range_are_refused(
    story: Story, terms: AutoTopUpTerms, message: str
) -> None:
    firm = await story.firm()
    with pytest.raises(AutoTopUpInvalid, match=message):
        await consents(firm, terms)


def test_charger_needs_the_secret_key() -> None:
    assert create_off_session_charger(Settings()) is None
    assert create_off_session_charger(Settings(stripe_secret_key="sk_test_1")) is not None


async def test_worker_tops_up_and_updates_packs(topping: Topping, tmp_path: Path) -> None:
    worker = Worker(
        topping.story.database,
        topping.story.clock,
        Mailer(None, tmp_path),
        "bill@maas.example",
        SignedPoster(AllowedAddresses()),
        SEALER,
    )
    await worker.top_up_wallets()
    assert topping.paid() == []
    await replace(worker, top_ups=topping.runner).top_up_wallets()
    assert topping.paid() == [10_000]
    await offers(topping.story)
    purchase = await buys(topping.firm, method="invoice")
    topping.story.clock.pass_(days=4)
    await worker.update_packs()
    assert (await bought(topping.firm, purchase)).purchase.state == "canceled"
