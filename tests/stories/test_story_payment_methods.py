"""Months paid by Alipay through Stripe, by bank transfer and by Stripe Checkout, computed by hand.

Cards have theirs in test_story_stripe.py, WeChat Pay and Alipay themselves in
tests/billing/collection/payments/test_month.py.
"""

from billing.collection.payments.orders import NewOrder, TopUpLimits, open_order
from billing.ledger.ledger import Book
from billing.tables import PaymentOrder
from infra.settings import Settings
from tests.support.billing.making import sql
from tests.support.paying.bank import BankFile
from tests.support.paying.cards import stores_card
from tests.support.paying.messages import stripe_message
from tests.support.paying.service import CHECKOUT_SECRET, PayingService
from tests.support.stories.story import Firm
from tests.support.stories.stripe_story import CHARGE, SEND


async def books_of(firm: Firm) -> dict[Book, int]:
    """All balances of an account that are not zero."""
    balances = {book: await firm.balance(book) for book in Book}
    assert sum(balances.values()) == 0
    return {book: minor for book, minor in balances.items() if minor}


async def test_sent_invoice_is_paid_by_alipay_and_partly_refunded(
    paying_service: PayingService,
) -> None:
    """October's 100,000 rows at 0.001 are 100.00, with 6 % tax 106.00, paid by Alipay on Stripe's
    page on 5 November. 26.50 are credited and refunded on the 20th: 25.00 and 1.50 tax."""
    service, story = paying_service, paying_service.story
    firm = await story.firm("Alipay 精密", tax_ppm=60_000, collection=SEND, locale="en")
    await firm.billed(email="pay@acme.example")
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    await service.exchanges()
    story.clock.set(2026, 11, 5, 9)
    (invoice,) = service.stripe.objects("invoice")
    assert invoice["payment_settings"]["payment_method_types"] == ["card", "alipay"]
    service.stripe.pay_hosted_invoice(invoice["id"], "alipay")
    event = service.stripe.events("invoice.paid")[-1]
    for _ in range(2):
        message = stripe_message("/stripe/webhook", event, service.stripe_secret)
        assert await service.receives(message) == 200
    await service.exchanges()
    (october,) = await firm.invoices()
    assert (october.status, firm.amounts(october)) == ("paid", ("100.00", "6.00", "106.00"))

    story.clock.set(2026, 11, 20)
    await firm.is_credited(october, "26.50", refund=True)
    await service.exchanges()
    (refund,) = service.stripe.objects("refund")
    assert refund["amount"] == 2_650
    assert await books_of(firm) == {
        Book.CASH: 10_600 - 2_650,
        Book.REVENUE_USAGE: -(10_000 - 2_500),
        Book.TAX: -(600 - 150),
    }
    assert await service.differences() == []


async def test_bank_transfers_pay_in_parts_and_too_much(paying_service: PayingService) -> None:
    """Of 106.00 for October, 100.00 and 10.00 are transferred: 4.00 go to the wallet. November's
    50,000 rows are 50.00, with tax 53.00: 4.00 from the wallet, 49.00 by a transfer that agrees."""
    service, story = paying_service, paying_service.story
    firm = await story.firm("Acme 精密", tax_ppm=60_000)
    await firm.use("vib", rows=100_000)
    await story.until(2026, 11, 1, 1)
    bank = BankFile(service, firm.account.name)
    for minor, owes in ((10_000, "6.00"), (1_000, "0.00")):
        await bank.receives(minor, "MAAS-000001")
        assert await bank.confirms_exact() == 0
        assert {one.check for one in await service.differences()} == {
            "Bank lines that differ from their invoice are decided"
        }
        await bank.confirms_by_hand()
        (october,) = await firm.invoices()
        assert await firm.owes(october) == owes
    assert await firm.wallet() == "4.00"

    story.clock.set(2026, 11, 20)
    await firm.use("vib", rows=50_000)
    await story.until(2026, 12, 1, 1)
    november = (await firm.invoices())[-1]
    assert (firm.amounts(november), await firm.owes(november)) == (
        ("50.00", "3.00", "53.00"),
        "49.00",
    )
    await bank.receives(4_900, "maas 2 货款")
    assert await bank.confirms_exact() == 1
    assert [one.status for one in await firm.invoices()] == ["paid", "paid"]
    assert await books_of(firm) == {
        Book.CASH: 10_000 + 1_000 + 4_900,
        Book.REVENUE_USAGE: -(10_000 + 5_000),
        Book.TAX: -(600 + 300),
    }
    assert await service.differences() == []


