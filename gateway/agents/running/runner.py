"""Background runner of agents in a gateway process: due agents of one account at a time.

    claim -> observe all in one query -> quiet ones: one update
                                      -> others: predict, decide, act, record

Exactly once: a claim is one process's, an outcome one transaction, and a call has the idempotency
key of its tick. An agent of a process that was killed is claimed by another one within the time
after which a process counts as ended.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, select

from gateway.agents.actions.expiring import expire_proposals
from gateway.agents.board.tick_hold import tick_reserve
from gateway.agents.commands.delivery import expire_commands
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.dependencies import AgentDependencies
from gateway.agents.learning.choosing import NOTHING_LEARNED, Learned
from gateway.agents.learning.policy_rows import load_learned
from gateway.agents.orders.runs import orders_of
from gateway.agents.requests.running import RequestedRuns
from gateway.agents.requests.store import due_runs
from gateway.agents.rounds.runs import rounds_of
from gateway.agents.rules import evaluate_rules
from gateway.agents.running.observing import Readings, observe
from gateway.agents.running.prediction_call import PredictionFailed
from gateway.agents.running.recording import TickRecorder
from gateway.agents.running.tick import TickInput, TickOutcome, run_tick
from gateway.agents.savings.daily import send_due_reports
from gateway.agents.scheduling.ticking import ScheduleTicks
from gateway.agents.state import read_state
from gateway.agents.steps.work import count_work, text_language
from gateway.agents.store.agents import read_definition
from gateway.agents.store.queue import claim_due, due_agents
from gateway.agents.warnings.signals import WarningSignals
from gateway.tables.agents import Agent
from gateway.tables.agents_a2a import AgentRun
from infra.database.due_work import DueRows, Moment
from infra.poller import Poller

# Calls of agents that run at a time in this process.
CONCURRENCY = 8
INTERNAL_ERROR = "internal_error"
# How often this process looks for proposals whose time is over.
_EXPIRE_EVERY = timedelta(minutes=1)


class AgentRunner(Poller):
    """Polls for due agents and runs their ticks."""

    def __init__(self, dependencies: AgentDependencies) -> None:
        super().__init__("agents", self.run_due, dependencies.timing)
        self._deps = dependencies
        self._recorder = TickRecorder(
            *(dependencies.database, dependencies.clock, dependencies.signer),
            dependencies.round_signing,
        )
        self._requested = RequestedRuns(
            *(dependencies.database, dependencies.clock, dependencies.metrics, self._recorder),
            *(self.observed, self.decided),
        )
        self._schedules = ScheduleTicks(
            dependencies.database, dependencies.clock, dependencies.metrics
        )
        self._warnings = WarningSignals(dependencies.database)
        self._expired_at: datetime | None = None

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        """Return the queries of agents whose tick is due, and of requested runs."""
        is_due = due_agents(moment.now, moment.process_id)
        is_requested = due_runs(moment.now, moment.process_id)
        return select(col(Agent.id)).where(is_due), select(col(AgentRun.id)).where(is_requested)

    async def run_due(self) -> bool:
        """Run the due agents of one account. Returns whether there were any."""
        deps = self._deps
        if not deps.heartbeat.is_alive:
            return False
        process_id = deps.heartbeat.process_id
        await self.expire_due()
        has_run = await self._requested.run_one(process_id)  # before it holds agents that are due
        async with deps.database.transaction() as session:
            agents = await claim_due(session, deps.clock.now(), process_id)
        if not agents:
            return has_run
        ticks = await self.observed(agents)
        quiet = [tick for tick in ticks if tick.is_quiet]
        await self._recorder.record_quiet(quiet, process_id)
        deps.metrics.ticks.labels("quiet").inc(len(quiet))
        await self._run_all([tick for tick in ticks if not tick.is_quiet], process_id)
        return True

    async def expire_due(self) -> None:
        """Mark proposals whose time is over and send daily reports, once a minute."""
        now, last = self._deps.clock.now(), self._expired_at
        if last is not None and timedelta() <= now - last < _EXPIRE_EVERY:
            return
        self._expired_at = now
        async with self._deps.database.transaction() as session:
            await expire_proposals(session, now)
            await expire_commands(session, now)
        reports = await send_due_reports(self._deps.database, self._deps.clock)
        self._deps.metrics.reports.labels("queued").inc(reports.queued)
        self._deps.metrics.reports.labels("failed").inc(reports.failed)

    async def observed(self, agents: Sequence[Agent]) -> list[TickInput]:
        """Return the agents with the results of their rules."""
        definitions = [read_definition(agent.definition) for agent in agents]
        watched = [(agent.asset_id, one) for agent, one in zip(agents, definitions, strict=True)]
        async with self._deps.database.transaction() as session:
            readings = await observe(session, agents[0].account_id, watched)
            defined = list(zip(agents, definitions, strict=True))
            learned = await load_learned(session, agents[0].account_id, defined)
            rounds = await rounds_of(session, defined, self._deps.clock.now())
            orders = await orders_of(session, defined)
            language = await text_language(session, agents[0].account_id, definitions)
        warnings = await self._warnings.find(defined, self._deps.clock.now())
        ticks = [
            self._tick(agent, definition, found, learned.get(agent.id, NOTHING_LEARNED))
            for (agent, definition), found in zip(defined, readings, strict=True)
        ]
        return [
            replace(
                one,
                round=rounds.get(one.agent.id),
                order=orders.get(one.agent.id),
                language=language,
            ).with_warning(warnings.get(one.agent.id))
            for one in ticks
        ]

    def _tick(
        self, agent: Agent, definition: AgentDefinition, readings: Readings, learned: Learned
    ) -> TickInput:
        """Return the input of one tick."""
        at, state = self._deps.clock.now(), read_state(agent.state)
        results = evaluate_rules(definition.rules, readings, state.since, at)
        return TickInput(agent, definition, state, results, at, learned=learned)

    async def _run_all(self, ticks: Sequence[TickInput], process_id: UUID) -> None:
        """Run ticks that are not quiet, some at a time; one that fails does not end the others."""
        gate = asyncio.Semaphore(CONCURRENCY)

        async def run(tick: TickInput) -> None:
            async with gate:
                await self.run_safely(tick, process_id)

        results = await asyncio.gather(*(run(tick) for tick in ticks), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                self._log.error("a failed tick could not be recorded", exc_info=result)

    async def run_safely(self, tick: TickInput, process_id: UUID) -> None:
        """Run a tick; one that fails unexpectedly is repeated later, not at once."""
        try:
            await self.run_one(tick, process_id)
        except Exception as error:
            self._log.error("a tick of an agent failed", exc_info=error)
            self._deps.metrics.ticks.labels("error").inc()
            failure = PredictionFailed(INTERNAL_ERROR, stops=False, waits=True)
            await self._recorder.record_failure(tick, failure, process_id)

    async def decided(self, tick: TickInput) -> TickOutcome | PredictionFailed:
        """Return the outcome of one tick, without recording it."""
        reserve = tick_reserve(self._deps.database, tick.agent, tick.definition)
        return await run_tick(self._deps.client, tick, reserve)

    async def run_one(self, tick: TickInput, process_id: UUID) -> None:
        """Run one tick and record it."""
        if tick.definition.schedule is not None:
            return await self._schedules.run(tick, tick.definition.schedule, process_id)
        outcome = await self.decided(tick)
        if isinstance(outcome, PredictionFailed):
            await self._recorder.record_failure(tick, outcome, process_id)
            self._deps.metrics.ticks.labels("stopped" if outcome.stops else "retried").inc()
            return
        await self._recorder.record(tick, outcome, process_id)
        self._deps.metrics.ticks.labels(outcome.assessment.action.value).inc()
        count_work(self._deps.metrics, outcome.work)
        for planned in outcome.plan.actions:
            self._deps.metrics.actions.labels(planned.kind.value).inc()
