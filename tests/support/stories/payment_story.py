"""A billing story whose customers pay by QR code, with stand-ins for WeChat Pay and Alipay."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from billing.collection.payments.checkout import Checkout
from billing.collection.payments.notifications import receive_notification
from billing.collection.payments.orders import NewOrder, TopUpLimits, get_order, open_order
from billing.collection.payments.poller import PaymentPoller
from billing.collection.payments.providers import PaymentProviders, create_payment_providers
from billing.collection.payments.recording import RecordedAs
from billing.collection.payments.refunds import NewRefund, create_refund, list_refunds
from billing.reconciliation.payment_providers import compare_with_providers
from billing.reconciliation.usage_and_quotas import Difference
from billing.tables import Invoice, PaymentDiscrepancy, PaymentOrder, PaymentRefund
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.settings import Settings
from tests.support.fakes.payments.alipay import FakeAlipay, run_fake_alipay
from tests.support.fakes.payments.wechat_pay import FakeWeChatPay, run_fake_wechat_pay
from tests.support.stories.story import Firm, Story

PUBLIC_URL = "https://maas.example"
LIMITS = TopUpLimits.from_settings(Settings(), "CNY")
METHODS = ("wechat_pay", "alipay")
StandIn = FakeWeChatPay | FakeAlipay


@dataclass
class PaymentStory:
    """The story, the stand-ins by method, and the parts that a worker and a gateway have."""

    story: Story
    wechat_pay: FakeWeChatPay
    alipay: FakeAlipay
    settings: Settings
    checkout: Checkout
    poller: PaymentPoller
    keys_dir: Path

    @property
    def database(self) -> Database:
        return self.story.database

    def stand_in(self, method: str) -> StandIn:
        return self.wechat_pay if method == "wechat_pay" else self.alipay

    async def invoiced(self) -> tuple[Firm, Invoice]:
        """A firm with an open invoice: 100,000 rows at 0.001 are 100.00, with 6 % tax 106.00."""
        firm = await self.story.firm(tax_ppm=60_000)
        await firm.use("vib", rows=100_000)
        await self.story.until(2026, 11, 1, 1)
        (invoice,) = await firm.invoices()
        return firm, invoice

    async def opens(
        self, firm: Firm, method: str, invoice: Invoice | None = None, amount: str = "0"
    ) -> PaymentOrder:
        """Open an order for an invoice or a top-up, without asking for its code."""
        info = self.checkout.require_provider(method).info
        new = NewOrder(info, None if invoice is None else invoice.id, firm.minor(amount))
        async with self.database.transaction() as session:
            return await open_order(session, self.story.clock, firm.account.id, new, LIMITS)

    async def orders(
        self, firm: Firm, method: str, invoice: Invoice | None = None, amount: str = "0"
    ) -> PaymentOrder:
        """Open an order and have its code made."""
        order = await self.opens(firm, method, invoice, amount)
        return await self.checkout.request_code(firm.account.id, order.id)

    async def receives(self, method: str, notification: tuple[bytes, dict[str, str]]) -> RecordedAs:
        """A gateway receives a notification."""
        clock, providers = self.story.clock, self.checkout.providers
        return await receive_notification(self.database, clock, providers, method, *notification)

    async def is_paid(self, order: PaymentOrder, minor: int | None = None) -> RecordedAs:
        """The customer pays, and the gateway is notified."""
        stand_in = self.stand_in(order.method)
        stand_in.pays(order.number, minor)
        return await self.receives(order.method, stand_in.payment_notification(order.number))

    async def polls(self, **time: float) -> tuple[int, int]:
        """Let time pass, and run the job; returns the numbers of orders and refunds asked for."""
        self.story.clock.pass_(**time)
        return await self.poller.poll_orders(), await self.poller.poll_refunds()

    async def reads(self, order: PaymentOrder) -> PaymentOrder:
        async with self.database.transaction() as session:
            return await get_order(session, order.account_id, order.id)

    async def refunds(
        self, order: PaymentOrder, minor: int, reference: str = "r-1", reason: str = "goodwill"
    ) -> PaymentRefund:
        """The operator refunds a part of a payment."""
        new = NewRefund(minor, reason, reference)
        async with self.database.transaction() as session:
            return await create_refund(session, self.story.clock, order.account_id, order.id, new)

    async def refunds_of(self, order: PaymentOrder) -> list[PaymentRefund]:
        async with self.database.transaction() as session:
            return list(await list_refunds(session, order.account_id, [order.id]))

    async def discrepancies(self) -> list[tuple[str, int, str]]:
        """(kind, amount, currency) of all discrepancies, in order."""
        async with self.database.transaction() as session:
            query = PaymentDiscrepancy.__table__.select().order_by("id")  # type: ignore[attr-defined]
            rows = (await session.execute(query)).all()
        return [(row.kind, row.minor, row.currency) for row in rows]

    async def compared(self) -> tuple[Difference, ...]:
        """The differences between our orders and the providers'."""
        now = self.story.clock.now()
        return (await compare_with_providers(self.database, now, self.checkout)).differences


def payment_settings(
    wechat_pay: FakeWeChatPay, alipay: FakeAlipay, keys_dir: Path
) -> dict[str, Any]:
    """The settings of a service that uses both stand-ins."""
    return {
        "public_url": PUBLIC_URL,
        **wechat_pay.settings(keys_dir),
        **alipay.settings(),
    }


class FollowedClock:
    """The clock of the story that is told at the moment."""

    def __init__(self) -> None:
        self.calendar: Clock = SystemClock()

    def now(self) -> datetime:
        return self.calendar.now()

    def monotonic(self) -> float:
        return self.calendar.monotonic()


@dataclass
class StandIns:
    """Both stand-ins and a service's clients of them, for several stories one after another:
    checking the private keys takes longer than most stories."""

    clock: FollowedClock
    wechat_pay: FakeWeChatPay
    alipay: FakeAlipay
    settings: Settings
    providers: PaymentProviders
    keys_dir: Path

    def tell(self, story: Story) -> PaymentStory:
        """Begin a story: nobody has paid yet, and the first platform key is in force."""
        self.clock.calendar = story.clock
        self.wechat_pay.reset()
        self.alipay.reset()
        for file in self.keys_dir.iterdir():
            file.unlink()
        self.wechat_pay.install(self.keys_dir)
        checkout = Checkout(story.database, story.clock, self.providers)
        return PaymentStory(
            story=story,
            wechat_pay=self.wechat_pay,
            alipay=self.alipay,
            settings=self.settings,
            checkout=checkout,
            poller=PaymentPoller(story.database, story.clock, checkout),
            keys_dir=self.keys_dir,
        )


@asynccontextmanager
async def run_stand_ins(keys_dir: Path) -> AsyncIterator[StandIns]:
    """Serve both stand-ins until the block ends."""
    clock = FollowedClock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NO_PROXY", "127.0.0.1")
        async with run_fake_wechat_pay(clock) as wechat_pay, run_fake_alipay(clock) as alipay:
            settings = Settings(**payment_settings(wechat_pay, alipay, keys_dir))
            providers = create_payment_providers(settings, clock)
            try:
                yield StandIns(clock, wechat_pay, alipay, settings, providers, keys_dir)
            finally:
                await providers.close()
