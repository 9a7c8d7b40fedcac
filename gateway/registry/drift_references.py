"""The reference of each trained version, by which the drift of its inputs is found."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.tables import (
    Adaptation,
    Observation,
    ShadowDeployment,
    Variant,
    VariantCount,
    VariantDrift,
    VariantPromise,
)
from models.drift.reference import read_reference


async def store_reference(session: AsyncSession, job: Adaptation, artefact: bytes) -> None:
    """Store the distributions of a training beside the version of the job, if it has any."""
    reference = await asyncio.to_thread(read_reference, artefact)
    # PostgreSQL stores no NUL; the model is of use without a reference.
    if reference is None or b"\\u0000" in msgspec.json.encode(reference):
        return
    query = select(col(Variant.id)).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
    )
    row = VariantDrift(
        variant_id=(await session.scalars(query)).one(),
        account_id=job.account_id,
        reference=msgspec.to_builtins(reference),
    )
    session.add(row)
    await session.flush()


async def delete_drift(
    session: AsyncSession, account_id: UUID, variant_ids: Sequence[UUID]
) -> None:
    """Delete references, counts, observed results and shadows of versions that are deleted."""
    for table in (VariantDrift, VariantCount, Observation, VariantPromise):
        await session.execute(
            delete(table).where(
                col(table.account_id) == account_id, col(table.variant_id).in_(variant_ids)
            )
        )
    of_versions = col(ShadowDeployment.candidate_id).in_(variant_ids) | col(
        ShadowDeployment.current_id
    ).in_(variant_ids)
    await session.execute(
        delete(ShadowDeployment).where(col(ShadowDeployment.account_id) == account_id, of_versions)
    )
