"""One agent: status, what it did and why, proposals, versions; activate, pause, delete, restore."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import ApiKey
from gateway.agents.actions.deciding import list_actions
from gateway.agents.definitions.toml_text import document_fields, toml_text
from gateway.agents.errors import AgentVersionConflict
from gateway.agents.public_ids import TICK
from gateway.agents.requests.store import find_run
from gateway.agents.rounds.schedule import next_start
from gateway.agents.store.agents import (
    find_agent,
    list_versions,
    read_definition,
    restore_version,
    set_status,
)
from gateway.agents.store.days import list_days
from gateway.agents.store.ticks import list_ticks
from gateway.dashboard.forms import EMPTY_FORM, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.agents.common import (
    AGENTS_URL,
    AgentPage,
    agent_url,
    load_account,
    load_names,
    provide_agents,
)
from gateway.dashboard.pages.agents.differences import FieldChange, differences
from gateway.dashboard.pages.agents.form_page import load_watched
from gateway.dashboard.pages.agents.learned_views import load_feedback, load_learning
from gateway.dashboard.pages.agents.replay_view import ReplayView, seconds_of
from gateway.dashboard.pages.agents.savings import load_saved
from gateway.dashboard.pages.agents.views import (
    ActionView,
    DecisionView,
    action_view,
    decision_view,
    nano_of,
    spent_view,
    sum_days,
)
from gateway.identity.roles import Permission
from gateway.plant.assets.errors import PlantNodeNotFound
from gateway.plant.store.node_names import load_names as load_node_names
from gateway.tables.agents import Agent, AgentActionStatus, AgentStatus, AgentTick, AgentVersion
from gateway.tables.plant import PlantAsset
from infra import ids
from infra.errors import AppError

_DECISIONS, _ACTIONS, _VERSIONS = 10, 30, 20
_DAYS = timedelta(days=31)


class AgentPages(Controller):
    """Handlers of `/dashboard/agents/…`."""

    path = "/agents/{agent:str}"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:agent")
    async def show(
        self,
        agents: NamedDependency[AgentPage],
        agent: FromPath[str],
        after: FromQuery[str | None] = None,
        run: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show an agent. after: the decision to go on after. run: the run that was asked for."""
        return await render_agent(agents, agent, after=after, run=run)

    @post("/activate", permission=Permission.CALL)
    async def activate(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[Any]:
        """Activate an agent that is paused or was stopped."""
        return await _set_status(agents, agent, AgentStatus.ACTIVE)

    @post("/pause", permission=Permission.CALL)
    async def pause(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[Any]:
        """Pause an agent."""
        return await _set_status(agents, agent, AgentStatus.PAUSED)

    @post("/delete", permission=Permission.CALL)
    async def delete(
        self, agents: NamedDependency[AgentPage], agent: FromPath[str]
    ) -> Response[Any]:
        """Delete an agent. What it did and its work orders are kept."""
        await _set_status(agents, agent, AgentStatus.DELETED)
        return agents.page.redirect(AGENTS_URL)

    @post("/versions/{version:int}/restore", permission=Permission.CALL)
    async def restore(
        self,
        agents: NamedDependency[AgentPage],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
        version: FromPath[int],
    ) -> Response[Any]:
        """Make an earlier version the next one, unless the agent was changed meanwhile."""
        fields = await read_form_fields(request)
        try:
            async with agents.database.transaction() as session:
                row = await find_agent(session, agents.page.account_id, agent, is_locked=True)
                if fields.get("version") != str(row.version):
                    raise AgentVersionConflict(f"The agent has version {row.version} by now.")
                await restore_version(agents.change(session), agent, version)
        except (AgentVersionConflict, PlantNodeNotFound) as error:
            return await render_agent(agents, agent, error)
        return agents.page.redirect(agent_url(row.id))


async def _set_status(agents: AgentPage, agent: str, status: AgentStatus) -> Response[Any]:
    """Set the status of an agent and show it."""
    async with agents.database.transaction() as session:
        row = await set_status(agents.change(session), agent, status)
    return agents.page.redirect(agent_url(row.id))


async def render_agent(
    agents: AgentPage,
    agent: str,
    error: AppError | None = None,
    after: str | None = None,
    replay: ReplayView | None = None,
    run: str | None = None,
    values: Mapping[str, str] = MappingProxyType({}),
) -> Response[str]:
    """Render an agent's page; with an error, the form that was sent could not be carried out.

    values: of the form that was sent. run: the id of a run whose result is shown.
    """
    page, account_id = agents.page, agents.page.account_id
    form = EMPTY_FORM if error is None else with_errors(page, values, error)
    async with agents.database.transaction() as session:
        row = await find_agent(session, account_id, agent)
        asked = None if run is None else await find_run(session, account_id, row.id, run)
        loaded = await _load(agents, session, row, after)
    return page.render(
        "agents/agent.html",
        status=UNPROCESSABLE if error is not None else 200,
        form=form,
        agent=row,
        url=agent_url(row.id),
        may=agents.may_change,
        may_decide=agents.may_decide,
        replay=replay,
        seconds_of=seconds_of,
        run=asked,
        run_token=ids.new_id().hex,
        **loaded,
    )


async def _load(
    agents: AgentPage, session: AsyncSession, row: Agent, after: str | None
) -> dict[str, Any]:
    """Load what the page says of an agent."""
    account_id, now = row.account_id, agents.clock.now()
    definition = read_definition(row.definition)
    versions = await list_versions(session, account_id, row.id)
    days = await list_days(session, account_id, row.id, (now - _DAYS).date(), now.date())
    asset = await session.get_one(PlantAsset, row.asset_id)
    key = await session.get_one(ApiKey, row.key_id)
    zone, currency = await load_account(session, account_id)
    decisions, more = await _load_decisions(session, row, versions, after)
    actions = await _load_actions(agents, session, row, versions)
    proposals = await _load_actions(agents, session, row, versions, AgentActionStatus.PROPOSED)
    entities = [one.row.entity_id for one in actions]
    return {
        "definition": definition,
        "text": toml_text(document_fields(definition)),
        "asset_row": asset,
        "key": key,
        "zone": zone,
        "currency": currency,
        "now": now,
        "spent": spent_view(row, definition, now),
        "days": list(reversed(days)),
        "month": sum_days(day for day in days if _is_same_month(day.day, now)),
        "watched": (await load_watched(session, agents, row.asset_id, definition)).results,
        "decisions": decisions,
        "more": more,
        "first": agent_url(row.id) if after else None,
        "proposals": [one for one in proposals if one.is_open],
        "actions": [one for one in actions if not one.is_open],
        "entities": await load_node_names(session, account_id, entities),
        "versions": _changes(versions),
        "people": await load_names(session, account_id),
        "nano": nano_of,
        **await load_saved(session, agents.clock, row, versions),
        "learning": await load_learning(session, row),
        "feedback": await load_feedback(session, account_id, [one.tick for one in decisions]),
        "next_round": None if definition.round is None else next_start(definition.round, zone, now),
    }


async def _load_decisions(
    session: AsyncSession, row: Agent, versions: Sequence[AgentVersion], after: str | None
) -> tuple[list[DecisionView], str | None]:
    """Return a page of decisions, and the address of the next page."""
    cursor = None if after is None else ids.parse_id(TICK, after)
    ticks = await list_ticks(session, row.account_id, row.id, _DECISIONS + 1, cursor)
    shown = ticks[:_DECISIONS]
    last = ids.format_id(TICK, shown[-1].id) if len(ticks) > _DECISIONS else None
    more = None if last is None else f"{agent_url(row.id)}?after={last}#decisions"
    return list(_views(row, versions, shown).values()), more


async def _load_actions(
    agents: AgentPage,
    session: AsyncSession,
    row: Agent,
    versions: Sequence[AgentVersion],
    status: AgentActionStatus | None = None,
) -> list[ActionView]:
    """Return the newest actions of an agent with the decisions that they rest on."""
    rows = await list_actions(session, row.account_id, _ACTIONS, None, row.id, status)
    query = select(AgentTick).where(
        col(AgentTick.account_id) == row.account_id,
        col(AgentTick.id).in_([one.tick_id for one in rows]),
    )
    views = _views(row, versions, (await session.scalars(query)).all())
    return [action_view(one, views, agents.clock.now()) for one in rows]


def _views(
    row: Agent, versions: Sequence[AgentVersion], ticks: Sequence[AgentTick]
) -> Mapping[UUID, DecisionView]:
    """Return decisions by their tick, each with the definition that it was made by."""
    known = {one.version: one.definition for one in versions}
    return {
        tick.id: decision_view(tick, read_definition(known.get(tick.version, row.definition)))
        for tick in ticks
    }


def _changes(versions: Sequence[AgentVersion]) -> list[tuple[AgentVersion, list[FieldChange]]]:
    """Return the newest versions, each with the fields that it changed."""
    earlier = [*versions[1:], None]
    return [
        (one, [] if before is None else differences(before.definition, one.definition))
        for one, before in zip(versions, earlier, strict=True)
    ][:_VERSIONS]


def _is_same_month(day: date, now: datetime) -> bool:
    """Return whether a day is in the month of a time in UTC."""
    return (day.year, day.month) == (now.year, now.month)
