"""Background runner of learning in a gateway process: one agent at a time, from a queue of rows.

A training takes a fraction of a second of CPU in a thread, and costs the account nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from billing.metering.process_reaper import ENDED_PROCESSES
from gateway.agents.learning.cycle import Learner, learn
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.tables.agents_learning import AgentLearning
from infra.claim_poller import ClaimPoller
from infra.telemetry.agent_metrics import AgentMetrics
from infra.timing import DEFAULT_TIMING, Timing
from infra.work_queue import OwnedQueue, RetryPolicy

# How often outcomes of an agent are looked at without new feedback.
_EVERY = timedelta(hours=1)
_RETRY = RetryPolicy(timedelta(seconds=30), timedelta(hours=1))
QUEUE = OwnedQueue(
    table=AgentLearning,
    id=col(AgentLearning.agent_id),
    attempts=col(AgentLearning.attempts),
    pending=col(AgentLearning.agent_id).is_not(None),
    order=(col(AgentLearning.retry_at), col(AgentLearning.agent_id)),
    retry=_RETRY,
    owner=col(AgentLearning.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(AgentLearning.retry_at),
)


@dataclass(frozen=True, slots=True)
class LearningDependencies:
    """The parts of a gateway process that the runner uses."""

    learner: Learner
    heartbeat: ProcessHeartbeat
    metrics: AgentMetrics
    timing: Timing = DEFAULT_TIMING


class LearningRunner(ClaimPoller[AgentLearning]):
    """Polls for agents whose outcomes are to be looked at."""

    def __init__(self, dependencies: LearningDependencies) -> None:
        self._deps = dependencies
        self._learner = dependencies.learner
        super().__init__(
            "agent_learning",
            QUEUE,
            self._learner.database,
            dependencies.heartbeat,
            self._learner.clock,
            dependencies.timing,
        )

    async def _claim(self, session: AsyncSession, process_id: UUID) -> AgentLearning | None:
        """Claim the agent whose turn is next; None if none is due."""
        return await QUEUE.claim(session, self._learner.clock.now(), process_id)

    async def _work(self, row: AgentLearning) -> None:
        """Take the turn of an agent."""
        step = await learn(self._learner, row.account_id, row.agent_id)
        if step is not None:
            self._deps.metrics.policies.labels(step).inc()
        await self._release(row, timedelta() if step else _EVERY, failed=False)

    async def _interrupted(self, row: AgentLearning) -> None:
        """Release an agent, because the process stops."""
        await self._release(row, timedelta(), failed=False)

    async def _failed(self, row: AgentLearning, error: Exception) -> None:
        """Try again later."""
        self._log.error("the learning of an agent failed", exc_info=error)
        self._deps.metrics.policies.labels("error").inc()
        await self._release(row, _RETRY.delay(row.attempts), failed=True)

    async def _release(self, row: AgentLearning, delay: timedelta, *, failed: bool) -> None:
        """Release the claim on an agent until a delay has passed."""
        now = self._learner.clock.now()
        async with self._learner.database.transaction() as session:
            found = await QUEUE.lock_claimed(session, row.agent_id, self._owner.process_id)
            if found is None:
                return
            found.process_id, found.retry_at = None, now + delay
            if not failed:
                found.attempts = 0
