"""A gateway and a worker that take all six payment methods, and their providers' stand-ins."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from billing.collection.payments.checkout import Checkout
from billing.collection.payments.poller import PaymentPoller
from billing.collection.payments.providers import create_payment_providers
from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.collector import StripeCollector
from billing.collection.stripe.payment_methods import parse_payment_methods
from billing.reconciliation.collector import compare_with_collector
from billing.reconciliation.payment_providers import compare_with_providers
from billing.reconciliation.usage_and_quotas import Difference
from billing.schedule import Worker
from gateway.access.admin_keys import NewAdminKey, create_admin_key
from gateway.access.admin_scopes import AdminScope
from gateway.identity.audit_log import CLI_ACTOR
from infra.clock import SystemClock
from infra.database.database import Database
from infra.outbound.mail import Mailer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from tests.support import builders
from tests.support.billing.notifying import make_dispatcher
from tests.support.builders import CATALOG, SEALER, serve
from tests.support.fakes.payments.alipay import FakeAlipay, run_fake_alipay
from tests.support.fakes.payments.wechat_pay import FakeWeChatPay, run_fake_wechat_pay
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.paying.messages import Message
from tests.support.serving import build_parts
from tests.support.stories.payment_story import payment_settings
from tests.support.stories.story import Story
from tests.support.stories.stripe_story import GatewayClock, TheirClock

CHECKOUT_SECRET = "whsec_checkout"  # the stand-in's
_SCOPES = (AdminScope.PAYMENTS_WRITE, AdminScope.PAYMENTS_READ)


@dataclass
class PayingService:
    """The service and the other side of each payment method."""

    story: Story
    stripe: FakeStripe
    wechat_pay: FakeWeChatPay
    alipay: FakeAlipay
    http: httpx.AsyncClient
    checkout: Checkout
    worker: Worker
    stripe_secret: str
    admin_key: str
    elsewhere: httpx.AsyncClient

    @property
    def database(self) -> Database:
        return self.story.database

    async def receives(self, message: Message) -> int:
        """Send a message to the gateway; returns the status of its response."""
        return await _send(self.http, message)

    async def receives_forged(self, message: Message) -> int:
        """Send a forged message: it comes from another network than those of the providers."""
        return await _send(self.elsewhere, message)

    def goes_to_now(self) -> None:
        """Set the calendar to the machine's time, which the numbers of orders contain."""
        self.story.clock._now = SystemClock().now()

    async def exchanges(self) -> None:
        """Handle stored events and send what waits until nothing more is sent."""
        while True:
            before = len(self.stripe.requests)
            await self.worker.sync_collector()
            if len(self.stripe.requests) == before:
                return

    async def works(self) -> None:
        """Run the worker's jobs of collection, polling and payments."""
        await self.worker.sync_collector()
        await self.worker.poll_collector()
        while await self.poller.poll_orders():
            pass

    @property
    def poller(self) -> PaymentPoller:
        return PaymentPoller(self.database, self.story.clock, self.checkout)

    async def differences(self) -> list[Difference]:
        """The findings of `maas reconcile`, with Stripe's and the providers' records."""
        assert self.worker.collector is not None
        collected = await compare_with_collector(self.database, self.worker.collector)
        now = self.story.clock.now()
        paid = await compare_with_providers(self.database, now, self.checkout)
        return [*await self.story.differences(), *collected.differences, *paid.differences]


@asynccontextmanager
async def run_paying_service(
    story: Story, database_url: str, working: Database, folder: Path, upstream_url: str
) -> AsyncIterator[PayingService]:
    """Serve until the block ends; Stripe sends nothing by itself."""
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(run_fake_stripe(TheirClock(story.clock)))
        secret = stripe.add_endpoint("http://127.0.0.1:9", "nothing")
        wechat_pay = await stack.enter_async_context(run_fake_wechat_pay(story.clock))
        alipay = await stack.enter_async_context(run_fake_alipay(story.clock))
        keys_dir = folder / "keys"
        keys_dir.mkdir()
        settings = builders.settings(
            database_url,
            folder,
            upstream_url,
            stripe_secret_key=stripe.key,
            stripe_api_base=stripe.url,
            stripe_webhook_secret=secret,
            stripe_checkout_webhook_secret=CHECKOUT_SECRET,
            stripe_payment_methods="CNY=card,alipay",
            # The statements of a month are imported at one time of the calendar.
            admin_requests_per_minute=100_000,
            **payment_settings(wechat_pay, alipay, keys_dir),
        )
        clock = GatewayClock(story.clock)
        url = await stack.enter_async_context(serve(build_parts(settings, clock, CATALOG)))
        http = await stack.enter_async_context(builders.client(url, {}))
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        forger = httpx.AsyncClient(base_url=url, transport=transport, timeout=http.timeout)
        elsewhere = await stack.enter_async_context(forger)
        checkout = Checkout(story.database, clock, create_payment_providers(settings, story.clock))
        stack.push_async_callback(checkout.close)
        worker = _worker(story, working, settings, stripe, folder)
        stack.push_async_callback(worker.collector.close)  # type: ignore[union-attr]
        admin_key = await _admin_key(story, settings)
        yield PayingService(
            story,
            stripe,
            wechat_pay,
            alipay,
            http,
            checkout,
            worker,
            secret,
            admin_key,
            elsewhere,
        )


async def _send(http: httpx.AsyncClient, message: Message) -> int:
    """Send a message; returns the status of the response."""
    sent = await http.post(message.path, content=message.body, headers=dict(message.headers))
    return sent.status_code


def _worker(
    story: Story, working: Database, settings: Settings, stripe: FakeStripe, folder: Path
) -> Worker:
    """A worker that collects by Stripe, with Alipay on the invoices that Stripe sends."""
    client = StripeClient(stripe.key, stripe.url)
    return Worker(
        working,
        story.clock,
        Mailer(None, folder / "mail"),
        "bill@maas.example",
        SEALER,
        make_dispatcher(working, story.clock),
        StripeCollector(client, parse_payment_methods(settings)),
    )


async def _admin_key(story: Story, settings: Settings) -> str:
    """The secret of a key for the import of bank statements."""
    new = NewAdminKey("bank", tuple(_SCOPES))
    async with story.database.transaction() as session:
        place = (session, story.clock, secret_key(settings), CLI_ACTOR, None)
        return (await create_admin_key(*place, new)).secret
