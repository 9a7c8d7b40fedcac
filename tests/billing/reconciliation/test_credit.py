"""The check of credit decisions: one that was changed by hand is reported."""

from sqlalchemy import text

from billing.reconciliation.credit import DECISION_CHECK
from tests.support.billing.credit import assign, decide_all, publish
from tests.support.stories.story import Story


async def test_changed_decision_is_reported(story: Story) -> None:
    firm = await story.firm(credit="200")
    await publish(story)
    await assign(firm)
    await decide_all(story)
    assert await story.differences() == ()
    async with story.database.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(text("update credit_decision set decided = 60000, granted = 60000"))
    (found,) = [one for one in await story.differences() if one.check == DECISION_CHECK]
    assert (found.recorded, found.expected) == (600_00, 500_00)
