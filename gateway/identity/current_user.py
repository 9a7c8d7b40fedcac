"""The signed-in person of a request, found by the session cookie once per request."""

from dataclasses import dataclass
from uuid import UUID

from gateway.identity.roles import ROLE_PERMISSIONS, Permission, Role


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person and the account that the session shows.

    role: in `account_id`, or on the platform. account_id, account_name: the account whose pages are
    shown; None on the platform's pages. language: the person's choice (`zh`, `en`); None follows
    the browser. csrf: the CSRF token of the session's forms. impersonated: whether support views an
    account's pages, which are then read-only. elsewhere: whether the person can switch to another
    account or the platform.
    """

    session_id: UUID
    person_id: UUID
    email: str
    name: str
    role: Role
    account_id: UUID | None
    account_name: str | None
    language: str | None
    csrf: str
    impersonated: bool = False
    elsewhere: bool = False

    def has_permission(self, permission: Permission) -> bool:
        """Whether the role grants the permission. While impersonating, only READ is granted."""
        if self.impersonated:
            return permission is Permission.READ
        return permission in ROLE_PERMISSIONS[self.role]
