"""Admin keys as JSON: the platform's, and accounts' in OpenAI's shape."""

from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.access.admin_keys import ADMIN_KEY_ID_PREFIX, IssuedAdminKey
from gateway.identity.audit_log import PERSON_ID_PREFIX
from gateway.tables import AdminKey
from infra import ids


def admin_key_json(row: AdminKey) -> dict[str, Any]:
    """Return a platform admin key as JSON, without its secret."""
    return {
        "id": ids.format_id(ADMIN_KEY_ID_PREFIX, row.id),
        "name": row.name,
        "key": row.hint,
        "scopes": row.scopes,
        "networks": row.networks,
        "created_at": row.created_at.isoformat(),
        "expires_at": row.expires_at and row.expires_at.isoformat(),
        "revoked_at": row.revoked_at and row.revoked_at.isoformat(),
        "last_used_at": row.last_used_at and row.last_used_at.isoformat(),
        "last_address": row.last_address or None,
    }


def issued_admin_key_json(issued: IssuedAdminKey) -> dict[str, Any]:
    """Return a new platform admin key as JSON, with its secret."""
    return {**admin_key_json(issued.row), "secret": issued.secret}


def organization_key_json(row: AdminKey, names: dict[UUID, str]) -> dict[str, Any]:
    """Return an account's admin key as OpenAI's object; `names` are those of people by id."""
    return {
        "object": "organization.admin_api_key",
        "id": ids.format_id(ADMIN_KEY_ID_PREFIX, row.id),
        "name": row.name,
        "redacted_value": row.hint,
        "created_at": unix_seconds(row.created_at),
        "expires_at": row.expires_at and unix_seconds(row.expires_at),
        "last_used_at": row.last_used_at and unix_seconds(row.last_used_at),
        "owner": {
            "type": "user",
            "object": "organization.user",
            "id": row.made_by and ids.format_id(PERSON_ID_PREFIX, row.made_by),
            "name": row.made_by and names.get(row.made_by),
            "created_at": unix_seconds(row.created_at),
            "role": "owner",
        },
    }


def unix_seconds(moment: datetime) -> int:
    """Return a time in whole Unix seconds, as OpenAI's objects have it."""
    return int(moment.timestamp())
