"""Promote a learned schedule after its shadow period, and take it back if it costs more."""

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.scheduling.errors import SchedulePolicyNotFound, SchedulePolicyNotPromotable
from gateway.agents.scheduling.policy_store import (
    POLICY,
    end_with_status,
    find_policy,
    find_with_status,
    open_policy,
)
from gateway.agents.store.agents import AgentChange, read_definition
from gateway.tables.agents import Agent
from gateway.tables.agents_schedule import (
    AgentScheduleDay,
    AgentSchedulePolicy,
    SchedulePolicyStatus,
)
from infra import ids
from models.observed.resampling import ScoreInterval
from models.policies.intervals import interval_of_mean
from models.policies.promotion import (
    Evidence,
    Promotion,
    Verdict,
    decide_promotion,
    must_roll_back,
)
from models.policies.scheduling.policy_file import PolicyFileInvalid

# A week has both working days and a weekend.
MIN_SHADOW_DAYS = 7
BY_OWNER = "taken back by its owner"
_NANO = 1e9
_SEED = 23


async def promotion_of(
    session: AsyncSession, agent: Agent, row: AgentSchedulePolicy
) -> tuple[Promotion, ScoreInterval | None, int]:
    """Return whether a schedule may decide, its saving by shadow day, and the number of days."""
    days = await _days_of(session, agent, shadow_id=row.id)
    saved = np.array([(day.shadow_saved_nano or 0) / _NANO for day in days])
    shadow = interval_of_mean(saved, _SEED) if len(saved) else None
    evidence = Evidence(
        off_policy=_interval(row, "off_policy"),
        effective_decisions=_held_out(row),
        replay=_interval(row, "replay") or ScoreInterval(-1.0, -1.0, -1.0),
        shadow=shadow if len(saved) >= MIN_SHADOW_DAYS else None,
        # `decide_promotion` counts decisions; a day of them counts once it is whole.
        shadow_decisions=_slots(agent) * len(saved) if len(saved) >= MIN_SHADOW_DAYS else 0,
    )
    found = decide_promotion(evidence)
    if found.verdict is Verdict.PROMOTE and shadow is not None and shadow.low <= 0:
        found = Promotion(Verdict.KEEP_SHADOW, ("shadow_not_better",))
    return found, shadow, len(saved)


async def promote(change: AgentChange, agent: Agent, policy: str) -> AgentSchedulePolicy:
    """Let a schedule decide from the next tick on. `agent` is locked. Repeating changes nothing.

    Raises SchedulePolicyNotFound, SchedulePolicyNotPromotable with what is missing.
    """
    row = await find_policy(change.session, agent, policy, is_locked=True)
    if row.status == SchedulePolicyStatus.ACTIVE:
        return row
    if row.status != SchedulePolicyStatus.SHADOW:
        raise SchedulePolicyNotPromotable(
            f"The schedule is `{row.status}`; only one in the shadow can be promoted."
        )
    _require_fitting(agent, row)
    found, _, days = await promotion_of(change.session, agent, row)
    if found.verdict is not Verdict.PROMOTE:
        raise SchedulePolicyNotPromotable(
            f"The schedule is not shown to be better after {days} days in the shadow: "
            f"{', '.join(found.reasons)}."
        )
    now = change.clock.now()
    await end_with_status(change.session, agent, SchedulePolicyStatus.ACTIVE, now)
    row.status, row.active_at = SchedulePolicyStatus.ACTIVE, now
    row.decided_by = change.actor.public_id
    await change.session.flush()
    await change.record("agent.schedule_promoted", agent, {"policy": policy})
    return row


async def roll_back(change: AgentChange, agent: Agent, why: str) -> AgentSchedulePolicy:
    """Return to two-level control from the next tick on. `agent` is locked.

    Raises SchedulePolicyNotFound if no learned schedule decides.
    """
    row = await find_with_status(change.session, agent, SchedulePolicyStatus.ACTIVE)
    if row is None:
        raise SchedulePolicyNotFound("No learned schedule decides for this agent.", param="agent")
    row.status, row.ended_at = SchedulePolicyStatus.ROLLED_BACK, change.clock.now()
    row.decided_by = change.actor.public_id
    await change.session.flush()
    details = {"policy": ids.format_id(POLICY, row.id), "reason": why}
    await change.record("agent.schedule_rolled_back", agent, details)
    return row


async def is_worse(session: AsyncSession, agent: Agent, row: AgentSchedulePolicy) -> bool:
    """Return whether a schedule that decides costs more than two-level control, by its days."""
    days = await _days_of(session, agent, policy_id=row.id)
    return must_roll_back(np.array([day.saved_nano / _NANO for day in days]))


async def _days_of(
    session: AsyncSession, agent: Agent, **policy: UUID
) -> Sequence[AgentScheduleDay]:
    """Return the days with figures on which a schedule decided, or was in the shadow."""
    query = select(AgentScheduleDay).where(
        col(AgentScheduleDay.account_id) == agent.account_id,
        col(AgentScheduleDay.agent_id) == agent.id,
        col(AgentScheduleDay.reason).is_(None),
        *(getattr(AgentScheduleDay, name) == value for name, value in policy.items()),
    )
    rows = (await session.scalars(query.order_by(col(AgentScheduleDay.day)))).all()
    return [one for one in rows if "shadow_id" not in policy or one.shadow_saved_nano is not None]


def _require_fitting(agent: Agent, row: AgentSchedulePolicy) -> None:
    """Raise SchedulePolicyNotPromotable for a file of another plant, or of other levels."""
    step = read_definition(agent.definition).schedule
    try:
        if step is None:
            raise PolicyFileInvalid("The agent has no schedule any more.")
        open_policy(step, agent, row)
    except PolicyFileInvalid as error:
        raise SchedulePolicyNotPromotable(str(error)) from error


def _interval(row: AgentSchedulePolicy, name: str) -> ScoreInterval | None:
    """Return an interval of the report; a bound that is not known is infinitely far away."""
    found = row.report.get(name)
    if found is None:
        return None
    saving = found["saving"]
    value = float(saving["value"] or 0.0)
    low = -np.inf if saving["low"] is None else float(saving["low"])
    high = np.inf if saving["high"] is None else float(saving["high"])
    if found["violations"]:
        low = -np.inf
    return ScoreInterval(value, low, high)


def _held_out(row: AgentSchedulePolicy) -> float:
    """Return how many decisions the off-policy evaluation rests on: one slot each."""
    held_out = row.report.get("days", {}).get("held_out", 0)
    return float(held_out * row.report.get("slots", 1))


def _slots(agent: Agent) -> int:
    """Return the decisions of a day."""
    step = read_definition(agent.definition).schedule
    return 1 if step is None else step.slots
