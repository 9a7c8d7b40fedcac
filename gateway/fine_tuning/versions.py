"""Versions of a customer's fine-tuned model: choose or roll back one with an audit entry, views."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.fine_tuning.jobs import JOB_ID_PREFIX
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.registry.activations import (
    ACTIVATION_ID_PREFIX,
    VersionChange,
    choose_version,
    roll_back_version,
)
from gateway.registry.variants import list_live_versions, pinned_id
from gateway.tables import Adaptation, Variant, VariantActivation
from infra import ids
from infra.clock import Clock


async def activate(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, model: str, version: int
) -> VersionChange:
    """Set the version that answers calls, and record it if that is a change. Raises ModelNotFound.

    The caller waits until all gateways know it.
    """
    by = actor.public_id
    change = await choose_version(session, clock, account_id, model, version, by)
    if change.previous != change.version:
        await _record(session, clock, actor, account_id, "model.activated", change)
    return change


async def roll_back(
    session: AsyncSession, clock: Clock, actor: Actor, account_id: UUID, model: str
) -> VersionChange:
    """Return to the version that answered before the current one, and record it.

    The caller waits until all gateways know it. Raises ModelNotFound, NoPreviousVersion.
    """
    change = await roll_back_version(session, clock, account_id, model, actor.public_id)
    await _record(session, clock, actor, account_id, "model.rolled_back", change)
    return change


async def list_versions_with_jobs(
    session: AsyncSession, account_id: UUID, model: str
) -> Sequence[tuple[Variant, Adaptation]]:
    """Return the callable versions of a variant with their jobs, newest first.

    Raises ModelNotFound.
    """
    versions = await list_live_versions(session, account_id, model)
    query = select(Adaptation).where(
        col(Adaptation.account_id) == account_id,
        col(Adaptation.id).in_([version.adaptation_id for version in versions]),
    )
    jobs = {job.id: job for job in (await session.scalars(query)).all()}
    return [(version, jobs[version.adaptation_id]) for version in reversed(versions)]


def render_version(model: str, version: Variant, job: Adaptation) -> dict[str, Any]:
    """Return a version of the variant with this public id as JSON, with its score at training."""
    return {
        "id": pinned_id(model, version.version),
        "object": "model.version",
        "version": version.version,
        "current": version.current,
        "created_at": int(version.created_at.timestamp()),
        "fine_tuning_job": ids.format_id(JOB_ID_PREFIX, job.id),
        "score": job.score,
        "accepted_at": None if job.accepted_at is None else int(job.accepted_at.timestamp()),
        "accepted_by": job.accepted_by,
    }


def render_activation(row: VariantActivation) -> dict[str, Any]:
    """Return an activation as JSON."""
    return {
        "id": ids.format_id(ACTIVATION_ID_PREFIX, row.id),
        "object": "model.activation",
        "version": row.version,
        "previous_version": row.previous,
        "reason": row.reason,
        "activated_at": int(row.at.timestamp()),
        "activated_by": row.activated_by,
    }


async def _record(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    action: str,
    change: VersionChange,
) -> None:
    """Record a change of the current version in the account's audit log."""
    details = {"from": {"version": change.previous}, "to": {"version": change.version}}
    await record_audit_event(session, clock, actor, account_id, action, change.name, details)
