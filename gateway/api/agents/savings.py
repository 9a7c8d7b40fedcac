"""`/v1/agents/{agent}/savings` and `/report`: what an agent did, why, cost and saved."""

from datetime import date, timedelta
from typing import Annotated, Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from gateway.agents.savings.report import load_report
from gateway.agents.savings.savings import Interval, load_savings
from gateway.agents.savings.views import report_json, savings_json
from gateway.agents.store.agents import find_agent
from gateway.api.agents.bodies import PATH
from gateway.api.agents.days import parse_days
from gateway.call.values import Principal
from infra.clock import Clock
from infra.database.database import Database

_USUAL_DAYS = timedelta(days=90)


class AgentSavingsRoutes(Controller):
    """Savings and the daily report of the account's agents."""

    path = f"{PATH}/{{agent:str}}"

    @get("/savings", summary="Retrieve what an agent cost and saved")
    async def savings(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        agent: FromPath[str],
        since: Annotated[date | None, QueryParameter(name="from")] = None,
        until: Annotated[date | None, QueryParameter(name="to")] = None,
        interval: FromQuery[Interval] = Interval.MONTH,
    ) -> dict[str, Any]:
        """Return expected and observed savings of days in UTC, the first to the last, by month or
        day; default: 90 days. Observed savings are bounds, and null while they are not known."""
        first, last = parse_days(since, until, clock.now().date(), _USUAL_DAYS)
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
            found = await load_savings(session, clock, row, first, last, interval)
        return savings_json(row, found)

    @get("/report", summary="Retrieve the report of an agent since yesterday")
    async def report(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        agent: FromPath[str],
    ) -> dict[str, Any]:
        """Return what the agent did since the start of the day before in UTC, with its reasons."""
        async with database.transaction() as session:
            row = await find_agent(session, principal.account_id, agent)
            found = await load_report(session, clock, row)
        return report_json(row, found)
