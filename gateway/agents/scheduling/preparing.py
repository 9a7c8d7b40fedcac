"""What a plan needs: readings, the basis of the day, and the learned schedules of the agent."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.scheduling.basis import DemandBasis, build_basis, installation_of
from gateway.agents.scheduling.days import DaySaving, saving_of_day
from gateway.agents.scheduling.deciding import PolicyInUse, ScheduleReadings
from gateway.agents.scheduling.history import History, LoggedDays, build_log
from gateway.agents.scheduling.loading import find_points, read_history, read_now
from gateway.agents.scheduling.policy_store import find_with_status, open_policy
from gateway.agents.scheduling.slots import local_day, start_of_day
from gateway.tables.agents import Agent
from gateway.tables.agents_schedule import (
    AgentSchedule,
    AgentSchedulePolicy,
    SchedulePolicyStatus,
)
from infra.database.database import Database
from models.policies.scheduling.policy_file import PolicyFileInvalid

# Expected demand, shield and pumps are those of so many days.
BASIS_DAYS = 30
POLICY_REFUSED = "schedule_policy_refused"


@dataclass(frozen=True, slots=True)
class Yesterday:
    """The local day that ended, and the schedules that decided and were in the shadow on it.

    saving: None if the readings of the day are not complete.
    """

    day: date
    saving: DaySaving | None
    policy_id: UUID | None
    shadow_id: UUID | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a decision rests on. policy: None for two-level control; policy_error: why.

    yesterday: stated once, by the first tick of a local day, which also renews the basis.
    """

    readings: ScheduleReadings
    basis: DemandBasis
    policy: PolicyInUse | None
    policy_error: str
    active: AgentSchedulePolicy | None
    yesterday: Yesterday | None


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Rows and readings of an agent. history: None if the basis of the day is stored."""

    readings: ScheduleReadings
    active: AgentSchedulePolicy | None
    shadow: AgentSchedulePolicy | None
    basis: DemandBasis | None
    history: History | None


async def prepare(database: Database, agent: Agent, step: ScheduleStep, at: datetime) -> Prepared:
    """Return what the decision of an agent at a time rests on."""
    today = local_day(step, at)
    async with database.transaction() as session:
        loaded = await _load(session, agent, step, at, today)
    return await asyncio.to_thread(_prepared, agent, step, today, loaded)


async def _load(
    session: AsyncSession, agent: Agent, step: ScheduleStep, at: datetime, today: date
) -> _Loaded:
    """Read what a decision needs; the history only once a day, or after a change."""
    points = await find_points(session, agent.account_id, agent.asset_id, step)
    readings = await read_now(session, agent.account_id, step, points, at)
    active = await find_with_status(session, agent, SchedulePolicyStatus.ACTIVE)
    stored = await session.get(AgentSchedule, agent.id)
    basis = None if stored is None else msgspec.convert(stored.basis, DemandBasis)
    if basis is not None and (basis.day, basis.fingerprint) == (str(today), fingerprint(step)):
        return _Loaded(readings, active, None, basis, None)
    shadow = await find_with_status(session, agent, SchedulePolicyStatus.SHADOW)
    days = [today - timedelta(days=back) for back in range(BASIS_DAYS, 0, -1)]
    history = await read_history(session, agent.account_id, step, points, days)
    return _Loaded(readings, active, shadow, None, history)


def _prepared(agent: Agent, step: ScheduleStep, today: date, loaded: _Loaded) -> Prepared:
    """Return what a decision rests on, with a new basis and the day before if they are due."""
    policy, error = _opened(step, agent, loaded.active)
    if loaded.basis is not None or loaded.history is None:
        stored = loaded.basis or build_basis(step, str(today), fingerprint(step), None, None)
        return Prepared(loaded.readings, stored, policy, error, loaded.active, None)
    logged = build_log(step, loaded.history)
    basis, before = _renewed(step, logged, today), today - timedelta(days=1)
    begun = start_of_day(step, before)
    active, shadow = loaded.active, loaded.shadow
    decided = active is not None and active.active_at is not None and active.active_at <= begun
    beside = shadow is not None and shadow.shadow_at is not None and shadow.shadow_at <= begun
    opened = _opened(step, agent, shadow)[0] if beside else None
    yesterday = Yesterday(
        day=before,
        saving=_saving(step, basis, logged, before, opened),
        policy_id=active.id if active is not None and decided and policy is not None else None,
        shadow_id=shadow.id if shadow is not None and opened is not None else None,
    )
    return Prepared(loaded.readings, basis, policy, error, active, yesterday)


def fingerprint(step: ScheduleStep) -> str:
    """Return the hash of a schedule's statement; any change to it gives another one."""
    return hashlib.sha256(msgspec.json.encode(step)).hexdigest()


def _opened(
    step: ScheduleStep, agent: Agent, row: AgentSchedulePolicy | None
) -> tuple[PolicyInUse | None, str]:
    """Return a learned schedule, or why it cannot be used."""
    if row is None:
        return None, ""
    try:
        return open_policy(step, agent, row), ""
    except PolicyFileInvalid:
        return None, POLICY_REFUSED


def _renewed(step: ScheduleStep, logged: LoggedDays, today: date) -> DemandBasis:
    """Return the basis of a day from the days before it."""
    return build_basis(step, str(today), fingerprint(step), logged.log, logged.only_pure())


def _saving(
    step: ScheduleStep,
    basis: DemandBasis,
    logged: LoggedDays,
    day: date,
    shadow: PolicyInUse | None,
) -> DaySaving | None:
    """Return what a day saved, None if its readings are not complete."""
    if day not in logged.days:
        return None
    position = logged.days.index(day)
    part = logged.part(position, position + 1)
    return saving_of_day(step, installation_of(step, basis.pumps), part, shadow)
