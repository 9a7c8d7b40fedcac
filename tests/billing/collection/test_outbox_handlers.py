"""Outbox items for Stripe: customers, invoices, charges and repeated items.

Failures of Stripe are tested in tests/stories/test_story_stripe_faults.py.
"""

import asyncio

import httpx
import pytest

from billing.accounts.profiles import get_profile, lock_profile
from billing.collection.collector import InvoiceItem
from billing.invoices.collection_items import CollectionAction, enqueue_change
from tests.support.billing.making import sql
from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import CHARGE, SEND, StripeStory


async def last_error(stripe: StripeStory) -> str:
    query = "select last_error from outbox where given_up_at is not null"
    (row,) = await sql(stripe.story.database, query)
    return str(row.last_error)


async def card_firm(stripe: StripeStory) -> Firm:
    firm = await stripe.firm(CHARGE)
    await stripe.leaves_card(firm)
    await stripe.exchanges()
    return firm


async def credit_at_stripe(stripe: StripeStory, balance: int) -> None:
    """Set the customer's balance, as in Stripe's dashboard."""
    (customer,) = stripe.fake.objects("customer")
    async with httpx.AsyncClient(base_url=stripe.fake.url, auth=(stripe.fake.key, "")) as http:
        form = {"balance": str(balance)}
        assert (await http.post(f"/v1/customers/{customer['id']}", data=form)).is_success


class TestStripeCustomer:
    async def test_customer_is_created_once_and_stored(self, stripe: StripeStory) -> None:
        firm = await stripe.firm()
        first = await stripe.customer_of(firm)
        assert await stripe.customer_of(firm) == first
        async with stripe.story.database.transaction() as session:
            assert (await get_profile(session, firm.account.id)).external_customer == first
        (theirs,) = stripe.fake.objects("customer")
        assert (theirs["name"], theirs["email"], theirs["metadata"]) == (
            "Acme 精密",
            "pay@acme.example",
            {"maas_account": firm.account.id.hex},
        )

    async def test_customer_has_billing_name_and_no_empty_email(self, stripe: StripeStory) -> None:
        firm = await stripe.firm()
        await firm.billed(billing_name="Acme 精密机械有限公司", email="")
        await stripe.customer_of(firm)
        (theirs,) = stripe.fake.objects("customer")
        assert (theirs["name"], theirs["email"]) == ("Acme 精密机械有限公司", None)

    async def test_concurrent_requests_create_one_customer(self, stripe: StripeStory) -> None:
        firm = await stripe.firm()
        asked = (stripe.customer_of(firm) for _ in range(3))
        assert len(set(await asyncio.gather(*asked))) == 1
        assert len(stripe.fake.objects("customer")) == 1


class TestInvoiceAmountChecks:
    async def test_stripe_customer_balance_prevents_charge_until_cleared(
        self, stripe: StripeStory
    ) -> None:
        """October's 20.00 are charged. Then 5.00 are credited in Stripe's dashboard, so Stripe
        would collect 25.00 of November's 30.00. The invoice is not collected until the balance is
        zero and the operator retries the item."""
        firm = await card_firm(stripe)
        await stripe.invoiced(firm, rows=20_000)
        await stripe.works()
        await credit_at_stripe(stripe, -500)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        assert (
            await last_error(stripe)
            == "Stripe would collect 2500 of 3000, but the invoice is 3000."
        )
        assert (stripe.fake.objects("invoice")[-1]["status"], stripe.charges()) == ("draft", [2000])
        await credit_at_stripe(stripe, 0)
        november = (await stripe.ours(firm)).id
        await stripe.retries(firm, "collect")
        await stripe.works()
        assert stripe.charges() == [2000, 3000]
        assert ((await stripe.ours(firm)).id, (await stripe.ours(firm)).status) == (
            november,
            "paid",
        )
        assert len(stripe.fake.objects("invoice")) == 2
        assert await stripe.differences() == ()

    async def test_draft_changed_at_stripe_is_not_charged(self, stripe: StripeStory) -> None:
        """A line of 1.00 is added to the draft at Stripe before it is finalised."""
        firm = await card_firm(stripe)
        await stripe.invoiced(firm, rows=30_000)
        stripe.fake.lose_answers(3, "POST /v1/invoices")
        await stripe.worker.sync_collector()
        customer = stripe.fake.objects("customer")[0]["id"]
        ours = (await stripe.ours(firm)).id.hex
        draft = await stripe.payments.find_invoice(customer, ours)
        assert draft is not None
        await stripe.payments.add_line_items("somebody", draft, [InvoiceItem("a gift", 100)])
        await stripe.later(minutes=1)
        assert (
            await last_error(stripe)
            == "Stripe would collect 3100 of 3100, but the invoice is 3000."
        )
        assert (stripe.theirs()["status"], stripe.charges()) == ("draft", [])

    async def test_amount_over_stripe_maximum_is_left_to_manual_payment(
        self, stripe: StripeStory
    ) -> None:
        """Stripe rejects an invoice of 1,000,000.00; it can still be paid by bank."""
        firm = await stripe.firm(SEND, currency="CNY", credit="10000000")
        await stripe.invoiced(firm, rows=1_000_000_000)
        await stripe.works()
        assert (await last_error(stripe)).startswith("amount_too_large")
        invoice = await stripe.ours(firm)
        assert (await firm.pays(invoice, "1000000.00")).status == "paid"
        await stripe.works()
        assert (await stripe.outbox(firm))[-1] == ("mark_paid", "done")
        assert await stripe.story.differences() == ()

    async def test_unsupported_currency_creates_no_stripe_invoice(
        self, stripe: StripeStory
    ) -> None:
        """New profiles reject such a currency; an older profile with it fails here."""
        firm = await stripe.story.firm(currency="KWD")
        await sql(stripe.story.database, "update billing_profile set collection = 'stripe_charge'")
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        assert await last_error(stripe) == (
            "The minor units of KWD at Stripe differ from ISO 4217. Collect the invoice manually."
        )
        assert stripe.fake.objects("invoice") == []


