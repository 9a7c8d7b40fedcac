"""The budgets of an account's projects as monitored limits, for alerts, pages and the API."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.headroom import Headroom
from billing.invoices.usage_position import UsagePosition
from billing.metering.project_ids import project_public_id
from billing.metering.project_quotas import BudgetState, list_budget_states
from billing.notifications.monitored_limits import MonitoredLimit
from billing.tables import Project

LIMITED_BY_PROJECT_BUDGET = "project_budget"


async def load_project_limits(
    session: AsyncSession, position: UsagePosition
) -> list[MonitoredLimit]:
    """Return the budgets of an account's active projects in the current periods."""
    states = await list_budget_states(session, position.account_id, position.at)
    if not states:
        return []
    query = select(Project).where(col(Project.account_id) == position.account_id)
    projects = {row.id: row for row in (await session.scalars(query)).all()}
    # A budget of 0 allows no call, so that no part of it can be used up.
    return [_limit(projects[state.project_id], state) for state in states if state.amount]


def apply_project_budgets(available: Headroom, states: list[BudgetState]) -> Headroom:
    """Return the smallest of what is available and what a project's budgets leave."""
    for state in states:
        remaining = max(state.amount - state.used, 0)
        if available.remaining is None or remaining < available.remaining:
            available = Headroom(remaining, LIMITED_BY_PROJECT_BUDGET, state.amount)
    return available


async def load_key_project_budgets(
    session: AsyncSession, position: UsagePosition, project_id: UUID | None
) -> list[BudgetState]:
    """Return the budgets of a key's project; None is the default project."""
    states = await list_budget_states(session, position.account_id, position.at)
    of_key = project_id or position.account_id
    return [state for state in states if state.project_id == of_key]


def _limit(project: Project, state: BudgetState) -> MonitoredLimit:
    """Return a budget as a monitored limit, with the project's own alert percentages."""
    percentages = project.alert_percentages
    return MonitoredLimit(
        f"project_{state.period.value}",
        state.since,
        state.used,
        state.amount,
        {"project": project_public_id(project.id, project.account_id) or ""},
        project.name,
        None if percentages is None else tuple(percentages),
    )
