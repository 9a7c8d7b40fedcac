"""Charging and crediting: what is too much is withdrawn, credited, or nothing more to do about."""

from dataclasses import replace

import pytest

from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.settlement.amounts import load_settlement_charges
from billing.tables import Outcome
from tests.support.stories.outcome_story import DEADLINES, Contract, contract
from tests.support.stories.story import Story


class Month:
    """October with three failures at 300.00 each, one of them signed off, accepted in November."""

    def __init__(self, of: Contract, outcomes: list[Outcome]) -> None:
        self.of, self.outcomes = of, outcomes

    async def charged(self) -> tuple[int, int, int]:
        """Made, waiting, and in all."""
        (settled,) = (await self.of.settlements())[:1]
        async with self.of.firm.story.database.transaction() as session:
            found = await load_settlement_charges(session, settled)
        return len(found.all_charges), sum(one.minor for one in found.pending), found.total


async def month_of(story: Story, **profile: int) -> Month:
    of = await contract(await story.firm(**profile))
    story.clock.set(2026, 10, 20)
    outcomes = [
        await of.is_confirmed(f"W-{day}", f"M{day}", 2026, 10, 10 + day, 12) for day in (1, 2)
    ]
    await of.use("M3", 2026, 10, 13, 6)
    signed = await of.claims("W-3", "M3", 2026, 10, 13, 12)
    outcomes.append(await of.confirms(signed, AttesterKind.SIGN_OFF))
    await of.until(2026, 11, 4)
    await of.until(2026, 11, 14)
    return Month(of, outcomes)


async def test_what_waits_gives_way(story: Story) -> None:
    """Reversed before any invoice: one charge of 300.00 takes the place of the system's 600.00."""
    month = await month_of(story)
    assert await month.charged() == (2, 900_00, 900_00)
    await month.of.reverses(month.outcomes[0])
    assert await month.charged() == (4, 600_00, 600_00)
    await month.of.until(2026, 12, 1, 1)
    _, november = await month.of.firm.invoices()
    assert await month.of.outcome_lines(november) == [
        ("customer_system", "1", "300.00"),
        ("sign_off", "1", "300.00"),
    ]
    assert (await month.of.document(november)).notes == ()
    assert await story.differences() == ()


async def test_a_draft_changes_still(story: Story) -> None:
    """The draft of 1 December has 900.00; one is reversed within its grace: it has 600.00."""
    month = await month_of(story)
    await month.of.until(2026, 12, 1, 0, 30)
    draft = (await month.of.firm.invoices())[-1]
    assert (draft.status, draft.total) == ("draft", 900_00)
    await month.of.reverses(month.outcomes[0])
    await month.of.until(2026, 12, 1, 1)
    november = (await month.of.firm.invoices())[-1]
    assert (november.status, november.total) == ("open", 600_00)
    assert await story.differences() == ()


async def test_all_reversed_before_the_invoice(story: Story) -> None:
    month = await month_of(story)
    for outcome in month.outcomes:
        await month.of.reverses(outcome)
    assert (await month.charged())[1:] == (0, 0)
    await month.of.until(2026, 12, 1, 1)
    assert len(await month.of.firm.invoices()) == 1


async def test_the_whole_tax_is_credited_in_parts(story: Story) -> None:
    """900.00 with 6.3333 % of tax are 57.00 (56.9997): 956.99 or 957.00? 956.9997 is 957.00.

    Each 300.00 alone is 18.9999, 19.00; two together 37.9998, 38.00; three 57.00.
    """
    month = await month_of(story, tax_ppm=63_333)
    await month.of.until(2026, 12, 1, 1)
    november = (await month.of.firm.invoices())[-1]
    assert november.total == 957_00
    for outcome in month.outcomes:
        await month.of.reverses(outcome)
    document = await month.of.document(november)
    assert sum(note.total for note in document.notes) == 957_00
    assert await month.of.firm.owes(november) == "0.00"
    assert await story.differences() == ()


