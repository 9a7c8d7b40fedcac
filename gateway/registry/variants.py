"""Fine-tuned variants of an account, by name and version: store, find, delete, set the current one.

A variant has the public id `ft:<model>:<account>:<name>`; its versions are numbered from 1.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from billing.metering.key_epoch import advance_epoch
from billing.tables import Account
from gateway.call.errors import ModelNotFound
from gateway.call.values import AccountVariant
from gateway.registry.drift_references import delete_drift, store_reference
from gateway.registry.shadows import list_shadow_plans
from gateway.tables import (
    ActivationReason,
    Adaptation,
    AdaptationStatus,
    RetrainingSchedule,
    Variant,
    VariantActivation,
)
from infra import ids
from infra.clock import Clock

PREFIX = "var"
PUBLIC_ID_PREFIX = "ft:"
# A job's setting: whether its version becomes the one that answers calls.
ACTIVATE = "activate"
# Versions kept of each variant. A new version deletes older ones.
MAX_VERSIONS = 10
_NO_VARIANTS: Mapping[str, AccountVariant] = MappingProxyType({})
_WITHOUT_ARTEFACT = defer(Variant.artefact, raiseload=True)  # type: ignore[arg-type]
# More columns than SQLAlchemy's overloads of `select` have.
_ERASED: tuple[Any, ...] = (
    col(Variant.id),
    col(Variant.base),
    col(Variant.name),
    col(Variant.version),
    col(Variant.adaptation_id),
    func.encode(func.sha256(col(Variant.artefact)), "hex"),
    func.octet_length(col(Variant.artefact)),
)
_IS_LIVE = (col(Variant.live_at).is_not(None), col(Variant.withdrawn_at).is_(None))


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version of a variant or shared model with its weights, as a model server loads it.

    `base` is the id of the base model, `public_name` the name that responses show.
    """

    base: str
    public_name: str
    version: int
    artefact: bytes


@dataclass(frozen=True, slots=True)
class ErasedVersion:
    """A version whose weights were erased: their SHA-256 in hexadecimal and size in bytes."""

    id: UUID
    base: str
    name: str
    version: int
    job_id: UUID
    sha256: str
    size: int


def public_id(base: str, account_id: UUID, name: str) -> str:
    """Return the public id of a variant, `ft:<model>:<account>:<name>`, in OpenAI's format."""
    return f"{PUBLIC_ID_PREFIX}{base}:{ids.format_id(ACCOUNT_PREFIX, account_id)}:{name}"


def pinned_id(public_name: str, version: int) -> str:
    """Return the id of one version of a variant: `ft:<model>:<account>:<name>:2`."""
    return f"{public_name}:{version}"


def parse_pinned_id(
    model_id: str, variants: Mapping[str, AccountVariant]
) -> tuple[str, str] | None:
    """Split a `pinned_id` into the variant's public id and the version, both text, or return None.

    It is None if the id does not pin a version of one of the variants.
    """
    public_name, _, version = model_id.rpartition(":")
    return (public_name, version) if public_name in variants and version.isdecimal() else None


async def list_live_variants(
    session: AsyncSession, account_id: UUID
) -> Mapping[str, AccountVariant]:
    """Return an account's callable fine-tuned models, by public id."""
    query = select(Variant).where(col(Variant.account_id) == account_id, *_IS_LIVE)
    rows = (await session.scalars(query.options(_WITHOUT_ARTEFACT))).all()
    if not rows:
        return _NO_VARIANTS
    versions: dict[tuple[str, str], dict[int, UUID]] = defaultdict(dict)
    for row in rows:
        versions[row.base, row.name][row.version] = row.id
    current = {(row.base, row.name): row.version for row in rows if row.current}
    shadows = await list_shadow_plans(session, account_id)
    return {
        public_id(base, account_id, name): AccountVariant(
            base, MappingProxyType(versions[base, name]), version, shadows.get((base, name))
        )
        for (base, name), version in current.items()
    }


