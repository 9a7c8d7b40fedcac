"""Stripe events that are duplicate, out of order, early, missing, or of foreign objects."""

from typing import Any

from sqlalchemy import text

from billing.collection.collector import InvoiceItem
from billing.collection.events import OUTCOME_NOT_OURS
from tests.stories.collection import FINALISE, figures, is_collected_once
from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import CHARGE, SEND, StripeStory

READS = "GET /v1/invoices/{id}"


async def outcomes(stripe: StripeStory, kind: str) -> list[str]:
    """The outcomes of all inbox events of a kind."""
    query = "select outcome from inbox where kind = :kind order by received_at, id"
    async with stripe.story.database.transaction() as session:
        return list((await session.execute(text(query), {"kind": kind})).scalars())


async def sent(stripe: StripeStory, **profile: Any) -> Firm:
    """An account with a sent invoice of 30.00."""
    firm = await stripe.firm(SEND, **profile)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    return firm


async def test_duplicate_events_are_stored_and_handled_once(stripe: StripeStory) -> None:
    """A card is saved and charged 30.00, once, and each event is stored once."""
    stripe.fake.webhooks.twice = True
    firm = await stripe.firm(CHARGE)
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    await is_collected_once(stripe, firm)
    arrived = [attempt for attempt in stripe.fake.webhooks.attempts if attempt.status == 200]
    assert len(arrived) == 2 * len(stripe.fake.events())
    assert await outcomes(stripe, "invoice.paid") == ["paid, 3000 paid"]


async def test_late_events_in_reverse_order_mark_the_invoice_paid_once(stripe: StripeStory) -> None:
    """All events of a paid invoice are delayed by two hours and arrive in reverse order."""
    firm = await stripe.firm(CHARGE)
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    stripe.fake.webhooks.hold()
    await stripe.invoiced(firm, rows=30_000)
    await stripe.worker.sync_collector()
    assert ((await stripe.ours(firm)).status, stripe.theirs()["status"]) == ("open", "paid")
    stripe.fake.webhooks.release(reverse=True)
    await stripe.later(hours=2)
    await is_collected_once(stripe, firm)


async def test_latest_card_is_charged_when_card_events_arrive_in_reverse(
    stripe: StripeStory,
) -> None:
    """First a card that declines is saved, then one that pays, and their events arrive in reverse:
    30.00 are charged to the second card, and the first is never tried."""
    firm = await stripe.firm(CHARGE)
    stripe.fake.webhooks.hold()
    await stripe.leaves_card(firm, "pm_card_chargeCustomerFail")
    stripe.story.clock.pass_(minutes=5)
    await stripe.leaves_card(firm, "pm_card_visa")
    stripe.fake.webhooks.release(reverse=True)
    await stripe.exchanges()
    await stripe.invoiced(firm, rows=30_000)
    await stripe.works()
    assert stripe.charges("failed") == []
    await is_collected_once(stripe, firm)


async def test_payment_without_events_is_found_by_hourly_polling(stripe: StripeStory) -> None:
    """The account pays 30.00 on the page, and Stripe's events are lost. Starting one hour after
    finalization, the invoice is read from Stripe once per hour until it is paid."""
    firm = await stripe.firm(SEND)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.exchanges()
    asked = stripe.fake.count(READS)
    await stripe.later(minutes=59)
    assert stripe.fake.count(READS) == asked
    await stripe.later(minutes=1)
    assert stripe.fake.count(READS) == asked + 1
    stripe.fake.webhooks.drop(1000)
    stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
    await stripe.later(minutes=59)
    assert (stripe.fake.count(READS), (await stripe.ours(firm)).status) == (asked + 1, "open")
    await stripe.later(minutes=1)
    assert (stripe.fake.count(READS), (await stripe.ours(firm)).status) == (asked + 2, "paid")
    await stripe.later(hours=5)
    assert stripe.fake.count(READS) == asked + 2
    await is_collected_once(stripe, firm)


async def test_card_without_events_is_found_in_the_stripe_event_list(stripe: StripeStory) -> None:
    """The card is found in Stripe's list of events, and 30.00 are charged to it."""
    firm = await stripe.firm(CHARGE)
    stripe.fake.webhooks.drop(1000)
    await stripe.leaves_card(firm)
    await stripe.later(minutes=5)
    await stripe.invoiced(firm, rows=30_000)
    await stripe.exchanges()
    assert stripe.charges() == [3000]
    await stripe.later(hours=1)
    await is_collected_once(stripe, firm)


async def test_payment_event_before_the_stripe_id_is_stored_marks_the_invoice_paid(
    stripe: StripeStory,
) -> None:
    """Stripe finalizes the invoice and its response is lost, so its id is not stored when it is
    paid: the event has our invoice id in its metadata and the account's Stripe customer."""
    firm = await stripe.firm(SEND)
    invoice = await stripe.invoiced(firm, rows=30_000)
    stripe.fake.webhooks.hold()
    stripe.fake.lose_answers(3, FINALISE)
    await stripe.worker.sync_collector()
    assert (await stripe.ours(firm)).external_invoice is None
    stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
    stripe.fake.webhooks.release(reverse=True)
    await stripe.exchanges()
    ours = await stripe.ours(firm)
    assert (ours.status, ours.external_invoice) == ("paid", stripe.theirs()["id"])
    await firm.is_credited(invoice, "10.00", refund=True)
    await stripe.later(minutes=1)
    assert [refund["amount"] for refund in stripe.fake.objects("refund")] == [1000]
    assert await stripe.outbox(firm) == [("collect", "done"), ("credit", "done")]
    assert await stripe.differences() == ()


