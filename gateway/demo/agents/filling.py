"""Let the demo's agents live a month: readings, ticks, decisions of people, a round, a team.

Readings are stored tick by tick, because an agent sees the newest ones. The agents have a clock of
their own: the demo's is near its end by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.outcomes.predictions.model_keys import ModelSigner
from gateway.agents.actions.deciding import approve, list_actions, reject
from gateway.agents.board.team_fields import TeamBudget, TeamDocument
from gateway.agents.board.teams import create_team
from gateway.agents.dependencies import AgentDependencies
from gateway.agents.learning.feedback import NewFeedback, give_feedback
from gateway.agents.public_ids import ACTION, AGENT, ROUND, TICK
from gateway.agents.rounds.answers import NewAnswer
from gateway.agents.rounds.signing import PURPOSE
from gateway.agents.rounds.store import add_answers, start_round, submit
from gateway.agents.running.runner import AgentRunner
from gateway.agents.store.agents import AgentChange, change_definition, create_agent, set_status
from gateway.demo.agents.calls import ComputedCalls
from gateway.demo.agents.definitions import (
    TEAM,
    inspection_round,
    pump_monitor,
    team_members,
)
from gateway.demo.agents.pump import DAYS, DENIED_DAY, FOUND_DAY, pump_model, pump_series, pump_tag
from gateway.demo.call_recorder import CallRecorder
from gateway.demo.calls import first_model
from gateway.demo.context import DemoAccount, DemoDependencies
from gateway.demo.dates import SimulatedClock
from gateway.demo.plant.filling import import_model
from gateway.identity.audit_log import CLI_ACTOR, Actor
from gateway.identity.roles import Role
from gateway.plant.readings.acceptance import AcceptedReadings
from gateway.plant.readings.formats.batch import PointKey
from gateway.plant.readings.formats.times import from_datetime
from gateway.plant.readings.storage.points import find_points
from gateway.plant.readings.storage.writing import store_readings
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.tables import Person
from gateway.tables.agents import Agent, AgentStatus
from gateway.tables.agents_learning import FeedbackVerdict
from infra import ids
from infra.secrets.signing_key import SigningKey
from infra.telemetry.metrics import declare_metrics
from models.catalog import Task

_EVERY, _MAX_AGENTS = timedelta(hours=12), 100
_ADDRESS = "203.0.113.7"
_ANSWERS: Mapping[str, float | bool | str] = {
    "vibration": 6.1,
    "temperature": 58.0,
    "leak": False,
    "noise": "2",
}


async def fill_agents(deps: DemoDependencies, recorder: CallRecorder, account: DemoAccount) -> None:
    """Create the agents of a firm with a month of history, up to the demo's clock."""
    await import_model(deps, account, pump_model(deps.dates.now))
    month = _Month(deps, recorder, account, SimulatedClock(deps.clock.now() - DAYS * 2 * _EVERY))
    await month.run()


