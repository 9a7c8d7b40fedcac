"""Billing stories that Stripe takes part in: the stand-in, a gateway that its webhooks reach, a
worker; and all of them live in the story's calendar.

The customer acts on Stripe's pages, the operator by the functions that the service itself calls;
money moves by the worker's own ticks.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from sqlmodel import col, select

from billing.accounts.collection_method import Collection, CollectionMethod
from billing.collection.customers import ensure_customer
from billing.collection.stripe.client import StripeClient
from billing.collection.stripe.collector import StripeCollector
from billing.outbox import retry_item
from billing.reconciliation.collector import compare_with_collector
from billing.reconciliation.usage_and_quotas import Difference
from billing.schedule import Worker
from billing.tables import Invoice, OutboxItem
from gateway.access.api_keys import create_key
from infra.clock import SystemClock
from infra.database.database import Database
from infra.outbound.mail import Mailer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings
from tests.support import builders
from tests.support.billing.notifying import make_dispatcher
from tests.support.builders import CATALOG, CHAT, SEALER, serve
from tests.support.fakes.stripe.account import Obj
from tests.support.fakes.stripe.running import FakeStripe, run_fake_stripe
from tests.support.serving import build_parts
from tests.support.stories.story import Calendar, Firm, Story

CHARGE = Collection(CollectionMethod.CHARGE, "stripe")
SEND = Collection(CollectionMethod.INVOICE, "stripe")


class TheirClock:
    """The calendar as the fake Stripe's clock."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def now(self) -> datetime:
        return self._calendar.now()

    def advance(self, by: timedelta) -> None:
        self._calendar.pass_(seconds=by.total_seconds())


