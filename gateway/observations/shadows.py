"""Shadow deployments as rows: start, store answers within the limits, stop, find."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.key_epoch import advance_epoch
from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.errors import BadRequest, ModelNotFound
from gateway.call.values import ShadowPlan
from gateway.registry.variants import list_live_versions, parse_public_id
from gateway.tables import ShadowAnswer, ShadowDeployment, ShadowStatus
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

SHADOW_ID_PREFIX = "shadow"

# The operator pays for the candidates' answers.
MAX_RUNNING = 5
# Rows of one call that are stored, so that a large call does not use up the deployment.
MAX_ROWS_PER_CALL = 100


class ShadowNotFound(AppError):
    """The model has no shadow deployment."""

    status = 404
    type = "invalid_request_error"
    code = "shadow_not_found"


class ShadowRunning(BadRequest):
    """A shadow deployment of the model runs already, or too many of the account's do."""

    status = 409
    code = "shadow_running"


class ShadowOver(BadRequest):
    """The shadow deployment has been stopped or promoted."""

    status = 409
    code = "shadow_over"


@dataclass(frozen=True, slots=True)
class NewShadow:
    """A shadow deployment to start; `days` from now."""

    version: int
    share: float
    max_rows: int
    days: int


async def start_shadow(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    model: str,
    new: NewShadow,
    started_by: str | None,
) -> ShadowDeployment:
    """Let a version answer a share of the calls of the current version, unseen.

    The caller waits until all gateways know it. Raises ModelNotFound, ShadowRunning, BadRequest.
    """
    versions = await list_live_versions(session, account_id, model, for_update=True)
    candidate = next((row for row in versions if row.version == new.version), None)
    current = next((row for row in versions if row.current), None)
    if candidate is None or current is None:
        raise ModelNotFound(
            f"The model {model[:200]!r} has no version {new.version}.", param="version"
        )
    if candidate.current:
        raise BadRequest("This version answers the calls already.", param="version")
    await _complete_ended(session, clock, account_id)
    await _require_room(session, account_id, candidate.base, candidate.name)
    now = clock.now()
    row = ShadowDeployment(
        id=ids.new_id(),
        account_id=account_id,
        base=candidate.base,
        name=candidate.name,
        current_version=current.version,
        current_id=current.id,
        candidate_version=candidate.version,
        candidate_id=candidate.id,
        share=new.share,
        max_rows=new.max_rows,
        status=ShadowStatus.RUNNING,
        started_by=started_by,
        created_at=now,
        ends_at=now + timedelta(days=new.days),
    )
    session.add(row)
    await session.flush()
    await advance_epoch(session, account_id)
    return row


async def find_shadow(
    session: AsyncSession, account_id: UUID, model: str, *, for_update: bool = False
) -> ShadowDeployment:
    """Return the newest shadow deployment of a model. Raises ModelNotFound, ShadowNotFound."""
    base, name = parse_public_id(account_id, model)
    query = (
        select(ShadowDeployment)
        .where(
            col(ShadowDeployment.account_id) == account_id,
            col(ShadowDeployment.base) == base,
            col(ShadowDeployment.name) == name,
        )
        .order_by(col(ShadowDeployment.id).desc())
        .limit(1)
    )
    row = (await session.scalars(query.with_for_update() if for_update else query)).one_or_none()
    if row is None:
        raise ShadowNotFound(f"The model {model[:200]!r} has no shadow deployment.")
    return row


def status_of(clock: Clock, row: ShadowDeployment) -> ShadowStatus:
    """Return the status; a deployment past its limits is completed also before that is stored."""
    status = ShadowStatus(row.status)
    is_over = row.ends_at <= clock.now() or row.rows >= row.max_rows
    return ShadowStatus.COMPLETED if status is ShadowStatus.RUNNING and is_over else status


async def end_shadow(
    session: AsyncSession, clock: Clock, account_id: UUID, model: str, status: ShadowStatus
) -> ShadowDeployment:
    """End the newest shadow deployment of a model as stopped or promoted; its answers are kept.

    Raises ModelNotFound, ShadowNotFound, and ShadowOver if it was stopped or promoted before.
    """
    row = await find_shadow(session, account_id, model, for_update=True)
    if row.status in (ShadowStatus.STOPPED, ShadowStatus.PROMOTED):
        raise ShadowOver(f"The shadow deployment has ended already: {row.status}.")
    row.status, row.finished_at = status, row.finished_at or clock.now()
    await session.flush()
    await advance_epoch(session, account_id)
    return row


