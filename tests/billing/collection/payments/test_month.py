"""A month paid by WeChat Pay and by Alipay, with hand-computed figures.

The other methods have theirs in tests/stories/test_story_payment_methods.py.
"""

from billing.ledger.ledger import Book
from tests.support.stories.payment_story import METHODS, PaymentStory


async def test_month_by_hand_computed_figures(
    paying: PaymentStory,
) -> None:
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
