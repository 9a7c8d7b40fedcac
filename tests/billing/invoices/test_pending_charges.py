"""Outcome charges on invoices, drafts and previews."""

from billing.invoice_documents.builder import build_invoice_preview
from billing.rating.statement import LineKind
from tests.support.stories.outcome_story import Contract, contract
from tests.support.stories.story import Story


async def accepted(story: Story) -> Contract:
    """October's one failure, 300.00, accepted on 14 November."""
    spindles = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    await spindles.until(2026, 11, 4)
    await spindles.until(2026, 11, 14)
    return spindles


async def previewed(of: Contract) -> list[int]:
    story = of.firm.story
    async with story.database.transaction() as session:
        document = await build_invoice_preview(session, story.clock, of.firm.account.id)
    return [one.line.minor for one in document.lines if one.line.kind is LineKind.OUTCOME]


async def test_preview_shows_outcome_charge_until_it_is_invoiced(story: Story) -> None:
    spindles = await accepted(story)
    assert await previewed(spindles) == [300_00]
    await spindles.until(2026, 12, 1, 1)
    assert (await spindles.firm.invoices())[-1].total == 300_00
    assert await previewed(spindles) == []


async def test_outcome_charge_of_draft_is_absent_from_next_preview(story: Story) -> None:
    """On 1 December the period of November is still open, with and without a draft."""
    spindles = await accepted(story)
    story.clock.set(2026, 12, 1, 0, 30)
    await story.counts()
    assert await previewed(spindles) == []
    await spindles.until(2026, 12, 1, 0, 31)
    assert await previewed(spindles) == []


async def test_outcome_charge_does_not_reduce_available_credit(story: Story) -> None:
    """Only calls count toward the credit limit: 300.00 for an outcome leave 1,000.00."""
    spindles = await accepted(story)
    await spindles.until(2026, 12, 1, 1)
    assert (await spindles.firm.invoices())[-1].usage == 0
    assert await spindles.firm.credit() == "1000"


async def test_disputable_outcome_charge_is_billed_on_later_invoice(story: Story) -> None:
    """A settlement of 25 November can be disputed until 5 December: it is billed in December."""
    spindles = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await spindles.is_confirmed("W-1", "M1", 2026, 10, 11, 12)
    for at in ((2026, 11, 25), (2026, 12, 5), (2026, 12, 6)):
        await spindles.until(*at)
    await spindles.until(2027, 1, 1, 1)
    invoices = await spindles.firm.invoices()
    assert [invoice.total for invoice in invoices] == [0, 300_00]