async def find_variant_with_weights(
    session: AsyncSession, account_id: UUID, variant_id: UUID
) -> StoredVersion | None:
    """Return the account's fine-tuned version with this id and its weights, or None.

    Returns None if the version was deleted or belongs to another account.
    """
    query = select(Variant).where(
        col(Variant.id) == variant_id, col(Variant.account_id) == account_id, *_IS_LIVE
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None or row.artefact is None:
        return None
    public_name = public_id(row.base, account_id, row.name)
    return StoredVersion(row.base, public_name, row.version, row.artefact)


async def create_version(
    session: AsyncSession, clock: Clock, job: Adaptation, artefact: bytes
) -> None:
    """Store the weights that a job trained as a new version, which is not live yet.

    Deletes the version that an earlier attempt of the same job stored.
    """
    # The account's row is locked: concurrent jobs for one name must get different numbers.
    account_row = select(Account.id).where(col(Account.id) == job.account_id)
    await session.execute(account_row.with_for_update(key_share=True))
    await session.execute(
        delete(Variant).where(
            col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
        )
    )
    query = select(func.coalesce(func.max(col(Variant.version)), 0)).where(
        col(Variant.account_id) == job.account_id, *_variant_conditions(job.model, job.name)
    )
    newest = (await session.execute(query)).scalar_one()
    session.add(
        Variant(
            id=ids.new_id(),
            account_id=job.account_id,
            adaptation_id=job.id,
            base=job.model,
            name=job.name,
            version=newest + 1,
            artefact=artefact,
            current=False,
            created_at=clock.now(),
        )
    )
    await session.flush()
    await store_reference(session, job, artefact)


async def find_live_version_of_job(session: AsyncSession, job: Adaptation) -> Variant | None:
    """Return the version that a job trained, or None if it is not callable or was deleted."""
    query = select(Variant).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id, *_IS_LIVE
    )
    return (await session.scalars(query.options(_WITHOUT_ARTEFACT))).one_or_none()


async def has_version_of_job(session: AsyncSession, job: Adaptation) -> bool:
    """Whether an attempt of the job has stored a version with `create_version`."""
    query = select(Variant.id).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
    )
    return (await session.scalars(query)).first() is not None


async def make_live(session: AsyncSession, clock: Clock, job: Adaptation) -> int:
    """Make the version that a job trained callable and current. Returns its number.

    It does not become current if the job says so and another one is.

    If an interrupted attempt has made it live already, nothing changes: the customer may have set
    another current version since. Deletes the versions beyond MAX_VERSIONS,
    but not the current one.
    """
    query = select(Variant).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
    )
    row = (await session.scalars(query)).one()
    if row.live_at is not None:
        return row.version
    row.live_at = clock.now()
    await session.flush()
    if job.settings.get(ACTIVATE, True) or not await _has_current(session, row):
        await make_current(session, clock, row, ActivationReason.TRAINED, None)
    else:
        await advance_epoch(session, row.account_id)
    await _delete_versions(
        session,
        clock,
        row.account_id,
        *_variant_conditions(row.base, row.name),
        col(Variant.version) <= row.version - MAX_VERSIONS,
        ~col(Variant.current),
    )
    return row.version


async def _has_current(session: AsyncSession, row: Variant) -> bool:
    """Whether the variant has a version that answers calls."""
    query = select(col(Variant.id)).where(
        col(Variant.account_id) == row.account_id,
        *_variant_conditions(row.base, row.name),
        col(Variant.current),
    )
    return (await session.scalars(query)).first() is not None


async def list_live_versions(
    session: AsyncSession, account_id: UUID, model: str, *, for_update: bool = False
) -> Sequence[Variant]:
    """Return the callable versions of a variant, without weights, in their order.

    `model` is the variant's public id; `for_update` locks the rows. Raises ModelNotFound if there
    is none.
    """
    query = (
        select(Variant)
        .where(
            col(Variant.account_id) == account_id,
            *_variant_conditions(*parse_public_id(account_id, model)),
            *_IS_LIVE,
        )
        .options(_WITHOUT_ARTEFACT)
        .order_by(col(Variant.version))
    )
    rows = (await session.scalars(query.with_for_update() if for_update else query)).all()
    if not rows:
        raise not_found(model)
    return rows


async def find_name_and_version(
    session: AsyncSession, account_id: UUID, variant_id: UUID
) -> tuple[str, int]:
    """Return the public id and the version number of a version that exists."""
    query = select(col(Variant.base), col(Variant.name), col(Variant.version)).where(
        col(Variant.account_id) == account_id, col(Variant.id) == variant_id
    )
    base, name, version = (await session.execute(query)).one()
    return public_id(base, account_id, name), version


