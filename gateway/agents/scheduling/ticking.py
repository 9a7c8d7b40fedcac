"""One tick of an agent that schedules pumps: read, decide, and record all in one transaction.

level, pumps, demand -> policy through the shield -> plan -> notice, proposals or set points
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.money import NANO
from billing.notifications.agent_alerts import AgentAlert, enqueue_agent_alert
from gateway.agents.assessment import assess_rules
from gateway.agents.commands.renewing import renew_points
from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.definitions.values import Autonomy
from gateway.agents.public_ids import AGENT
from gateway.agents.rules import RuleStatus
from gateway.agents.running.tick import TickInput
from gateway.agents.scheduling.deciding import DecisionStatus, ScheduleDecision, decide
from gateway.agents.scheduling.preparing import Prepared, Yesterday, prepare
from gateway.agents.scheduling.set_point_actions import create_set_point, may_set, replace_open
from gateway.agents.scheduling.shadowing import is_worse, roll_back
from gateway.agents.scheduling.views import decision_json
from gateway.agents.state import write_state
from gateway.agents.store.agents import AgentChange
from gateway.agents.store.days import TickCounts, add_counts
from gateway.agents.store.queue import lock_claimed, next_due
from gateway.identity.audit_log import CLI_ACTOR
from gateway.tables.agents import Agent, AgentStatus, AgentTick
from gateway.tables.agents_schedule import AgentSchedule, AgentScheduleDay
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.telemetry.agent_metrics import AgentMetrics
from models.policies.maintenance.policy import Action

INCOMPLETE = "readings_incomplete"
COSTS_MORE = "costs_more_than_hysteresis"
_PUMPS, _BLIND, _CLEARED, _ROLLED_BACK = "pumps", "blind", "cleared", "rolled_back"
# Follows a situation in which a learned schedule could not be used.
_REFUSED = " refused"


@dataclass(frozen=True, slots=True)
class _Told:
    """The notice of a tick: its kind, and the situation that recipients know afterwards."""

    kind: str
    situation: str


class ScheduleTicks:
    """Runs ticks of agents with a schedule in a gateway process."""

    def __init__(self, database: Database, clock: Clock, metrics: AgentMetrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics

    async def run(self, tick: TickInput, step: ScheduleStep, process_id: UUID) -> None:
        """Run and record a claimed tick."""
        prepared = await prepare(self._database, tick.agent, step, tick.at)
        raised = any(one.status is RuleStatus.RAISED for one in tick.results)
        found = await asyncio.to_thread(
            decide,
            step,
            prepared.readings,
            prepared.basis,
            prepared.policy,
            tick.at,
            raised,
            prepared.policy_error,
        )
        actions = await self._record(tick, step, process_id, prepared, found)
        self._metrics.ticks.labels(found.status.value).inc()
        self._metrics.actions.labels("set_point").inc(actions)

    async def _record(
        self,
        tick: TickInput,
        step: ScheduleStep,
        process_id: UUID,
        prepared: Prepared,
        found: ScheduleDecision,
    ) -> int:
        """Record a decision, once. Returns the number of actions.

        Nothing is done for an agent that was changed, paused or taken over meanwhile.
        """
        now = self._clock.now()
        async with self._database.transaction() as session:
            row = await lock_claimed(session, tick.agent, process_id)
            if row is None:
                return 0
            row.process_id = None
            if row.version != tick.agent.version or row.status != AgentStatus.ACTIVE:
                await add_counts(session, now.date(), [_counts(row, tick, found, 0)])
                return 0
            told = _told(tick, found)
            actions = await self._write(session, row, tick, step, found, told)
            await renew_points(session, row, _unchanged(step, found), now)
            await self._renew(session, row, step, prepared, now)
            state = msgspec.structs.replace(tick.state, since=tick.since, told=told.situation)
            row.state = write_state(state)
            row.due_at = next_due(row.due_at, tick.definition.every_s, now)
            row.ticked_at, row.failures = now, 0
            await add_counts(session, now.date(), [_counts(row, tick, found, actions)])
            return actions

    async def _write(
        self,
        session: AsyncSession,
        row: Agent,
        tick: TickInput,
        step: ScheduleStep,
        found: ScheduleDecision,
        told: _Told,
    ) -> int:
        """Write a tick in which something is to be done or told. Returns the number of actions."""
        sets = found.set_points if may_set(tick.definition) else ()
        new = await replace_open(session, row, step, sets, self._clock.now())
        if not new and told.situation == tick.state.told:
            return 0
        written = _tick_row(row, tick, found, self._clock.now())
        session.add(written)
        await session.flush()
        for one in new:
            await create_set_point(session, self._clock, row, written, tick.definition, step, one)
        if told.kind:
            alert = _alert(row, str(written.id), told.kind, written.assessment["schedule"])
            await enqueue_agent_alert(session, self._clock, alert)
        return len(new)

    async def _renew(
        self,
        session: AsyncSession,
        row: Agent,
        step: ScheduleStep,
        prepared: Prepared,
        now: datetime,
    ) -> None:
        """Store the basis of a new day and what the day before saved; take back what costs more."""
        yesterday = prepared.yesterday
        if yesterday is None:
            return
        basis = msgspec.to_builtins(prepared.basis)
        stored = insert(AgentSchedule).values(
            agent_id=row.id, account_id=row.account_id, basis=basis, updated_at=now
        )
        changed = {"basis": stored.excluded.basis, "updated_at": stored.excluded.updated_at}
        await session.execute(
            stored.on_conflict_do_update(index_elements=["agent_id"], set_=changed)
        )
        day = insert(AgentScheduleDay).values(**_day(row, step, yesterday))
        await session.execute(day.on_conflict_do_nothing())
        if yesterday.policy_id is None or prepared.active is None:
            return
        if await is_worse(session, row, prepared.active):
            change = AgentChange(session, self._clock, CLI_ACTOR, row.account_id)
            await roll_back(change, row, COSTS_MORE)
            alert = _alert(row, f"{prepared.active.id}:rolled_back", _ROLLED_BACK, {})
            await enqueue_agent_alert(session, self._clock, alert)
            self._metrics.schedules.labels("rolled_back").inc()


def _unchanged(step: ScheduleStep, found: ScheduleDecision) -> list[str]:
    """Return the points that stay as an earlier set point left them; none without a plan."""
    if found.status is not DecisionStatus.PLANNED:
        return []
    switched = {one.point for one in found.set_points}
    return [pump.tag for pump in step.pumps if pump.tag not in switched]


def _told(tick: TickInput, found: ScheduleDecision) -> _Told:
    """Return what recipients are told: once of a situation, and when it ends if it was a fault."""
    before, autonomy = tick.state.told.removesuffix(_REFUSED), tick.definition.autonomy
    situation = ""
    if found.status is not DecisionStatus.PLANNED:
        situation = f"{_BLIND} {found.reason}"
    elif found.changes and autonomy is not Autonomy.ACT:
        situation = f"{_PUMPS} {found.wanted}"
    kept = situation + (_REFUSED if found.policy_error else "")
    if situation == before or autonomy is Autonomy.OBSERVE:
        return _Told("", kept)
    if not situation:
        return _Told(_CLEARED if before.startswith(_BLIND) else "", kept)
    return _Told(situation.partition(" ")[0], kept)


def _tick_row(row: Agent, tick: TickInput, found: ScheduleDecision, now: datetime) -> AgentTick:
    """Return the row of a tick: the decision is in `assessment.schedule`."""
    by_rules = msgspec.structs.replace(assess_rules(tick.results), action=Action.WAIT)
    return AgentTick(
        id=ids.new_id(),
        account_id=row.account_id,
        agent_id=row.id,
        version=row.version,
        scheduled_at=row.due_at,
        finished_at=now,
        rules=msgspec.to_builtins(tick.results),
        assessment={**msgspec.to_builtins(by_rules), "schedule": decision_json(found)},
        error=found.reason or found.policy_error or None,
    )


def _counts(row: Agent, tick: TickInput, found: ScheduleDecision, actions: int) -> TickCounts:
    """Return what a tick adds to its day."""
    return TickCounts(
        agent_id=row.id,
        account_id=row.account_id,
        raised=int(any(one.status is RuleStatus.RAISED for one in tick.results)),
        decisions=int(found.changes),
        actions=actions,
        errors=int(bool(found.policy_error) or found.status is DecisionStatus.BLIND),
    )


def _day(row: Agent, step: ScheduleStep, yesterday: Yesterday) -> dict[str, Any]:
    """Return the row of a day of operation."""
    saving = yesterday.saving
    known = {
        "agent_id": row.id,
        "day": yesterday.day,
        "account_id": row.account_id,
        "currency": step.tariff.currency,
        "policy_id": yesterday.policy_id,
        "shadow_id": yesterday.shadow_id,
        "reason": INCOMPLETE if saving is None else None,
    }
    empty = {"cost_nano": 0, "baseline_nano": 0, "saved_nano": 0, "demand_m3": 0.0}
    if saving is None:
        return {**known, **empty, "violations": 0, "baseline_violations": 0}
    shadow = saving.shadow_saved
    return {
        **known,
        "cost_nano": _nano(saving.cost),
        "baseline_nano": _nano(saving.baseline),
        "saved_nano": _nano(saving.saved),
        "shadow_saved_nano": None if shadow is None else _nano(shadow),
        "demand_m3": saving.demand,
        "violations": saving.violations,
        "baseline_violations": saving.baseline_violations,
    }


def _nano(amount: float) -> int:
    """Return an amount in nano-units; those beyond what is stored are cut."""
    return round(max(-9e9, min(9e9, amount)) * NANO)


def _alert(row: Agent, key: str, kind: str, data: dict[str, Any]) -> AgentAlert:
    """Return the notice of a decision."""
    return AgentAlert(
        account_id=row.account_id,
        agent=ids.format_id(AGENT, row.id),
        name=row.name,
        asset=row.definition["asset"],
        key=key,
        kind=kind,
        data={"schedule": data} if data else {},
    )
