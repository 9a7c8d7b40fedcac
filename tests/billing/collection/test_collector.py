"""Requests to a collector and handling of its events, with a collector other than Stripe."""

from dataclasses import dataclass

import pytest

from billing.collection.collector import Collector, CollectorEvent
from billing.collection.customers import ensure_customer
from billing.collection.events import OUTCOME_IGNORED, OUTCOME_NOT_OURS, CollectorEventHandler
from billing.collection.hosted_pages import get_payment_page_url, get_setup_page_url
from billing.collection.outbox_handlers import CollectionHandlers
from billing.collection.poller import poll_open_invoices
from billing.outbox import process_due_items
from billing.reconciliation.collector import CollectorComparison, compare_with_collector
from billing.tables import Invoice
from tests.support.billing.making import sql
from tests.support.billing.memory_collector import MemoryCollector
from tests.support.stories.story import Firm, Story


@dataclass
class Collection:
    """A firm whose invoices are collected by the in-memory collector."""

    story: Story
    firm: Firm
    collector: MemoryCollector

    async def invoiced(self, method: str) -> Invoice:
        """Bill 30.00 of usage in October and pass the invoice to the collector."""
        await sql(
            self.story.database,
            "update billing_profile set collection = :text",
            text=f"memory_{method}",
        )
        await self.firm.use("vib", rows=30_000)
        await self.story.until(2026, 11, 1, 1)
        await self.works()
        return await self.ours()

    async def works(self) -> None:
        handlers = CollectionHandlers(self.story.database, self.story.clock, self.collector)
        await process_due_items(self.story.database, self.story.clock, handlers.handlers)

    async def hears(self, **payload: str) -> str:
        events = CollectorEventHandler(self.story.database, self.story.clock, self.collector)
        return await events.handle(CollectorEvent("memory", "evt_1", "changed", payload))

    async def ours(self) -> Invoice:
        return (await self.firm.invoices())[-1]

    def theirs(self) -> tuple[str, int]:
        (invoice,) = self.collector.invoices.values()
        return invoice.status, invoice.remaining


@pytest.fixture
async def collection(story: Story) -> Collection:
    return Collection(story, await story.firm(), MemoryCollector())


def test_memory_collector_implements_collector_protocol() -> None:
    assert isinstance(MemoryCollector(), Collector)


async def test_stored_payment_method_is_charged_for_open_invoice(collection: Collection) -> None:
    """The first charge is declined without a payment method; the stored method pays 30.00."""
    invoice = await collection.invoiced("charge")
    assert (invoice.collector, invoice.external_invoice, invoice.stripe_invoice) == (
        "memory",
        f"i_{invoice.id.hex}",
        None,
    )
    assert collection.theirs() == ("open", 3000)
    customer = next(iter(collection.collector.customers))
    outcome = await collection.hears(customer=customer, method="card")
    assert outcome == "method kept, open invoices are charged"
    await collection.works()
    assert await collection.hears(invoice=invoice.external_invoice or "") == "paid, 3000 paid"
    assert (await collection.ours()).status == "paid"
    assert collection.collector.keys == [
        f"customer:{collection.firm.account.id}",
        f"invoice:{invoice.id}:pay:0",
        "method:evt_1",
        f"invoice:{invoice.id}:pay:evt_1",
    ]


async def test_payment_of_sent_invoice_is_found_by_polling(collection: Collection) -> None:
    invoice = await collection.invoiced("invoice")
    assert collection.collector.keys[-1] == f"invoice:{invoice.id}:send"
    collection.collector.pay(invoice.external_invoice or "")
    collection.story.clock.pass_(hours=2)
    story = collection.story
    events = CollectorEventHandler(story.database, story.clock, collection.collector)
    assert await poll_open_invoices(story.database, story.clock, events) == 1
    assert (await collection.ours()).status == "paid"
    compared = await compare_with_collector(story.database, collection.collector)
    assert compared == CollectorComparison(1, ())


async def test_payment_credit_and_write_off_reach_collector(collection: Collection) -> None:
    """Of 30.00, 10.00 are paid by bank and 5.00 credited; the rest is written off."""
    invoice = await collection.invoiced("invoice")
    await collection.firm.pays(invoice, "10.00", "bank-1")
    await collection.firm.is_credited(invoice, "5.00")
    await collection.works()
    assert collection.theirs() == ("open", 1500)
    await collection.story.gives_up(invoice)
    await collection.works()
    assert collection.theirs() == ("uncollectible", 1500)


@pytest.mark.parametrize(("end", "status"), [("void", "void"), ("pay", "paid")])
async def test_voided_or_paid_invoice_is_closed_at_collector(
    collection: Collection, end: str, status: str
) -> None:
    invoice = await collection.invoiced("invoice")
    if end == "void":
        await collection.story.voids(invoice)
    else:
        await collection.firm.pays(invoice, "30.00")
    await collection.works()
    assert collection.theirs()[0] == status


async def test_payment_and_setup_urls_come_from_collector(collection: Collection) -> None:
    story, account_id = collection.story, collection.firm.account.id
    invoice = await collection.invoiced("invoice")
    url = await get_payment_page_url(
        story.database, collection.collector, account_id, invoice.id, "https://back.example"
    )
    assert url == f"https://memory.example/pay/{invoice.external_invoice}"
    customer = await ensure_customer(story.database, collection.collector, account_id)
    setup = await get_setup_page_url(
        story.database, collection.collector, account_id, "CNY", "https://back.example"
    )
    assert setup == f"https://memory.example/setup/{customer}"


async def test_events_of_unknown_objects_are_ignored(collection: Collection) -> None:
    assert await collection.hears(other="x") == OUTCOME_IGNORED
    assert await collection.hears(customer="c_none", method="card") == OUTCOME_NOT_OURS
