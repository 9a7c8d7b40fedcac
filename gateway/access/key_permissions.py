"""Permissions of an API key: which groups of endpoints it may use.

    a request's method and path -> the permission that it needs -> the key's permissions

A key without a list of permissions may use everything.
"""

from collections.abc import Iterable
from enum import StrEnum

from gateway.call.values import Principal
from infra.errors import AppError


class KeyPermission(StrEnum):
    """Groups of endpoints. `calls` are model calls and all endpoints that no other group has."""

    CALLS = "calls"
    PLANT_READ = "plant:read"
    PLANT_WRITE = "plant:write"
    READINGS_WRITE = "readings:write"
    IDENTIFIERS = "identifiers"
    EPCIS = "epcis"
    AGENTS = "agents"
    COMMANDS = "commands"


class KeyPermissionMissing(AppError):
    """The API key may not use this group of endpoints."""

    status = 403
    type = "permission_error"
    code = "api_key_permission"


class KeyPermissionInvalid(AppError):
    """A key cannot be restricted to this permission."""

    status = 400
    type = "invalid_request_error"
    code = "key_permission_invalid"


_PLANT, _AGENTS, _A2A = "/v1/plant", "/v1/agents", "/a2a"
_READING_METHODS = ("GET", "HEAD", "OPTIONS")
# Longest first; a path that is none of them is `calls`.
_GROUPS = (
    (f"{_PLANT}/epcis", KeyPermission.EPCIS),
    (f"{_PLANT}/trace", KeyPermission.EPCIS),
    (f"{_PLANT}/identifiers", KeyPermission.IDENTIFIERS),
    (f"{_PLANT}/commands", KeyPermission.COMMANDS),
)
_SETTINGS = f"{_PLANT}/readings/settings"
_READINGS = f"{_PLANT}/readings"
# Requests that only read, although their method is POST.
_QUERIES = (f"{_PLANT}/sparql", f"{_PLANT}/questions")


def needed_permission(method: str, path: str) -> KeyPermission:
    """Return the permission that a request needs."""
    path = "/" + "/".join(part for part in path.split("/") if part)  # as the router reads it
    if _is_within(path, _AGENTS) or _is_within(path, _A2A):
        return KeyPermission.AGENTS
    if not _is_within(path, _PLANT):
        return KeyPermission.CALLS
    for start, permission in _GROUPS:
        if _is_within(path, start):
            return permission
    if method in _READING_METHODS or path in _QUERIES:
        return KeyPermission.PLANT_READ
    if _is_within(path, _READINGS) and path != _SETTINGS:
        return KeyPermission.READINGS_WRITE
    return KeyPermission.PLANT_WRITE


def may_use(principal: Principal, permission: KeyPermission) -> bool:
    """Return whether a key has a permission; one without a list of permissions has all."""
    return principal.permissions is None or permission in principal.permissions


def require_permission(principal: Principal, permission: KeyPermission) -> None:
    """Raise KeyPermissionMissing unless a key has a permission."""
    if not may_use(principal, permission):
        raise KeyPermissionMissing(
            f"This API key lacks the permission `{permission}`. Use another key, or change the "
            "permissions of this one.",
            param=permission.value,
        )


def is_restricted(principal: Principal) -> bool:
    """Return whether a key is limited to some models, service tiers or permissions."""
    limits = (principal.allowed_models, principal.allowed_service_tiers, principal.permissions)
    return any(one is not None for one in limits)


def parse_permissions(names: Iterable[str]) -> list[str] | None:
    """Parse the permissions that a key is restricted to; without names, None, which allows all.

    Raises KeyPermissionInvalid.
    """
    selected = set(names)
    if unknown := sorted(selected - set(KeyPermission)):
        raise KeyPermissionInvalid(
            f"Unknown permission: {unknown[0][:40]!r}. Choose from {', '.join(KeyPermission)}.",
            param="permissions",
        )
    return [one.value for one in KeyPermission if one in selected] or None


def _is_within(path: str, start: str) -> bool:
    """Return whether a path is `start` or below it."""
    return path == start or path.startswith(f"{start}/")
