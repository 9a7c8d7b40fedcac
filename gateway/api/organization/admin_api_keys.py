"""`/v1/organization/admin_api_keys`: admin keys of the account, in OpenAI's shape."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.admin_errors import AdminKeyNotFound
from gateway.access.admin_keys import (
    ADMIN_KEY_ID_PREFIX,
    NewAdminKey,
    create_admin_key,
    get_admin_key,
    list_admin_keys,
    revoke_admin_key,
)
from gateway.api.admin.context import AdminRequest
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.identity.people import get_person_names
from gateway.operations.admin_key_views import organization_key_json
from gateway.tables import AdminKey


class NewOrganizationKey(msgspec.Struct):
    """An admin key to create; without `expires_in_seconds` it does not expire."""

    name: str
    expires_in_seconds: int | None = None


_PATH = "/v1/organization/admin_api_keys"
BODIES: Mapping[str, type[msgspec.Struct]] = {_PATH: NewOrganizationKey}
_NEW = msgspec.json.Decoder(NewOrganizationKey)
_MAX_SECONDS = 10**9


class OrganizationKeyRoutes(Controller):
    """Admin keys of the account. They cannot call models."""

    path = "/admin_api_keys"

    @get("/", summary="List admin keys of the account")
    async def keys(
        self,
        organization: NamedDependency[AdminRequest],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        order: FromQuery[Literal["asc", "desc"]] = "asc",
    ) -> dict[str, Any]:
        """Return a page of the admin keys that are not revoked."""
        account_id, cursor = organization.account_id, parse_cursor(ADMIN_KEY_ID_PREFIX, after)

        async def load(session: AsyncSession) -> list[dict[str, Any]]:
            """Return the keys as JSON."""
            keys = [key for key in await list_admin_keys(session, account_id) if _is_shown(key)]
            if order == "desc":
                keys.reverse()
            if cursor is not None:
                keys = [key for key in keys if (key.id > cursor) == (order == "asc")]
                keys = [key for key in keys if key.id != cursor]
            return await _shown(session, keys[: limit + 1])

        rows = await organization.read(load)
        return bidirectional_page_json(rows, limit, lambda row: row, False)

    @post("/", status_code=200, summary="Create an admin key of the account")
    async def create(self, organization: NamedDependency[AdminRequest]) -> Response[bytes]:
        """Create an admin key. `value` is its secret, which is shown only once."""
        body = organization.decode(_NEW)
        seconds = body.expires_in_seconds
        lifetime = None if seconds is None else timedelta(seconds=min(seconds, _MAX_SECONDS))
        new = NewAdminKey(body.name, lifetime=lifetime)
        clock, pepper, actor = organization.clock, organization.pepper, organization.actor

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Create the key and return it with its secret."""
            place = (session, clock, pepper, actor, organization.account_id)
            issued = await create_admin_key(*place, new)
            (shown,) = await _shown(session, [issued.row])
            return {**shown, "value": issued.secret}

        return await organization.change(apply)

    @get("/{key_id:str}", summary="Retrieve an admin key of the account")
    async def key(
        self, organization: NamedDependency[AdminRequest], key_id: FromPath[str]
    ) -> dict[str, Any]:
        """Return an admin key that is not revoked."""

        async def load(session: AsyncSession) -> dict[str, Any]:
            """Return the key as JSON."""
            row = await _get(session, organization, key_id)
            return (await _shown(session, [row]))[0]

        return await organization.read(load)

    @delete("/{key_id:str}", status_code=200, summary="Revoke an admin key of the account")
    async def remove(
        self, organization: NamedDependency[AdminRequest], key_id: FromPath[str]
    ) -> Response[bytes]:
        """Revoke an admin key; it is rejected at once."""
        clock, actor = organization.clock, organization.actor

        async def apply(session: AsyncSession) -> dict[str, Any]:
            """Revoke the key."""
            await _get(session, organization, key_id)
            await revoke_admin_key(session, clock, actor, organization.account_id, key_id)
            return {"object": "organization.admin_api_key.deleted", "id": key_id, "deleted": True}

        return await organization.change(apply)


async def _get(session: AsyncSession, organization: AdminRequest, key_id: str) -> AdminKey:
    """Return a key of the account that is not revoked. Raises AdminKeyNotFound."""
    row = await get_admin_key(session, organization.account_id, key_id)
    if not _is_shown(row):
        raise AdminKeyNotFound("This admin key was revoked.", param="key_id")
    return row


def _is_shown(row: AdminKey) -> bool:
    """Whether a key exists for OpenAI's clients: it is not revoked."""
    return row.revoked_at is None


async def _shown(session: AsyncSession, rows: list[AdminKey]) -> list[dict[str, Any]]:
    """Return keys as OpenAI's objects, with the names of those who created them."""
    names = await get_person_names(session, {row.made_by for row in rows if row.made_by})
    return [organization_key_json(row, names) for row in rows]
