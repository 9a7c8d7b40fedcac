"""The API key that pays for what a command starts."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.api_keys import KeyNotFound, list_keys, require_key
from infra.clock import Clock


async def find_paying_key(
    session: AsyncSession, clock: Clock, account_id: UUID, name: str | None
) -> UUID:
    """Return the id of the named key, or of the account's newest active one. Raises KeyNotFound."""
    if name is not None:
        return await require_key(session, account_id, name)
    now = clock.now()
    active = [
        key.id
        for key in await list_keys(session, account_id)
        if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    ]
    if not active:
        raise KeyNotFound("The account has no active API key. Create one: `maas keys create`.")
    return active[-1]
