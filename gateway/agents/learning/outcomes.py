"""Resolve what became of decisions, from the prediction ledger's events and from what was ignored.

A failure within the horizon of a decision is a fault. That none came says that there was no fault
only if nobody intervened: the agent waited, or its recommendation was ignored. Feedback of a person
is kept as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.predictions.events import list_happened
from billing.tables import PredictionEvent
from gateway.agents.definitions.values import AgentDefinition
from gateway.tables.agents import Agent
from gateway.tables.agents_learning import AgentDecision, AgentFeedback, FeedbackVerdict
from gateway.tables.plant import PlantAsset
from models.policies.maintenance.policy import Action

FROM_LEDGER = "ledger"
_MAX_OPEN = 5_000


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a subject: failures, and reports that a predicted one did not come."""

    failures: Sequence[datetime]
    denials: Sequence[datetime] = ()


def fault_by_events(
    row: AgentDecision, observed: Observed, ignored: bool, now: datetime
) -> bool | None:
    """Return whether the machine had a fault; None if that is not known yet, or cannot be."""
    end = row.decided_at + timedelta(seconds=row.horizon_s)
    if any(row.decided_at < at <= end for at in observed.failures):
        return True
    if any(row.decided_at < at <= end for at in observed.denials):
        return False
    untouched = row.action == Action.WAIT or ignored
    return False if untouched and now > end else None


async def resolve_outcomes(
    session: AsyncSession, agent: Agent, definition: AgentDefinition, now: datetime
) -> int:
    """Set the outcomes of decisions that the ledger's events decide. Returns their number."""
    step = definition.outlook_step
    if step is None or not step.event:
        return 0
    query = (
        select(AgentDecision)
        .where(
            col(AgentDecision.account_id) == agent.account_id,
            col(AgentDecision.agent_id) == agent.id,
            col(AgentDecision.asset_id) == agent.asset_id,
            col(AgentDecision.fault).is_(None),
        )
        .order_by(col(AgentDecision.decided_at))
        .limit(_MAX_OPEN)
    )
    rows = (await session.scalars(query)).all()
    if not rows:
        return 0
    observed = await _observed(session, agent, step.event, rows[0].decided_at, now)
    verdicts = await _verdicts(session, agent, [one.tick_id for one in rows])
    resolved = 0
    for row in rows:
        ignored = verdicts.get(row.tick_id) == FeedbackVerdict.IGNORED
        fault = fault_by_events(row, observed, ignored, now)
        if fault is not None:
            row.fault, row.outcome_source, resolved = fault, FROM_LEDGER, resolved + 1
    await session.flush()
    return resolved


async def _observed(
    session: AsyncSession, agent: Agent, event: str, since: datetime, now: datetime
) -> Observed:
    """Return the failures of the agent's asset from every source, and the account's denials."""
    code = (await session.get_one(PlantAsset, agent.asset_id)).code
    happened = await list_happened(session, agent.account_id, event, since, now)
    denied = select(PredictionEvent.happened_at).where(
        col(PredictionEvent.account_id) == agent.account_id,
        col(PredictionEvent.event) == event,
        col(PredictionEvent.subject) == code,
        col(PredictionEvent.happened).is_(False),
        col(PredictionEvent.happened_at) >= since,
    )
    failures = [one.happened_at for one in happened if one.subject == code]
    return Observed(failures, (await session.scalars(denied)).all())


async def _verdicts(
    session: AsyncSession, agent: Agent, ticks: Sequence[UUID]
) -> Mapping[UUID, str]:
    """Return the verdicts of feedback on ticks."""
    query = select(AgentFeedback.tick_id, AgentFeedback.verdict).where(
        col(AgentFeedback.account_id) == agent.account_id, col(AgentFeedback.tick_id).in_(ticks)
    )
    return {tick: verdict for tick, verdict in (await session.execute(query)).all()}
