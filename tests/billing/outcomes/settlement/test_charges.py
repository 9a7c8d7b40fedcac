"""Settlement charges: reversals change pending charges or are credited on invoices."""

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
        """Number of charges, pending amount and total amount."""
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


async def test_reversal_before_invoicing_replaces_the_pending_charge(story: Story) -> None:
    """Reversed before any invoice: a charge of 300.00 replaces the customer system's 600.00."""
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


async def test_reversal_within_grace_lowers_the_draft_invoice(story: Story) -> None:
    """The draft of 1 December has 900.00; after a reversal in its grace period it has 600.00."""
    month = await month_of(story)
    await month.of.until(2026, 12, 1, 0, 30)
    draft = (await month.of.firm.invoices())[-1]
    assert (draft.status, draft.total) == ("draft", 900_00)
    await month.of.reverses(month.outcomes[0])
    await month.of.until(2026, 12, 1, 1)
    november = (await month.of.firm.invoices())[-1]
    assert (november.status, november.total) == ("open", 600_00)
    assert await story.differences() == ()


async def test_no_invoice_is_created_when_all_outcomes_are_reversed(story: Story) -> None:
    month = await month_of(story)
    for outcome in month.outcomes:
        await month.of.reverses(outcome)
    assert (await month.charged())[1:] == (0, 0)
    await month.of.until(2026, 12, 1, 1)
    assert len(await month.of.firm.invoices()) == 1


async def test_credit_notes_of_all_outcomes_sum_to_the_invoice_with_tax(story: Story) -> None:
    """900.00 with 6.3333 % tax are 956.9997, rounded to 957.00.

    The tax on 300.00 is 18.9999, rounded to 19.00; on 600.00 37.9998, to 38.00; on 900.00 57.00.
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
async def test_reversal_after_void_or_write_off_creates_no_credit_note(
    story: Story, end: str
) -> None:
    """Nothing is left to credit on the invoice: this is recorded, and nothing is charged again."""
    month = await month_of(story)
    await month.of.until(2026, 12, 1, 1)
    november = (await month.of.firm.invoices())[-1]
    await getattr(story, end)(november)
    await month.of.reverses(month.outcomes[0])
    assert await month.charged() == (2, 0, 600_00)
    assert (await month.of.document(november)).notes == ()
    assert await story.differences() == ()


async def test_credit_notes_never_exceed_the_uncredited_amount(story: Story) -> None:
    """The operator has credited 700.00 of 900.00 manually. Of the next 300.00 only 200.00 can be
    credited, then nothing."""
    month = await month_of(story)
    await month.of.until(2026, 12, 1, 1)
    november = (await month.of.firm.invoices())[-1]
    await month.of.firm.is_credited(november, "700.00")
    for outcome in month.outcomes:
        await month.of.reverses(outcome)
    notes = (await month.of.document(november)).notes
    assert [note.total for note in notes] == [700_00, 200_00]
    assert await story.differences() == ()


async def test_amount_beyond_the_floor_is_divided_between_attesters(story: Story) -> None:
    """The system attests 300.00 and a sign-off 300.00; the former is disputed, and the floor of
    400.00 adds 100.00. The operator wins, so 600.00 are owed: the missing 200.00 are divided
    between the attesters in proportion to the price."""
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


async def test_newest_invoice_with_an_uncredited_amount_is_credited_first(story: Story) -> None:
    """W-1 is on the invoice of November; W-2, disputed until 19 December, on that of December. The
    first reversal is credited on December's invoice, the second on November's."""
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
    """(attester kind, amount) of each charge of the only settlement."""
    (settled,) = await of.settlements()
    async with of.firm.story.database.transaction() as session:
        found = await load_settlement_charges(session, settled)
    return sorted((one.attested_by, one.minor) for one in found.all_charges)