async def store_answers(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    plan: ShadowPlan,
    request_id: UUID,
    answers: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> None:
    """Store the results of both versions for the rows of a call, within the deployment's limits."""
    now, kept = clock.now(), answers[:MAX_ROWS_PER_CALL]
    is_running = (
        col(ShadowDeployment.id) == plan.id,
        col(ShadowDeployment.account_id) == account_id,
        col(ShadowDeployment.status) == ShadowStatus.RUNNING,
    )
    query = select(ShadowDeployment).where(*is_running).with_for_update()
    row = (await session.scalars(query)).one_or_none()
    if row is None or row.ends_at <= now:
        return
    kept = kept[: row.max_rows - row.rows]
    owner = {"shadow_id": plan.id, "request_id": request_id, "account_id": account_id, "at": now}
    values = [
        {**owner, "row": number, "current": dict(current), "candidate": dict(candidate)}
        for number, (current, candidate) in enumerate(kept)
    ]
    if values:
        await session.execute(insert(ShadowAnswer).values(values).on_conflict_do_nothing())
        row.rows += len(values)
    if row.rows >= row.max_rows:
        row.status, row.finished_at = ShadowStatus.COMPLETED, now
        await advance_epoch(session, account_id)
    await session.flush()


async def count_failure(session: AsyncSession, account_id: UUID, plan: ShadowPlan) -> None:
    """Count a call that the candidate did not answer."""
    await session.execute(
        update(ShadowDeployment)
        .where(col(ShadowDeployment.id) == plan.id, col(ShadowDeployment.account_id) == account_id)
        .values(failed=ShadowDeployment.failed + 1)
    )


async def list_answers(session: AsyncSession, row: ShadowDeployment) -> Sequence[ShadowAnswer]:
    """Return the answers of a deployment, in order of time."""
    query = select(ShadowAnswer).where(
        col(ShadowAnswer.shadow_id) == row.id, col(ShadowAnswer.account_id) == row.account_id
    )
    return (await session.scalars(query.order_by(col(ShadowAnswer.at)))).all()


async def find_stored_results(
    session: AsyncSession, account_id: UUID, rows: Sequence[tuple[str, int]]
) -> Mapping[tuple[str, int], Mapping[str, Any]]:
    """Return the current version's stored results of rows, by public request id and row."""
    parsed = {(ids.parse_id(REQUEST_ID_PREFIX, name), row): (name, row) for name, row in rows}
    wanted = [key for key in parsed if key[0] is not None]
    if not wanted:
        return {}
    query = select(ShadowAnswer).where(
        col(ShadowAnswer.account_id) == account_id,
        tuple_(col(ShadowAnswer.request_id), col(ShadowAnswer.row)).in_(wanted),
    )
    return {parsed[one.request_id, one.row]: one.current for one in await session.scalars(query)}


async def _complete_ended(session: AsyncSession, clock: Clock, account_id: UUID) -> None:
    """Mark the account's deployments as completed whose time has passed."""
    now = clock.now()
    await session.execute(
        update(ShadowDeployment)
        .where(
            col(ShadowDeployment.account_id) == account_id,
            col(ShadowDeployment.status) == ShadowStatus.RUNNING,
            col(ShadowDeployment.ends_at) <= now,
        )
        .values(status=ShadowStatus.COMPLETED, finished_at=now)
    )


async def _require_room(session: AsyncSession, account_id: UUID, base: str, name: str) -> None:
    """Raise ShadowRunning if one of the model runs, or too many of the account's do."""
    query = select(col(ShadowDeployment.base), col(ShadowDeployment.name)).where(
        col(ShadowDeployment.account_id) == account_id,
        col(ShadowDeployment.status) == ShadowStatus.RUNNING,
    )
    running = [(found, called) for found, called in (await session.execute(query)).all()]
    if (base, name) in running:
        raise ShadowRunning("A shadow deployment of this model is running. Stop it first.")
    if len(running) >= MAX_RUNNING:
        raise ShadowRunning(f"{MAX_RUNNING} shadow deployments of this account are running.")