class _Month:
    """The month of one firm's agents."""

    def __init__(
        self,
        deps: DemoDependencies,
        recorder: CallRecorder,
        account: DemoAccount,
        clock: SimulatedClock,
    ) -> None:
        self._deps = deps
        self._recorder = recorder
        self._account = account
        self._clock = clock
        self._signing = SigningKey(deps.pepper, PURPOSE)
        metrics = declare_metrics()
        self._runner = AgentRunner(
            AgentDependencies(
                clock=clock,
                database=deps.database,
                heartbeat=ProcessHeartbeat(deps.database, recorder.connection, clock, metrics),
                client=ComputedCalls(deps, recorder, account),
                signer=ModelSigner(deps.pepper),
                round_signing=self._signing,
                metrics=metrics.agents,
            )
        )

    async def run(self) -> None:
        """Create the agents and let them tick until the demo's clock."""
        monitor, walker = await self._create()
        end = self._deps.clock.now()
        read_until = self._clock.now() - _EVERY
        for step in range(2 * DAYS + 1):
            at = end - (2 * DAYS - step) * _EVERY
            await self._store_readings(read_until, at)
            read_until = at
            self._clock.advance_to(at)
            days_left = (2 * DAYS - step) / 2
            if days_left == 1:
                await self._begin_steps(monitor)
                await self._walk(walker)
            await self._tick()
            if days_left in _DECISIONS:
                await self._decide(monitor, _DECISIONS[days_left])
        await self._start_next_round(walker)

    async def _create(self) -> tuple[UUID, UUID]:
        """Create all agents; activate the pump monitor and the round, whose ids are returned."""
        key_id = self._account.key_ids[self._account.firm.keys[0].name]
        async with self._deps.database.transaction() as session:
            change = AgentChange(session, self._clock, CLI_ACTOR, self._account.account_id)
            await create_team(change, TeamDocument(name=TEAM, budget=TeamBudget(per_day="5")))
            active = []
            for definition in (pump_monitor(), inspection_round()):
                row = await create_agent(change, key_id, definition, _MAX_AGENTS)
                await set_status(change, ids.format_id(AGENT, row.id), AgentStatus.ACTIVE)
                active.append(row.id)
            for member in team_members():
                await create_agent(change, key_id, member, _MAX_AGENTS)
        return active[0], active[1]

    async def _store_readings(self, since: datetime, until: datetime) -> None:
        """Store the pump's readings after a time and up to another one."""
        end_us = from_datetime(self._deps.clock.now())
        series = pump_series(from_datetime(since), from_datetime(until), end_us)
        keys = {PointKey(pump_tag(tag)): tag for tag in series}
        account_id = self._account.account_id
        async with self._deps.database.transaction() as session:
            found = await find_points(session, account_id, list(keys))
            by_point = {point.id: series[keys[key]] for key, point in found.items()}
            await store_readings(session, account_id, AcceptedReadings(by_point, 0))

    async def _tick(self) -> None:
        """Run the firm's agents that are due."""
        process_id = self._recorder.process_id
        async with self._deps.database.transaction() as session:
            due = select(Agent).where(
                col(Agent.account_id) == self._account.account_id,
                col(Agent.status) == AgentStatus.ACTIVE,
                col(Agent.due_at) <= self._clock.now(),
            )
            agents = (await session.scalars(due.with_for_update())).all()
            for agent in agents:
                agent.process_id = process_id
        if agents:
            for tick in await self._runner.observed(agents):
                await self._runner.run_one(tick, process_id)

    async def _decide(self, agent_id: UUID, decision: "_Decision") -> None:
        """Let a person of the firm decide about the newest proposal, and say what was found."""
        async with self._deps.database.transaction() as session:
            change = await self._changed_by_person(session)
            (action, *_) = await list_actions(session, change.account_id, 1, None, agent_id)
            decide = approve if decision.is_approved else reject
            await decide(change, ids.format_id(ACTION, action.id))
            agent = await session.get_one(Agent, agent_id)
            said = NewFeedback(decision.verdict, found=decision.found)
            await give_feedback(change, agent, ids.format_id(TICK, action.tick_id), said)

    async def _begin_steps(self, agent_id: UUID) -> None:
        """Let the monitor also ask for the pump's efficiency, if the catalog has the mechanism."""
        model = first_model(self._deps.catalog, Task.CALCULATION, "pump_efficiency")
        if model is None:
            return
        async with self._deps.database.transaction() as session:
            change = await self._changed_by_person(session)
            agent = ids.format_id(AGENT, agent_id)
            await change_definition(change, agent, pump_monitor(model))
            row = await session.get_one(Agent, agent_id)
            row.due_at = self._clock.now()

    async def _walk(self, agent_id: UUID) -> None:
        """Answer and submit an inspection round."""
        async with self._deps.database.transaction() as session:
            change = await self._changed_by_person(session)
            begun = await start_round(change, await session.get_one(Agent, agent_id))
            round_id, now = ids.format_id(ROUND, begun.id), self._clock.now()
            answers = [
                NewAnswer(key=f"s{stop}-{name}", stop=stop, question=name, value=value,
                          answered_at=now)
                for stop, names in enumerate((_ANSWERS, ("vibration", "leak")))
                for name, value in _ANSWERS.items() if name in names
            ]  # fmt: skip
            await add_answers(change, round_id, answers)
            await submit(change, round_id, self._signing)

    async def _start_next_round(self, agent_id: UUID) -> None:
        """Start a round that a newcomer can answer."""
        async with self._deps.database.transaction() as session:
            change = await self._changed_by_person(session)
            await start_round(change, await session.get_one(Agent, agent_id))

    async def _changed_by_person(self, session: AsyncSession) -> AgentChange:
        """Return the context of changes by the firm's developer."""
        developer = next(one for one in self._account.firm.users if one.role is Role.DEVELOPER)
        query = select(Person.id).where(col(Person.email) == developer.email)
        person_id = (await session.scalars(query)).one()
        actor = Actor(person_id, _ADDRESS)
        return AgentChange(session, self._clock, actor, self._account.account_id)


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a person decided about a proposal, and what was found at the machine."""

    is_approved: bool
    verdict: FeedbackVerdict
    found: str


# By the days before the end.
_DECISIONS: Mapping[float, _Decision] = MappingProxyType(
    {
        DENIED_DAY - 0.5: _Decision(False, FeedbackVerdict.DENIED, "滤网堵塞，清洗后恢复正常"),
        FOUND_DAY - 0.5: _Decision(True, FeedbackVerdict.CONFIRMED, "驱动端轴承磨损，已安排更换"),
    }
)
