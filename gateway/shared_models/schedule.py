"""Nightly proposals of shared-model versions, if the operator has enabled them.

At most one proposal per model and night, and none while the model's engine is busy with calls.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

import structlog
from sqlalchemy import func
from sqlmodel import col, select

from billing.tables import Intent
from gateway.shared_models.candidates import (
    ProposalRunning,
    has_version_since,
    reject_lost_proposals,
)
from gateway.shared_models.eligibility import is_shared
from gateway.shared_models.examples import TooFewExamples
from gateway.shared_models.proposer import NoNewExamples, Proposer
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog, Model

# From the configured hour on. A proposal that could not start within this time waits a day.
NIGHT_DURATION = timedelta(hours=4)
PROPOSED_BY = "nightly"
# Share of an engine's concurrency above which no proposal is started.
_MAX_BUSY_SHARE = 0.25
_DEFAULT_CONCURRENCY = 16


@dataclass(frozen=True, slots=True)
class NightlyProposals:
    """Periodic task, called every few minutes, that proposes one version per model and night.

    `starts_at` is the time of day, in UTC, at which the night begins. `engines_per_model` is the
    number of engines of each language model that always run.
    """

    starts_at: time
    catalog: Catalog
    clock: Clock
    database: Database
    proposer: Proposer
    engines_per_model: int = 1

    async def __call__(self) -> None:
        began = self.night_start(self.clock.now())
        if began is None:
            return
        for model in self.catalog.models.values():
            if is_shared(model):
                await self._propose(model, began)

    def night_start(self, now: datetime) -> datetime | None:
        """Return when the current night began. Returns None outside the night."""
        began = now.replace(
            hour=self.starts_at.hour, minute=self.starts_at.minute, second=0, microsecond=0
        )
        began -= timedelta(days=1) if began > now else timedelta()
        return began if now - began < NIGHT_DURATION else None

    async def _propose(self, model: Model, began: datetime) -> None:
        """Propose a version of the model unless one was started since `began` or it is busy."""
        async with self.database.transaction() as session:
            await reject_lost_proposals(session, self.clock, model.id)
            done = await has_version_since(session, model.id, began)
        if done or await self._is_busy(model):
            return
        log = structlog.get_logger().bind(model=model.id)
        try:
            await self.proposer.propose(
                model, PROPOSED_BY, lambda message: log.info(message), allow_unchanged=False
            )
        except (TooFewExamples, NoNewExamples, ProposalRunning) as reason:
            log.info("no version was proposed", reason=reason.message)
        except AppError as error:
            log.error("a version could not be trained", reason=error.message)

    async def _is_busy(self, model: Model) -> bool:
        """Whether open calls occupy more than a quarter of the engines' concurrency."""
        engine = self.catalog.models[model.engine_id]
        names = [item.id for item in self.catalog.models.values() if item.engine_id == engine.id]
        query = select(func.count()).where(col(Intent.model).in_(names))
        async with self.database.transaction() as session:
            running: int = (await session.execute(query)).scalar_one()
        return running > _MAX_BUSY_SHARE * self.engines_per_model * (
            engine.concurrency or _DEFAULT_CONCURRENCY
        )
