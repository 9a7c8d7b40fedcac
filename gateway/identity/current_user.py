"""Who looks at a page.

It is found from a session's cookie (sessions.py) once a request.
"""

from dataclasses import dataclass
from uuid import UUID

from gateway.identity.roles import MAY, Permission, Role


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person who is signed in.

    role: in `account_id`, or on the platform. account_id, account_name: whose pages are shown; None
    on the platform's own. language: what the person chose (`zh`, `en`); None follows the browser.
    csrf: what forms of this session carry. impersonated: whether support looks at an account's
    pages, which then can be read only. elsewhere: whether the person belongs to more than is shown.
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

    def may(self, permission: Permission) -> bool:
        """Whether the role allows it; support that looks at an account may read alone."""
        if self.impersonated:
            return permission is Permission.READ
        return permission in MAY[self.role]
