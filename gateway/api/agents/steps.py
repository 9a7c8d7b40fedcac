"""`/v1/agents/{agent}/steps`: what the tools of an agent answered, and what they cost."""

from typing import Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.agents.public_ids import STEP
from gateway.agents.steps.recording import list_agent_steps
from gateway.agents.steps.views import step_json
from gateway.agents.store.agents import find_agent
from gateway.api.agents.bodies import PATH
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from infra.database.database import Database


class AgentStepRoutes(Controller):
    """Calls of an agent's tools."""

    path = f"{PATH}/{{agent:str}}/steps"

    @get("/", summary="List the calls of an agent's tools, newest first")
    async def steps(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of steps with output, call, cost and error."""
        cursor, account_id = parse_cursor(STEP, after), principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            rows = await list_agent_steps(session, account_id, row.id, limit + 1, cursor)
        return page_json(rows, limit, step_json)
