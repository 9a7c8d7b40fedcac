"""Delete a customer's fine-tuned model, and state what was erased.

    erase weights, candidates and files -> record hashes -> tell the model servers -> record answers

The record stays after the model: it has no weights and no content, only their hashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.fine_tuning.jobs import JOB_ID_PREFIX
from gateway.identity.audit_log import Actor, record_audit_event
from gateway.observations.rows import count_of_model
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.registry.files import ErasedFile, erase_training_files
from gateway.registry.variants import ErasedVersion, erase_variant, parse_public_id, public_id
from gateway.tables import Adaptation, AdaptationStatus, Variant, VariantDeletion
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of

DELETION_ID_PREFIX = "vdel"
# A model server that did not confirm drops its copies after a day (serving/variant_folder.py).
COPY_LIFETIME = timedelta(days=1)
_OPEN = (AdaptationStatus.QUEUED, AdaptationStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class DeletedModel:
    """A deletion, with the base model and the version ids that model servers have to drop."""

    record: VariantDeletion
    base: str
    version_ids: Sequence[UUID]


async def delete_model(
    session: AsyncSession,
    clock: Clock,
    actor: Actor,
    account_id: UUID,
    model: str,
    with_training_files: bool,
) -> DeletedModel:
    """Erase all versions of a variant, its rejected candidates and observed results, and record it.

    With `with_training_files`, also the files on which they were trained, unless another model of
    the account was trained on the file. Raises ModelNotFound.
    """
    base, name = parse_public_id(account_id, model)
    observations = await count_of_model(session, account_id, base, name)
    versions = await erase_variant(session, clock, account_id, model)
    files: Sequence[ErasedFile] = ()
    if with_training_files:
        file_ids = await _list_unshared_files(session, account_id, versions)
        files = await erase_training_files(session, account_id, file_ids)
    record = VariantDeletion(
        id=ids.new_id(),
        account_id=account_id,
        base=base,
        name=name,
        versions=[_version_json(version) for version in versions],
        files=[_file_json(file) for file in files],
        observations=observations,
        deleted_by=actor.public_id,
        at=clock.now(),
    )
    session.add(record)
    await session.flush()
    await record_audit_event(
        session, clock, actor, account_id, "model.deleted", record.name, _audit_details(record)
    )
    return DeletedModel(record, record.base, [version.id for version in versions])


async def record_answers(
    session: AsyncSession, account_id: UUID, deletion_id: UUID, asked: int, confirmed: int
) -> None:
    """Record how many model servers were asked to delete their copies, and how many did."""
    await session.execute(
        update(VariantDeletion)
        .where(
            col(VariantDeletion.id) == deletion_id, col(VariantDeletion.account_id) == account_id
        )
        .values(servers_asked=asked, servers_confirmed=confirmed)
    )


async def list_deletions(
    session: AsyncSession, account_id: UUID, model: str | None, limit: int, after: UUID | None
) -> Sequence[VariantDeletion]:
    """Return a page of an account's deletions, newest first; of one variant if it is named.

    Raises ModelNotFound if the id cannot be one of the account's.
    """
    query = select(VariantDeletion).where(col(VariantDeletion.account_id) == account_id)
    if model is not None:
        base, name = parse_public_id(account_id, model)
        query = query.where(col(VariantDeletion.base) == base, col(VariantDeletion.name) == name)
    return (await session.scalars(page_of(query, col(VariantDeletion.id), limit, after))).all()


def render_deletion(row: VariantDeletion) -> dict[str, Any]:
    """Return a deletion as JSON: what was erased, when, by whom, and on which model servers.

    `copies_erased_by` is the latest time at which a server that did not confirm drops its copies.
    """
    is_complete = row.servers_asked is not None and row.servers_confirmed == row.servers_asked
    return {
        "id": ids.format_id(DELETION_ID_PREFIX, row.id),
        "object": "model.deletion",
        "model": public_id(row.base, row.account_id, row.name),
        "deleted_at": int(row.at.timestamp()),
        "deleted_by": row.deleted_by,
        "versions": row.versions,
        "training_files": row.files,
        "observations": row.observations,
        "model_servers": {"asked": row.servers_asked, "confirmed": row.servers_confirmed},
        "copies_erased_by": None if is_complete else int((row.at + COPY_LIFETIME).timestamp()),
    }


async def _list_unshared_files(
    session: AsyncSession, account_id: UUID, versions: Sequence[ErasedVersion]
) -> Sequence[UUID]:
    """Return the files of the versions' jobs on which no other stored model was trained.

    A file of a job that is still open is needed too.
    """
    job_ids = [version.job_id for version in versions]
    of_account = col(Adaptation.account_id) == account_id
    query = select(col(Adaptation.training_file_id)).where(
        of_account, col(Adaptation.id).in_(job_ids)
    )
    file_ids = set((await session.scalars(query)).all())
    stored = select(col(Variant.adaptation_id)).where(
        col(Variant.account_id) == account_id, col(Variant.withdrawn_at).is_(None)
    )
    needed = select(col(Adaptation.training_file_id)).where(
        of_account,
        col(Adaptation.training_file_id).in_(file_ids),
        col(Adaptation.id).in_(stored) | col(Adaptation.status).in_(_OPEN),
    )
    return list(file_ids - set((await session.scalars(needed)).all()))


def _version_json(version: ErasedVersion) -> dict[str, Any]:
    """Return an erased version as it is recorded."""
    return {
        "version": version.version,
        "fine_tuning_job": ids.format_id(JOB_ID_PREFIX, version.job_id),
        "sha256": version.sha256,
        "bytes": version.size,
    }


def _file_json(file: ErasedFile) -> dict[str, Any]:
    """Return an erased file as it is recorded."""
    return {
        "id": ids.format_id(FILE_PREFIX, file.id),
        "filename": file.filename,
        "sha256": file.sha256,
        "bytes": file.size,
    }


def _audit_details(record: VariantDeletion) -> Mapping[str, Any]:
    """Return the details for the audit log: the model, and each version and file with its hash."""
    return {
        "model": public_id(record.base, record.account_id, record.name),
        "versions": [f"{one['version']}: sha256 {one['sha256']}" for one in record.versions],
        "files": [f"{one['filename']}: sha256 {one['sha256']}" for one in record.files],
        "observations": record.observations,
    }
