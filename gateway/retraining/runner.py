"""Background runner of retraining schedules.

    a job of a run has ended -> judge its version -> use or propose it, and tell the customer
    a schedule is due -> plan and quote -> claim the trigger and create the job, in one transaction

A trigger starts one run, whichever process is quicker and wherever one is killed: until the
transaction commits the schedule stays due, and afterwards the run has the trigger's unique name.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.money import NANO, nano_text
from billing.notifications.retraining_alerts import RetrainingAlert, enqueue_retraining_alert
from billing.tables import Usage
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.fine_tuning.new_jobs import create_offered_job
from gateway.fine_tuning.runner import MAX_COST, FineTuningRunner
from gateway.fine_tuning.versions import activate
from gateway.identity.audit_log import Actor
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.registry.variants import ACTIVATE, find_live_version_of_job, public_id
from gateway.retraining.planning import NothingToTrain, RetrainingPlanner, TrainingPlan
from gateway.retraining.schedules import RUN_ID_PREFIX, claim_trigger, find_current_job, find_due
from gateway.retraining.verdict import is_better, is_not_worse
from gateway.tables import (
    Adaptation,
    AdaptationStatus,
    RetrainingRun,
    RetrainingSchedule,
    RetrainingStatus,
    RetrainingTrigger,
)
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError
from infra.poller import Poller
from infra.telemetry.own_model_metrics import OwnModelMetrics
from infra.timing import DEFAULT_TIMING, Timing

_TAG = "retraining"
# Errors that end by waiting, beside those of the platform: the schedule stays due for so long.
_WAIT_CODES = frozenset(
    {"model_not_served", "credit_reserved", "rate_limit_exceeded", "too_many_fine_tuning_jobs"}
)
_DELAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RetrainingDependencies:
    """The parts of a gateway process that the runner uses."""

    clock: Clock
    database: Database
    heartbeat: ProcessHeartbeat
    planner: RetrainingPlanner
    fine_tuning: FineTuningRunner
    metrics: OwnModelMetrics
    timing: Timing = DEFAULT_TIMING


class RetrainingRunner(Poller):
    """Polls for ended jobs of runs and for due schedules, in a gateway process."""

    def __init__(self, dependencies: RetrainingDependencies) -> None:
        super().__init__("retraining", self._step, dependencies.timing)
        self._deps = dependencies
        self._delayed_until: dict[UUID, datetime] = {}

    async def _step(self) -> bool:
        """Settle one ended run or start one due schedule. Returns whether there was any."""
        if not self._deps.heartbeat.is_alive:
            return False
        return await self._settle_next() or await self._start_next()

    async def _start_next(self) -> bool:
        """Start the run of a due schedule, or record why there is none."""
        deps = self._deps
        async with deps.database.transaction() as session:
            due = await find_due(session, deps.clock.now(), self._delayed())
        if due is None:
            return False
        schedule, trigger = due
        try:
            plan = await deps.planner.plan(schedule)
            await self._create_job(schedule, trigger, plan)
        except AppError as error:
            if error.status >= 500 or error.code in _WAIT_CODES:
                self._delayed_until[schedule.id] = deps.clock.now() + _DELAY
                self._log.warning("a retraining is delayed", reason=error.message)
                return True
            await self._skip(schedule, trigger, error)
            return True
        deps.fine_tuning.wake()
        return True

    def _count(self, run: RetrainingRun) -> None:
        """Count a run by its status."""
        self._deps.metrics.retrainings.labels(run.status).inc()

    def _delayed(self) -> Collection[UUID]:
        """Return the schedules that wait for the platform, and forget those that have waited."""
        now = self._deps.clock.now()
        self._delayed_until = {
            schedule_id: until for schedule_id, until in self._delayed_until.items() if until > now
        }
        return self._delayed_until.keys()

    async def _create_job(
        self, schedule: RetrainingSchedule, trigger: str, plan: TrainingPlan
    ) -> None:
        """Claim the trigger and create its job; does nothing if another process was quicker."""
        clock = self._deps.clock
        async with self._deps.database.transaction() as session:
            row = await claim_trigger(session, clock, schedule, trigger)
            if row is None:
                return
            run = _new_run(clock, row, trigger, RetrainingStatus.STARTED)
            tags = {_TAG: ids.format_id(RUN_ID_PREFIX, run.id)}
            job = await create_offered_job(
                session, clock, row.account_id, row.key_id, plan.request, plan.offer, tags
            )
            limits = {ACTIVATE: False, MAX_COST: nano_text(plan.max_cost_nano)}
            job.settings = {**job.settings, **limits}
            run.job_id, run.max_cost_nano = job.id, plan.max_cost_nano
            session.add(run)
        self._count(run)

    async def _skip(self, schedule: RetrainingSchedule, trigger: str, error: AppError) -> None:
        """Record that a trigger starts no job, and tell the customer unless all is well."""
        clock = self._deps.clock
        async with self._deps.database.transaction() as session:
            row = await claim_trigger(session, clock, schedule, trigger)
            if row is None:
                return
            run = _new_run(clock, row, trigger, RetrainingStatus.SKIPPED)
            run.code, run.finished_at = (error.code or "invalid_request")[:100], clock.now()
            session.add(run)
            await session.flush()
            if not isinstance(error, NothingToTrain) or error.code != "no_new_data":
                await _notify(session, clock, row, run, error.message)
        self._count(run)

    async def _settle_next(self) -> bool:
        """Decide about the version of one run whose job has ended."""
        clock = self._deps.clock
        query = (
            select(RetrainingRun, Adaptation)
            .join(Adaptation, col(Adaptation.id) == col(RetrainingRun.job_id))
            .where(
                col(RetrainingRun.status) == RetrainingStatus.STARTED,
                col(Adaptation.finished_at).is_not(None),
            )
            .order_by(col(RetrainingRun.id))
            .limit(1)
            .with_for_update(skip_locked=True, of=RetrainingRun)
        )
        async with self._deps.database.transaction() as session:
            found = (await session.execute(query)).one_or_none()
            if found is None:
                return False
            run, job = found
            schedule = await _load_schedule(session, run)
            run.finished_at = clock.now()
            message = await self._judge(session, schedule, run, job)
            await session.flush()
            await _notify(session, clock, schedule, run, message)
            usage = await _find_usage(session, job)
        self._count(run)
        if usage is not None and usage.currency is not None:
            spend = self._deps.metrics.retraining_spend.labels(usage.currency)
            spend.inc(usage.cost_nano / NANO)
        return True

    async def _judge(
        self,
        session: AsyncSession,
        schedule: RetrainingSchedule,
        run: RetrainingRun,
        job: Adaptation,
    ) -> str:
        """Set what became of a run; use its version if it is better and that is allowed."""
        version = await find_live_version_of_job(session, job)
        if job.status != AdaptationStatus.SUCCEEDED or version is None:
            is_rejected = job.candidate_until is not None
            run.status = RetrainingStatus.REJECTED if is_rejected else RetrainingStatus.FAILED
            error = job.error or {}
            run.code = str(error.get("code") or job.status)[:100]
            return str(error.get("message") or f"The training was {job.status}.")
        run.version, current = version.version, await find_current_job(session, schedule)
        if version.current:
            run.status = RetrainingStatus.ACTIVATED
        elif (reason := _reason_against(schedule, job, current)) is not None:
            run.status, run.code = RetrainingStatus.PROPOSED, reason
        elif not schedule.automatic:
            run.status, run.code = RetrainingStatus.PROPOSED, "not_automatic"
        else:
            run.status = RetrainingStatus.ACTIVATED
            name = public_id(schedule.base, schedule.account_id, schedule.name)
            actor = Actor.from_api_key(ids.format_id(KEY_PREFIX, schedule.key_id), "")
            await activate(
                session, self._deps.clock, actor, schedule.account_id, name, version.version
            )
        return ""


def _reason_against(
    schedule: RetrainingSchedule, job: Adaptation, current: Adaptation | None
) -> str | None:
    """Return the code of why a trained version is not used by itself; None if it may be."""
    if schedule.every == RetrainingTrigger.CONFIRMATIONS:
        return None if is_not_worse(job.score) else "worse_than_current"
    is_improved = is_better(job.score, None if current is None else current.score)
    return None if is_improved else "not_better"


def _new_run(
    clock: Clock, schedule: RetrainingSchedule, trigger: str, status: RetrainingStatus
) -> RetrainingRun:
    """Return a run of a schedule, not yet in the session."""
    return RetrainingRun(
        id=ids.new_id(),
        account_id=schedule.account_id,
        schedule_id=schedule.id,
        trigger=trigger,
        status=status,
        created_at=clock.now(),
    )


async def _load_schedule(session: AsyncSession, run: RetrainingRun) -> RetrainingSchedule:
    """Return the schedule of a run."""
    query = select(RetrainingSchedule).where(
        col(RetrainingSchedule.id) == run.schedule_id,
        col(RetrainingSchedule.account_id) == run.account_id,
    )
    return (await session.scalars(query)).one()


async def _find_usage(session: AsyncSession, job: Adaptation) -> Usage | None:
    """Return the usage row that bills a job, None if it was not billed."""
    query = select(Usage).where(
        col(Usage.request_id) == job.request_id, col(Usage.account_id) == job.account_id
    )
    return (await session.scalars(query)).one_or_none()


async def _notify(
    session: AsyncSession,
    clock: Clock,
    schedule: RetrainingSchedule,
    run: RetrainingRun,
    message: str,
) -> None:
    """Enqueue the e-mail and the webhook of a run that has ended."""
    alert = RetrainingAlert(
        account_id=schedule.account_id,
        run=ids.format_id(RUN_ID_PREFIX, run.id),
        model=public_id(schedule.base, schedule.account_id, schedule.name),
        status=run.status,
        version=run.version,
        code=run.code,
        message=message,
    )
    await enqueue_retraining_alert(session, clock, alert)