class GatewayClock(SystemClock):
    """The calendar's date with running time, which the gateway's caches need."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def now(self) -> datetime:
        return self._calendar.now()


@dataclass
class StripeStory:
    """A story with the fake Stripe, a gateway and a worker."""

    story: Story
    fake: FakeStripe
    payments: StripeClient
    worker: Worker
    settings: Settings
    url: str
    mail: Path

    async def firm(self, how: Collection = CHARGE, **profile: Any) -> Firm:
        """An account with collection by Stripe and English e-mails."""
        firm = await self.story.firm(collection=how, **{"locale": "en", **profile})
        await firm.billed(email="pay@acme.example")
        return firm

    async def leaves_card(self, firm: Firm, card: str = "pm_card_visa") -> None:
        """The customer asks for a page, goes there, and enters a card. Its event is on its way
        then."""
        async with self.calling(firm) as http:
            wish = {"page": "setup", "return_url": "https://acme.example/billing"}
            answer = await http.post("/v1/payment-pages", json=wish)
        session = self.fake.objects("checkout.session")[-1]
        assert answer.json()["url"] == session["url"]
        self.fake.complete_checkout(session["id"], card)

    async def invoiced(self, firm: Firm, rows: int) -> Invoice:
        """The firm used rows of 0.001 in the running month, which is over now, and is billed;
        nothing has gone to Stripe yet."""
        await firm.use("vib", rows=rows)
        now = self.story.clock.now().astimezone(self.story.clock.zone)
        after = (now.year + now.month // 12, now.month % 12 + 1)
        await self.story.until(*after, 1, 1)
        return (await firm.invoices())[-1]

    async def exchanges(self) -> None:
        """Handle inbox events and outbox items until none is due."""
        while True:
            before = len(self.fake.requests)
            await self.fake.webhooks.settled()
            await self.worker.sync_collector()
            await self.fake.webhooks.settled()
            if len(self.fake.requests) == before:
                return

    async def works(self) -> None:
        """Run every periodic job of the worker after all events are handled."""
        await self.worker.bill()
        await self.worker.run_dunning()
        await self.exchanges()
        await self.worker.poll_collector()
        await self.exchanges()
        await self.worker.send_notifications()

    async def until(self, *at: int) -> None:
        self.story.clock.set(*at)
        await self.works()

    async def later(self, **time: float) -> None:
        self.story.clock.pass_(**time)
        await self.works()

    async def ours(self, firm: Firm) -> Invoice:
        """The current state of the account's last invoice."""
        return (await firm.invoices())[-1]

    def theirs(self) -> Obj:
        """The only invoice at Stripe."""
        (invoice,) = self.fake.objects("invoice")
        return invoice

    def charges(self, status: str = "succeeded") -> list[int]:
        """The amounts of card charges with this status."""
        return [charge["amount"] for charge in self.fake.objects("charge", status=status)]

    async def differences(self) -> tuple[Difference, ...]:
        """The findings of `maas reconcile`, in our records and compared with Stripe's."""
        compared = await compare_with_collector(self.story.database, self.collector)
        return (*await self.story.differences(), *compared.differences)

    def told(self) -> list[str]:
        """The subjects of all e-mails, oldest first."""
        files = sorted(self.mail.glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        return [str(read_mail(file)["Subject"]) for file in files]

    async def outbox(self, firm: Firm) -> list[tuple[str, str]]:
        """(action, state) of all outbox items of the account, in order."""
        query = select(OutboxItem).where(col(OutboxItem.account_id) == firm.account.id)
        async with self.story.database.transaction() as session:
            items = (await session.scalars(query.order_by(col(OutboxItem.id)))).all()
        return [(item.action, _state(item)) for item in items]

    async def retries(self, firm: Firm, action: str) -> None:
        """Retry the given-up item, as the operator does."""
        query = select(OutboxItem).where(
            col(OutboxItem.account_id) == firm.account.id,
            col(OutboxItem.action) == action,
            col(OutboxItem.given_up_at).is_not(None),
        )
        async with self.story.database.transaction() as session:
            item = (await session.scalars(query)).one()
            await retry_item(session, self.story.clock, item.id)

    @asynccontextmanager
    async def calling(self, firm: Firm) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a key of the account."""
        async with self.story.database.transaction() as session:
            pepper = secret_key(self.settings)
            key = await create_key(session, self.story.clock, pepper, firm.account.id, "line 1")
        headers = {"authorization": f"Bearer {key.secret}"}
        async with builders.client(self.url, headers) as http:
            yield http

    @property
    def collector(self) -> StripeCollector:
        return StripeCollector(self.payments)

    async def customer_of(self, firm: Firm) -> str:
        """The account's customer at Stripe, created if missing."""
        return await ensure_customer(self.story.database, self.collector, firm.account.id)


def _state(item: OutboxItem) -> str:
    if item.done_at is not None:
        return "done"
    return "waits" if item.given_up_at is None else "given up"


def read_mail(file: Path) -> EmailMessage:
    mail = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


async def chat(http: httpx.AsyncClient) -> httpx.Response:
    message = {"role": "user", "content": "a b"}
    body = {"model": CHAT, "messages": [message], "max_tokens": 5}
    return await http.post("/v1/chat/completions", json=body)


@asynccontextmanager
async def run_stripe_story(
    story: Story,
    database_url: str,
    working: Database,
    folder: Path,
    upstream_url: str,
    dashboard: bool = False,
) -> AsyncIterator[StripeStory]:
    """Until the block ends. The gateway's endpoint gets every event of Stripe's account; the worker
    works on `working`."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(run_fake_stripe(TheirClock(story.clock)))
        secret = fake.add_endpoint("http://to.be.known")
        settings = builders.settings(
            database_url,
            folder,
            upstream_url,
            stripe_secret_key=fake.key,
            stripe_api_base=fake.url,
            stripe_webhook_secret=secret,
            dashboard=dashboard,
        )
        clock = GatewayClock(story.clock)
        url = await stack.enter_async_context(serve(build_parts(settings, clock, CATALOG)))
        (endpoint,) = fake.account.all("webhook_endpoint")
        endpoint["url"] = f"{url}/stripe/webhook"
        payments = StripeClient(fake.key, fake.url)
        stack.push_async_callback(payments.close)
        mail = folder / "mail"
        worker = Worker(
            working,
            story.clock,
            Mailer(None, mail),
            "bill@maas.example",
            SEALER,
            make_dispatcher(working, story.clock),
            StripeCollector(payments),
        )
        yield StripeStory(story, fake, payments, worker, settings, url, mail)
