"""Learned warning rules and their versions as rows: create, find, list, queue a training."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.process_reaper import ENDED_PROCESSES
from billing.outcomes.predictions.events import list_happened
from gateway.agents.store.agents import AgentChange
from gateway.agents.warnings.errors import (
    LearnedWarningInvalid,
    LearnedWarningLimit,
    LearnedWarningNotFound,
    LearnedWarningTraining,
)
from gateway.agents.warnings.settings import (
    FEWEST_EVENTS,
    TrainingDocument,
    TrainingPeriod,
    WarningRuleDocument,
    WarningSettings,
    check_settings,
    check_training,
)
from gateway.identity.audit_log import record_audit_event
from gateway.plant.store.queries import find_asset
from gateway.tables.agents_warnings import (
    LearnedWarning,
    LearnedWarningVersion,
    WarningVersionStatus,
)
from gateway.tables.plant import PlantAsset
from infra import ids
from infra.work_queue import OwnedQueue, RetryPolicy

RULE = "lwrn"
MAX_RULES, MAX_A_DAY = 100, 20
_OPEN = (WarningVersionStatus.QUEUED, WarningVersionStatus.TRAINING)
QUEUE = OwnedQueue(
    table=LearnedWarningVersion,
    id=col(LearnedWarningVersion.id),
    attempts=col(LearnedWarningVersion.attempts),
    pending=col(LearnedWarningVersion.status).in_([one.value for one in _OPEN]),
    order=(col(LearnedWarningVersion.id),),
    retry=RetryPolicy(timedelta(seconds=5), timedelta(minutes=5), max_attempts=3),
    owner=col(LearnedWarningVersion.process_id),
    lost_owners=ENDED_PROCESSES,
    retry_at=col(LearnedWarningVersion.retry_at),
)


def settings_of(row: LearnedWarning) -> WarningSettings:
    """Return the settings of a rule."""
    return msgspec.convert(row.settings, WarningSettings)


def public_id(row: LearnedWarning) -> str:
    """Return the id of a rule as it is shown."""
    return ids.format_id(RULE, row.id)


async def record(
    change: AgentChange, action: str, row: LearnedWarning, details: dict[str, Any]
) -> None:
    """Record a change of a rule in the audit log."""
    await record_audit_event(
        change.session, change.clock, change.actor, change.account_id, action, public_id(row),
        {"name": row.name, **details},
    )  # fmt: skip


async def create_rule(change: AgentChange, document: WarningRuleDocument) -> LearnedWarning:
    """Create a warning rule, which warns of nothing before a version is trained and used.

    Raises LearnedWarningInvalid, LearnedWarningLimit, PlantNodeNotFound.
    """
    name, settings = check_settings(document)
    session, now = change.session, change.clock.now()
    lock = func.hashtextextended(f"learned-warnings:{change.account_id}", 0)
    await session.execute(select(func.pg_advisory_xact_lock(lock)))
    asset = await find_asset(session, change.account_id, document.asset)
    names = [one.name for one in await list_rules(session, change.account_id)]
    if len(names) >= MAX_RULES:
        raise LearnedWarningLimit(f"An account has at most {MAX_RULES} warning rules.")
    if name in names:
        raise LearnedWarningInvalid("`name` is the name of another warning rule.", param="name")
    row = LearnedWarning(
        id=ids.new_id(),
        account_id=change.account_id,
        asset_id=asset.id,
        name=name,
        settings=msgspec.to_builtins(settings),
        created_by=change.actor.public_id,
        created_at=now,
    )
    session.add(row)
    await session.flush()
    await record(change, "learned_warning.created", row, {"asset": asset.code})
    return row


async def delete_rule(change: AgentChange, rule: str) -> LearnedWarning:
    """Delete a rule: agents that name it decide without it. Raises LearnedWarningNotFound."""
    row = await find_rule(change.session, change.account_id, rule, is_locked=True)
    row.deleted_at = change.clock.now()
    await record(change, "learned_warning.deleted", row, {})
    return row


async def list_rules(session: AsyncSession, account_id: UUID) -> Sequence[LearnedWarning]:
    """Return the rules of an account, by name."""
    query = (
        select(LearnedWarning)
        .where(
            col(LearnedWarning.account_id) == account_id, col(LearnedWarning.deleted_at).is_(None)
        )
        .order_by(col(LearnedWarning.name))
    )
    return (await session.scalars(query)).all()


async def find_rule(
    session: AsyncSession, account_id: UUID, rule: str, *, is_locked: bool = False
) -> LearnedWarning:
    """Return a rule of an account by its id or name. Raises LearnedWarningNotFound."""
    query = select(LearnedWarning).where(
        col(LearnedWarning.account_id) == account_id,
        col(LearnedWarning.deleted_at).is_(None),
        (col(LearnedWarning.id) == ids.parse_id(RULE, rule)) | (col(LearnedWarning.name) == rule),
    )
    row = (await session.scalars(query.with_for_update() if is_locked else query)).first()
    if row is None:
        raise LearnedWarningNotFound(
            f"The warning rule {rule[:60]!r} does not exist.", param="rule"
        )
    return row


async def list_versions(
    session: AsyncSession, row: LearnedWarning, limit: int = 20
) -> Sequence[LearnedWarningVersion]:
    """Return the newest versions of a rule."""
    query = (
        select(LearnedWarningVersion)
        .where(
            col(LearnedWarningVersion.account_id) == row.account_id,
            col(LearnedWarningVersion.warning_id) == row.id,
        )
        .order_by(col(LearnedWarningVersion.version).desc())
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def find_version(
    session: AsyncSession, row: LearnedWarning, version: int
) -> LearnedWarningVersion:
    """Return a version of a rule. Raises LearnedWarningNotFound."""
    query = select(LearnedWarningVersion).where(
        col(LearnedWarningVersion.account_id) == row.account_id,
        col(LearnedWarningVersion.warning_id) == row.id,
        col(LearnedWarningVersion.version) == version,
    )
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise LearnedWarningNotFound(f"The warning rule has no version {version}.", param="version")
    return found


async def find_with_status(
    session: AsyncSession, row: LearnedWarning, status: WarningVersionStatus
) -> LearnedWarningVersion | None:
    """Return the newest version of a rule with a status, None without one."""
    query = (
        select(LearnedWarningVersion)
        .where(
            col(LearnedWarningVersion.account_id) == row.account_id,
            col(LearnedWarningVersion.warning_id) == row.id,
            col(LearnedWarningVersion.status) == status.value,
        )
        .order_by(col(LearnedWarningVersion.version).desc())
        .limit(1)
    )
    return (await session.scalars(query)).one_or_none()


async def queue_training(
    change: AgentChange, rule: str, document: TrainingDocument
) -> LearnedWarningVersion:
    """Queue the training of the next version of a rule.

    Raises LearnedWarningNotFound, LearnedWarningInvalid with too few events, LearnedWarningTraining
    if one is in work, and LearnedWarningLimit after too many today.
    """
    session, now = change.session, change.clock.now()
    row = await find_rule(session, change.account_id, rule, is_locked=True)
    period = check_training(document, settings_of(row), now)
    await _require_room(session, row, now)
    events = sorted({*period.events, *await _ledger_events(session, row, document.event, period)})
    if len(events) < FEWEST_EVENTS:
        raise LearnedWarningInvalid(
            f"{len(events)} events lie in the period; at least {FEWEST_EVENTS} are needed: the "
            "rule is tested on events that it was not trained on.",
            param="events",
        )
    row.versions += 1
    version = LearnedWarningVersion(
        id=ids.new_id(),
        warning_id=row.id,
        account_id=row.account_id,
        version=row.versions,
        status=WarningVersionStatus.QUEUED,
        events=[one.isoformat() for one in events],
        start_at=period.start,
        end_at=period.end,
        report={},
        created_by=change.actor.public_id,
        created_at=now,
    )
    session.add(version)
    await session.flush()
    details = {"version": version.version, "events": len(events)}
    await record(change, "learned_warning.trained", row, details)
    return version


async def _require_room(session: AsyncSession, row: LearnedWarning, now: datetime) -> None:
    """Raise LearnedWarningTraining or LearnedWarningLimit unless a training may begin."""
    for status in _OPEN:
        if await find_with_status(session, row, status) is not None:
            raise LearnedWarningTraining("A version of this warning rule is being trained.")
    query = (
        select(func.count())
        .select_from(LearnedWarningVersion)
        .where(
            col(LearnedWarningVersion.account_id) == row.account_id,
            col(LearnedWarningVersion.warning_id) == row.id,
            col(LearnedWarningVersion.created_at) > now - timedelta(days=1),
        )
    )
    if (await session.scalars(query)).one() >= MAX_A_DAY:
        raise LearnedWarningLimit(f"A warning rule is trained at most {MAX_A_DAY} times a day.")


async def _ledger_events(
    session: AsyncSession, row: LearnedWarning, event: str, period: TrainingPeriod
) -> list[datetime]:
    """Return when events of a kind happened to the rule's asset by the prediction ledger."""
    if not event:
        return []
    code = (await session.get_one(PlantAsset, row.asset_id)).code
    found = await list_happened(session, row.account_id, event, period.start, period.end)
    return [one.happened_at for one in found if one.subject == code]