class TestSwitchToManualCollection:
    async def test_switch_before_collection_creates_no_stripe_invoice(
        self, stripe: StripeStory
    ) -> None:
        """The account switches to manual collection while 30.00 are still in the outbox."""
        firm = await card_firm(stripe)
        invoice = await stripe.invoiced(firm, rows=30_000)
        await firm.billed(collection="manual")
        await stripe.works()
        assert stripe.fake.objects("invoice") == []
        assert (await firm.pays(invoice, "30.00")).status == "paid"
        await stripe.works()
        assert {state for _, state in await stripe.outbox(firm)} == {"done"}
        assert await stripe.differences() == ()

    async def test_switch_after_draft_leaves_stripe_draft_uncharged(
        self, stripe: StripeStory
    ) -> None:
        """Stripe's draft stays a draft and is not collected; our invoice is paid by bank."""
        firm = await card_firm(stripe)
        invoice = await stripe.invoiced(firm, rows=30_000)
        stripe.fake.lose_answers(3, "POST /v1/invoices")
        await stripe.worker.sync_collector()
        await firm.billed(collection="manual")
        await stripe.later(minutes=1)
        await firm.pays(invoice, "10.00", "bank-1")
        await firm.pays(invoice, "20.00", "bank-2")
        await stripe.works()
        assert (stripe.theirs()["status"], stripe.charges()) == ("draft", [])
        assert {state for _, state in await stripe.outbox(firm)} == {"done"}

    async def test_switch_after_collection_still_records_stripe_payment(
        self, stripe: StripeStory
    ) -> None:
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await firm.billed(collection="manual")
        stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
        await stripe.works()
        assert (await stripe.ours(firm)).status == "paid"
        assert await stripe.differences() == ()


class TestNothingToCollect:
    async def test_changes_after_failed_collection_create_no_stripe_invoice(
        self, stripe: StripeStory
    ) -> None:
        """Stripe was down for days, so the collect item failed for good. 10.00 of 30.00 are paid by
        bank, 5.00 credited and 15.00 paid by bank. The items succeed without a Stripe invoice."""
        firm = await card_firm(stripe)
        invoice = await stripe.invoiced(firm, rows=30_000)
        stripe.fake.down()
        stripe.story.clock.pass_(days=4)
        await stripe.worker.sync_collector()
        stripe.fake.up()
        await firm.pays(invoice, "10.00", "bank-1")
        await firm.is_credited(invoice, "5.00")
        assert (await firm.pays(invoice, "15.00", "bank-2")).status == "paid"
        await stripe.exchanges()
        assert await stripe.outbox(firm) == [
            ("collect", "given up"),
            ("mark_part_paid", "done"),
            ("credit", "done"),
            ("mark_paid", "done"),
        ]
        assert stripe.fake.objects("invoice") == []

    async def test_changes_of_manual_account_enqueue_no_items(self, stripe: StripeStory) -> None:
        firm = await stripe.story.firm()
        invoice = await stripe.invoiced(firm, rows=30_000)
        await firm.pays(invoice, "10.00", "bank-1")
        await firm.is_credited(invoice, "5.00")
        await firm.pays(invoice, "15.00", "bank-2")
        async with stripe.story.database.transaction() as session:
            await lock_profile(session, firm.account.id)
            await enqueue_change(session, stripe.story.clock, invoice, CollectionAction.VOID)
        assert await stripe.outbox(firm) == []

    async def test_paid_invoice_is_not_sent_again(self, stripe: StripeStory) -> None:
        """The send item runs again after the customer has paid the invoice."""
        firm = await stripe.firm(SEND)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        stripe.fake.pay_hosted_invoice(stripe.theirs()["id"])
        again = "update outbox set done_at = null, due_at = created_at where action = 'send'"
        await sql(stripe.story.database, again)
        await stripe.later(minutes=1)
        assert stripe.fake.count("POST /v1/invoices/{id}/send") == 1
        assert await stripe.outbox(firm) == [("collect", "done"), ("send", "done")]


