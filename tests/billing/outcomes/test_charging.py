"""Charging and crediting: what is too much is withdrawn, credited, or nothing more to do about."""

import pytest

from billing.outcomes.standing import charged_for
from billing.outcomes.terms import AttesterKind
from billing.tables import Outcome
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Story


class Month:
    """October with three failures at 300.00 each, one of them signed off, accepted in November."""

    def __init__(self, of: Contract, outcomes: list[Outcome]) -> None:
        self.of, self.outcomes = of, outcomes

    async def charged(self) -> tuple[int, int, int]:
        """Made, waiting, and in all."""
        (settled,) = (await self.of.settlements())[:1]
        async with self.of.firm.story.database.transaction() as session:
            found = await charged_for(session, settled)
        return len(found.made), sum(one.minor for one in found.waiting), found.total


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
