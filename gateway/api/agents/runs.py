"""`/v1/agents/{agent}/run` and `/runs`: one tick of an agent outside of its schedule."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.agents.public_ids import RUN
from gateway.agents.requests.chains import CHAIN_HEADER, parse_chain
from gateway.agents.requests.store import find_run, list_runs
from gateway.agents.requests.views import run_json
from gateway.agents.skills.calls import call_skill
from gateway.agents.skills.parts import SkillParts
from gateway.agents.skills.values import SkillCaller
from gateway.agents.store.agents import find_agent
from gateway.api.actors import key_actor
from gateway.api.agents.bodies import PATH
from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from gateway.inference.admission import parse_max_cost
from gateway.wire.body import decode_body_strict
from infra.database.database import Database

_RUNNING = ("queued", "running")


class AgentRunRequest(msgspec.Struct, kw_only=True):
    """What the run may cost, besides the agent's budget, and how long to wait for its end.

    With `wait_s` 0, or if the run takes longer, the response has the status 202.
    """

    max_cost: str | None = None
    wait_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 30.0


_DECODER = msgspec.json.Decoder(AgentRunRequest)
BODIES = {f"{PATH}/{{agent}}/run": AgentRunRequest}


class AgentRunRoutes(Controller):
    """Runs of the account's agents, by id `arun_…`."""

    path = f"{PATH}/{{agent:str}}"

    @post("/run", status_code=200, summary="Run an agent now, outside of its schedule")
    async def run(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent_skills: NamedDependency[SkillParts],
        request: Request[Any, Any, Any],
        agent: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[dict[str, Any]]:
        """Run one tick; the key of the request pays for its prediction."""
        async with database.transaction() as session:
            await find_agent(session, principal.account_id, agent)
        asked = decode_body_strict(_DECODER, await request.body() or b"{}")
        caller = api_caller(principal, request, "api", idempotency_key)
        arguments: dict[str, Any] = {"agent": agent, "wait_s": asked.wait_s}
        if asked.max_cost is not None:
            arguments["max_cost"] = asked.max_cost
        run = (await call_skill(agent_skills, caller, "run_agent", arguments))["run"]
        return Response(run, status_code=202 if run["status"] in _RUNNING else 200)

    @get("/runs", summary="List runs of an agent outside of its schedule, newest first")
    async def runs(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of runs with their decisions."""
        cursor, account_id = parse_cursor(RUN, after), principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            rows = await list_runs(session, account_id, row.id, limit + 1, cursor)
        return page_json(rows, limit, run_json)

    @get("/runs/{run:str}", summary="Retrieve a run of an agent")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        run: FromPath[str],
    ) -> dict[str, Any]:
        """Return a run as it is now."""
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            return run_json(await find_run(session, account_id, row.id, run))


def api_caller(
    principal: Principal, request: Request[Any, Any, Any], protocol: str, key: str | None
) -> SkillCaller:
    """Return who asks for a skill over HTTP. Raises AgentChainInvalid, ParameterInvalid."""
    cost = request.headers.get("x-max-cost")
    return SkillCaller(
        principal=principal,
        actor=key_actor(principal, request),
        protocol=protocol,
        chain=parse_chain(request.headers.get(CHAIN_HEADER)),
        request_key=key,
        most_nano=None if cost is None else parse_max_cost({b"x-max-cost": cost.encode("latin-1")}),
    )
