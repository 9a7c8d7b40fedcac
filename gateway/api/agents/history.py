"""`/v1/agents/{agent}/ticks` and `/days`: what an agent decided, and what it cost."""

from datetime import date, timedelta
from typing import Annotated, Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from gateway.agents.public_ids import TICK
from gateway.agents.store.agents import find_agent
from gateway.agents.store.days import list_days
from gateway.agents.store.ticks import list_ticks
from gateway.agents.views import day_json, tick_json
from gateway.api.agents.bodies import PATH
from gateway.api.agents.days import parse_days
from gateway.api.pagination import PageLimit, page_json, parse_cursor
from gateway.call.values import Principal
from infra.clock import Clock
from infra.database.database import Database

_USUAL_DAYS = timedelta(days=30)


class AgentHistoryRoutes(Controller):
    """What an agent of the account did."""

    path = f"{PATH}/{{agent:str}}"

    @get("/ticks", summary="List ticks of an agent in which something happened, newest first")
    async def ticks(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        agent: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of ticks with rules, decision, expected costs, call, cost and error."""
        cursor, account_id = parse_cursor(TICK, after), principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            rows = await list_ticks(session, account_id, row.id, limit + 1, cursor)
        return page_json(rows, limit, tick_json)

    @get("/days", summary="List what an agent did, by day")
    async def days(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        agent: FromPath[str],
        since: Annotated[date | None, QueryParameter(name="from")] = None,
        until: Annotated[date | None, QueryParameter(name="to")] = None,
    ) -> dict[str, Any]:
        """Return counts and cost of days in UTC, the first to the last; default: 30 days."""
        first, last = parse_days(since, until, clock.now().date(), _USUAL_DAYS)
        account_id = principal.account_id
        async with database.transaction() as session:
            row = await find_agent(session, account_id, agent)
            found = await list_days(session, account_id, row.id, first, last)
        return page_json(found, len(found), day_json)
