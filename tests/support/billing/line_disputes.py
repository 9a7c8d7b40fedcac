"""Disputing lines of invoices."""

from billing.collection.line_disputes import (
    dispute_line,
)
from billing.tables import Invoice, LineDispute
from tests.support.stories.story import Firm

REASON = "The presses stood still on these days."


async def disputed(
    firm: Firm, invoice: Invoice, line: int = 1, reason: str = REASON
) -> LineDispute:
    story = firm.story
    async with story.database.transaction() as session:
        place = session, story.clock, firm.account.id, invoice.id
        return await dispute_line(*place, line, "wu@plant.example", reason)
