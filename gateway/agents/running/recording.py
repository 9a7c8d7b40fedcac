"""Record what ticks came to, each in one transaction: tick, actions, notices, counts, next tick.

Nothing is recorded for an agent that was changed, paused or taken over while it ticked: its
decision rests on what is no longer valid. What its call cost is still counted.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.notifications.agent_alerts import AgentAlert, enqueue_agent_alert
from billing.outcomes.predictions.model_keys import ModelSigner
from billing.tables import Usage
from gateway.agents.actions.creation import create_action
from gateway.agents.assessment import Assessment
from gateway.agents.board.after_tick import after_tick
from gateway.agents.commands.renewing import renew_commands
from gateway.agents.learning.decision_log import log_decision
from gateway.agents.public_ids import AGENT
from gateway.agents.running.changed_values import within_rate
from gateway.agents.running.ledger_record import record_prediction
from gateway.agents.running.prediction_call import PredictionFailed
from gateway.agents.running.tick import TickInput, TickOutcome
from gateway.agents.state import Spending, write_state
from gateway.agents.steps.work import record_work, with_billed_work
from gateway.agents.store.days import TickCounts, add_counts
from gateway.agents.store.queue import RETRY, lock_claimed, next_due
from gateway.tables.agents import Agent, AgentStatus, AgentTick
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.secrets.signing_key import SigningKey
from models.policies.maintenance.policy import Action

Finish = Callable[[AsyncSession, Agent, TickOutcome, bool], Awaitable[None]]
"""Records the end of a run in the transaction of its tick; False: the agent was changed."""

_RELEASE = text("""
    update agent set
        process_id = null,
        ticked_at = case when agent.version = quiet.version then :now else agent.ticked_at end,
        due_at = case when agent.version = quiet.version then quiet.due else agent.due_at end,
        state = case when agent.version = quiet.version then quiet.state else agent.state end
    from (
        select unnest(cast(:agent_ids as uuid[])) as id,
               unnest(cast(:versions as int[])) as version,
               unnest(cast(:due as timestamptz[])) as due,
               cast(unnest(cast(:states as text[])) as jsonb) as state
    ) as quiet
    where agent.id = quiet.id and agent.process_id = :process_id
      and agent.account_id = :account_id
""")


class TickRecorder:
    """Writes the outcomes of ticks of one process."""

    def __init__(
        self, database: Database, clock: Clock, signer: ModelSigner, round_signing: SigningKey
    ) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer
        self._round_signing = round_signing

    async def record_quiet(self, ticks: Sequence[TickInput], process_id: UUID) -> None:
        """Record ticks in which rules decided that nothing is to be done."""
        if not ticks:
            return
        now = self._clock.now()
        async with self._database.transaction() as session:
            await _release_quiet(session, ticks, process_id, now)
            counts = [TickCounts(tick.agent.id, tick.agent.account_id) for tick in ticks]
            await add_counts(session, now.date(), counts)

    async def record(
        self,
        tick: TickInput,
        outcome: TickOutcome,
        process_id: UUID,
        finish: Finish | None = None,
    ) -> None:
        """Record a tick with its actions and notices.

        finish: of a run outside of the schedule, which leaves the time of the next tick as it is.
        """
        now = self._clock.now()
        async with self._database.transaction() as session:
            row = await lock_claimed(session, tick.agent, process_id)
            if row is None:
                return
            outcome = await _with_billed_cost(session, row, outcome)
            outcome = replace(outcome, work=await with_billed_work(session, row, outcome.work))
            outcome = await within_rate(session, tick, outcome, now)
            _spend(row, outcome, now)
            if row.version != tick.agent.version or row.status != AgentStatus.ACTIVE:
                row.process_id = None
                await add_counts(session, now.date(), [_counts(tick, outcome, 0)])
                if finish is not None:
                    await finish(session, row, outcome, False)
                return
            actions = await self._write(session, row, tick, outcome, now)
            await record_prediction(session, self._clock, self._signer, tick, outcome)
            await after_tick(session, self._clock, row, tick, outcome)
            state = msgspec.structs.replace(outcome.plan.state, since=tick.since)
            row.state = write_state(state)
            if finish is None:
                row.due_at = next_due(row.due_at, tick.definition.every_s, now)
            else:
                await finish(session, row, outcome, True)
            row.process_id, row.ticked_at, row.failures = None, now, 0
            await add_counts(session, now.date(), [_counts(tick, outcome, actions)])

    async def record_failure(
        self, tick: TickInput, failure: PredictionFailed, process_id: UUID
    ) -> None:
        """Stop the agent, with a notice, or repeat the tick later."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            row = await lock_claimed(session, tick.agent, process_id)
            if row is None:
                return
            row.process_id = None
            if failure.stops and row.status == AgentStatus.ACTIVE:
                row.status, row.stop_code, row.updated_at = AgentStatus.STOPPED, failure.code, now
                await enqueue_agent_alert(session, self._clock, _stopped(row, failure.code, now))
            elif not failure.stops:
                # The tick keeps its time, so that a stored answer is found again.
                row.failures += 1
                row.retry_at = now + RETRY.delay(row.failures)
            counts = TickCounts(row.id, row.account_id, errors=1)
            await add_counts(session, now.date(), [counts])

    async def _write(
        self, session: AsyncSession, row: Agent, tick: TickInput, outcome: TickOutcome,
        now: datetime,
    ) -> int:  # fmt: skip
        """Write the tick, its actions and its notice. Returns the number of actions."""
        if not _is_notable(outcome):
            return 0
        written = _tick_row(row, tick, outcome, now)
        session.add(written)
        await session.flush()
        await log_decision(session, row, written, tick.definition, outcome.choice)
        await record_work(
            *(session, self._clock, row, written, tick.definition, outcome.work),
            self._round_signing,
        )
        for planned in outcome.plan.actions:
            await create_action(session, self._clock, row, written, tick.definition, planned)
        await renew_commands(session, row, tick.definition, outcome.assessment, now)
        if outcome.plan.tells:
            await enqueue_agent_alert(session, self._clock, _decided(row, written, outcome))
        return len(outcome.plan.actions)