async def test_checkout_top_up_pays_a_month_in_advance(paying_service: PayingService) -> None:
    """200.00 paid by card are 188.679245283 before 6 % tax. The month's 50,000 rows are 50.00, with
    tax 53.00, from the wallet: 147.00 are left, 138.679245283 before tax.

    The month is the machine's: orders' numbers contain their time, by which Stripe finds them.
    """
    service, story = paying_service, paying_service.story
    service.goes_to_now()
    firm = await story.firm("Checkout 精密", credit="0", tax_ppm=60_000)
    order = await top_up(service, firm, 20_000)
    (session,) = service.stripe.objects("checkout.session", client_reference_id=order.number)
    service.stripe.complete_checkout(session["id"])
    (session,) = service.stripe.objects("checkout.session", client_reference_id=order.number)
    event = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": session}}
    path = "/collectors/stripe_checkout/notifications"
    for _ in range(2):
        assert await service.receives(stripe_message(path, event, CHECKOUT_SECRET)) == 200
    assert (await firm.wallet(), await firm.credit()) == ("200.00", "188.679245283")
    await firm.use("vib", rows=50_000)
    now = story.clock.now().astimezone(story.clock.zone)
    await story.until(now.year + now.month // 12, now.month % 12 + 1, 1, 1)
    (invoice,) = await firm.invoices()
    assert (invoice.status, firm.amounts(invoice)) == ("paid", ("50.00", "3.00", "53.00"))
    assert (await firm.wallet(), await firm.credit()) == ("147.00", "138.679245283")
    assert await books_of(firm) == {
        Book.CASH: 20_000,
        Book.WALLET: -14_700,
        Book.REVENUE_USAGE: -5_000,
        Book.TAX: -300,
    }
    assert await story.differences() == ()


async def top_up(service: PayingService, firm: Firm, minor: int) -> PaymentOrder:
    """Open a top-up by Stripe Checkout and have its page made."""
    limits = TopUpLimits.from_settings(Settings(), "CNY")
    info = service.checkout.require_provider("stripe_checkout").info
    async with service.database.transaction() as session:
        place = (session, service.story.clock, firm.account.id)
        order = await open_order(*place, NewOrder(info, None, minor), limits)
    return await service.checkout.request_code(firm.account.id, order.id)


async def test_payers_of_cards_and_alipay_are_known_by_their_fingerprints(
    paying_service: PayingService,
) -> None:
    """Checkout's event does not name the card: the worker asks once. A stored card is known before
    it pays; the same card has the same fingerprint."""
    service = paying_service
    service.goes_to_now()
    paying = await service.story.firm("First", credit="0")
    order = await top_up(service, paying, 10_000)
    (session,) = service.stripe.objects("checkout.session")
    service.stripe.complete_checkout(session["id"])
    (session,) = service.stripe.objects("checkout.session", client_reference_id=order.number)
    event = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": session}}
    path = "/collectors/stripe_checkout/notifications"
    assert await service.receives(stripe_message(path, event, CHECKOUT_SECRET)) == 200
    payers = "select account_id, kind from account_payer order by first_paid_at"
    assert await sql(service.database, payers) == []
    assert await service.poller.poll_orders() == 1
    assert await service.poller.poll_orders() == 0
    storing = await service.story.firm("Second", collection=CHARGE)
    await stores_card(service, storing)
    assert [tuple(row) for row in await sql(service.database, payers)] == [
        (paying.account.id, "stripe"),
        (storing.account.id, "stripe"),
    ]
    digests = await sql(service.database, "select distinct digest from account_payer")
    assert len(digests) == 1
