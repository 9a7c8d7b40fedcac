"""Projects of the example firms: created with their keys, joined by members, budgets at the end."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.budget_periods import BudgetPeriod
from billing.metering.quotas import month_start
from billing.tables import Project, Usage
from gateway.access.api_keys import IssuedKey, create_key
from gateway.demo.context import DemoAccount, DemoDependencies
from gateway.demo.firms import Firm
from gateway.identity.audit_log import CLI_ACTOR
from gateway.projects.budgets import change_budgets
from gateway.projects.keys import create_project_key
from gateway.projects.members import add_member, find_person
from gateway.projects.projects import create_project, find_project, lock_active_project

# A budget of which about this share is used, rounded up to tens, and the smallest one.
_USED_PERCENT, _STEP_NANO, _MIN_BUDGET_NANO = 60, 10 * 10**9, 50 * 10**9


async def create_keys(
    session: AsyncSession, deps: DemoDependencies, account_id: UUID, firm: Firm
) -> list[IssuedKey]:
    """Create the firm's projects and its keys, each in its project if it has one."""
    projects: Mapping[str, Project] = {
        project.name: await create_project(session, deps.clock, CLI_ACTOR, account_id, project.name)
        for project in firm.projects
    }
    by_key = {key: projects[project.name] for project in firm.projects for key in project.keys}
    issued = []
    for key in firm.keys:
        place = (session, deps.clock, deps.pepper, account_id)
        if key.name in by_key:
            project_id = by_key[key.name].id
            made = await create_project_key(*place, project_id, key.name, actor=CLI_ACTOR)
        else:
            made = await create_key(*place, key.name)
        issued.append(made)
    return issued


async def add_project_members(deps: DemoDependencies, account_id: UUID, firm: Firm) -> None:
    """Add the members to the firm's projects, after they have joined the account."""
    for wanted in firm.projects:
        for email, role in wanted.members.items():
            async with deps.database.transaction() as session:
                found = await find_project(session, account_id, wanted.name)
                project = await lock_active_project(session, account_id, found.id)
                person = await find_person(session, account_id, email=email)
                await add_member(session, deps.clock, CLI_ACTOR, project, person, role)


async def set_monthly_budgets(deps: DemoDependencies, account: DemoAccount) -> None:
    """Set a monthly budget of each project, of which about 60 percent is used."""
    async with deps.database.transaction() as session:
        for wanted in account.firm.projects:
            project = await find_project(session, account.account_id, wanted.name)
            used = await _spent_this_month(session, deps, project)
            amount = max(_MIN_BUDGET_NANO, used * 100 // _USED_PERCENT)
            budget = -(-amount // _STEP_NANO) * _STEP_NANO
            place = (session, deps.clock, CLI_ACTOR, account.account_id, project.id)
            await change_budgets(*place, {BudgetPeriod.MONTH: budget})


async def _spent_this_month(session: AsyncSession, deps: DemoDependencies, project: Project) -> int:
    """Return what a project's calls of this month cost, in nano-units."""
    query = select(func.coalesce(func.sum(col(Usage.cost_nano)), 0)).where(
        col(Usage.account_id) == project.account_id,
        col(Usage.project_id) == project.id,
        col(Usage.started_at) >= month_start(deps.clock.now()),
    )
    return int((await session.execute(query)).scalar_one())
