"""A credit policy of the tests, and steps on credit policies for stories."""

from billing.credit.evaluation import list_decisions
from billing.credit.job import evaluate_due_credit
from billing.credit.policies import assign_policy, publish_policy
from billing.credit.policy_file import parse_policy_file
from billing.tables import CreditDecision, CreditPolicyVersion
from tests.support.stories.story import Firm, Story

# Starts at 500.00: after 2 invoices paid on time 1,000.00, after 4 and 90 days 3,000.00.
STANDARD = """
policy = "standard"
currency = "CNY"
starting = "500.00"
maximum = "5000.00"
on_time_grace_days = 3
guarantee_percent = "50"

[[step]]
limit = "1000.00"
paid_on_time = 2

[[step]]
limit = "3000.00"
paid_on_time = 4
paid = "1000.00"
age_days = 90
used_percent = "50"

[[lowering]]
days_overdue = 10
percent = "50"

[[lowering]]
days_overdue = 30
percent = "100"

[freeze]
days_overdue = 5
disputed = "100.00"
chargebacks = 1
failed_payments = 3
window_days = 180
"""


async def publish(story: Story, text: str = STANDARD) -> CreditPolicyVersion:
    """Publish a policy, in force now."""
    async with story.database.transaction() as session:
        return await publish_policy(session, story.clock, parse_policy_file(text), None)


async def assign(firm: Firm, policy: str | None = "standard") -> None:
    async with firm.story.database.transaction() as session:
        await assign_policy(session, firm.account.id, firm.account.currency, policy)


async def decide_all(story: Story) -> int:
    """Run the job; returns the number of decisions."""
    return await evaluate_due_credit(story.database, story.clock)


async def decisions(firm: Firm) -> list[CreditDecision]:
    """The decisions of a firm, oldest first."""
    async with firm.story.database.transaction() as session:
        return (await list_decisions(session, firm.account.id, 1000))[::-1]


async def granted(firm: Firm) -> list[str]:
    """The granted limits, oldest first."""
    return [firm.text(row.granted) for row in await decisions(firm)]


async def next_day(story: Story, days: int = 1) -> None:
    """Let days pass, and run the job on the last one."""
    story.clock.pass_(days=days)
    await decide_all(story)


async def bill_rows(firm: Firm, rows: int, *month: int) -> None:
    """Use rows at 0.001 each, and close the period at 1:00 of this day."""
    await firm.use("vib", rows=rows)
    await firm.story.until(*month, 1)
