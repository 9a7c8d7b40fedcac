"""Notifications of both methods, duplicated, reordered, forged and lost: each payment is credited
once, the ledger sums to zero, and reconciliation finds every planted difference."""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from billing.collection.collector import InvalidNotification
from billing.ledger.ledger import Book
from billing.tables import PaymentOrder
from tests.support.billing.making import sql
from tests.support.nightly import at_length
from tests.support.stories.payment_story import METHODS, PaymentStory
from tests.support.stories.story import Firm

NOTIFICATIONS = at_length(1000, 200)
# Of each ten payments: one is lost, one is of another amount; each other one is notified thrice.
_LOST, _WRONG, _COPIES = 0, 1, 3
Message = tuple[str, tuple[bytes, dict[str, str]]]


@dataclass
class Plan:
    """The orders by what happens to them, and the notifications to deliver."""

    paid: list[PaymentOrder] = field(default_factory=list)
    lost: list[PaymentOrder] = field(default_factory=list)
    wrong: list[PaymentOrder] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    forged: list[Message] = field(default_factory=list)


def forged(dice: random.Random, method: str, message: tuple[bytes, dict[str, str]]) -> Message:
    """The notification with another content, or another signature."""
    body, headers = message
    if method == "alipay":
        return method, (body.replace(b"total_amount=", b"total_amount=9"), headers)
    if dice.random() < 0.5:
        return method, (body.replace(b"ciphertext", b"ciphertexd"), headers)
    return method, (body, {**headers, "wechatpay-signature": "c2lnbmF0dXJl"})


async def planned(paying: PaymentStory, firms: list[Firm], dice: random.Random) -> Plan:
    """Orders of 1.00 to 3.00 that customers pay, and their notifications in any order."""
    plan = Plan()
    for number in range(NOTIFICATIONS // 4):
        method = METHODS[number % 2]
        firm, stand_in = firms[number % len(firms)], paying.stand_in(method)
        order = await paying.opens(firm, method, amount=f"{1 + number % 3}.00")
        order = await paying.checkout.request_code(firm.account.id, order.id)
        fate = number // 2 % 10
        stand_in.pays(order.number, order.minor + 1 if fate == _WRONG else None)
        message = stand_in.payment_notification(order.number)
        plan.forged.append(forged(dice, method, message))
        if fate == _LOST:
            plan.lost.append(order)
            continue
        (plan.wrong if fate == _WRONG else plan.paid).append(order)
        plan.messages += [(method, message)] * _COPIES
        # Orders are paid as they come; an account has few that wait.
        if len(plan.messages) % 24 == 0:
            await deliver(paying, plan, dice)
    return plan


async def deliver(paying: PaymentStory, plan: Plan, dice: random.Random) -> Counter[str]:
    """Deliver all notifications in any order, forged ones among them; returns what they came to."""
    everything = [*plan.messages, *plan.forged]
    dice.shuffle(everything)
    outcomes: Counter[str] = Counter()
    for message in everything:
        try:
            outcomes[await paying.receives(*message)] += 1
        except InvalidNotification:
            outcomes["forged"] += 1
    plan.messages, plan.forged = [], []
    return outcomes


@pytest.fixture
async def plan(paying: PaymentStory) -> Plan:
    dice = random.Random(32)
    firms = [await paying.story.firm(f"Firm {number}") for number in range(NOTIFICATIONS // 50 + 3)]
    plan = await planned(paying, firms, dice)
    await deliver(paying, plan, dice)
    return plan


async def test_each_payment_is_credited_once_and_planted_differences_are_found(
    paying: PaymentStory, plan: Plan
) -> None:
    before = await paying.compared()
    assert {one.subject.partition("_")[2] for one in before} == {
        order.id.hex for order in (*plan.lost, *plan.wrong)
    }
    await paying.polls(minutes=1)
    credited = sum(order.minor for order in (*plan.paid, *plan.lost))
    cash = await sql(paying.database, "select sum(minor) from ledger_posting where book = 'cash'")
    assert (cash[0][0], len(plan.paid) + len(plan.lost) + len(plan.wrong)) == (
        credited,
        NOTIFICATIONS // 4,
    )
    states = await sql(
        paying.database, "select state, count(*) from payment_order group by 1 order by 1"
    )
    assert [tuple(row) for row in states] == [
        ("failed", len(plan.wrong)),
        ("paid", len(plan.paid) + len(plan.lost)),
    ]
    grants = await sql(paying.database, "select count(*), sum(minor) from wallet_grant")
    assert tuple(grants[0]) == (len(plan.paid) + len(plan.lost), credited)
    total = await sql(paying.database, "select sum(minor) from ledger_posting")
    assert total[0][0] == 0
    kinds = Counter((kind, minor) for kind, minor, _ in await paying.discrepancies())
    assert kinds == Counter(("amount", order.minor + 1) for order in plan.wrong)
    assert {one.check for one in await paying.story.differences()} == {
        "Payment discrepancies are resolved"
    }
    assert len(await paying.compared()) == len(plan.wrong)


async def test_month_of_both_methods_by_hand_computed_figures(paying: PaymentStory) -> None:
    """October's 100,000 rows at 0.001 are 100.00, with 6 % tax 106.00. November's 50,000 rows are
    50.00, with tax 53.00, paid by a top-up of 200.00, which is 188.68 before tax. 100.00 of it and
    26.50 of the invoice, which are 25.00 and 1.50 tax, are refunded."""
    story = paying.story
    for method in METHODS:
        story.clock.set(2026, 10, 1)
        firm = await story.firm(f"Paying by {method}", tax_ppm=60_000)
        await firm.use("vib", rows=100_000)
        await story.until(2026, 11, 1, 1)
        (october,) = await firm.invoices()
        assert firm.amounts(october) == ("100.00", "6.00", "106.00")

        story.clock.set(2026, 11, 2, 10)
        order = await paying.orders(firm, method, october)
        story.clock.set(2026, 11, 2, 10, 5)
        await paying.is_paid(order)
        assert [one.status for one in await firm.invoices()] == ["paid"]

        story.clock.set(2026, 11, 5, 9)
        top_up = await paying.orders(firm, method, amount="200.00")
        await paying.is_paid(top_up)
        assert (await firm.wallet(), await firm.credit()) == ("200.00", "1188.679245283")
        await firm.use("vib", rows=50_000)
        await story.until(2026, 12, 1, 1)
        assert [one.status for one in await firm.invoices()] == ["paid", "paid"]
        assert await firm.wallet() == "147.00"

        story.clock.set(2026, 12, 2, 9)
        await paying.refunds(top_up, 10_000, "top-up")
        await paying.refunds(order, 2650, "invoice")
        await paying.polls()
        assert await firm.wallet() == "47.00"
        books = {book: await firm.balance(book) for book in Book}
        assert {book: minor for book, minor in books.items() if minor} == {
            Book.CASH: 10_600 + 20_000 - 10_000 - 2_650,
            Book.WALLET: -4_700,
            Book.REVENUE_USAGE: -(10_000 + 5_000 - 2_500),
            Book.TAX: -(600 + 300 - 150),
        }
        assert sum(books.values()) == 0
    assert await story.differences() == ()
    assert await paying.compared() == ()
