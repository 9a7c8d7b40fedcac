"""API keys of customers' accounts, as the CLI and the Admin API create and show them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.tables import ApiKey
from gateway.access import api_keys
from gateway.access.key_scopes import change_scope, parse_scope
from gateway.identity.audit_log import Actor
from gateway.projects.keys import create_project_key
from gateway.projects.projects import format_project_id
from infra import ids
from infra.clock import Clock


@dataclass(frozen=True, slots=True)
class NewKey:
    """A requested API key; `networks` is text. Empty restrictions allow all.

    Without `project_id` the key belongs to the account's default project.
    """

    name: str
    models: Sequence[str] = ()
    networks: str = ""
    service_tiers: Sequence[str] = ()
    project_id: UUID | None = None
    permissions: Sequence[str] = ()


async def create_customer_key(
    session: AsyncSession, clock: Clock, pepper: bytes, actor: Actor, account_id: UUID, new: NewKey
) -> api_keys.IssuedKey:
    """Create a key with its scope.

    Raises KeyNameInvalid, NetworksUnreadable, ServiceTierInvalid, KeyPermissionInvalid,
    ProjectNotFound, ProjectNotActive.
    """
    scope = parse_scope(new.models, new.networks, new.service_tiers, new.permissions)
    project_id = new.project_id or account_id
    issued = await create_project_key(
        session, clock, pepper, account_id, project_id, new.name, actor=actor
    )
    await change_scope(session, clock, actor, account_id, issued.row.id, scope)
    return replace(issued, row=await get_account_key(session, account_id, issued.row.id))


async def get_account_key(session: AsyncSession, account_id: UUID, key_id: UUID) -> ApiKey:
    """Return an account's API key by its id; the key must exist."""
    rows = await api_keys.list_keys(session, account_id)
    return next(row for row in rows if row.id == key_id)


def parse_key_id(text: str) -> UUID:
    """Parse a key id. Raises KeyNotFound if it is invalid."""
    key_id = ids.parse_id(api_keys.PREFIX, text)
    if key_id is None:
        raise api_keys.KeyNotFound(
            f"{text[:100]!r} is not a key ID (key_…). Run `maas keys list` to see key IDs."
        )
    return key_id


def key_json(key: ApiKey) -> dict[str, Any]:
    """Return a key as JSON, without its secret."""
    return {
        "id": ids.format_id(api_keys.PREFIX, key.id),
        "name": key.name,
        "key": key.hint,
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at and key.expires_at.isoformat(),
        "revoked_at": key.revoked_at and key.revoked_at.isoformat(),
        "models": key.models,
        "networks": key.networks,
        "service_tiers": key.service_tiers,
        "permissions": key.permissions,
        "project_id": format_project_id(key.project_id or key.account_id),
    }


def issued_key_json(issued: api_keys.IssuedKey) -> dict[str, Any]:
    """Return a new key as JSON, with its secret."""
    return {**key_json(issued.row), "secret": issued.secret}
