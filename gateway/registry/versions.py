"""Versions of the shared models: which one answers, promoting one, and going back.

Owns that at most one version of a model is the current one, and that every gateway knows of a
change within a second.

A version belongs to the platform: whoever calls a shared model is answered by it, so nothing here
is looked for by account. What accounts gave to it is told by its provenance alone.
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
from gateway.registry.variants import Stored
from gateway.tables import ModelVersion, VersionStatus
from infra.clock import Clock
from infra.errors import AppError

BUILT_IN = 0
"""The number of the adapter that comes with the catalog. It has no row and is always kept."""
# Of those that once answered; the weights of older ones are erased.
MOST_KEPT = 10
_NONE: Mapping[str, UUID] = MappingProxyType({})
WITHOUT_ARTEFACT = defer(ModelVersion.artefact, raiseload=True)  # type: ignore[arg-type]


class ModelVersionNotFound(AppError):
    """The model has no such version."""

    status = 404
    type = "invalid_request_error"
    code = "model_version_not_found"


class ModelVersionUnfit(AppError):
    """The version cannot answer: it was rejected, is still being judged, or its weights are
    erased."""

    status = 409
    type = "invalid_request_error"
    code = "model_version_unfit"


class ModelVersionConflict(AppError):
    """Another version answers by now than the one that this was to follow."""

    status = 409
    type = "invalid_request_error"
    code = "model_version_conflict"


def shown_as(model: str, number: int) -> str:
    """What answers of a version name as their model. It differs from the model's own name, under
    which an engine has the built-in adapter; and two versions can be in an engine side by side."""
    return model if number == BUILT_IN else f"{model}@{number}"


async def answering(session: AsyncSession) -> Mapping[str, UUID]:
    """The current versions' ids by model, of those models that are not at the built-in one."""
    query = select(ModelVersion.model, ModelVersion.id).where(col(ModelVersion.current))
    rows = (await session.execute(query)).all()
    return MappingProxyType({model: version_id for model, version_id in rows}) if rows else _NONE


async def stored_version(session: AsyncSession, version_id: UUID) -> Stored | None:
    """What a server needs of a version; None where its weights are erased, or never were."""
    query = select(
        col(ModelVersion.model), col(ModelVersion.number), col(ModelVersion.artefact)
    ).where(col(ModelVersion.id) == version_id)
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    model, number, artefact = found
    return None if artefact is None else Stored(model, shown_as(model, number), number, artefact)


async def versions_of(session: AsyncSession, model: str) -> Sequence[ModelVersion]:
    """All but the built-in one, without their weights, the newest first."""
    query = select(ModelVersion).where(col(ModelVersion.model) == model)
    query = query.options(WITHOUT_ARTEFACT).order_by(col(ModelVersion.number).desc())
    return (await session.scalars(query)).all()


async def find_version(session: AsyncSession, model: str, number: int) -> ModelVersion:
    """One of them, without its weights. Raises ModelVersionNotFound."""
    query = select(ModelVersion).where(
        col(ModelVersion.model) == model, col(ModelVersion.number) == number
    )
    row = (await session.scalars(query.options(WITHOUT_ARTEFACT))).one_or_none()
    if row is None:
        raise ModelVersionNotFound(f"The model {model[:100]!r} has no version {number}.")
    return row


async def present(session: AsyncSession, model: str) -> int:
    """The number of the version that answers."""
    query = select(col(ModelVersion.number)).where(
        col(ModelVersion.model) == model, col(ModelVersion.current)
    )
    return (await session.scalars(query)).one_or_none() or BUILT_IN


async def promote(
    session: AsyncSession, clock: Clock, model: str, number: int, instead_of: int, by: str
) -> None:
    """It answers from now on, in place of the version that it was to follow.

    Of two that are promoted at once over the same one, the second raises ModelVersionConflict.
    Raises ModelVersionNotFound, ModelVersionUnfit too.
    """
    await _change(session, model, instead_of, number)
    await _point_to(session, clock, model, number, by)
    await _erase_old(session, model)


