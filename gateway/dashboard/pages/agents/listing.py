"""The list of an account's agents, and the proposals that wait for approval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.public_ids import ACTION, AGENT
from gateway.agents.state import Spending
from gateway.agents.store.agents import list_agents, read_definition
from gateway.agents.store.decisions import count_proposals, last_decisions, list_proposals
from gateway.dashboard.pages.agents.common import (
    AGENTS_URL,
    AgentPage,
    agent_url,
    load_account,
    provide_agents,
)
from gateway.plant.store.node_names import load_names
from gateway.plant.store.queries import find_asset
from gateway.tables.agents import Agent, AgentTick
from infra import ids

_PER_PAGE, _MAX_PROPOSALS = 25, 20


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent in the list."""

    agent: Agent
    definition: AgentDefinition
    asset: str
    last: AgentTick | None
    open: int
    spent_nano: int

    @property
    def url(self) -> str:
        """The address of the agent's page."""
        return agent_url(self.agent.id)


class AgentListPages(Controller):
    """Handlers of `/dashboard/agents`."""

    path = "/agents"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:agents")
    async def show_list(
        self,
        agents: NamedDependency[AgentPage],
        asset: FromQuery[str] = "",
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the agents, the newest first, of one asset or of all."""
        account_id, now = agents.page.account_id, agents.clock.now()
        cursor = None if after is None else ids.parse_id(AGENT, after)
        async with agents.database.transaction() as session:
            of_asset = await find_asset(session, account_id, asset) if asset else None
            rows = await list_agents(
                session,
                account_id,
                _PER_PAGE + 1,
                cursor,
                None if of_asset is None else of_asset.id,
            )
            shown = rows[:_PER_PAGE]
            last = await last_decisions(session, account_id, [row.id for row in shown])
            proposals = await list_proposals(session, account_id, now, _MAX_PROPOSALS)
            opened = await count_proposals(session, account_id, now)
            asset_ids = [row.asset_id for row in (*shown, *(one for _, one in proposals))]
            names = await load_names(session, account_id, asset_ids)
            zone, currency = await load_account(session, account_id)
        query = f"asset={asset}&" if asset else ""
        return agents.page.render(
            "agents/list.html",
            rows=[_row(row, names, last, opened, now.date()) for row in shown],
            proposals=[
                (ids.format_id(ACTION, action.id), action, agent, agent_url(agent.id))
                for action, agent in proposals
            ],
            names=names,
            of_asset=of_asset,
            zone=zone,
            currency=currency,
            may=agents.may_change,
            first=AGENTS_URL if after else None,
            more=_more(rows, shown, query),
        )


def _row(
    row: Agent,
    names: Mapping[UUID, str],
    last: Mapping[UUID, AgentTick],
    opened: Mapping[UUID, int],
    today: date,
) -> AgentRow:
    """Return an agent with what the list says of it."""
    spending = Spending(row.spent_day, row.spent_day_nano, row.spent_month_nano).at(today)
    return AgentRow(
        agent=row,
        definition=read_definition(row.definition),
        asset=names.get(row.asset_id, row.definition["asset"]),
        last=last.get(row.id),
        open=opened.get(row.id, 0),
        spent_nano=spending.month_nano,
    )


def _more(rows: Sequence[Agent], shown: Sequence[Agent], query: str) -> str | None:
    """Return the address of the next page, None if there is none."""
    if len(rows) <= len(shown):
        return None
    return f"{AGENTS_URL}?{query}after={ids.format_id(AGENT, shown[-1].id)}"
