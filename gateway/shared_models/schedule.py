"""When versions are proposed by themselves: once a night, where the operator says so.

Owns the hours, that a model has one proposal a night, and that none is begun while its engine is
busy with calls that somebody pays for.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

import structlog
from sqlalchemy import func
from sqlmodel import col, select

from billing.tables import Intent
from gateway.shared_models.candidates import ProposalRunning, give_up_lost, made_since
from gateway.shared_models.eligibility import is_shared
from gateway.shared_models.examples import TooFewExamples
from gateway.shared_models.proposer import NothingNew, Proposer
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Catalog, Model

# After the hour that the operator names. What could not begin by then has its turn next night.
NIGHT = timedelta(hours=4)
BY = "nightly"
# Of the calls that an engine takes at once: while more run, it is left to them.
_BUSY = 0.25
_LIKELY_CONCURRENCY = 16


@dataclass(frozen=True, slots=True)
class Nightly:
    """Called every few minutes. `at` is the hour, in UTC, at which the night begins; `engines` are
    those of each language model that always run."""

    at: time
    catalog: Catalog
    clock: Clock
    database: Database
    proposer: Proposer
    engines: int = 1

    async def __call__(self) -> None:
        began = self.night(self.clock.now())
        if began is None:
            return
        for model in self.catalog.models.values():
            if is_shared(model):
                await self._propose(model, began)

    def night(self, now: datetime) -> datetime | None:
        """When the night began that it is; None by day."""
        began = now.replace(hour=self.at.hour, minute=self.at.minute, second=0, microsecond=0)
        began -= timedelta(days=1) if began > now else timedelta()
        return began if now - began < NIGHT else None

    async def _propose(self, model: Model, began: datetime) -> None:
        async with self.database.transaction() as session:
            await give_up_lost(session, self.clock, model.id)
            done = await made_since(session, model.id, began)
        if done or await self._is_busy(model):
            return
        log = structlog.get_logger().bind(model=model.id)
        try:
            await self.proposer.propose(model, BY, lambda said: log.info(said), again=False)
        except (TooFewExamples, NothingNew, ProposalRunning) as reason:
            log.info("no version is proposed", reason=reason.message)
        except AppError as error:
            log.error("a version could not be made", reason=error.message)

    async def _is_busy(self, model: Model) -> bool:
        engine = self.catalog.models[model.engine_id]
        names = [one.id for one in self.catalog.models.values() if one.engine_id == engine.id]
        query = select(func.count()).where(col(Intent.model).in_(names))
        async with self.database.transaction() as session:
            running: int = (await session.execute(query)).scalar_one()
        return running > _BUSY * self.engines * (engine.concurrency or _LIKELY_CONCURRENCY)
