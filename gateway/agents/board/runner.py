"""Background runner of the task boards in a gateway process.

    poll: award due tasks to members -> work on some at a time -> record each once
    renew: the leases of the tasks that this process works on

If the process is killed, its leases are not renewed, and another process awards the tasks to the
next bidder within `task_lease_s` and one poll.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from gateway.agents.board.awarding import Awarded, Awarder, due_tasks, renew
from gateway.agents.board.clock import CLOCK, database_now
from gateway.agents.board.holds import settle_old
from gateway.agents.board.recording import TaskRecorder
from gateway.agents.board.working import TaskWorker
from gateway.agents.dependencies import AgentDependencies
from infra.database.due_work import DueRows, Moment
from infra.poller import CountFailure, Poller

# Tasks that this process works on at a time.
CONCURRENCY = 8
_INTERNAL_ERROR = "internal_error"
_SETTLE_EVERY = timedelta(minutes=1)
_AFTER_ERROR = timedelta(seconds=15)


@dataclass(slots=True)
class _Running:
    """The tasks that this process works on, by id."""

    tasks: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)
    settled_at: datetime | None = None


class BoardRunner(Poller):
    """Awards and does tasks of all accounts."""

    def __init__(self, dependencies: AgentDependencies) -> None:
        super().__init__("agent_board", self.run_due, dependencies.timing)
        self._deps = dependencies
        self._running = _Running()
        self._leases = Poller("agent_leases", self.renew_leases, dependencies.timing)

    def due_rows(self, moment: Moment) -> Sequence[DueRows]:
        """Return the query of tasks to be awarded, taken over or stopped."""
        return (due_tasks(CLOCK, self._deps.timing.task_lease_s),)

    def count_failures(self, count: CountFailure) -> None:
        """Count unexpected errors of this loop and of the renewal of leases."""
        super().count_failures(count)
        self._leases.count_failures(count)

    async def start(self) -> None:
        """Start awarding, and renewing leases."""
        await super().start()
        await self._leases.start()

    async def stop(self) -> None:
        """Stop; running tasks are cancelled, and taken over once their leases have lapsed."""
        await super().stop()
        await self._leases.stop()
        running = list(self._running.tasks.values())
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def run_due(self) -> bool:
        """Award due tasks and begin to work on them. Returns whether there were any."""
        if not self._deps.heartbeat.is_alive:
            return False
        await self._settle_old()
        for one in await self.award(CONCURRENCY - len(self._running.tasks)):
            work = asyncio.create_task(self.work(one), name="agent task")
            self._running.tasks[one.task.id] = work
        # Finished tasks wake this poller, so that there is no need to poll on.
        return False

    async def award(self, limit: int) -> list[Awarded]:
        """Award due tasks to members, to be worked on by this process."""
        if limit <= 0:
            return []
        deps = self._deps
        async with deps.database.transaction() as session:
            awarder = Awarder(
                session, deps.clock, deps.heartbeat.process_id, deps.timing.task_lease_s
            )
            awarded = await awarder.award_due(limit)
        for one in awarded:
            outcome = "taken_over" if one.takes_over else "awarded"
            deps.metrics.tasks.labels(one.task.kind, outcome).inc()
        return awarded

    async def work(self, awarded: Awarded) -> None:
        """Do one task; one that fails unexpectedly is announced again."""
        deps, task_id = self._deps, awarded.task.id
        recorder = TaskRecorder(deps.database, deps.clock, deps.signer, deps.heartbeat.process_id)
        try:
            await TaskWorker(deps.database, deps.client, recorder).work(awarded)
            deps.metrics.tasks.labels(awarded.task.kind, "worked").inc()
        except Exception as error:
            self._log.error("a task of an agent failed", exc_info=error)
            deps.metrics.tasks.labels(awarded.task.kind, "error").inc()
            await self._give_back(recorder, awarded)
        finally:
            self._running.tasks.pop(task_id, None)
            self.wake()

    async def _give_back(self, recorder: TaskRecorder, awarded: Awarded) -> None:
        """Announce a failed task again; if that fails too, its lease lapses."""
        try:
            await recorder.failure(awarded, _INTERNAL_ERROR, delay=_AFTER_ERROR)
        except Exception as error:
            self._log.error("a failed task could not be given back", exc_info=error)

    async def renew_leases(self) -> bool:
        """Renew the leases of running tasks; without any, nothing is asked of the database."""
        deps, running = self._deps, list(self._running.tasks)
        if running and deps.heartbeat.is_alive:
            process_id, lease_s = deps.heartbeat.process_id, deps.timing.task_lease_s
            async with deps.database.transaction() as session:
                await renew(session, process_id, running, lease_s)
        return False

    async def _settle_old(self) -> None:
        """Settle holds that were lost with their process, once a minute."""
        now, last = self._deps.clock.now(), self._running.settled_at
        if last is not None and timedelta() <= now - last < _SETTLE_EVERY:
            return
        self._running.settled_at = now
        async with self._deps.database.transaction() as session:
            await settle_old(session, await database_now(session))