async def roll_back(
    session: AsyncSession, clock: Clock, model: str, to: int, instead_of: int, by: str
) -> None:
    """An earlier version answers again, or the built-in one; the one that answered is marked.

    Raises ModelVersionConflict, ModelVersionNotFound, ModelVersionUnfit.
    """
    await _change(session, model, instead_of, to)
    if instead_of != BUILT_IN:
        row = await find_version(session, model, instead_of)
        row.status, row.current = VersionStatus.ROLLED_BACK, False
        row.history = [*row.history, entry(clock.now(), f"rolled back to {to}", by)]
        await session.flush()
    await _point_to(session, clock, model, to, by)


async def before(session: AsyncSession, model: str) -> int:
    """The version to go back to where none is named: the last one promoted before the present
    one."""
    now = await present(session, model)
    query = select(col(ModelVersion.number)).where(
        col(ModelVersion.model) == model,
        col(ModelVersion.number) < now,
        col(ModelVersion.status) == VersionStatus.PROMOTED,
        _kept(),
    )
    return (await session.scalars(query.order_by(col(ModelVersion.number).desc()))).first() or (
        BUILT_IN
    )


def entry(at: datetime, what: str, by: str) -> dict[str, str]:
    """A line of a version's history."""
    return {"at": at.isoformat(), "what": what, "by": by[:200]}


async def _change(session: AsyncSession, model: str, instead_of: int, to: int) -> None:
    """One change of a model at a time, by whoever knows what answers. Raises ModelVersionConflict,
    ModelVersionUnfit."""
    rows = select(col(ModelVersion.id)).where(col(ModelVersion.model) == model)
    await session.execute(rows.order_by(col(ModelVersion.number)).with_for_update())
    now = await present(session, model)
    if now != instead_of:
        raise ModelVersionConflict(
            f"Version {now} of {model!r} answers by now, no longer version {instead_of}: look at "
            "`maas models versions`, and decide again."
        )
    if now == to:
        raise ModelVersionUnfit(f"Version {now} of {model!r} answers already.")


async def _point_to(session: AsyncSession, clock: Clock, model: str, number: int, by: str) -> None:
    here = col(ModelVersion.model) == model
    await session.execute(
        update(ModelVersion).where(here, col(ModelVersion.current)).values(current=False)
    )
    if number != BUILT_IN:
        row = await find_version(session, model, number)
        await _require_fit(session, row)
        row.status, row.current, row.promoted_at = VersionStatus.PROMOTED, True, clock.now()
        row.worker = row.heard_at = None
        row.history = [*row.history, entry(clock.now(), "promoted", by)]
        await session.flush()
    await advance_epoch(session, None)


async def _require_fit(session: AsyncSession, row: ModelVersion) -> None:
    """Only whoever judges a proposal promotes it, who says so by its scores."""
    unjudged = row.status == VersionStatus.PROPOSED and row.scores is None
    why = f"is {row.status}" if unjudged or row.status == VersionStatus.REJECTED else None
    query = select(col(ModelVersion.id)).where(col(ModelVersion.id) == row.id, _kept())
    if why is None and (await session.scalars(query)).one_or_none() is None:
        why = "has no weights any more"
    if why is not None:
        raise ModelVersionUnfit(f"Version {row.number} of {row.model!r} {why}: it cannot answer.")


async def _erase_old(session: AsyncSession, model: str) -> None:
    """The weights of those that answered long ago; what is known of them stays."""
    here = col(ModelVersion.model) == model
    answered = col(ModelVersion.promoted_at)
    query = select(col(ModelVersion.id)).where(here, _kept(), answered.is_not(None))
    old = (await session.scalars(query.order_by(answered.desc()).offset(MOST_KEPT))).all()
    if old:
        which = col(ModelVersion.id).in_(old) & ~col(ModelVersion.current)
        await session.execute(update(ModelVersion).where(which).values(artefact=None))


def _kept() -> ColumnElement[bool]:
    return col(ModelVersion.artefact).is_not(None)


def show_version(row: ModelVersion) -> dict[str, Any]:
    """A version as `maas models` shows it."""
    return {
        "version": shown_as(row.model, row.number),
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
