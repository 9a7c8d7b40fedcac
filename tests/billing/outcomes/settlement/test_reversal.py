"""Outcome reversal: once, within the agreed days, and only of accepted outcomes."""

import pytest

from billing.outcomes.settlement.claims import OutcomeStateInvalid
from billing.outcomes.settlement.read_model import outcome_status
from tests.support.billing.making import sql
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Story


@pytest.fixture
async def spindles(story: Story) -> Contract:
    made = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    return made


async def test_repeated_reversal_creates_one_credit(spindles: Contract) -> None:
    """Invoiced at 300.00 and credited once, however often and by whomever it is reversed."""
    outcome = await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    for at in ((2026, 11, 4), (2026, 11, 14), (2026, 12, 1, 1)):
        await spindles.until(*at)
    first = await spindles.reverses(outcome)
    spindles.firm.story.clock.pass_(hours=1)
    for by in ("customer_system", "sign_off"):
        again = await spindles.reverses(outcome, by)
        assert (again.reversed_at, again.reversal_id) == (first.reversed_at, first.reversal_id)
    credits = await sql(spindles.firm.story.database, "select minor from outcome_credit")
    assert [row.minor for row in credits] == [300_00]
    (note,) = (await spindles.document((await spindles.firm.invoices())[-1])).notes
    assert note.total == 300_00
    assert await spindles.firm.story.differences() == ()


async def test_reversal_of_a_refused_outcome_is_rejected(spindles: Contract) -> None:
    """The claim is refused because no call names the machine."""
    refused = await spindles.claims("W-1", "M1", 2026, 10, 11, 12)
    assert outcome_status(refused) == "refused"
    with pytest.raises(OutcomeStateInvalid, match="cannot be reversed"):
        await spindles.reverses(refused)


async def test_reversal_after_the_agreed_days_is_rejected(spindles: Contract) -> None:
    """90 days after noon of 11 October end at noon of 9 January."""
    outcome = await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    spindles.firm.story.clock.set(2027, 1, 10)
    with pytest.raises(OutcomeStateInvalid, match="within 90 days"):
        await spindles.reverses(outcome)
