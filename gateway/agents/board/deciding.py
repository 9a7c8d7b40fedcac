"""Note the decision of a member about an asset, and stop a member that goes back and forth."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.board_alerts import BoardAlert, BoardNotice, enqueue_board_alert
from gateway.agents.board.contract_net.oscillation import OSCILLATING, is_oscillating, noted
from gateway.agents.board.ending import asset_code
from gateway.agents.public_ids import AGENT
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_board import AgentTeam, AgentTeamMember
from infra import ids
from infra.clock import Clock


async def note(
    session: AsyncSession, clock: Clock, team: AgentTeam, agent: Agent, asset_id: UUID,
    decision: str, now: datetime,
) -> bool:  # fmt: skip
    """Keep a decision of a locked agent; stop the agent if it oscillates. Returns whether it did.

    What is kept begins anew, so that a person who activates the agent gives it another try.
    """
    member = await session.get(AgentTeamMember, agent.id, populate_existing=True)
    if member is None:
        return False
    stored, decided = noted(member.decisions, asset_id.hex, decision, now, team.flip_s)
    if not is_oscillating(decided, team.max_flips):
        if stored != member.decisions:
            member.decisions = stored
        return False
    member.decisions = {}
    agent.status, agent.stop_code, agent.updated_at = AgentStatus.STOPPED, OSCILLATING, clock.now()
    asset = await asset_code(session, agent.account_id, asset_id)
    agent_id = ids.format_id(AGENT, agent.id)
    texts = {"team": team.name, "asset": asset, "name": agent.name, "verdicts": "", "code": ""}
    data = {"agent": agent_id, "name": agent.name, "asset": asset, "decision": "stopped",
            "code": OSCILLATING, "changes": len(decided.flips)}  # fmt: skip
    key, page = f"{agent_id}:{now.isoformat()}", f"/dashboard/agents/{agent_id}"
    kind = BoardNotice.OSCILLATING
    await enqueue_board_alert(
        session, clock, BoardAlert(agent.account_id, key, kind, texts, data, page)
    )
    return True
