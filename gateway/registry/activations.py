"""Which version of a fine-tuned model answers calls: choose one, roll back, list the changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.call.errors import BadRequest, ModelNotFound
from gateway.registry.variants import list_live_versions, make_current, parse_public_id
from gateway.tables import ActivationReason, Variant, VariantActivation
from infra.clock import Clock
from infra.database.paging import page_of

ACTIVATION_ID_PREFIX = "vact"


class NoPreviousVersion(BadRequest):
    """There is no earlier version of the fine-tuned model to return to."""

    status = 409
    code = "no_previous_version"


@dataclass(frozen=True, slots=True)
class VersionChange:
    """The version that answers calls now, and the one before; they are equal if nothing changed."""

    name: str
    version: int
    previous: int | None


async def choose_version(
    session: AsyncSession,
    clock: Clock,
    account_id: UUID,
    model: str,
    version: int,
    chosen_by: str | None,
) -> VersionChange:
    """Set the version that answers calls to a variant's public id. Raises ModelNotFound."""
    rows = await list_live_versions(session, account_id, model, for_update=True)
    row = next((row for row in rows if row.version == version), None)
    if row is None:
        raise ModelNotFound(f"The model {model[:200]!r} has no version {version}.", param="version")
    return await _change(session, clock, row, ActivationReason.CHOSEN, chosen_by)


async def roll_back_version(
    session: AsyncSession, clock: Clock, account_id: UUID, model: str, rolled_back_by: str | None
) -> VersionChange:
    """Return to the version that answered before the current one.

    Raises ModelNotFound, NoPreviousVersion.
    """
    rows = await list_live_versions(session, account_id, model, for_update=True)
    target = await _find_target(session, account_id, model, rows)
    if target is None:
        raise NoPreviousVersion(f"The model {model[:200]!r} has no earlier version to return to.")
    row = next(row for row in rows if row.version == target)
    return await _change(session, clock, row, ActivationReason.ROLLBACK, rolled_back_by)


async def find_rollback_target(session: AsyncSession, account_id: UUID, model: str) -> int | None:
    """Return the version to which `roll_back_version` would return; None if there is none.

    Raises ModelNotFound.
    """
    rows = await list_live_versions(session, account_id, model)
    return await _find_target(session, account_id, model, rows)


async def list_activations(
    session: AsyncSession, account_id: UUID, model: str, limit: int | None, after: UUID | None
) -> Sequence[VariantActivation]:
    """Return a page of a variant's activations, newest first; all without a limit.

    Raises ModelNotFound if the id cannot be one of the account's.
    """
    base, name = parse_public_id(account_id, model)
    query = select(VariantActivation).where(
        col(VariantActivation.account_id) == account_id,
        col(VariantActivation.base) == base,
        col(VariantActivation.name) == name,
    )
    if limit is None:
        query = query.order_by(col(VariantActivation.id).desc())
    else:
        query = page_of(query, col(VariantActivation.id), limit, after)
    return (await session.scalars(query)).all()


def rollback_target(
    history: Sequence[VariantActivation], current: int, live: frozenset[int]
) -> int | None:
    """Return the version that answered before `current`, among those that are `live`.

    `history` is in order of time. A rollback undoes the activations after its target, so that a
    second rollback goes one version further back, and not forward again. Without a usable history
    it is the next lower version.
    """
    stack: list[int] = []
    for activation in history:
        if activation.reason == ActivationReason.ROLLBACK and activation.version in stack:
            stack = stack[: stack.index(activation.version)]
        stack = [version for version in stack if version != activation.version]
        stack.append(activation.version)
    earlier = [version for version in stack if version in live]
    if current in earlier:
        earlier = earlier[: earlier.index(current)]
        if earlier:
            return earlier[-1]
    return max((version for version in live if version < current), default=None)


async def _find_target(
    session: AsyncSession, account_id: UUID, model: str, rows: Sequence[Variant]
) -> int | None:
    """Return the rollback target of a variant with these callable versions."""
    history = await list_activations(session, account_id, model, None, None)
    current = next((row.version for row in rows if row.current), rows[-1].version)
    live = frozenset(row.version for row in rows)
    return rollback_target([*reversed(history)], current, live)


async def _change(
    session: AsyncSession,
    clock: Clock,
    row: Variant,
    reason: ActivationReason,
    changed_by: str | None,
) -> VersionChange:
    """Make a version current, unless it is."""
    if row.current:
        return VersionChange(row.name, row.version, row.version)
    previous = await make_current(session, clock, row, reason, changed_by)
    return VersionChange(row.name, row.version, previous)
