"""Admin keys for tests, and HTTP clients that use them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx

from gateway.access.admin_keys import IssuedAdminKey, NewAdminKey, create_admin_key
from gateway.access.admin_scopes import AdminScope
from gateway.identity.audit_log import CLI_ACTOR
from tests.support import builders
from tests.support.builders import Gateway


async def issue(
    gateway: Gateway, *scopes: str, account_id: UUID | None = None, **values: object
) -> IssuedAdminKey:
    """A new key of the platform, with all scopes unless some are named, or of an account."""
    named = () if account_id else scopes or tuple(AdminScope)
    new = NewAdminKey("erp", named, **values)  # type: ignore[arg-type]
    parts = gateway.parts
    async with parts.database.transaction() as session:
        place = (session, parts.clock, parts.pepper, CLI_ACTOR, account_id)
        return await create_admin_key(*place, new)


@asynccontextmanager
async def admin_client(gateway: Gateway, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends this key."""
    async with builders.client(gateway.url, {"authorization": f"Bearer {secret}"}) as http:
        yield http
