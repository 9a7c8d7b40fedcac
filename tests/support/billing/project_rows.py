"""Projects and calls of projects, for tests without a gateway."""

from typing import Any
from uuid import UUID

from billing.metering.budget_periods import BudgetPeriod
from billing.metering.budget_quotas import set_budgets
from billing.metering.usage import UsageRecord
from billing.tables import Project
from infra import ids
from infra.database.database import Database
from tests.support.stories.story import Firm


async def add_project(
    database: Database, account_id: UUID, name: str = "Line 3", **values: Any
) -> UUID:
    """A project of an account; `id` may be the account's for its default project."""
    row = Project(**{"id": ids.new_id(), "account_id": account_id, "name": name, **values})
    project_id = row.id
    async with database.transaction() as session:
        session.add(row)
    return project_id


async def with_budgets(firm: Firm, project_id: UUID, **budgets: int | None) -> None:
    """Set budgets in nano-units by period, at the story's time."""
    async with firm.story.database.transaction() as session:
        project = await session.get_one(Project, project_id)
        amounts = {BudgetPeriod(period): amount for period, amount in budgets.items()}
        await set_budgets(session, project, amounts, firm.story.clock.now())


async def use_in(firm: Firm, project_id: UUID, model: str = "vib", **units: Any) -> UsageRecord:
    """A call of a project now, at the story's prices."""
    return await firm.use(model, project=project_id, **units)