async def test_draft_known_only_from_its_event_is_completed_with_our_lines(
    stripe: StripeStory,
) -> None:
    """The response that created the draft is lost, and its creation event arrives: our lines are
    added to that draft."""
    firm = await stripe.firm(SEND)
    await stripe.invoiced(firm, rows=30_000)
    stripe.fake.lose_answers(3, "POST /v1/invoices")
    await stripe.worker.sync_collector()
    await stripe.exchanges()
    assert (await stripe.ours(firm)).external_invoice == stripe.theirs()["id"]
    await stripe.later(minutes=1)
    stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
    await stripe.works()
    await is_collected_once(stripe, firm)


async def test_event_of_a_foreign_invoice_is_ignored(stripe: StripeStory) -> None:
    """An invoice of 99.00, created for the account in Stripe's dashboard, is paid."""
    firm = await sent(stripe)
    before = await figures(firm)
    customer = stripe.fake.objects("customer")[0]["id"]
    theirs = await foreign(stripe, customer, "nothing of ours")
    stripe.fake.pay_hosted_invoice(theirs)
    await stripe.works()
    assert await outcomes(stripe, "invoice.paid") == [OUTCOME_NOT_OURS]
    assert ((await stripe.ours(firm)).status, await figures(firm)) == ("open", before)
    assert await firm.wallet() == "0.00"
    assert await stripe.differences() == ()


async def test_event_of_a_copied_invoice_with_our_metadata_is_ignored(stripe: StripeStory) -> None:
    """The dashboard copies our invoice with its metadata, as 99.00, and the copy is paid: our 30.00
    stay open and are paid by their own invoice."""
    firm = await sent(stripe)
    ours = await stripe.ours(firm)
    customer = stripe.fake.objects("customer")[0]["id"]
    stripe.fake.pay_hosted_invoice(await foreign(stripe, customer, ours.id.hex))
    await stripe.works()
    assert await outcomes(stripe, "invoice.paid") == [OUTCOME_NOT_OURS]
    assert (await stripe.ours(firm)).status == "open"
    stripe.fake.pay_hosted_invoice(ours.external_invoice or "")
    await stripe.works()
    assert ((await stripe.ours(firm)).status, await firm.wallet()) == ("paid", "0.00")
    assert stripe.charges() == [9900, 3000]
    assert await stripe.differences() == ()


async def test_invoice_of_another_customer_or_currency_with_our_metadata_is_ignored(
    stripe: StripeStory,
) -> None:
    """Our invoice is collected manually, so it is not at Stripe, but two invoices there have its id
    in their metadata. Neither marks it paid: one has another customer, one another currency."""
    firm = await stripe.firm(CHARGE)
    customer = await stripe.customer_of(firm)
    stranger = await stripe.payments.create_customer("stranger", "0" * 32, "Other", "")
    await firm.billed(collection="manual")
    ours = await stripe.invoiced(firm, rows=30_000)
    stripe.fake.pay_hosted_invoice(await foreign(stripe, stranger, ours.id.hex))
    stripe.fake.pay_hosted_invoice(await foreign(stripe, customer, ours.id.hex, "USD"))
    await stripe.works()
    assert await outcomes(stripe, "invoice.paid") == [OUTCOME_NOT_OURS, OUTCOME_NOT_OURS]
    assert ((await stripe.ours(firm)).status, await firm.wallet()) == ("open", "0.00")
    assert (await firm.pays(ours, "30.00")).status == "paid"
    assert await stripe.differences() == ()


async def test_card_event_of_a_foreign_customer_is_ignored(stripe: StripeStory) -> None:
    """The card event and the event of an unfinished setup are ignored."""
    stranger = await stripe.payments.create_customer("stranger", "0" * 32, "Other", "")
    pages = "https://other.example/done", "https://other.example/back"
    await stripe.payments.create_setup_page("page", stranger, "CNY", *pages)
    stripe.fake.complete_checkout(stripe.fake.objects("checkout.session")[0]["id"])
    await stripe.exchanges()
    assert await outcomes(stripe, "setup_intent.succeeded") == [OUTCOME_NOT_OURS]
    (customer,) = stripe.fake.objects("customer")
    assert customer["invoice_settings"]["default_payment_method"] is None


async def test_invoice_voided_in_the_stripe_dashboard_stays_open_here(stripe: StripeStory) -> None:
    """Our invoice is voided in Stripe's dashboard. Without a payment 30.00 stay due, and are paid
    by bank."""
    firm = await sent(stripe)
    ours = await stripe.ours(firm)
    await stripe.payments.void_invoice("dashboard", ours.external_invoice or "")
    await stripe.works()
    assert (await outcomes(stripe, "invoice.voided"))[-1] == "void, 0 paid"
    assert ((await stripe.ours(firm)).status, await firm.owes(ours)) == ("open", "30.00")
    assert (await firm.pays(ours, "30.00")).status == "paid"
    await stripe.works()
    assert (stripe.theirs()["status"], stripe.charges()) == ("void", [])
    assert await stripe.differences() == ()


async def foreign(stripe: StripeStory, customer: str, ours: str, currency: str = "CNY") -> str:
    """Create and finalize an invoice of 99.00 at Stripe without our outbox."""
    key = f"foreign:{len(stripe.fake.objects('invoice'))}"
    place = (f"{key}:make", customer, ours, key)
    made = await stripe.payments.create_invoice(*place, currency, 30)
    charge = [InvoiceItem("something else", 9900)]
    await stripe.payments.add_line_items(f"{key}:lines", made, charge)
    await stripe.payments.finalize_invoice(f"{key}:final", made.id)
    return made.id
