"""Submission of a round from its page; its numbers become readings, billed to the agent's key."""

from typing import Any

from litestar import Controller, Response, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.agents.rounds.reading_port import ReadingStore
from gateway.agents.rounds.signing import PURPOSE
from gateway.agents.rounds.store import submit
from gateway.agents.rounds.views import round_json
from gateway.dashboard.pages.access.active_keys import load_principal
from gateway.dashboard.pages.agents.common import AgentPage, provide_agents
from gateway.dashboard.pages.agents.rounds.answers import error_response, json_response
from gateway.identity.roles import Permission
from gateway.tables.agents import Agent
from gateway.tables.agents_rounds import AgentRound
from infra import ids
from infra.errors import AppError
from infra.secrets.secret_key import secret_key
from infra.secrets.signing_key import SigningKey
from infra.settings import Settings


class RoundSubmissionPages(Controller):
    """Handler of `/dashboard/agents/rounds/…/submit`."""

    path = "/agents/rounds/{round_id:str}/submit"
    dependencies = {"agents": Provide(provide_agents)}  # noqa: RUF012  # Litestar's

    @post("/", permission=Permission.PLANT)
    async def submit_round(
        self,
        agents: NamedDependency[AgentPage],
        round_readings: NamedDependency[ReadingStore],
        settings: NamedDependency[Settings],
        round_id: FromPath[str],
    ) -> Response[Any]:
        """Submit a round; a repeated submission changes nothing."""
        signing = SigningKey(secret_key(settings), PURPOSE)
        try:
            async with agents.database.transaction() as session:
                row = await submit(agents.change(session), round_id, signing)
        except AppError as error:
            return error_response(agents, error)
        readings = await _store_readings(agents, round_readings, row)
        return json_response({**round_json(row), "readings": readings}, 200)


async def _store_readings(
    agents: AgentPage, readings: ReadingStore, row: AgentRound
) -> dict[str, Any]:
    """Store the numbers of a round; if the agent's key cannot pay, say so: the round is kept."""
    async with agents.database.transaction() as session:
        agent = await session.get_one(Agent, row.agent_id)
    key = ids.format_id(KEY_PREFIX, agent.key_id)
    try:
        principal = await load_principal(
            agents.page, agents.database, agents.clock, agents.authenticator, key
        )
    except AppError as error:
        return {"stored": 0, "errors": [], "error": error.code or error.type}
    return await readings.store(principal, row)
