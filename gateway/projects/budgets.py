"""Set a project's budgets and alert percentages, with an audit log entry."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.budget_periods import BudgetPeriod, scoped_budgets
from billing.metering.budget_quotas import set_budgets
from billing.money import nano_from_text, nano_text
from billing.tables import Project
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.projects.errors import BudgetInvalid
from gateway.projects.projects import format_project_id, lock_active_project
from infra.clock import Clock

BUDGET_NAMES: Mapping[str, BudgetPeriod] = {
    "daily": BudgetPeriod.DAY,
    "monthly": BudgetPeriod.MONTH,
    "total": BudgetPeriod.TOTAL,
}
_MAX_PERCENTAGES = 10


def parse_budget(name: str, text: str | None) -> int | None:
    """Parse a budget to nano-units; None or an empty text is no budget. Raises BudgetInvalid."""
    if text is None or not text.strip():
        return None
    try:
        amount = nano_from_text(text.strip())
    except ValueError:
        amount = -1
    if amount < 0:
        raise BudgetInvalid(
            "Enter the budget as a decimal number from 0, for example 200 or 12.50.",
            param=f"budget.{name}",
        )
    return amount


def parse_percentages(values: Sequence[int] | None) -> list[int] | None:
    """Check alert percentages; None are those of the account. Raises BudgetInvalid."""
    if values is None:
        return None
    if len(values) > _MAX_PERCENTAGES or not all(1 <= value <= 100 for value in values):
        raise BudgetInvalid(
            f"Alert percentages must be at most {_MAX_PERCENTAGES} numbers from 1 to 100.",
            param="budget.alert_percentages",
        )
    return sorted(set(values))


def parse_percentage_list(text: str) -> list[int] | None:
    """Parse alert percentages such as `50, 80, 100`; an empty text is None: the account's.

    Raises BudgetInvalid.
    """
    parts = [part.strip() for part in text.replace("，", ",").split(",") if part.strip()]
    if not all(part.isdecimal() and len(part) <= 3 for part in parts):
        raise BudgetInvalid(
            "Enter percentages such as 50, 80, 100.", param="budget.alert_percentages"
        )
    return parse_percentages([int(part) for part in parts] or None)


async def change_budgets(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    project_id: UUID,
    budgets: Mapping[BudgetPeriod, int | None],
) -> Project:
    """Set budgets of an active project in nano-units; None removes one, equal ones do nothing.

    Every gateway applies them within a second. Raises ProjectNotFound, ProjectNotActive,
    LimitInvalid.
    """
    project = await lock_active_project(session, account_id, project_id)
    current = scoped_budgets(project)
    changed = {
        period: amount for period, amount in budgets.items() if amount != current.get(period)
    }
    if not changed:
        return project
    await set_budgets(session, project, changed, clock.now())
    details = {
        "from": {period.value: _text(current.get(period)) for period in changed},
        "to": {period.value: _text(amount) for period, amount in changed.items()},
    }
    await _record(session, clock, actor, project, "project.budget_changed", details)
    return project


async def change_alert_percentages(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    project_id: UUID,
    percentages: list[int] | None,
) -> Project:
    """Set the percentages of a project's budgets at which alerts are sent; None: the account's.

    Raises ProjectNotFound, ProjectNotActive.
    """
    project = await lock_active_project(session, account_id, project_id)
    if project.alert_percentages != percentages:
        details = {"from": project.alert_percentages, "to": percentages}
        project.alert_percentages = percentages
        await session.flush()
        await _record(session, clock, actor, project, "project.alerts_changed", details)
    return project


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    project: Project,
    action: str,
    details: Mapping[str, Any],
) -> None:
    """Write the audit log entry of a change of budgets."""
    subject = format_project_id(project.id)
    await record_audit_event(session, clock, actor, project.account_id, action, subject, details)


def _text(amount: int | None) -> str | None:
    """Return a budget as decimal text; None stays None."""
    return None if amount is None else nano_text(amount)
