"""Plan the training of a due schedule: its file, the settings of before, and the quote.

schedule -> budget left -> file -> settings of the current version's job -> offer
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.money import nano_text
from gateway.access.authenticator import Authenticator
from gateway.call.values import Principal, SignedInCaller
from gateway.fine_tuning.offers import JobOffer, JobOffers
from gateway.observations.rows import has_training_rows
from gateway.registry.files import FINE_TUNE_PURPOSE
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.retraining.schedules import find_current_job, sum_committed
from gateway.tables import Adaptation, RetrainingSchedule, RetrainingTrigger, TrainingFile
from gateway.wire.fine_tuning import SCHEMA, SENSITIVITY, JobRequest
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from models.catalog import Meter

# A training on more rows takes longer: it must be covered with this much to spare.
_MARGIN = 2
# What a first training on confirmed mappings must be able to take: 3,000 tags take 30 s.
_FIRST_TRAINING_S = 60


class NothingToTrain(AppError):
    """A due schedule for which no job is created; `code` says why."""

    status = 400
    type = "invalid_request_error"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A quoted training: the request with its offer, the key's account, and the highest cost."""

    principal: Principal
    request: JobRequest
    offer: JobOffer
    max_cost_nano: int


@dataclass(frozen=True, slots=True)
class _Source:
    """The file to train on, and the job that trained the current version; None for the first."""

    file_id: UUID
    job: Adaptation | None

    @property
    def likely_s(self) -> int | None:
        """How long the training takes at most, as far as that is known."""
        if self.job is None:
            return _FIRST_TRAINING_S
        return None if self.job.seconds is None else max(1, self.job.seconds) * _MARGIN


class RetrainingPlanner:
    """Plans trainings in one gateway process."""

    def __init__(
        self, database: Database, clock: Clock, authenticator: Authenticator, offers: JobOffers
    ) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator
        self._offers = offers

    async def plan(self, schedule: RetrainingSchedule) -> TrainingPlan:
        """Return the quoted training of a due schedule.

        Raises NothingToTrain, and the errors that would reject the job of a customer.
        """
        now = self._clock.now()
        async with self._database.transaction() as session:
            left = schedule.budget_nano - await sum_committed(session, schedule, now)
            source = await _find_source(session, schedule)
        if left <= 0:
            raise NothingToTrain("budget_exhausted", "This month's budget is used up.")
        caller = SignedInCaller(schedule.account_id, schedule.key_id)
        key = await self._authenticator.identify_key(caller, now)
        self._authenticator.require_not_suspended(key)
        principal = self._authenticator.require_active(key)
        request = _request_of(schedule, source)
        headers = {b"x-max-cost": nano_text(left).encode()}
        offer = await self._offers.create_offer(principal, request, headers, source.likely_s)
        price = principal.model_prices[schedule.base].prices[Meter.ADAPTATION_SECONDS]
        return TrainingPlan(principal, request, offer, price * offer.seconds)


async def _find_source(session: AsyncSession, schedule: RetrainingSchedule) -> _Source:
    """Return the file of a schedule and the job of the current version. Raises NothingToTrain."""
    job = await find_current_job(session, schedule)
    if job is None and schedule.every != RetrainingTrigger.CONFIRMATIONS:
        raise NothingToTrain("model_not_found", "The model was deleted.")
    file_id = await _find_file_id(session, schedule)
    if file_id is None:
        raise NothingToTrain("file_not_found", "The file of the schedule does not exist.")
    by_drift = schedule.every == RetrainingTrigger.DRIFT
    if not by_drift and not await _has_new_data(session, schedule, file_id):
        raise NothingToTrain("no_new_data", "There is no new data since the last training.")
    return _Source(file_id, job)


async def _has_new_data(session: AsyncSession, schedule: RetrainingSchedule, file_id: UUID) -> bool:
    """Whether the file, or an observed result that is appended, is newer than the last training."""
    last = await _find_last_job(session, schedule)
    if last is None or file_id != last.training_file_id:
        return True
    return schedule.with_observations and await has_training_rows(
        session, schedule.account_id, schedule.base, schedule.name, last.created_at
    )


async def _find_file_id(session: AsyncSession, schedule: RetrainingSchedule) -> UUID | None:
    """Return the schedule's file, or the newest one of its name; None if there is none."""
    query = select(col(TrainingFile.id)).where(
        col(TrainingFile.account_id) == schedule.account_id,
        col(TrainingFile.purpose) == FINE_TUNE_PURPOSE,
    )
    if schedule.filename is None:
        query = query.where(col(TrainingFile.id) == schedule.file_id)
    else:
        query = query.where(col(TrainingFile.filename) == schedule.filename)
    return (await session.scalars(query.order_by(col(TrainingFile.id).desc()).limit(1))).first()


async def _find_last_job(session: AsyncSession, schedule: RetrainingSchedule) -> Adaptation | None:
    """Return the model's newest job."""
    query = select(Adaptation).where(
        col(Adaptation.account_id) == schedule.account_id,
        col(Adaptation.model) == schedule.base,
        col(Adaptation.name) == schedule.name,
    )
    return (await session.scalars(query.order_by(col(Adaptation.id).desc()).limit(1))).first()


def _request_of(schedule: RetrainingSchedule, source: _Source) -> JobRequest:
    """Return the job's request, with the settings by which the current version was trained."""
    settings = {} if source.job is None else source.job.settings
    sensitivity = settings.get(SENSITIVITY)
    return JobRequest(
        model=schedule.base,
        training_file=ids.format_id(FILE_PREFIX, source.file_id),
        suffix=schedule.name,
        hyperparameters=None if sensitivity is None else {SENSITIVITY: sensitivity},
        seed=settings.get("seed"),
        schema=settings.get(SCHEMA),
        scrub=bool(settings.get("scrub")),
        with_observations=schedule.with_observations,
    )
