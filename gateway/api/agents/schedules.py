"""`/v1/agents/{agent}/schedule`: plan of pumps, savings by day, and learned schedules."""

from datetime import date, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from gateway.agents.scheduling.errors import SchedulePolicyNotFound
from gateway.agents.scheduling.owners import (
    DEFAULT_DAYS,
    MAX_DAYS,
    list_schedule_days,
    plan_now,
    policy_with_shadow,
    start_learning,
)
from gateway.agents.scheduling.policy_store import find_policy, list_policies
from gateway.agents.scheduling.shadowing import BY_OWNER, promote, roll_back
from gateway.agents.scheduling.views import policy_json, schedule_day_json, schedule_json
from gateway.agents.store.agents import find_agent
from gateway.agents.store.owners import AgentOwner
from gateway.api.agents.bodies import PATH
from gateway.api.agents.days import parse_days
from gateway.api.agents.editing import AgentEditing, provide_agent_editing
from gateway.api.pagination import page_json
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database

_USUAL_DAYS = timedelta(days=30)


class ScheduleLearnRequest(msgspec.Struct, kw_only=True):
    """`days`: how many local days before today the log is built from."""

    days: int = DEFAULT_DAYS


_DECODER = msgspec.json.Decoder(ScheduleLearnRequest)
BODIES = {f"{PATH}/{{agent}}/schedule/learn": ScheduleLearnRequest}


class AgentScheduleRoutes(Controller):
    """Schedules of pumps by the account's agents."""

    path = f"{PATH}/{{agent:str}}/schedule"
    dependencies = {"editing": Provide(provide_agent_editing)}  # noqa: RUF012  # Litestar's

    @get("/", summary="Retrieve the plan of an agent that schedules pumps")
    async def plan(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return what the agent would decide now, its plan and that of two-level control."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
        return schedule_json(row, await plan_now(database, row, clock.now()))

    @get("/days", summary="List what an agent that schedules pumps saved, by local day")
    async def days(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        agent: FromPath[str],
        since: Annotated[date | None, QueryParameter(name="from")] = None,
        until: Annotated[date | None, QueryParameter(name="to")] = None,
    ) -> dict[str, Any]:
        """Return costs next to two-level control, the first day to the last; default: 30 days."""
        first, last = parse_days(since, until, clock.now().date(), _USUAL_DAYS)
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
            found = await list_schedule_days(session, row, first, last)
        return page_json(found, len(found), schedule_day_json)

    @post("/learn", status_code=200, summary="Learn a schedule from the stored readings")
    async def learn(
        self,
        editing: NamedDependency[AgentEditing],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Check what the readings show and queue the training; nothing is switched by it yet."""
        body = await request.body() or b"{}"

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Queue the training."""
            await owner.require_allowed(agent)
            asked = decode_body_strict(_DECODER, body)
            if not 1 <= asked.days <= MAX_DAYS:
                raise ParameterInvalid(f"`days` must be from 1 to {MAX_DAYS}.", param="days")
            return policy_json(await start_learning(owner.change, agent, asked.days))

        return await editing.apply(edit)

    @get("/policies", summary="List the learned schedules of an agent, newest first")
    async def policies(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return the newest 20, with coverage, evaluation and what they lack for promotion."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
            rows = await list_policies(session, principal.account_id, row.id)
            found = [await policy_with_shadow(session, row, one) for one in rows]
        return {"object": "list", "data": found, "has_more": False}

    @get("/policies/{policy:str}", summary="Retrieve a learned schedule of an agent")
    async def policy(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        policy: FromPath[str],
    ) -> dict[str, Any]:
        """Return a learned schedule with its status, evaluation and shadow period."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
            return await policy_with_shadow(session, row, await find_policy(session, row, policy))

    @get("/policies/{policy:str}/file", summary="Download the file of a learned schedule")
    async def file(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        policy: FromPath[str],
    ) -> Response[bytes]:
        """Return the file, JSON, as it is stored; its SHA-256 is in the schedule."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
            found = await find_policy(session, row, policy)
        if found.file is None:
            raise SchedulePolicyNotFound("The schedule has no file.", param="policy")
        return Response(found.file, media_type="application/json")

    @post(
        "/policies/{policy:str}/promote",
        status_code=200,
        summary="Let a learned schedule decide",
    )
    async def promote_policy(
        self,
        editing: NamedDependency[AgentEditing],
        agent: FromPath[str],
        policy: FromPath[str],
    ) -> dict[str, Any]:
        """Use a schedule that is shown to be better, from the next tick on."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Promote the schedule."""
            await owner.require_allowed(agent)
            session, account_id = owner.change.session, owner.change.account_id
            row = await find_agent(session, account_id, agent, is_locked=True)
            return policy_json(await promote(owner.change, row, policy))

        return await editing.apply(edit)

    @post("/rollback", status_code=200, summary="Return to two-level control")
    async def rollback(
        self, editing: NamedDependency[AgentEditing], agent: FromPath[str]
    ) -> dict[str, Any]:
        """Take the learned schedule back that decides, from the next tick on."""

        async def edit(owner: AgentOwner) -> dict[str, Any]:
            """Take the schedule back."""
            await owner.require_allowed(agent)
            session, account_id = owner.change.session, owner.change.account_id
            row = await find_agent(session, account_id, agent, is_locked=True)
            return policy_json(await roll_back(owner.change, row, BY_OWNER))

        return await editing.apply(edit)
