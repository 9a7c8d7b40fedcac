"""Database rows of proposed model versions: started by a worker, kept alive by heartbeats.

A model has at most one proposal at a time. A proposal whose worker was lost is rejected, not
resumed: servers may have loaded its weights already, and a version id must always mean the same
weights. Another worker starts a new version.
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

from gateway.registry.versions import BUILT_IN_NUMBER, WITHOUT_ARTEFACT, history_entry
from gateway.shared_models.examples import SharedExample
from gateway.tables import ModelVersion, ModelVersionExample, VersionStatus
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

# A worker without heartbeat for this long is lost. Heartbeats are several times as frequent.
HEARTBEAT_TIMEOUT = timedelta(seconds=120)
# Key in `made_of` of the digest of all examples selected for a version.
EXAMPLES_DIGEST_KEY = "offer"


class ProposalRunning(AppError):
    """Another proposal for the model is running."""

    status = 409
    type = "invalid_request_error"
    code = "proposal_running"


class ProposalLost(AppError):
    """The proposal was rejected meanwhile because its worker sent no heartbeat in time."""

    status = 409
    type = "invalid_request_error"
    code = "proposal_lost"


@dataclass(frozen=True, slots=True)
class ProposalClaim:
    """A worker's claim on a proposed version."""

    version_id: UUID
    model: str
    number: int
    worker: UUID


async def start_proposal(
    session: AsyncSession, clock: Clock, model: str, proposed_by: str
) -> ProposalClaim:
    """Insert a proposed version claimed by a new worker id. Raises ProposalRunning."""
    await reject_lost_proposals(session, clock, model)
    of_model = col(ModelVersion.model) == model
    query = select(func.coalesce(func.max(col(ModelVersion.number)), BUILT_IN_NUMBER)).where(
        of_model
    )
    number = (await session.execute(query)).scalar_one() + 1
    claim = ProposalClaim(ids.new_id(), model, number, ids.new_id())
    now = clock.now()
    # The unique index on proposed versions lets one of two concurrent inserts succeed.
    statement = insert(ModelVersion).values(
        id=claim.version_id,
        model=model,
        number=number,
        # Training always starts from the built-in adapter, so withdrawn examples do not persist
        # and errors do not accumulate (docs/decisions/0024).
        parent=BUILT_IN_NUMBER,
        status=VersionStatus.PROPOSED,
        current=False,
        made_of={},
        history=[history_entry(now, "proposed", proposed_by)],
        created_at=now,
        worker=claim.worker,
        heard_at=now,
    )
    returning = statement.on_conflict_do_nothing().returning(col(ModelVersion.id))
    if (await session.execute(returning)).one_or_none() is None:
        raise ProposalRunning(
            f"A version of {model!r} is being trained already. Wait until it is done."
        )
    return claim


async def reject_lost_proposals(session: AsyncSession, clock: Clock, model: str) -> None:
    """Reject the model's proposal if its worker's heartbeat has timed out."""
    query = select(ModelVersion).where(
        col(ModelVersion.model) == model,
        col(ModelVersion.status) == VersionStatus.PROPOSED,
        col(ModelVersion.heard_at) < clock.now() - HEARTBEAT_TIMEOUT,
    )
    query = query.options(WITHOUT_ARTEFACT).with_for_update(skip_locked=True)
    for row in (await session.scalars(query)).all():
        _set_rejected(row, clock, "its worker was lost")
    await session.flush()


async def has_version_since(session: AsyncSession, model: str, moment: datetime) -> bool:
    """Whether a proposal was started since `moment`, whatever its status."""
    query = select(col(ModelVersion.id)).where(
        col(ModelVersion.model) == model, col(ModelVersion.created_at) >= moment
    )
    return (await session.scalars(query)).first() is not None


async def find_newest_examples_digest(session: AsyncSession, model: str) -> str | None:
    """Return the digest of the examples selected for the newest version, or None."""
    query = select(col(ModelVersion.made_of)).where(col(ModelVersion.model) == model)
    query = query.order_by(col(ModelVersion.number).desc()).limit(1)
    made_of = (await session.scalars(query)).one_or_none()
    return None if made_of is None else made_of.get(EXAMPLES_DIGEST_KEY)


async def renew_heartbeat(session: AsyncSession, clock: Clock, claim: ProposalClaim) -> None:
    """Renew the heartbeat of the claim's worker. Raises ProposalLost."""
    (await _lock_claimed(session, claim)).heard_at = clock.now()
    await session.flush()


async def store_artefact(
    session: AsyncSession,
    claim: ProposalClaim,
    artefact: bytes,
    made_of: Mapping[str, Any],
    examples: Iterable[tuple[SharedExample, bool]],
) -> None:
    """Store a proposal's weights, the summary of its examples and the source of each example.

    `made_of` is the summary. `examples` are pairs with a flag that is true for held-out examples.
    Raises ProposalLost.
    """
    row = await _lock_claimed(session, claim)
    row.artefact, row.made_of = artefact, dict(made_of)
    of_version = col(ModelVersionExample.version_id) == row.id
    await session.execute(delete(ModelVersionExample).where(of_version))
    session.add_all(
        ModelVersionExample(
            version_id=row.id,
            source=example.source,
            source_id=example.source_id,
            line=example.line,
            account_id=example.account_id,
            digest=example.digest,
            consented_at=example.consented_at,
            held_out=held_out,
        )
        for example, held_out in examples
    )
    await session.flush()


async def record_scores(
    session: AsyncSession, claim: ProposalClaim, scores: Mapping[str, Any]
) -> None:
    """Store the evaluation scores of a proposal. Raises ProposalLost."""
    (await _lock_claimed(session, claim)).scores = dict(scores)
    await session.flush()


async def reject_proposal(
    session: AsyncSession, clock: Clock, claim: ProposalClaim, reason: str
) -> None:
    """Reject a proposal: delete its weights, keep its scores and provenance.

    Raises ProposalLost.
    """
    _set_rejected(await _lock_claimed(session, claim), clock, reason)
    await session.flush()


def _set_rejected(row: ModelVersion, clock: Clock, reason: str) -> None:
    """Mark a version as rejected: delete its weights, end its claim, record `reason`."""
    row.status, row.artefact, row.worker, row.heard_at = VersionStatus.REJECTED, None, None, None
    row.history = [*row.history, history_entry(clock.now(), f"rejected: {reason[:500]}", "")]


async def _lock_claimed(session: AsyncSession, claim: ProposalClaim) -> ModelVersion:
    """Lock and return the claim's version without its weights. Raises ProposalLost."""
    query = select(ModelVersion).where(
        col(ModelVersion.id) == claim.version_id,
        col(ModelVersion.worker) == claim.worker,
        col(ModelVersion.status) == VersionStatus.PROPOSED,
    )
    query = query.options(WITHOUT_ARTEFACT).with_for_update()
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise ProposalLost(
            f"Version {claim.number} of {claim.model!r} was taken over by another worker."
        )
    return row
