"""Feedback on decisions of agents: give, replace, list, and mark what was ignored.

confirmed   the decision was right: a fault where it warned, none where it waited
denied      it was wrong
corrected   something else was found; `fault` says whether the machine had a fault
ignored     nobody said or did anything about a recommendation in time
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.agents.learning.errors import AgentFeedbackLate, AgentTickNotFound
from gateway.agents.public_ids import TICK
from gateway.agents.store.agents import AgentChange
from gateway.call.errors import ParameterInvalid
from gateway.observations.rows import save_observations
from gateway.tables.agents import Agent, AgentTick
from gateway.tables.agents_learning import (
    AgentDecision,
    AgentFeedback,
    AgentLearning,
    FeedbackVerdict,
)
from gateway.wire.own_models.observations import ObservedResult
from infra import ids
from infra.database.paging import page_of
from models.policies.maintenance.policy import Action

MAX_FOUND, MAX_COST = 2_000, 1e15
LATEST = timedelta(days=180)
FROM_FEEDBACK = "feedback"

# Recommendations that nobody answered, and of which no action was executed.
_IGNORED = text("""
    insert into agent_feedback (tick_id, account_id, agent_id, verdict, found, created_at,
                                changed_at)
    select decision.tick_id, decision.account_id, decision.agent_id, 'ignored', '', :now, :now
    from agent_decision decision
    where decision.account_id = :account_id and decision.agent_id = :agent_id
      and decision.action <> 'wait' and decision.decided_at < :before
      and not exists (select from agent_action action where action.tick_id = decision.tick_id
                      and action.status in ('executed', 'undone', 'rejected'))
    on conflict (tick_id) do nothing
