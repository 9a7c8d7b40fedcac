"""Background runner that learns schedules from the account's readings, in a gateway process.

queued -> learning -> shadow     better on days that the fit has not seen
                   -> rejected   not shown to be better
                   -> failed     the log does not show enough; the message has the figures
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.dependencies import AgentDependencies
from gateway.agents.learned_files import asset_binding
from gateway.agents.scheduling.history import LoggedDays, build_log
from gateway.agents.scheduling.learning import Learned, is_rejected, learn
from gateway.agents.scheduling.loading import find_points, read_history
from gateway.agents.scheduling.policy_store import QUEUE, end_with_status
from gateway.agents.scheduling.slots import local_day
from gateway.agents.store.agents import read_definition
from gateway.tables.agents import Agent
from gateway.tables.agents_schedule import AgentSchedulePolicy, SchedulePolicyStatus
from infra.claim_poller import ClaimPoller
from infra.work_queue import release_claim
from models.policies.scheduling.log import LogInvalid

INTERNAL_ERROR = "internal_error"


class ScheduleLearner(ClaimPoller[AgentSchedulePolicy]):
    """Learns queued schedules, one at a time; the fit runs in a thread."""

    def __init__(self, dependencies: AgentDependencies) -> None:
        deps = self._deps = dependencies
        super().__init__(
            "agent schedules", QUEUE, deps.database, deps.heartbeat, deps.clock, deps.timing
        )

    async def _claim(self, session: AsyncSession, process_id: UUID) -> AgentSchedulePolicy | None:
        """Claim a queued training of a random account; None if there is none."""
        return await QUEUE.claim_fairly(
            session,
            self._deps.clock.now(),
            process_id,
            col(AgentSchedulePolicy.account_id),
            status=SchedulePolicyStatus.LEARNING.value,
        )

    async def _work(self, row: AgentSchedulePolicy) -> None:
        """Learn a schedule and record it."""
        async with self._deps.database.transaction() as session:
            agent = await self._agent(session, row)
            step = read_definition(agent.definition).schedule
            if step is None or agent.asset_id != row.asset_id:
                raise LogInvalid("The agent has no schedule of this asset any more.")
            points = await find_points(session, row.account_id, row.asset_id, step)
            history = await read_history(session, row.account_id, step, points, _days(step, row))
        logged = await asyncio.to_thread(build_log, step, history)
        bound_to = asset_binding(agent.account_id, agent.asset_id)
        learned = await asyncio.to_thread(learn, step, logged, bound_to)
        await self._record(row, agent, learned, logged)

    async def _record(
        self, row: AgentSchedulePolicy, agent: Agent, learned: Learned, logged: LoggedDays
    ) -> None:
        """Store a learned schedule; a better one replaces an earlier one in the shadow."""
        now = self._deps.clock.now()
        rejected = is_rejected(learned.verdict)
        async with self._deps.database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, self._deps.heartbeat.process_id)
            if held is None:
                return
            if not rejected:
                await end_with_status(session, agent, SchedulePolicyStatus.SHADOW, now)
            held.file, held.sha256 = learned.content, learned.sha256
            held.pumps = msgspec.to_builtins(learned.pumps)
            days = {"first": logged.days[0].isoformat(), "last": logged.days[-1].isoformat()}
            held.report = {**learned.report, "log": days}
            held.process_id = None
            if rejected:
                held.status, held.ended_at = SchedulePolicyStatus.REJECTED, now
            else:
                held.status, held.shadow_at = SchedulePolicyStatus.SHADOW, now
        self._deps.metrics.schedules.labels("rejected" if rejected else "shadow").inc()

    async def _agent(self, session: AsyncSession, row: AgentSchedulePolicy) -> Agent:
        """Return the agent of a training."""
        query = select(Agent).where(
            col(Agent.id) == row.agent_id, col(Agent.account_id) == row.account_id
        )
        return (await session.scalars(query)).one()

    async def _interrupted(self, row: AgentSchedulePolicy) -> None:
        """Release a training, because the process stops; another one starts it again."""
        async with self._deps.database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, self._deps.heartbeat.process_id)
            if held is not None:
                held.process_id, held.attempts = None, 0

    async def _failed(self, row: AgentSchedulePolicy, error: Exception) -> None:
        """Record what the log lacks; repeat after an error that is none of the log."""
        now = self._deps.clock.now()
        if not isinstance(error, LogInvalid):
            self._log.error("a schedule could not be learned", exc_info=error)
        async with self._deps.database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, self._deps.heartbeat.process_id)
            if held is None:
                return
            is_last = isinstance(error, LogInvalid) or QUEUE.retry.gives_up_after(held.attempts)
            if is_last:
                held.status, held.ended_at = SchedulePolicyStatus.FAILED, now
                held.error = str(error) if isinstance(error, LogInvalid) else INTERNAL_ERROR
                held.process_id = None
            else:
                release_claim(held, QUEUE.retry, now)
        if is_last:
            self._deps.metrics.schedules.labels("failed").inc()


def _days(step: ScheduleStep, row: AgentSchedulePolicy) -> Sequence[date]:
    """Return the local days before the request, which is a part of its own day."""
    last = local_day(step, row.until)
    return [last - timedelta(days=back) for back in range(row.days, 0, -1)]
