"""Variants: what an account has of its own, by name and version.

Owns their public ids, finding them, and which version is current.
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

from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from billing.metering.key_epoch import advance_epoch
from billing.tables import Account
from gateway.call.errors import ModelNotFound
from gateway.call.values import OwnVariant
from gateway.tables import Adaptation, Variant
from infra import ids
from infra.clock import Clock

PREFIX = "var"
OWN = "ft:"
# Of one name. Older ones are erased when a new one comes; the current one stays.
MOST_VERSIONS = 10
_NONE: Mapping[str, OwnVariant] = MappingProxyType({})
_WITHOUT_ARTEFACT = defer(Variant.artefact, raiseload=True)  # type: ignore[arg-type]
_LIVE = (col(Variant.live_at).is_not(None), col(Variant.withdrawn_at).is_(None))


@dataclass(frozen=True, slots=True)
class Stored:
    """What a server needs of a version."""

    base: str
    shown: str
    version: int
    artefact: bytes


def public_id(base: str, account_id: UUID, name: str) -> str:
    """`ft:<model>:<account>:<name>`, as OpenAI calls its own."""
    return f"{OWN}{base}:{ids.show(ACCOUNT_PREFIX, account_id)}:{name}"


def pinned_id(shown: str, version: int) -> str:
    """The same of one version, whichever is the current one: `ft:<model>:<account>:<name>:2`."""
    return f"{shown}:{version}"


def pinned(name: str, variants: Mapping[str, OwnVariant]) -> tuple[str, str] | None:
    """A variant and its version, where a name is one of `pinned_id`."""
    shown, _, version = name.rpartition(":")
    return (shown, version) if shown in variants and version.isdecimal() else None


async def variants_of(session: AsyncSession, account_id: UUID) -> Mapping[str, OwnVariant]:
    """The variants that can be called, by public id."""
    query = select(Variant).where(col(Variant.account_id) == account_id, *_LIVE)
    rows = (await session.scalars(query.options(_WITHOUT_ARTEFACT))).all()
    if not rows:
        return _NONE
    versions: dict[tuple[str, str], dict[int, UUID]] = defaultdict(dict)
    for row in rows:
        versions[row.base, row.name][row.version] = row.id
    current = {(row.base, row.name): row.version for row in rows if row.current}
    return {
        public_id(base, account_id, name): OwnVariant(
            base, MappingProxyType(versions[base, name]), version
        )
        for (base, name), version in current.items()
    }


async def stored(session: AsyncSession, account_id: UUID, variant_id: UUID) -> Stored | None:
    """A version's artefact; None where it was withdrawn, or is of another account."""
    query = select(Variant).where(
        col(Variant.id) == variant_id, col(Variant.account_id) == account_id, *_LIVE
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None or row.artefact is None:
        return None
    shown = public_id(row.base, account_id, row.name)
    return Stored(row.base, shown, row.version, row.artefact)


async def keep(session: AsyncSession, clock: Clock, job: Adaptation, artefact: bytes) -> None:
    """A new version, which cannot be called yet. What an earlier try of the job left goes."""
    # Two jobs may learn versions of one name at the same time: their numbers differ.
    of_account = select(Account.id).where(col(Account.id) == job.account_id)
    await session.execute(of_account.with_for_update(key_share=True))
    await session.execute(
        delete(Variant).where(
            col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
        )
    )
    place = _of_name(job.model, job.name)
    query = select(func.coalesce(func.max(col(Variant.version)), 0)).where(
        col(Variant.account_id) == job.account_id, *place
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


async def made_by(session: AsyncSession, job: Adaptation) -> Variant | None:
    """The version that the job made, while it can be called."""
    query = select(Variant).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id, *_LIVE
    )
    return (await session.scalars(query.options(_WITHOUT_ARTEFACT))).one_or_none()


async def is_kept(session: AsyncSession, job: Adaptation) -> bool:
    """Whether a try of the job came as far as `keep`."""
    query = select(Variant.id).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
    )
    return (await session.scalars(query)).first() is not None


async def make_live(session: AsyncSession, clock: Clock, job: Adaptation) -> int:
    """The job's version is the current one from now on; gives its number. One that is live already,
    by a try that was interrupted, is left as its customer has it by now."""
    query = select(Variant).where(
        col(Variant.account_id) == job.account_id, col(Variant.adaptation_id) == job.id
    )
    row = (await session.scalars(query)).one()
    if row.live_at is not None:
        return row.version
    row.live_at = clock.now()
    await session.flush()
    await _point_to(session, row)
    oldest = row.version - MOST_VERSIONS
    place = _of_name(row.base, row.name)
    await _withdraw(session, clock, row.account_id, *place, col(Variant.version) <= oldest)
    return row.version


async def choose(session: AsyncSession, account_id: UUID, model: str, version: int) -> None:
    """Another version is the current one: back to an older, or forward again.

    Raises ModelNotFound.
    """
    query = select(Variant).where(
        col(Variant.account_id) == account_id,
        col(Variant.version) == version,
        *_named(account_id, model),
        *_LIVE,
    )
    row = (await session.scalars(query.with_for_update())).one_or_none()
    if row is None:
        raise ModelNotFound(f"The model {model[:200]!r} has no version {version}.", param="version")
    await _point_to(session, row)


async def withdraw(
    session: AsyncSession, clock: Clock, account_id: UUID, model: str
) -> tuple[str, Sequence[UUID]]:
    """All versions of a variant go, and their artefacts are erased; its base and their ids. Raises
    ModelNotFound."""
    named = _named(account_id, model)
    gone = await _withdraw(session, clock, account_id, *named)
    if not gone:
        raise ModelNotFound(f"The model {model[:200]!r} does not exist.", param="model")
    return gone[0].base, [one.id for one in gone]


async def _withdraw(
    session: AsyncSession, clock: Clock, account_id: UUID, *which: ColumnElement[bool]
) -> Sequence[Row[UUID, str]]:
    statement = (
        update(Variant)
        .where(col(Variant.account_id) == account_id, *which, *_LIVE)
        .values(artefact=None, current=False, withdrawn_at=clock.now())
        .returning(col(Variant.id), col(Variant.base))
    )
    gone = (await session.execute(statement)).all()
    if gone:
        await advance_epoch(session, account_id)
    return gone


async def _point_to(session: AsyncSession, row: Variant) -> None:
    others = update(Variant).where(
        col(Variant.account_id) == row.account_id,
        *_of_name(row.base, row.name),
        col(Variant.current),
    )
    await session.execute(others.values(current=False))
    this = update(Variant).where(
        col(Variant.account_id) == row.account_id, col(Variant.id) == row.id
    )
    await session.execute(this.values(current=True))
    await advance_epoch(session, row.account_id)


def _of_name(base: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return col(Variant.base) == base, col(Variant.name) == name


def _named(account_id: UUID, model: str) -> tuple[ColumnElement[bool], ...]:
    """By a public id. Raises ModelNotFound where it cannot be one of the account's."""
    owner = f":{ids.show(ACCOUNT_PREFIX, account_id)}:"
    base, found, name = model.removeprefix(OWN).partition(owner)
    if not found or not model.startswith(OWN):
        raise ModelNotFound(f"The model {model[:200]!r} does not exist.", param="model")
    return _of_name(base, name)
