"""Background runner that trains learned warning rules in a gateway process.

queued -> training -> ready      costs less than a fixed limit on events that were left out
                   -> rejected   not shown to; the owner may use it all the same
                   -> failed     the readings do not show enough; the message has the figures
"""

import asyncio
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from gateway.agents.dependencies import AgentDependencies
from gateway.agents.learned_files import asset_binding
from gateway.agents.warnings.loading import find_point_rows, read_grid
from gateway.agents.warnings.rows import QUEUE, settings_of
from gateway.agents.warnings.training import TrainedVersion, train_version
from gateway.tables.agents_warnings import (
    LearnedWarning,
    LearnedWarningVersion,
    WarningVersionStatus,
)
from infra.claim_poller import ClaimPoller
from infra.work_queue import release_claim
from models.policies.warnings.history import HistoryInvalid

INTERNAL_ERROR = "internal_error"


class WarningTrainer(ClaimPoller[LearnedWarningVersion]):
    """Trains queued versions, one at a time; the fit runs in a thread."""

    def __init__(self, dependencies: AgentDependencies) -> None:
        deps = self._deps = dependencies
        super().__init__(
            "learned warnings", QUEUE, deps.database, deps.heartbeat, deps.clock, deps.timing
        )

    async def _claim(self, session: AsyncSession, process_id: UUID) -> LearnedWarningVersion | None:
        """Claim a queued training of a random account; None if there is none."""
        return await QUEUE.claim_fairly(
            session,
            self._deps.clock.now(),
            process_id,
            col(LearnedWarningVersion.account_id),
            status=WarningVersionStatus.TRAINING.value,
        )

    async def _work(self, row: LearnedWarningVersion) -> None:
        """Train a version and record it."""
        async with self._deps.database.transaction() as session:
            rule = await session.get_one(LearnedWarning, row.warning_id)
            settings = settings_of(rule)
            points = await find_point_rows(session, rule.account_id, rule.asset_id, settings.points)
            missing = [tag for tag in settings.points if tag not in points]
            if missing:
                raise HistoryInvalid(f"The asset has no point {', '.join(missing)[:200]!r}.")
            grid = await read_grid(
                session, rule.account_id, points, settings, row.start_at, row.end_at
            )
        events = [datetime.fromisoformat(one) for one in row.events]
        bound_to = asset_binding(rule.account_id, rule.asset_id)
        trained = await asyncio.to_thread(train_version, settings, grid, events, bound_to)
        await self._record(row, trained)

    async def _record(self, row: LearnedWarningVersion, trained: TrainedVersion) -> None:
        """Store a trained version, unless another process took it over."""
        now = self._deps.clock.now()
        status = WarningVersionStatus.REJECTED if trained.reasons else WarningVersionStatus.READY
        async with self._deps.database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, self._deps.heartbeat.process_id)
            if held is None:
                return
            held.file, held.sha256, held.report = trained.content, trained.sha256, trained.report
            held.status, held.trained_at, held.process_id = status, now, None
        self._deps.metrics.warning_rules.labels(status.value).inc()

    async def _interrupted(self, row: LearnedWarningVersion) -> None:
        """Release a training, because the process stops; another one starts it again."""
        async with self._deps.database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, self._deps.heartbeat.process_id)
            if held is not None:
                held.process_id, held.attempts = None, 0

    async def _failed(self, row: LearnedWarningVersion, error: Exception) -> None:
        """Record what the readings lack; repeat after an error that is none of them."""
        now = self._deps.clock.now()
        if not isinstance(error, HistoryInvalid):
            self._log.error("a warning rule could not be trained", exc_info=error)
        async with self._deps.database.transaction() as session:
            held = await QUEUE.lock_claimed(session, row.id, self._deps.heartbeat.process_id)
            if held is None:
                return
            is_last = isinstance(error, HistoryInvalid) or QUEUE.retry.gives_up_after(held.attempts)
            if is_last:
                held.status, held.ended_at = WarningVersionStatus.FAILED, now
                held.error = str(error) if isinstance(error, HistoryInvalid) else INTERNAL_ERROR
                held.process_id = None
            else:
                release_claim(held, QUEUE.retry, now)
        if is_last:
            self._deps.metrics.warning_rules.labels("failed").inc()
