"""Carry out runs that were requested, one at a time in a gateway process, between due ticks.

A run is a tick of its own: the same rules, specialist, decision and actions, recorded in the same
transaction. Its call has the time of the request as its key of idempotency, so that a process that
takes over a run gets the stored answer. The time of the agent's next tick stays as it is.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.requests.errors import AgentNotActive
from gateway.agents.requests.store import claim_run
from gateway.agents.running.prediction_call import PredictionFailed
from gateway.agents.running.recording import Finish, TickRecorder
from gateway.agents.running.tick import TickInput, TickOutcome
from gateway.agents.store.days import TickCounts, add_counts
from gateway.agents.store.queue import RETRY, lock_claimed
from gateway.tables.agents import Agent, AgentStatus, AgentTick
from gateway.tables.agents_a2a import AgentRun, AgentRunStatus
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.agent_metrics import AgentMetrics

CHANGED, INTERNAL_ERROR = "agent_version_conflict", "internal_error"
# An earlier process's call of the same run has not ended yet.
_RETRIED = "idempotency_key_in_use"

Observe = Callable[[Sequence[Agent]], Awaitable[list[TickInput]]]
Decide = Callable[[TickInput], Awaitable[TickOutcome | PredictionFailed]]


@dataclass(frozen=True, slots=True)
class RequestedRuns:
    """Runs requested ticks with the runner's own observation, decision and recorder."""

    database: Database
    clock: Clock
    metrics: AgentMetrics
    recorder: TickRecorder
    observe: Observe
    decide: Decide

    async def run_one(self, process_id: UUID) -> bool:
        """Carry out the oldest run whose agent is free. Returns whether there was one."""
        async with self.database.transaction() as session:
            claimed = await claim_run(session, self.clock.now(), process_id)
        if claimed is None:
            return False
        run, agent = claimed
        try:
            await self._run(run, agent, process_id)
        except Exception as error:
            structlog.get_logger().error("a run of an agent failed", exc_info=error)
            await self._fail(run, agent, INTERNAL_ERROR, process_id)
        return True

    async def _run(self, run: AgentRun, agent: Agent, process_id: UUID) -> None:
        """Run and record one tick."""
        if agent.status != AgentStatus.ACTIVE:
            await self._fail(run, agent, AgentNotActive.code, process_id)
            return
        (observed,) = await self.observe([_paid_by(agent, run)])
        limited = _limited(observed.definition, run.most_nano)
        tick = replace(observed, definition=limited, chain=tuple(run.chain))
        outcome = await self.decide(tick)
        if isinstance(outcome, PredictionFailed):
            await self._fail(run, agent, outcome.code, process_id)
            return
        await self.recorder.record(tick, outcome, process_id, _finish(run, tick, self.clock))
        self.metrics.runs.labels("succeeded").inc()

    async def _fail(self, run: AgentRun, agent: Agent, code: str, process_id: UUID) -> None:
        """End a run with an error, or repeat it later; the agent goes on by its schedule."""
        now = self.clock.now()
        async with self.database.transaction() as session:
            row = await lock_claimed(session, agent, process_id)
            if row is None:
                return
            row.process_id = None
            stored = await session.get_one(AgentRun, run.id, with_for_update=True)
            stored.process_id = None
            if code == _RETRIED:
                stored.failures += 1
                stored.status = AgentRunStatus.QUEUED
                stored.retry_at = now + RETRY.delay(stored.failures)
            else:
                stored.status, stored.error = AgentRunStatus.FAILED, code
                stored.finished_at = now
                counts = TickCounts(row.id, row.account_id, errors=1)
                await add_counts(session, now.date(), [counts])
        self.metrics.runs.labels("retried" if code == _RETRIED else "failed").inc()


def _paid_by(agent: Agent, run: AgentRun) -> Agent:
    """Return a copy of an agent whose tick has the time of the run, and whose payer is its key."""
    return Agent(**{**agent.model_dump(), "due_at": run.created_at, "key_id": run.key_id})


def _limited(definition: AgentDefinition, most_nano: int | None) -> AgentDefinition:
    """Return a definition whose ticks cost at most what the run may cost."""
    if most_nano is None:
        return definition
    budget = definition.budget
    least = min(budget.per_tick_nano, most_nano)
    limited = msgspec.structs.replace(budget, per_tick_nano=least)
    return msgspec.structs.replace(definition, budget=limited)


def _finish(run: AgentRun, tick: TickInput, clock: Clock) -> Finish:
    """Return what records the end of a run in the transaction of its tick."""

    async def finish(
        session: AsyncSession, row: Agent, outcome: TickOutcome, is_applied: bool
    ) -> None:
        """Store the outcome, or that the agent was changed meanwhile."""
        stored = await session.get_one(AgentRun, run.id, with_for_update=True)
        stored.process_id, stored.finished_at = None, clock.now()
        stored.cost_nano = outcome.cost_nano
        if not is_applied:
            stored.status, stored.error = AgentRunStatus.FAILED, CHANGED
            return
        stored.status, stored.error = AgentRunStatus.SUCCEEDED, outcome.error
        stored.outcome = _outcome_json(tick, outcome)
        query = select(AgentTick.id).where(
            col(AgentTick.agent_id) == row.id, col(AgentTick.scheduled_at) == run.created_at
        )
        stored.tick_id = (await session.scalars(query)).one_or_none()

    return finish


def _outcome_json(tick: TickInput, outcome: TickOutcome) -> dict[str, Any]:
    """Return the decision of a run with the results of its rules and its prediction."""
    predicted = outcome.predicted
    found: dict[str, Any] = msgspec.to_builtins(
        {
            "assessment": outcome.assessment,
            "rules": tick.results,
            "prediction": None if predicted is None else dict(predicted.prediction),
        }
    )
    return found
