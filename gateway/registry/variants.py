"""Fine-tuned variants of an account, by name and version: store, find, delete, set the current one.

A variant has the public id `ft:<model>:<account>:<name>`; its versions are numbered from 1.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from billing.metering.key_epoch import advance_epoch
from billing.tables import Account
from gateway.call.errors import ModelNotFound
from gateway.call.values import AccountVariant
from gateway.registry.drift_references import delete_drift, store_reference
from gateway.tables import Adaptation, Variant
from infra import ids
from infra.clock import Clock

PREFIX = "var"
PUBLIC_ID_PREFIX = "ft:"
# Versions kept of each variant. A new version deletes older ones.
MAX_VERSIONS = 10
_NO_VARIANTS: Mapping[str, AccountVariant] = MappingProxyType({})
_WITHOUT_ARTEFACT = defer(Variant.artefact, raiseload=True)  # type: ignore[arg-type]
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
    return {
        public_id(base, account_id, name): AccountVariant(
            base, MappingProxyType(versions[base, name]), version
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

    If an interrupted attempt has made it live already, nothing changes: the customer may have set
    another current version since. Deletes the versions beyond MAX_VERSIONS.
    """
    query = select(Variant).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
    )
    row = (await session.scalars(query)).one()
    if row.live_at is not None:
        return row.version
    row.live_at = clock.now()
    await session.flush()
    await _set_current(session, row)
    await _delete_versions(
        session,
        clock,
        row.account_id,
        *_variant_conditions(row.base, row.name),
        col(Variant.version) <= row.version - MAX_VERSIONS,
    )
    return row.version


async def set_current_version(
    session: AsyncSession, account_id: UUID, model: str, version: int
) -> None:
    """Set the version that answers calls to a variant's public id. Raises ModelNotFound."""
    query = select(Variant).where(
        col(Variant.account_id) == account_id,
        col(Variant.version) == version,
        *_public_id_conditions(account_id, model),
        *_IS_LIVE,
    )
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise ModelNotFound(f"The model {model[:200]!r} has no version {version}.", param="version")
    await _set_current(session, row)


async def delete_variant(
    session: AsyncSession, clock: Clock, account_id: UUID, model: str
) -> tuple[str, Sequence[UUID]]:
    """Delete all versions of a variant and erase their weights.

    Returns the base model's id and the ids of the versions. Raises ModelNotFound.
    """
    conditions = _public_id_conditions(account_id, model)
    deleted = await _delete_versions(session, clock, account_id, *conditions)
    if not deleted:
        raise ModelNotFound(f"The model {model[:200]!r} does not exist.", param="model")
    return deleted[0].base, [version.id for version in deleted]


async def _delete_versions(
    session: AsyncSession, clock: Clock, account_id: UUID, *conditions: ColumnElement[bool]
) -> Sequence[Row[UUID, str]]:
    """Delete callable versions and erase their weights. Returns ids and base models."""
    statement = (
        update(Variant)
        .where(col(Variant.account_id) == account_id, *conditions, *_IS_LIVE)
        .values(artefact=None, current=False, withdrawn_at=clock.now())
        .returning(col(Variant.id), col(Variant.base))
    )
    deleted = (await session.execute(statement)).all()
    if deleted:
        await delete_drift(session, account_id, [version.id for version in deleted])
        await advance_epoch(session, account_id)
    return deleted


async def _set_current(session: AsyncSession, row: Variant) -> None:
    """Make a version current in place of its variant's current version."""
    previous = update(Variant).where(
        col(Variant.account_id) == row.account_id,
        *_variant_conditions(row.base, row.name),
        col(Variant.current),
    )
    await session.execute(previous.values(current=False))
    current = update(Variant).where(
        col(Variant.account_id) == row.account_id, col(Variant.id) == row.id
    )
    await session.execute(current.values(current=True))
    await advance_epoch(session, row.account_id)


def _variant_conditions(base: str, name: str) -> tuple[ColumnElement[bool], ...]:
    """Return the query conditions for the versions of one variant."""
    return col(Variant.base) == base, col(Variant.name) == name


def _public_id_conditions(account_id: UUID, model: str) -> tuple[ColumnElement[bool], ...]:
    """Return the query conditions for a variant's public id.

    Raises ModelNotFound if the id cannot be one of the account's.
    """
    separator = f":{ids.format_id(ACCOUNT_PREFIX, account_id)}:"
    base, found, name = model.removeprefix(PUBLIC_ID_PREFIX).partition(separator)
    if not found or not model.startswith(PUBLIC_ID_PREFIX):
        raise ModelNotFound(f"The model {model[:200]!r} does not exist.", param="model")
    return _variant_conditions(base, name)