async def make_current(
    session: AsyncSession,
    clock: Clock,
    row: Variant,
    reason: ActivationReason,
    activated_by: str | None,
) -> int | None:
    """Make a version current in place of its variant's current version, which is returned.

    The change is kept as an activation.
    """
    previous = await _clear_current(session, row)
    current = update(Variant).where(
        col(Variant.account_id) == row.account_id, col(Variant.id) == row.id
    )
    await session.execute(current.values(current=True))
    activation = VariantActivation(
        id=ids.new_id(),
        account_id=row.account_id,
        base=row.base,
        name=row.name,
        version=row.version,
        previous=previous,
        reason=reason,
        activated_by=activated_by,
        at=clock.now(),
    )
    session.add(activation)
    await session.flush()
    await advance_epoch(session, row.account_id)
    return previous


async def erase_variant(
    session: AsyncSession, clock: Clock, account_id: UUID, model: str
) -> Sequence[ErasedVersion]:
    """Erase all versions of a variant, also rejected candidates, their weights and the schedule.

    Versions of a job that still runs stay. Raises ModelNotFound if there is nothing to erase.
    """
    conditions = _variant_conditions(*parse_public_id(account_id, model))
    ended = select(col(Adaptation.id)).where(
        col(Adaptation.account_id) == account_id,
        col(Adaptation.status).not_in((AdaptationStatus.QUEUED, AdaptationStatus.RUNNING)),
    )
    candidates = (
        delete(Variant)
        .where(
            col(Variant.account_id) == account_id,
            *conditions,
            col(Variant.live_at).is_(None),
            col(Variant.adaptation_id).in_(ended),
        )
        .returning(*_ERASED)
        .execution_options(synchronize_session=False)
    )
    found = select(*_ERASED).where(col(Variant.account_id) == account_id, *conditions, *_IS_LIVE)
    live = [ErasedVersion(*row) for row in (await session.execute(found)).all()]
    rejected = [ErasedVersion(*row) for row in (await session.execute(candidates)).all()]
    if not live and not rejected:
        raise not_found(model)
    # By id: a version that a job publishes meanwhile must not vanish without a record.
    live_ids = [version.id for version in live]
    await _delete_versions(session, clock, account_id, col(Variant.id).in_(live_ids))
    base, name = parse_public_id(account_id, model)
    await session.execute(
        delete(RetrainingSchedule).where(
            col(RetrainingSchedule.account_id) == account_id,
            col(RetrainingSchedule.base) == base,
            col(RetrainingSchedule.name) == name,
        )
    )
    return sorted([*live, *rejected], key=lambda version: version.version)


async def _delete_versions(
    session: AsyncSession, clock: Clock, account_id: UUID, *conditions: ColumnElement[bool]
) -> None:
    """Delete callable versions and erase their weights."""
    statement = (
        update(Variant)
        .where(col(Variant.account_id) == account_id, *conditions, *_IS_LIVE)
        .values(artefact=None, current=False, withdrawn_at=clock.now())
        .returning(col(Variant.id))
    )
    deleted = (await session.execute(statement)).all()
    if deleted:
        await delete_drift(session, account_id, [version.id for version in deleted])
        await advance_epoch(session, account_id)


async def _clear_current(session: AsyncSession, row: Variant) -> int | None:
    """Let no version of the variant be current. Returns the one that was."""
    statement = (
        update(Variant)
        .where(
            col(Variant.account_id) == row.account_id,
            *_variant_conditions(row.base, row.name),
            col(Variant.current),
        )
        .values(current=False)
        .returning(col(Variant.version))
    )
    return (await session.execute(statement)).scalar_one_or_none()


def _variant_conditions(base: str, name: str) -> tuple[ColumnElement[bool], ...]:
    """Return the query conditions for the versions of one variant."""
    return col(Variant.base) == base, col(Variant.name) == name


def parse_public_id(account_id: UUID, model: str) -> tuple[str, str]:
    """Return the base model and the name of a variant's public id.

    Raises ModelNotFound if the id cannot be one of the account's.
    """
    separator = f":{ids.format_id(ACCOUNT_PREFIX, account_id)}:"
    base, found, name = model.removeprefix(PUBLIC_ID_PREFIX).partition(separator)
    # PostgreSQL text cannot hold NUL.
    if not found or not model.startswith(PUBLIC_ID_PREFIX) or "\x00" in model:
        raise not_found(model)
    return base, name


def not_found(model: str) -> ModelNotFound:
    """Return the error for a variant that the account does not have."""
    return ModelNotFound(f"The model {model[:200]!r} does not exist.", param="model")
