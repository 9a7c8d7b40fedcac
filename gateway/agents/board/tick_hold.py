"""Set aside what the call of a monitor's tick may cost in the budget of its team."""

from gateway.agents.board.holds import HeldCall, reserve
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.running.prediction_call import AgentCall
from gateway.agents.running.tick import Reserve
from gateway.tables.agents import Agent
from gateway.tables.agents_board import AgentTeamMember
from infra.database.database import Database


def tick_reserve(database: Database, agent: Agent, definition: AgentDefinition) -> Reserve | None:
    """Return what sets aside the cost of the agent's tick, None for an agent without a team."""
    if definition.board is None:
        return None

    async def reserve_tick(most_nano: int) -> int:
        """Return what the call may cost, in nano-units."""
        async with database.transaction() as session:
            member = await session.get(AgentTeamMember, agent.id)
            if member is None:
                return 0
            key = tick_key(agent)
            held = HeldCall(agent.account_id, member.team_id, agent.id, key, most_nano)
            return await reserve(session, held)

    return reserve_tick


def tick_key(agent: Agent) -> str:
    """Return the idempotency key of the call of a claimed agent's tick."""
    return AgentCall.of_tick(agent).idempotency_key(agent.due_at)
