"""Budgets of an account's projects and keys as monitored limits, for alerts, pages and the API.

Of keys, these are the budgets per day and in total; monitored_limits.py has those of the month.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.invoices.headroom import LIMITED_BY_KEY_BUDGET, Headroom
from billing.invoices.usage_position import UsagePosition
from billing.metering.budget_quotas import (
    BudgetState,
    list_budget_states,
    list_key_budget_states,
)
from billing.metering.project_ids import project_public_id
from billing.notifications.monitored_limits import MonitoredLimit, active_key_names
from billing.tables import Project
from infra import ids

LIMITED_BY_PROJECT_BUDGET = "project_budget"


async def load_budget_limits(
    session: AsyncSession, position: UsagePosition
) -> list[MonitoredLimit]:
    """Return the budgets of an account's active projects and keys in the current periods."""
    return [
        *await _load_key_limits(session, position),
        *await _load_project_limits(session, position),
    ]


def apply_budgets(available: Headroom, states: list[BudgetState], key_id: UUID) -> Headroom:
    """Return the smallest of what is available and what budgets of a key and its project leave."""
    for state in states:
        remaining = max(state.amount - state.used, 0)
        if available.remaining is None or remaining < available.remaining:
            of_key = state.owner_id == key_id
            limited_by = LIMITED_BY_KEY_BUDGET if of_key else LIMITED_BY_PROJECT_BUDGET
            available = Headroom(remaining, limited_by, state.amount)
    return available


async def load_budgets_of_key(
    session: AsyncSession, position: UsagePosition, key_id: UUID, project_id: UUID | None
) -> list[BudgetState]:
    """Return the budgets of a key and its project; None is the default project."""
    states = [
        *await list_key_budget_states(session, position.account_id, position.at),
        *await list_budget_states(session, position.account_id, position.at),
    ]
    owners = (key_id, project_id or position.account_id)
    return [state for state in states if state.owner_id in owners]


async def _load_key_limits(session: AsyncSession, position: UsagePosition) -> list[MonitoredLimit]:
    """Return the budgets of an account's active keys per day and in total."""
    states = await list_key_budget_states(session, position.account_id, position.at)
    if not states:
        return []
    names = await active_key_names(session, position)
    # A budget of 0 allows no call, so that no part of it can be used up.
    return [
        MonitoredLimit(
            f"key_{state.period.value}",
            state.since,
            state.used,
            state.amount,
            {"key": ids.format_id("key", state.owner_id)},
            names[state.owner_id],
        )
        for state in states
        if state.amount
    ]


async def _load_project_limits(
    session: AsyncSession, position: UsagePosition
) -> list[MonitoredLimit]:
    """Return the budgets of an account's active projects."""
    states = await list_budget_states(session, position.account_id, position.at)
    if not states:
        return []
    query = select(Project).where(col(Project.account_id) == position.account_id)
    projects = {row.id: row for row in (await session.scalars(query)).all()}
    return [_project_limit(projects[state.owner_id], state) for state in states if state.amount]


def _project_limit(project: Project, state: BudgetState) -> MonitoredLimit:
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