@pytest.mark.parametrize("end", ["voids", "gives_up"])
async def test_an_invoice_of_which_nothing_is_owed(story: Story, end: str) -> None:
    """Nothing can be credited any more: that is recorded, and nothing is charged again."""
    month = await month_of(story)
    await month.of.until(2026, 12, 1, 1)
    november = (await month.of.firm.invoices())[-1]
    await getattr(story, end)(november)
    await month.of.reverses(month.outcomes[0])
    assert await month.charged() == (2, 0, 600_00)
    assert (await month.of.document(november)).notes == ()
    assert await story.differences() == ()


async def test_never_more_than_is_left(story: Story) -> None:
    """The operator has credited 700.00 of 900.00 by hand: of the next 300.00 only 200.00 are left,
    of those after it nothing."""
    month = await month_of(story)
    await month.of.until(2026, 12, 1, 1)
    november = (await month.of.firm.invoices())[-1]
    await month.of.firm.is_credited(november, "700.00")
    for outcome in month.outcomes:
        await month.of.reverses(outcome)
    notes = (await month.of.document(november)).notes
    assert [note.total for note in notes] == [700_00, 200_00]
    assert await story.differences() == ()


async def test_what_a_floor_stood_for_is_divided_by_who_attested(story: Story) -> None:
    """Of 300.00 by the system and 300.00 signed off the former is disputed: the floor of 400.00
    makes 100.00 up. The operator wins, so 600.00 are owed: the missing 200.00 are no attester's
    alone, and are divided as the price is."""
    of = await contract(await story.firm(), floor=400_00)
    story.clock.set(2026, 10, 20)
    disputed = await of.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    await of.use("M2", 2026, 10, 12, 6)
    signed = await of.claims("W-2", "M2", 2026, 10, 12, 12)
    await of.confirms(signed, AttesterKind.SIGN_OFF)
    await of.until(2026, 11, 4)
    story.clock.set(2026, 11, 13)
    (settled,) = await of.settlements()
    dispute = await of.disputes(settled, disputed)
    await of.until(2026, 11, 14)
    assert await made(of) == [("floor", 100_00), ("sign_off", 300_00)]
    await of.gives_in(dispute, "customer")
    assert await made(of) == [
        ("customer_system", 100_00),
        ("floor", 100_00),
        ("sign_off", 100_00),
        ("sign_off", 300_00),
    ]
    await of.until(2026, 12, 1, 1)
    assert (await of.firm.invoices())[-1].total == 600_00
    assert await story.differences() == ()


async def test_of_two_invoices_the_newest_that_has_anything_left_is_credited(story: Story) -> None:
    """W-1 is on the invoice of November; W-2, disputed until 19 December, on that of December.
    The first to be reversed is credited off December's, the second off November's."""
    deadlines = replace(DEADLINES, answer_days=20)
    of = await contract(await story.firm(), deadlines=deadlines)
    story.clock.set(2026, 10, 20)
    first, second = [
        await of.is_confirmed(f"W-{day}", f"M{day}", 2026, 10, 10 + day, 12) for day in (1, 2)
    ]
    await of.until(2026, 11, 4)
    story.clock.set(2026, 11, 13)
    (settled,) = await of.settlements()
    dispute = await of.disputes(settled, second)
    await of.until(2026, 11, 14)
    story.clock.set(2026, 11, 29)
    await of.answers(dispute)
    for at in ((2026, 12, 1, 1), (2026, 12, 19), (2027, 1, 1, 1)):
        await of.until(*at)
    charged = [one for one in await of.firm.invoices() if one.total]
    assert [one.total for one in charged] == [300_00, 300_00]
    for outcome, notes in ((first, [[], [300_00]]), (second, [[300_00], [300_00]])):
        await of.reverses(outcome)
        credited = [[note.total for note in (await of.document(one)).notes] for one in charged]
        assert credited == notes
    assert [await of.firm.owes(one) for one in charged] == ["0.00", "0.00"]
    assert await story.differences() == ()


async def made(of: Contract) -> list[tuple[str, int]]:
    """(who attested, amount) of the charges of the one settlement."""
    (settled,) = await of.settlements()
    async with of.firm.story.database.transaction() as session:
        found = await load_settlement_charges(session, settled)
    return sorted((one.attested_by, one.minor) for one in found.all_charges)
