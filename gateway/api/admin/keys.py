"""`/v1/admin/accounts/{account}/keys`: API keys of an account."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import Account
from gateway.access.admin_scopes import AdminScope
from gateway.access.api_keys import list_keys, rename_key, require_key, revoke_key, rotate_key
from gateway.access.key_scopes import change_scope, parse_scope, scope_of
from gateway.api.admin.context import AdminRequest
from gateway.call.errors import ParameterInvalid
from gateway.operations.customer_keys import (
    NewKey,
    create_customer_key,
    get_account_key,
    issued_key_json,
    key_json,
)

_MAX_OVERLAP_HOURS = 24 * 90


class NewApiKey(msgspec.Struct):
    """A key to create. `networks` are IP addresses or CIDR networks; empty lists allow all.

    `permissions` are `calls`, `plant:read`, `plant:write`, `readings:write`, `identifiers`,
    `epcis` and `agents`.
    """

    name: str = "key"
    models: list[str] = []
    networks: list[str] = []
    service_tiers: list[str] = []
    permissions: list[str] = []


class ApiKeyChanges(msgspec.Struct):
    """What to change of a key; fields left out stay as they are, empty lists allow all."""

    name: str | None = None
    models: list[str] | None = None
    networks: list[str] | None = None
    service_tiers: list[str] | None = None
    permissions: list[str] | None = None


class KeyRotation(msgspec.Struct):
    """For how many hours the old key stays valid, 0 to 2160."""

    overlap_hours: float = 24.0


_PATH = "/v1/admin/accounts/{account}/keys"
BODIES: Mapping[str, type[msgspec.Struct]] = {
    _PATH: NewApiKey,
    f"{_PATH}/{{key}}": ApiKeyChanges,
    f"{_PATH}/{{key}}/rotate": KeyRotation,
}
_NEW = msgspec.json.Decoder(NewApiKey)
_CHANGES = msgspec.json.Decoder(ApiKeyChanges)
_ROTATION = msgspec.json.Decoder(KeyRotation)


class AdminAccountKeyRoutes(Controller):
    """API keys of an account. A change takes effect on all gateways within a second."""

    path = "/accounts/{account:str}/keys"

    @get("/", summary="List API keys of an account", admin_scope=AdminScope.ACCOUNTS_READ)
    async def keys(
        self, admin: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> dict[str, Any]:
        """Return all keys, revoked and expired ones included, the oldest first."""

        async def load(session: AsyncSession, owner: Account) -> list[dict[str, Any]]:
            """Return the keys as JSON."""
            return [_object(key_json(key)) for key in await list_keys(session, owner.id)]

        data = await admin.read_account(account, load)
        return {"object": "list", "data": data, "has_more": False}

    @post("/", status_code=200, summary="Create an API key", admin_scope=AdminScope.KEYS_WRITE)
    async def create(
        self, admin_change: NamedDependency[AdminRequest], account: FromPath[str]
    ) -> Response[bytes]:
        """Create a key. The response contains its secret, which is shown only once."""
        body = admin_change.decode(_NEW)
        new = NewKey(
            body.name,
            body.models,
            " ".join(body.networks),
            body.service_tiers,
            permissions=body.permissions,
        )
        clock, pepper, actor = admin_change.clock, admin_change.pepper, admin_change.actor

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Create the key and return it with its secret."""
            issued = await create_customer_key(session, clock, pepper, actor, owner.id, new)
            return _object(issued_key_json(issued))

        return await admin_change.change_account(account, apply)

    @post(
        "/{key:str}",
        status_code=200,
        summary="Rename an API key, or change what it may be used for",
        admin_scope=AdminScope.KEYS_WRITE,
    )
    async def update(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        key: FromPath[str],
    ) -> Response[bytes]:
        """Change name and scope of a key."""
        body = admin_change.decode(_CHANGES)

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Change the key and return it."""
            return await _change_key(session, admin_change, owner, key, body)

        return await admin_change.change_account(account, apply)

    @delete(
        "/{key:str}",
        status_code=200,
        summary="Revoke an API key",
        admin_scope=AdminScope.KEYS_WRITE,
    )
    async def revoke(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        key: FromPath[str],
    ) -> Response[bytes]:
        """Revoke a key; revoking it again changes nothing."""
        clock, actor = admin_change.clock, admin_change.actor

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Revoke the key and return it."""
            key_id = await require_key(session, owner.id, key)
            return _object(key_json(await revoke_key(session, clock, owner.id, key_id, actor)))

        return await admin_change.change_account(account, apply)

    @post(
        "/{key:str}/rotate",
        status_code=200,
        summary="Replace an API key by a new one",
        admin_scope=AdminScope.KEYS_WRITE,
    )
    async def rotate(
        self,
        admin_change: NamedDependency[AdminRequest],
        account: FromPath[str],
        key: FromPath[str],
    ) -> Response[bytes]:
        """Replace a key. The response contains the new secret, which is shown only once."""
        hours = admin_change.decode(_ROTATION).overlap_hours
        if not 0 <= hours <= _MAX_OVERLAP_HOURS:
            raise ParameterInvalid(
                f"`overlap_hours` must be 0 to {_MAX_OVERLAP_HOURS}.", param="overlap_hours"
            )
        clock, pepper, actor = admin_change.clock, admin_change.pepper, admin_change.actor

        async def apply(session: AsyncSession, owner: Account) -> dict[str, Any]:
            """Rotate the key and return the new one."""
            key_id = await require_key(session, owner.id, key)
            overlap = timedelta(hours=hours)
            place = (session, clock, pepper, owner.id, key_id, overlap)
            return _object(issued_key_json(await rotate_key(*place, actor)))

        return await admin_change.change_account(account, apply)


async def _change_key(
    session: AsyncSession, admin: AdminRequest, owner: Account, key: str, body: ApiKeyChanges
) -> dict[str, Any]:
    """Change name and scope of a key and return it."""
    key_id = await require_key(session, owner.id, key)
    place = (session, admin.clock, admin.actor, owner.id, key_id)
    if body.name is not None:
        await rename_key(*place, body.name)
    current = scope_of(await get_account_key(session, owner.id, key_id))
    scope = parse_scope(
        current.models or () if body.models is None else body.models,
        " ".join(current.networks or () if body.networks is None else body.networks),
        current.service_tiers or () if body.service_tiers is None else body.service_tiers,
        current.permissions or () if body.permissions is None else body.permissions,
    )
    await change_scope(*place, scope)
    return _object(key_json(await get_account_key(session, owner.id, key_id)))


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a key's fields with the name of the object."""
    return {"object": "api_key", **fields}
