"""Versions of the shared models: find, promote and roll back the version that answers calls.

At most one version of a model is current, and every gateway applies a change within a second.
Versions belong to the platform and answer all accounts, so no query here filters by account; their
provenance records what accounts contributed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from gateway.registry.variants import StoredVersion
from gateway.tables import ModelVersion, VersionStatus
from infra.clock import Clock
from infra.errors import AppError

BUILT_IN_NUMBER = 0
"""The number of the version that ships with the catalog. It has no row and is always available."""
# Promoted versions whose weights are kept; the weights of older ones are erased.
MAX_KEPT_VERSIONS = 10
_NO_VERSIONS: Mapping[str, UUID] = MappingProxyType({})
WITHOUT_ARTEFACT = defer(ModelVersion.artefact, raiseload=True)  # type: ignore[arg-type]


class ModelVersionNotFound(AppError):
    """The model has no such version."""

    status = 404
    type = "invalid_request_error"
    code = "model_version_not_found"


class ModelVersionUnfit(AppError):
    """The version cannot be promoted: it is current, was rejected, is still being evaluated,
    or its weights were erased."""

    status = 409
    type = "invalid_request_error"
    code = "model_version_unfit"


class ModelVersionConflict(AppError):
    """The current version has changed since the caller read it."""

    status = 409
    type = "invalid_request_error"
    code = "model_version_conflict"


def version_name(model: str, number: int) -> str:
    """Return the name of a version in responses and in the engine: `<model>@<number>`.

    The built-in version has the model's own name, so an engine can hold several versions at once.
    """
    return model if number == BUILT_IN_NUMBER else f"{model}@{number}"


async def get_current_version_ids(session: AsyncSession) -> Mapping[str, UUID]:
    """Return the ids of the current versions by model, without models at their built-in version."""
    query = select(ModelVersion.model, ModelVersion.id).where(col(ModelVersion.current))
    rows = (await session.execute(query)).all()
    return (
        MappingProxyType({model: version_id for model, version_id in rows})
        if rows
        else _NO_VERSIONS
    )


async def find_version_with_weights(
    session: AsyncSession, version_id: UUID
) -> StoredVersion | None:
    """Return a version with its weights, or None if it is unknown or its weights were erased."""
    query = select(
        col(ModelVersion.model), col(ModelVersion.number), col(ModelVersion.artefact)
    ).where(col(ModelVersion.id) == version_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    model, number, artefact = row
    return (
        None
        if artefact is None
        else StoredVersion(model, version_name(model, number), number, artefact)
    )


async def list_versions(session: AsyncSession, model: str) -> Sequence[ModelVersion]:
    """Return all versions of a model but the built-in one, without weights, the newest first."""
    query = select(ModelVersion).where(col(ModelVersion.model) == model)
    query = query.options(WITHOUT_ARTEFACT).order_by(col(ModelVersion.number).desc())
    return (await session.scalars(query)).all()


async def find_version(session: AsyncSession, model: str, number: int) -> ModelVersion:
    """Return a version without its weights. Raises ModelVersionNotFound."""
    query = select(ModelVersion).where(
        col(ModelVersion.model) == model, col(ModelVersion.number) == number
    )
    row = (await session.scalars(query.options(WITHOUT_ARTEFACT))).one_or_none()
    if row is None:
        raise ModelVersionNotFound(f"The model {model[:100]!r} has no version {number}.")
    return row


async def get_current_number(session: AsyncSession, model: str) -> int:
    """Return the number of a model's current version, by default the built-in one's."""
    query = select(col(ModelVersion.number)).where(
        col(ModelVersion.model) == model, col(ModelVersion.current)
    )
    return (await session.scalars(query)).one_or_none() or BUILT_IN_NUMBER


async def promote(
    session: AsyncSession,
    clock: Clock,
    model: str,
    number: int,
    expected_current: int,
    promoted_by: str,
) -> None:
    """Make a version current in place of `expected_current`; `promoted_by` goes into its history.

    Raises ModelVersionConflict if another version is current by now, as after a concurrent
    promotion; ModelVersionNotFound, ModelVersionUnfit.
    """
    await _lock_versions(session, model, expected_current, number)
    await _set_current(session, clock, model, number, promoted_by)
    await _erase_old_weights(session, model)


async def roll_back(
    session: AsyncSession,
    clock: Clock,
    model: str,
    number: int,
    expected_current: int,
    rolled_back_by: str,
) -> None:
    """Make an earlier version or the built-in one current again.

    `expected_current` is marked as rolled back. Raises ModelVersionConflict, ModelVersionNotFound,
    ModelVersionUnfit.
    """
    await _lock_versions(session, model, expected_current, number)
    if expected_current != BUILT_IN_NUMBER:
        row = await find_version(session, model, expected_current)
        row.status, row.current = VersionStatus.ROLLED_BACK, False
        row.history = [
            *row.history,
            history_entry(clock.now(), f"rolled back to {number}", rolled_back_by),
        ]
        await session.flush()
    await _set_current(session, clock, model, number, rolled_back_by)


async def get_previous_number(session: AsyncSession, model: str) -> int:
    """Return the default version to roll back to: the last one promoted before the current one."""
    current = await get_current_number(session, model)
    query = select(col(ModelVersion.number)).where(
        col(ModelVersion.model) == model,
        col(ModelVersion.number) < current,
        col(ModelVersion.status) == VersionStatus.PROMOTED,
        _has_weights(),
    )
    return (await session.scalars(query.order_by(col(ModelVersion.number).desc()))).first() or (
        BUILT_IN_NUMBER
    )


def history_entry(at: datetime, event: str, actor: str) -> dict[str, str]:
    """Return an entry of a version's history, as stored."""
    return {"at": at.isoformat(), "what": event, "by": actor[:200]}


