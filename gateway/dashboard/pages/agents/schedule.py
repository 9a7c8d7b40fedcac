"""The schedule of an agent: its plan as a chart, savings by day, and learned schedules."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.scheduling.deciding import ScheduleDecision
from gateway.agents.scheduling.owners import (
    DEFAULT_DAYS,
    list_schedule_days,
    plan_now,
    policy_with_shadow,
    start_learning,
)
from gateway.agents.scheduling.policy_store import list_policies
from gateway.agents.scheduling.shadowing import BY_OWNER, MIN_SHADOW_DAYS, promote, roll_back
from gateway.agents.store.agents import AgentChange, find_agent, read_definition
from gateway.dashboard.forms import EMPTY_FORM, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.agents.common import (
    AgentPage,
    agent_url,
    load_account,
    provide_agents,
)
from gateway.dashboard.pages.agents.schedule_chart import ScheduleChart, draw_schedule
from gateway.dashboard.pages.agents.views import nano_of
from gateway.identity.roles import Permission
from gateway.tables.agents_schedule import AgentScheduleDay
from infra.errors import AppError

_DAYS = timedelta(days=31)
_Change = Callable[[AgentChange], Awaitable[object]]


class AgentSchedulePages(Controller):
    """Handlers of `/dashboard/agents/…/schedule`."""

    path = "/agents/{agent:str}/schedule"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:agent-schedule")
    async def show(self, agents: NamedDependency[AgentPage], agent: FromPath[str]) -> Response[str]:
        """Show the plan, the savings and the learned schedules of an agent."""
        return await _render(agents, agent)

    @post("/learn", permission=Permission.CALL)
    async def learn(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[Any]:
        """Queue the training of a schedule from the last 60 days."""
        return await _changed(
            agents, agent, lambda change: start_learning(change, agent, DEFAULT_DAYS)
        )

    @post("/policies/{policy:str}/promote", permission=Permission.CALL)
    async def promote_policy(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str], policy: FromPath[str]
    ) -> Response[Any]:
        """Let a learned schedule decide."""

        async def change(made: AgentChange) -> None:
            """Promote the schedule."""
            row = await find_agent(made.session, made.account_id, agent, is_locked=True)
            await promote(made, row, policy)

        return await _changed(agents, agent, change)

    @post("/rollback", permission=Permission.CALL)
    async def rollback(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[Any]:
        """Return to two-level control."""

        async def change(made: AgentChange) -> None:
            """Take the schedule back."""
            row = await find_agent(made.session, made.account_id, agent, is_locked=True)
            await roll_back(made, row, BY_OWNER)

        return await _changed(agents, agent, change)


async def _changed(agents: AgentPage, agent: str, change: _Change) -> Response[Any]:
    """Make a change and show the page again, with the error if it was refused."""
    try:
        async with agents.database.transaction() as session:
            await change(agents.change(session))
            row = await find_agent(session, agents.page.account_id, agent)
    except AppError as error:
        if error.status >= 500 or error.status == 404:
            raise
        return await _render(agents, agent, error)
    return agents.page.redirect(f"{agent_url(row.id)}/schedule")


async def _render(agents: AgentPage, agent: str, error: AppError | None = None) -> Response[str]:
    """Render the page; with an error, what was asked could not be done."""
    page, now = agents.page, agents.clock.now()
    form = EMPTY_FORM if error is None else with_errors(page, {}, error)
    async with agents.database.transaction() as session:
        row = await find_agent(session, page.account_id, agent)
        zone, _ = await load_account(session, page.account_id)
        policies = [
            await policy_with_shadow(session, row, one)
            for one in await list_policies(session, page.account_id, row.id)
        ]
        first = (now - _DAYS).date()
        days = await list_schedule_days(session, row, first, now.date())
    step = read_definition(row.definition).schedule
    found = None if step is None else await plan_now(agents.database, row, now)
    return page.render(
        "agents/schedule.html",
        status=UNPROCESSABLE if error is not None else 200,
        form=form,
        reason="" if error is None else error.message,
        agent=row,
        url=agent_url(row.id),
        may=agents.may_change,
        zone=zone,
        step=step,
        found=found,
        chart=None if step is None or found is None else _chart(step, found),
        days=list(reversed(days)),
        saved=_saved(days),
        policies=policies,
        shadow_days=MIN_SHADOW_DAYS,
        nano=nano_of,
    )


def _chart(step: ScheduleStep, found: ScheduleDecision) -> ScheduleChart | None:
    """Return the chart of a plan, None without one."""
    level = found.level.volume
    if found.plan is None or found.by_hysteresis is None or level is None:
        return None
    zone = step.zone
    return draw_schedule(
        step,
        found.plan,
        found.by_hysteresis,
        level,
        lambda at: at.astimezone(zone).strftime("%H:%M"),
        lambda value: f"{value:.6g}",
    )


def _saved(days: Sequence[AgentScheduleDay]) -> int:
    """Return what the days with figures saved in all, in nano-units."""
    return sum(day.saved_nano for day in days if day.reason is None)
