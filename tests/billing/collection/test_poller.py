"""Polling of Stripe: which invoices, how often, and isolation of failures."""

import asyncio

from billing.collection.events import CollectorEventHandler
from billing.collection.poller import poll_open_invoices, store_missed_events
from infra.database.database import Database
from tests.support.billing.making import sql
from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import CHARGE, SEND, StripeStory

READS = "GET /v1/invoices/{id}"


async def ask(stripe: StripeStory, database: Database | None = None, most: int = 500) -> int:
    database = database or stripe.story.database
    events = CollectorEventHandler(database, stripe.story.clock, stripe.collector)
    return await poll_open_invoices(database, stripe.story.clock, events, most)


async def sent(stripe: StripeStory, *names: str) -> list[Firm]:
    """Firms that were each sent an invoice of 30.00 on 1 November, 1:00; all events are lost."""
    firms = [await stripe.firm(SEND, name=name) for name in names]
    for firm in firms:
        await firm.use("vib", rows=30_000)
    stripe.fake.webhooks.drop(10_000)
    await stripe.story.until(2026, 11, 1, 1)
    await stripe.exchanges()
    return firms


class TestInvoicePolling:
    async def test_each_invoice_is_polled_once_per_hour(self, stripe: StripeStory) -> None:
        await sent(stripe, "A", "B")
        asked: list[int] = []
        for _ in range(8):
            asked.append(await ask(stripe))
            stripe.story.clock.pass_(minutes=20)
        assert asked == [0, 0, 0, 2, 0, 0, 2, 0]
        assert stripe.fake.count(READS) == 2 * 2 + 2 * 1  # plus one read before each was sent

    async def test_only_open_invoices_are_polled(self, stripe: StripeStory) -> None:
        """Of three invoices one is paid by bank and one void: only the third is polled."""
        paid, void, _ = await sent(stripe, "A", "B", "C")
        await paid.pays_all()
        await stripe.story.voids(await stripe.ours(void))
        stripe.story.clock.pass_(hours=1)
        assert await ask(stripe) == 1

    async def test_manually_collected_invoice_is_not_polled(self, stripe: StripeStory) -> None:
        firm = await stripe.story.firm()
        await stripe.invoiced(firm, rows=30_000)
        stripe.story.clock.pass_(days=1)
        assert await ask(stripe) == 0

    async def test_least_recently_polled_invoices_come_first(self, stripe: StripeStory) -> None:
        await sent(stripe, "A", "B", "C")
        stripe.story.clock.pass_(hours=1)
        assert [await ask(stripe, most=2), await ask(stripe, most=2)] == [2, 1]
        rows = await sql(stripe.story.database, "select count(*) as asked from invoice_poll")
        assert rows[0].asked == 3

    async def test_concurrent_workers_poll_each_invoice_once(
        self, stripe: StripeStory, database_url: str
    ) -> None:
        await sent(stripe, "A", "B", "C")
        other = Database(database_url, pool_size=2)
        before = stripe.fake.count(READS)
        stripe.story.clock.pass_(hours=1)
        asked = await asyncio.gather(ask(stripe), ask(stripe, other))
        await other.close()
        assert (sum(asked), stripe.fake.count(READS) - before) == (3, 3)

    async def test_failed_poll_does_not_block_other_invoices(self, stripe: StripeStory) -> None:
        """Stripe fails for the first invoice; the second was paid. The first is polled again after
        an hour."""
        firms = await sent(stripe, "A", "B")
        # Stripe is asked in the order of ids, which two firms billed at once have in either order.
        by_invoice = {(await stripe.ours(firm)).id: firm for firm in firms}
        firm = by_invoice[max(by_invoice)]
        stripe.fake.pay_hosted_invoice(str((await stripe.ours(firm)).external_invoice))
        stripe.story.clock.pass_(hours=1)
        stripe.fake.fail_next(3)
        assert await ask(stripe) == 2
        assert (await stripe.ours(firm)).status == "paid"
        assert await ask(stripe) == 0
        stripe.story.clock.pass_(hours=1)
        assert await ask(stripe) == 1

    async def test_invoice_missing_at_stripe_stays_open(self, stripe: StripeStory) -> None:
        (firm,) = await sent(stripe, "A")
        await sql(stripe.story.database, "update invoice set external_invoice = 'in_nothing'")
        stripe.story.clock.pass_(hours=1)
        assert await ask(stripe) == 1
        assert (await stripe.ours(firm)).status == "open"


class TestMissedMethodEvents:
    async def test_each_method_event_is_stored_once(self, stripe: StripeStory) -> None:
        """One event was delivered, the other was lost and is fetched."""
        first, second = await stripe.firm(CHARGE, name="A"), await stripe.firm(CHARGE, name="B")
        await stripe.leaves_card(first)
        await stripe.fake.webhooks.settled()
        stripe.fake.webhooks.drop(100)
        await stripe.leaves_card(second)
        for _ in range(2):
            await store_missed_events(stripe.story.database, stripe.story.clock, stripe.collector)
        query = "select count(*) as kept from inbox where kind = 'setup_intent.succeeded'"
        rows = await sql(stripe.story.database, query)
        assert rows[0].kept == 2
        await stripe.exchanges()
        defaults = [
            customer["invoice_settings"]["default_payment_method"]
            for customer in stripe.fake.objects("customer")
        ]
        assert all(defaults)

    async def test_events_older_than_one_week_are_not_fetched(self, stripe: StripeStory) -> None:
        stripe.fake.webhooks.drop(100)
        await stripe.leaves_card(await stripe.firm(CHARGE))
        stripe.story.clock.pass_(days=8)
        await store_missed_events(stripe.story.database, stripe.story.clock, stripe.collector)
        assert await sql(stripe.story.database, "select 1 from inbox") == []