async def _lock_versions(
    session: AsyncSession, model: str, expected_current: int, number: int
) -> None:
    """Lock a model's versions; raise unless `expected_current` is current and `number` is not.

    Raises ModelVersionConflict, ModelVersionUnfit.
    """
    rows = select(col(ModelVersion.id)).where(col(ModelVersion.model) == model)
    await session.execute(rows.order_by(col(ModelVersion.number)).with_for_update())
    current = await get_current_number(session, model)
    if current != expected_current:
        raise ModelVersionConflict(
            f"The current version of {model!r} is now {current}, no longer "
            f"{expected_current}. Run `maas models versions` and repeat the command if it "
            "still applies."
        )
    if current == number:
        raise ModelVersionUnfit(f"Version {current} of {model!r} is already in service.")


async def _set_current(
    session: AsyncSession, clock: Clock, model: str, number: int, promoted_by: str
) -> None:
    """Make version `number` current. Raises ModelVersionNotFound, ModelVersionUnfit."""
    is_model = col(ModelVersion.model) == model
    await session.execute(
        update(ModelVersion).where(is_model, col(ModelVersion.current)).values(current=False)
    )
    if number != BUILT_IN_NUMBER:
        row = await find_version(session, model, number)
        await _require_promotable(session, row)
        row.status, row.current, row.promoted_at = VersionStatus.PROMOTED, True, clock.now()
        row.worker = row.heard_at = None
        row.history = [*row.history, history_entry(clock.now(), "promoted", promoted_by)]
        await session.flush()
    await advance_epoch(session, None)


async def _require_promotable(session: AsyncSession, row: ModelVersion) -> None:
    """Raise ModelVersionUnfit if a version was rejected, has no evaluation scores or no weights."""
    unevaluated = row.status == VersionStatus.PROPOSED and row.scores is None
    reason = f"is {row.status}" if unevaluated or row.status == VersionStatus.REJECTED else None
    query = select(col(ModelVersion.id)).where(col(ModelVersion.id) == row.id, _has_weights())
    if reason is None and (await session.scalars(query)).one_or_none() is None:
        reason = "has no stored weights"
    if reason is not None:
        raise ModelVersionUnfit(
            f"Version {row.number} of {row.model!r} {reason}, so it cannot be promoted."
        )


async def _erase_old_weights(session: AsyncSession, model: str) -> None:
    """Erase the weights of the promoted versions beyond MAX_KEPT_VERSIONS; their rows stay."""
    is_model = col(ModelVersion.model) == model
    promoted_at = col(ModelVersion.promoted_at)
    query = select(col(ModelVersion.id)).where(is_model, _has_weights(), promoted_at.is_not(None))
    old = (
        await session.scalars(query.order_by(promoted_at.desc()).offset(MAX_KEPT_VERSIONS))
    ).all()
    if old:
        condition = col(ModelVersion.id).in_(old) & ~col(ModelVersion.current)
        await session.execute(update(ModelVersion).where(condition).values(artefact=None))


def _has_weights() -> ColumnElement[bool]:
    """Return the query condition for versions whose weights are not erased."""
    return col(ModelVersion.artefact).is_not(None)


def version_json(row: ModelVersion) -> dict[str, Any]:
    """Return a version as `maas models` outputs it."""
    return {
        "version": version_name(row.model, row.number),
        "number": row.number,
        "parent": row.parent,
        "status": row.status,
        "answers": row.current,
        "created_at": row.created_at.isoformat(timespec="seconds"),
        "promoted_at": row.promoted_at and row.promoted_at.isoformat(timespec="seconds"),
        "why": row.scores["why"] if row.scores else row.history[-1]["what"],
        "made_of": row.made_of,
        "scores": row.scores,
        "history": row.history,
    }