class TestRetryOfGivenUpCollection:
    @pytest.mark.parametrize("part_paid", ["mark_part_paid", "stripe_part_paid"])
    async def test_retry_after_part_payment_and_credit_charges_what_is_open(
        self, stripe: StripeStory, part_paid: str
    ) -> None:
        """October's 20.00 are charged. The customer's balance at Stripe prevents the collection of
        November's 30.00. 12.00 are paid by bank (an item of this or the previous release) and 5.00
        credited; then the balance is zero and the operator retries."""
        firm = await card_firm(stripe)
        await stripe.invoiced(firm, rows=20_000)
        await stripe.works()
        await credit_at_stripe(stripe, -500)
        invoice = await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await firm.pays(invoice, "12.00")
        await firm.is_credited(invoice, "5.00")
        rename = "update outbox set action = :name where action = 'mark_part_paid'"
        await sql(stripe.story.database, rename, name=part_paid)
        await stripe.works()
        assert (await stripe.outbox(firm))[2:] == [
            ("collect", "given up"),
            (part_paid, "done"),
            ("credit", "done"),
        ]
        await credit_at_stripe(stripe, 0)
        await stripe.retries(firm, "collect")
        await stripe.works()
        assert (await stripe.outbox(firm))[2:] == [
            ("collect", "done"),
            (part_paid, "done"),
            ("credit", "done"),
            ("charge", "done"),
        ]
        assert (stripe.charges(), (await stripe.ours(firm)).status) == ([2000, 1300], "paid")
        assert await firm.wallet() == "0.00"
        assert await stripe.differences() == ()

    async def test_retry_after_full_payment_ends_collection_at_stripe(
        self, stripe: StripeStory
    ) -> None:
        """Stripe finalises 30.00, but its responses are lost until collection is given up. The
        invoice is paid by bank before the operator retries the item."""
        firm = await stripe.firm(SEND)
        invoice = await stripe.invoiced(firm, rows=30_000)
        stripe.fake.webhooks.drop(1000)  # otherwise an event would name the invoice
        stripe.fake.lose_answers(3, "POST /v1/invoices/{id}/finalize")
        stripe.story.clock.pass_(days=4)
        await stripe.worker.sync_collector()
        await firm.pays(invoice, "30.00")
        await stripe.exchanges()
        assert await stripe.outbox(firm) == [("collect", "given up"), ("mark_paid", "done")]
        assert stripe.theirs()["status"] == "open"
        await stripe.retries(firm, "collect")
        await stripe.works()
        assert await stripe.outbox(firm) == [("collect", "done"), ("mark_paid", "done")]
        assert (stripe.theirs()["status"], stripe.charges()) == ("paid", [])
        assert await stripe.differences() == ()


class TestRepeatedItems:
    async def test_repeated_items_have_no_further_effect(self, stripe: StripeStory) -> None:
        """Every item of a month runs a second time, as after a crash."""
        firm = await card_firm(stripe)
        invoice = await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        await firm.is_credited(invoice, "10.00", refund=True)
        await stripe.works()
        again = "update outbox set done_at = null, due_at = created_at"
        await sql(stripe.story.database, again)
        await stripe.later(hours=25)
        assert {state for _, state in await stripe.outbox(firm)} == {"done"}
        assert (len(stripe.fake.objects("invoice")), stripe.charges()) == (1, [3000])
        assert [refund["amount"] for refund in stripe.fake.objects("refund")] == [1000]
        assert await stripe.differences() == ()

    async def test_charge_of_paid_invoice_is_skipped(self, stripe: StripeStory) -> None:
        """A new card and day 1 of dunning enqueue one charge each. The first charge succeeds, the
        second finds no open amount."""
        firm = await stripe.firm(CHARGE)
        await stripe.invoiced(firm, rows=30_000)
        await stripe.works()
        stripe.story.clock.pass_(days=1)
        await stripe.leaves_card(firm)
        await stripe.worker.run_dunning()
        await stripe.exchanges()
        tries = [state for action, state in await stripe.outbox(firm) if action == "charge"]
        assert tries == ["done"] * 3
        assert (stripe.fake.count("POST /v1/invoices/{id}/pay"), stripe.charges()) == (2, [3000])
