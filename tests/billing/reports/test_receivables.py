"""Receivables: open invoices by age and currency, and overdue invoices."""

from billing.reports.receivables import AgeBucket, list_overdue_invoices, load_receivables_ageing
from tests.support.stories.story import Story


class TestReceivables:
    async def test_open_invoices_are_grouped_by_age_and_currency(self, story: Story) -> None:
        firms = {}
        for name, net_days, rows in (("A", 0, 1_000), ("B", 20, 2_000), ("C", 60, 4_000)):
            firms[name] = await story.firm(name, net_days=net_days)
            await firms[name].use("vib", rows=rows)
        usd = await story.firm("D", "USD", net_days=0)
        await usd.use("vib", rows=500)
        await story.until(2026, 11, 1, 1)
        story.clock.pass_(days=45)
        async with story.database.transaction() as session:
            owed = await load_receivables_ageing(session, story.clock.now())
            late = await list_overdue_invoices(session, story.clock.now(), 10)
            first = await list_overdue_invoices(session, story.clock.now(), 1)
        cny, dollars = owed
        assert cny.ages == (
            AgeBucket(1, 400),
            AgeBucket(1, 200),
            AgeBucket(1, 100),
            AgeBucket(),
            AgeBucket(),
        )
        assert (cny.owed, cny.late) == (700, 300)
        assert dollars.ages[2] == AgeBucket(1, 50)
        shown = [(one.account_name, one.owed, one.days(story.clock.now())) for one in late]
        # Invoices of one night are numbered, and due, in no order of accounts.
        assert sorted(shown[:2]) == [("A", 100, 45), ("D", 50, 45)]
        assert shown[2:] == [("B", 200, 25)]
        (invoice,) = await firms["A"].invoices()
        assert invoice.number in range(1, 5)
        number = f"MAAS-{invoice.number:06}"
        (of_a,) = (one for one in late if one.account_name == "A")
        assert (of_a.number, of_a.reminders, of_a.suspended) == (number, 0, False)
        assert of_a.collection == "manual"
        assert len(first) == 1

    async def test_paid_invoices_are_excluded(self, story: Story) -> None:
        firm = await story.firm(net_days=0)
        await firm.use("vib", rows=1_000)
        await story.until(2026, 11, 1, 1)
        await firm.pays((await firm.invoices())[0], "1.00")
        async with story.database.transaction() as session:
            assert await load_receivables_ageing(session, story.clock.now()) == []
