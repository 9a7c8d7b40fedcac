"""Proposed versions as rows: begun by one worker, heard of while it works, ended once.

Owns that a model has one proposal at a time, and that one whose worker was lost is given up: what
it learned may be with servers already, under an id that stands for one content for ever, so another
worker begins a version of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.registry.versions import BUILT_IN, WITHOUT_ARTEFACT, entry
from gateway.shared_models.examples import Example
from gateway.tables import ModelVersion, ModelVersionExample, VersionStatus
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

# A worker that was not heard of for so long is lost. It says that it lives a few times as often.
LOST_AFTER = timedelta(seconds=120)
# In `made_of`: a hash over all examples that a version was to be made of.
OFFER = "offer"


class ProposalRunning(AppError):
    """A version of the model is being made already."""

    status = 409
    type = "invalid_request_error"
    code = "proposal_running"


class ProposalLost(AppError):
    """The proposal was given up meanwhile: its worker was not heard of in time."""

    status = 409
    type = "invalid_request_error"
    code = "proposal_lost"


@dataclass(frozen=True, slots=True)
class Claim:
    """A proposal that one worker has."""

    version_id: UUID
    model: str
    number: int
    worker: UUID


async def begin(session: AsyncSession, clock: Clock, model: str, by: str) -> Claim:
    """A new proposal. Raises ProposalRunning."""
    await give_up_lost(session, clock, model)
    here = col(ModelVersion.model) == model
    query = select(func.coalesce(func.max(col(ModelVersion.number)), BUILT_IN)).where(here)
    number = (await session.execute(query)).scalar_one() + 1
    claim = Claim(ids.new_id(), model, number, ids.new_id())
    now = clock.now()
    # Of two that begin at once, the index of what is proposed lets one in.
    statement = insert(ModelVersion).values(
        id=claim.version_id,
        model=model,
        number=number,
        # Every version begins with the built-in adapter: so no version holds what was withdrawn
        # since, and mistakes do not pile up (docs/decisions/0024).
        parent=BUILT_IN,
        status=VersionStatus.PROPOSED,
        current=False,
        made_of={},
        history=[entry(now, "proposed", by)],
        created_at=now,
        worker=claim.worker,
        heard_at=now,
    )
    made = statement.on_conflict_do_nothing().returning(col(ModelVersion.id))
    if (await session.execute(made)).one_or_none() is None:
        raise ProposalRunning(f"A version of {model!r} is being made already.")
    return claim


async def give_up_lost(session: AsyncSession, clock: Clock, model: str) -> None:
    """The model's proposal, where its worker was not heard of for long."""
    query = select(ModelVersion).where(
        col(ModelVersion.model) == model,
        col(ModelVersion.status) == VersionStatus.PROPOSED,
        col(ModelVersion.heard_at) < clock.now() - LOST_AFTER,
    )
    query = query.options(WITHOUT_ARTEFACT).with_for_update(skip_locked=True)
    for row in (await session.scalars(query)).all():
        _reject(row, clock, "its worker was lost")
    await session.flush()


async def made_since(session: AsyncSession, model: str, moment: datetime) -> bool:
    """Whether a version was begun since, whatever became of it."""
    query = select(col(ModelVersion.id)).where(
        col(ModelVersion.model) == model, col(ModelVersion.created_at) >= moment
    )
    return (await session.scalars(query)).first() is not None


async def newest_offer(session: AsyncSession, model: str) -> str | None:
    """By what the newest version was made, as its `made_of` says; None where it was not made."""
    query = select(col(ModelVersion.made_of)).where(col(ModelVersion.model) == model)
    query = query.order_by(col(ModelVersion.number).desc()).limit(1)
    made_of = (await session.scalars(query)).one_or_none()
    return None if made_of is None else made_of.get(OFFER)


async def hear(session: AsyncSession, clock: Clock, claim: Claim) -> None:
    """The worker lives. Raises ProposalLost."""
    (await _own(session, claim)).heard_at = clock.now()
    await session.flush()


async def keep(
    session: AsyncSession,
    claim: Claim,
    artefact: bytes,
    made_of: Mapping[str, Any],
    examples: Iterable[tuple[Example, bool]],
) -> None:
    """Its weights, and where each example came from; `True` of those that it is judged by. Raises
    ProposalLost."""
    row = await _own(session, claim)
    row.artefact, row.made_of = artefact, dict(made_of)
    of_version = col(ModelVersionExample.version_id) == row.id
    await session.execute(delete(ModelVersionExample).where(of_version))
    session.add_all(
        ModelVersionExample(
            version_id=row.id,
            source=one.source,
            source_id=one.source_id,
            line=one.line,
            account_id=one.account_id,
            digest=one.digest,
            consented_at=one.consented_at,
            held_out=held_out,
        )
        for one, held_out in examples
    )
    await session.flush()


async def judged(session: AsyncSession, claim: Claim, scores: Mapping[str, Any]) -> None:
    """How it did. Raises ProposalLost."""
    (await _own(session, claim)).scores = dict(scores)
    await session.flush()


async def reject(session: AsyncSession, clock: Clock, claim: Claim, why: str) -> None:
    """It comes to nothing: its weights go, its scores and its provenance stay. Raises
    ProposalLost."""
    _reject(await _own(session, claim), clock, why)
    await session.flush()


def _reject(row: ModelVersion, clock: Clock, why: str) -> None:
    row.status, row.artefact, row.worker, row.heard_at = VersionStatus.REJECTED, None, None, None
    row.history = [*row.history, entry(clock.now(), f"rejected: {why[:500]}", "")]


async def _own(session: AsyncSession, claim: Claim) -> ModelVersion:
    query = select(ModelVersion).where(
        col(ModelVersion.id) == claim.version_id,
        col(ModelVersion.worker) == claim.worker,
        col(ModelVersion.status) == VersionStatus.PROPOSED,
    )
    query = query.options(WITHOUT_ARTEFACT).with_for_update()
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise ProposalLost(f"Version {claim.number} of {claim.model!r} is no longer ours to make.")
    return row