async def _with_billed_cost(session: AsyncSession, row: Agent, outcome: TickOutcome) -> TickOutcome:
    """Return an outcome with the cost of its usage row: a replayed answer states none."""
    predicted = outcome.predicted
    if predicted is None or predicted.request_id is None:
        return outcome
    query = select(Usage.cost_nano).where(
        col(Usage.account_id) == row.account_id, col(Usage.request_id) == predicted.request_id
    )
    cost = (await session.scalars(query)).one_or_none()
    if cost is None:
        return outcome
    return replace(outcome, predicted=replace(predicted, cost_nano=cost))


def _is_notable(outcome: TickOutcome) -> bool:
    """Return whether a tick is kept: it decided, failed, called a model, or ended a warning."""
    decides = outcome.assessment.action is not Action.WAIT or outcome.assessment.order_part
    called = outcome.predicted is not None or outcome.work.is_notable
    is_logged = outcome.choice is not None
    return decides or outcome.plan.tells or called or is_logged or bool(outcome.error)


def _tick_row(row: Agent, tick: TickInput, outcome: TickOutcome, now: datetime) -> AgentTick:
    """Return the row of a tick."""
    predicted = outcome.predicted
    return AgentTick(
        id=ids.new_id(),
        account_id=row.account_id,
        agent_id=row.id,
        version=row.version,
        scheduled_at=tick.agent.due_at,
        finished_at=now,
        rules=msgspec.to_builtins((*tick.results, *outcome.work.results)),
        assessment={**msgspec.to_builtins(outcome.assessment), **_called_by(tick)},
        prediction=None if predicted is None else dict(predicted.prediction),
        request_id=None if predicted is None else predicted.request_id,
        cost_nano=outcome.cost_nano,
        error=outcome.error,
    )


def _called_by(tick: TickInput) -> dict[str, list[str]]:
    """Return the chain of agents that wait for the tick, which those who hear of it pass on."""
    return {"agent_chain": list(tick.chain)} if tick.chain else {}


def _spend(row: Agent, outcome: TickOutcome, now: datetime) -> None:
    """Count the cost of the tick's call in the row."""
    cost = outcome.cost_nano
    spending = Spending(row.spent_day, row.spent_day_nano, row.spent_month_nano)
    spent = spending.at(now.date()).plus(cost)
    row.spent_day, row.spent_day_nano = spent.day, spent.day_nano
    row.spent_month_nano = spent.month_nano


def _counts(tick: TickInput, outcome: TickOutcome, actions: int) -> TickCounts:
    """Return what a tick adds to its day."""
    return TickCounts(
        agent_id=tick.agent.id,
        account_id=tick.agent.account_id,
        raised=int(bool(outcome.assessment.raised)),
        predictions=int(outcome.predicted is not None),
        decisions=int(outcome.assessment.action is not Action.WAIT),
        actions=actions,
        errors=int(outcome.error is not None),
        cost_nano=outcome.cost_nano,
    )


async def _release_quiet(
    session: AsyncSession, ticks: Sequence[TickInput], process_id: UUID, now: datetime
) -> None:
    """Set the next tick of quiet agents, in the order of their ids.

    One that was changed meanwhile is only released, one that was taken over is left alone.
    """
    ordered = sorted(ticks, key=lambda tick: tick.agent.id)
    await session.execute(
        _RELEASE,
        {
            "process_id": process_id,
            "account_id": ordered[0].agent.account_id,
            "now": now,
            "agent_ids": [tick.agent.id for tick in ordered],
            "versions": [tick.agent.version for tick in ordered],
            "due": [next_due(tick.agent.due_at, tick.definition.every_s, now) for tick in ordered],
            "states": [_state_text(tick) for tick in ordered],
        },
    )


def _state_text(tick: TickInput) -> str:
    """Return the state after a quiet tick as JSON."""
    state = msgspec.structs.replace(tick.state, since=tick.since)
    return msgspec.json.encode(write_state(state)).decode()


def _decided(row: Agent, tick: AgentTick, outcome: TickOutcome) -> AgentAlert:
    """Return the notice of a decision, or of the end of a warning."""
    assessment = outcome.assessment
    return AgentAlert(
        account_id=row.account_id,
        agent=ids.format_id(AGENT, row.id),
        name=row.name,
        asset=row.definition["asset"],
        key=str(tick.id),
        kind=_notice_kind(assessment),
        data=tick.assessment,
    )


def _notice_kind(assessment: Assessment) -> str:
    """Return which notice a decision gets."""
    if assessment.action is not Action.WAIT:
        return assessment.action.value
    return "part" if assessment.order_part else "cleared"


def _stopped(row: Agent, code: str, now: datetime) -> AgentAlert:
    """Return the notice that an agent was stopped."""
    return AgentAlert(
        account_id=row.account_id,
        agent=ids.format_id(AGENT, row.id),
        name=row.name,
        asset=row.definition["asset"],
        key=f"{row.id}:stopped:{now.isoformat()}",
        kind="stopped",
        data={"code": code},
    )