""")


@dataclass(frozen=True, slots=True)
class NewFeedback:
    """What somebody says. fault: only with corrected. cost: what the action really cost.

    observed: the observed result of the specialist's call, for own models (docs/own-models.md).
    """

    verdict: FeedbackVerdict
    fault: bool | None = None
    found: str = ""
    found_at: datetime | None = None
    cost: float | None = None
    observed: float | str | bool | None = None


async def give_feedback(
    change: AgentChange, agent: Agent, tick: str, new: NewFeedback
) -> AgentFeedback:
    """Save feedback on a tick; it replaces earlier feedback, the same again changes nothing.

    Raises AgentTickNotFound, AgentFeedbackLate, ParameterInvalid.
    """
    found = await find_tick(change.session, agent, tick)
    now = change.clock.now()
    _validate(new, found, now)
    if new.observed is not None:
        await _observe(change, found, new.observed)
    before = await change.session.get(AgentFeedback, found.id)
    if before is not None and _content(before) == new_content(new):
        return before
    row = await _store(change, found, new, now)
    fault = fault_of(new, str(found.assessment.get("action")))
    await _set_outcome(change.session, found, fault, new.cost)
    details = {"tick": ids.format_id(TICK, found.id), "verdict": new.verdict.value}
    await change.record("agent.feedback_given", agent, details)
    return row


async def find_tick(session: AsyncSession, agent: Agent, tick: str) -> AgentTick:
    """Return a tick of an agent. Raises AgentTickNotFound."""
    query = select(AgentTick).where(
        col(AgentTick.account_id) == agent.account_id,
        col(AgentTick.agent_id) == agent.id,
        col(AgentTick.id) == ids.parse_id(TICK, tick),
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise AgentTickNotFound(f"The agent has no tick {tick[:60]!r}.", param="tick")
    return row


async def list_feedback(
    session: AsyncSession, account_id: UUID, agent_id: UUID, limit: int, after: UUID | None = None
) -> Sequence[AgentFeedback]:
    """Return a page of the feedback of an agent, on the newest ticks first."""
    query = select(AgentFeedback).where(
        col(AgentFeedback.account_id) == account_id, col(AgentFeedback.agent_id) == agent_id
    )
    return (await session.scalars(page_of(query, col(AgentFeedback.tick_id), limit, after))).all()


async def mark_ignored(
    session: AsyncSession, agent: Agent, ignored_s: float, now: datetime
) -> None:
    """Mark recommendations that are older than `ignored_s` and got no reaction."""
    before = now - timedelta(seconds=ignored_s)
    values = {"account_id": agent.account_id, "agent_id": agent.id, "now": now, "before": before}
    await session.execute(_IGNORED, values)


def fault_of(new: NewFeedback, action: str) -> bool | None:
    """Return whether the machine had a fault; None for what was ignored."""
    if new.verdict is FeedbackVerdict.IGNORED:
        return None
    if new.verdict is FeedbackVerdict.CORRECTED:
        return new.fault
    warned = action != Action.WAIT
    return warned if new.verdict is FeedbackVerdict.CONFIRMED else not warned


def fault_of_row(row: AgentFeedback, action: str) -> bool | None:
    """Return the same of stored feedback."""
    return fault_of(NewFeedback(FeedbackVerdict(row.verdict), row.fault), action)


def new_content(new: NewFeedback) -> tuple[Any, ...]:
    """Return what makes two pieces of feedback the same."""
    return new.verdict.value, new.fault, new.found, new.found_at, new.cost


def _content(row: AgentFeedback) -> tuple[Any, ...]:
    """Return the same of a stored one."""
    return row.verdict, row.fault, row.found, row.found_at, row.cost


def _validate(new: NewFeedback, tick: AgentTick, now: datetime) -> None:
    """Raise ParameterInvalid for a field, AgentFeedbackLate for an old tick."""
    corrects = new.verdict is FeedbackVerdict.CORRECTED
    checks = (
        ((new.fault is not None) == corrects, "fault", "is for `corrected`, and needed there"),
        (len(new.found) <= MAX_FOUND and "\0" not in new.found, "found",
         f"has at most {MAX_FOUND} characters, without NUL"),
        (new.cost is None or 0 <= new.cost <= MAX_COST, "cost", "is a number of 0 or more"),
        (new.found_at is None or new.found_at <= now, "found_at", "is in the future"),
    )  # fmt: skip
    for holds, field, reason in checks:
        if not holds:
            raise ParameterInvalid(f"`{field}` {reason}.", param=field)
    if now - tick.finished_at > LATEST:
        raise AgentFeedbackLate(f"The tick is older than {LATEST.days} days.", param="tick")


async def _store(
    change: AgentChange, tick: AgentTick, new: NewFeedback, now: datetime
) -> AgentFeedback:
    """Write the row of feedback, in place of an earlier one."""
    values = {
        "verdict": new.verdict.value,
        "fault": new.fault,
        "found": new.found,
        "found_at": new.found_at,
        "cost": new.cost,
        "given_by": change.actor.public_id,
        "changed_at": now,
    }
    statement = insert(AgentFeedback).values(
        tick_id=tick.id,
        account_id=tick.account_id,
        agent_id=tick.agent_id,
        created_at=now,
        **values,
    )
    statement = statement.on_conflict_do_update(index_elements=["tick_id"], set_=values)
    returning = statement.returning(AgentFeedback).execution_options(populate_existing=True)
    return (await change.session.scalars(returning)).one()


async def _set_outcome(
    session: AsyncSession, tick: AgentTick, fault: bool | None, cost: float | None
) -> None:
    """Set the outcome of a logged decision, and look at the agent's learning soon."""
    row = await session.get(AgentDecision, tick.id)
    if row is not None:
        row.fault, row.cost = fault, cost
        row.outcome_source = None if fault is None else FROM_FEEDBACK
    learning = await session.get(AgentLearning, tick.agent_id)
    if learning is not None:
        learning.retry_at = None
    await session.flush()


async def _observe(change: AgentChange, tick: AgentTick, observed: float | str | bool) -> None:
    """Save the observed result of the specialist's call. Raises ParameterInvalid."""
    if tick.request_id is None or tick.prediction is None:
        raise ParameterInvalid("The tick called no specialist.", param="observed")
    result = ObservedResult(
        request_id=ids.format_id(REQUEST_ID_PREFIX, tick.request_id),
        observed=observed,
        prediction=dict(tick.prediction),
    )
    await save_observations(change.session, change.clock, tick.account_id, [result], {})
