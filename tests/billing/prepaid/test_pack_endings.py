"""Prepaid packs, hand-computed: expiry, refund and revenue.

A pack of 1,000 rows costs 0.80 and 6 % tax: 0.05 (0.848 rounds to 0.85).
"""

import pytest

from billing.ledger.ledger import Book
from billing.prepaid.pack_refunds import PackNotRefundable
from billing.prepaid.pack_revenue import list_recognitions
from billing.reports.revenue import list_revenue_by_month
from billing.tables import AlertTarget
from tests.support.billing.making import sql
from tests.support.stories.pack_story import (
    bought,
    buys,
    funded,
    offers,
    pack_jobs,
    refunds,
    usable,
    uses,
)
from tests.support.stories.story import Story


class TestExpiry:
    async def test_rest_becomes_revenue_once_the_pack_has_expired(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        await uses(firm, "vib", {"rows": {purchase.id: 250}}, rows=250)
        await pack_jobs(story)
        assert await pack_jobs(story) == 1  # nothing to do again
        story.clock.set(2026, 10, 31, 1)
        await pack_jobs(story)
        assert (await bought(firm, purchase)).purchase.state == "expired"
        async with story.database.transaction() as session:
            rows = await list_recognitions(session, firm.account.id, purchase.id)
        assert [(row.reason, row.units, row.minor) for row in rows] == [
            ("used", 250, 20),
            ("expired", 1_000, 60),
        ]
        assert await firm.balance(Book.REVENUE_PACKS) == -80
        async with story.database.transaction() as session:
            since, until = story.clock.at(2026, 10, 1), story.clock.at(2026, 11, 1)
            (month,) = await list_revenue_by_month(session, since, until, story.clock.zone)
        assert (month.usage, month.fees) == (0, 80)
        assert await firm.balance(Book.DEFERRED_REVENUE) == 0
        assert await story.differences() == ()

    async def test_notice_is_sent_once_in_the_week_before(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        await buys(firm)
        address = "https://hooks.example/alerts"
        async with story.database.transaction() as session:
            session.add(
                AlertTarget(
                    account_id=firm.account.id, url=address, secret="x", percentages=[80, 100]
                )
            )
        count = "select count(*) from notification_event where type = 'pack.expiring'"
        story.clock.set(2026, 10, 23, 23)
        await pack_jobs(story)
        assert (await sql(story.database, count))[0][0] == 0
        story.clock.set(2026, 10, 24)
        await pack_jobs(story)
        await pack_jobs(story)
        assert (await sql(story.database, count))[0][0] == 1

    async def test_failure_of_one_pack_stops_no_other(self, story: Story) -> None:
        """The first pack's revenue cannot be posted, as its key was used."""
        firm = await funded(story)
        await offers(story)
        first, second = await buys(firm), await buys(firm, key="p2")
        for purchase in (first, second):
            await uses(firm, "vib", {"rows": {purchase.id: 250}}, rows=250)
        taken = "insert into pack_recognition values (:id, 1, :of, 'used', 0, 0, now())"
        await sql(story.database, taken, id=first.id, of=firm.account.id)
        await sql(story.database, "update pack_recognition set number = 2147483647")
        assert await pack_jobs(story) == 2
        assert await firm.balance(Book.REVENUE_PACKS) == -20


class TestRefund:
    async def test_unused_share_returns_to_the_wallet(self, story: Story) -> None:
        """0.85 x 750 / 1,000 = 0.6375, rounded down to 0.63; 0.22 less its tax is revenue."""
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        await uses(firm, "vib", {"rows": {purchase.id: 250}}, rows=250)
        refund = await refunds(firm, purchase)
        assert refund.note is not None
        assert (refund.note.total, refund.note.net, refund.note.to_wallet) == (63, 59, 63)
        assert (refund.bought.purchase.state, refund.bought.purchase.refunded_units) == (
            "refunded",
            750,
        )
        assert refund.bought.remaining == 0
        assert await firm.wallet() == "9.78"
        assert await firm.balance(Book.DEFERRED_REVENUE) == 0
        assert await firm.balance(Book.REVENUE_PACKS) == -21
        assert await usable(firm) == []
        with pytest.raises(PackNotRefundable, match="refunded"):
            await refunds(firm, purchase)
        assert await story.differences() == ()

    async def test_unused_pack_is_refunded_whole(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm, method="invoice")
        (invoice,) = await firm.invoices()
        await firm.pays(invoice, "0.85")
        refund = await refunds(firm, purchase, to_customer=True)
        assert refund.note is not None
        assert refund.note.refunded == 85
        assert await firm.balance(Book.REVENUE_PACKS) == 0
        assert await story.differences() == ()

    async def test_pack_in_use_is_refused(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        lease = "update quota set leased = 10 where id = :id"
        await sql(story.database, lease, id=purchase.id)
        with pytest.raises(PackNotRefundable, match="reserved by running calls"):
            await refunds(firm, purchase)

    async def test_used_up_pack_has_nothing_to_refund(self, story: Story) -> None:
        firm = await funded(story)
        await offers(story)
        purchase = await buys(firm)
        await uses(firm, "vib", {"rows": {purchase.id: 1_000}}, rows=1_000)
        assert (await refunds(firm, purchase)).note is None
