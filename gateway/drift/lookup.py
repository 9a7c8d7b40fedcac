"""Find a customer's model by its public id alone, for operators."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.accounts.accounts import ACCOUNT_ID_PREFIX
from gateway.call.errors import ModelNotFound
from gateway.registry.variants import PUBLIC_ID_PREFIX
from gateway.tables import Variant
from infra import ids


async def find_current_version(session: AsyncSession, model: str) -> tuple[UUID, UUID, int]:
    """Return the ids of account and version, and the version's number, of a current version.

    `model` is the public id, `ft:<model>:<account>:<name>`. Raises ModelNotFound.
    """
    parts = model.split(":")
    not_found = ModelNotFound(f"The model {model[:200]!r} does not exist.", param="model")
    if not model.startswith(PUBLIC_ID_PREFIX) or len(parts) != 4:
        raise not_found
    account_id = ids.parse_id(ACCOUNT_ID_PREFIX, parts[2])
    if account_id is None:
        raise not_found
    query = select(col(Variant.id), col(Variant.version)).where(
        col(Variant.account_id) == account_id,
        col(Variant.base) == parts[1],
        col(Variant.name) == parts[3],
        col(Variant.current),
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise not_found
    variant_id, version = row
    return account_id, variant_id, version
