"""Roles, and what each may do.

A firm's roles (owner to viewer) hold within one account; the platform's (operator, support) hold
for all of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What somebody is in an account, or on the platform."""

    OWNER = "owner"
    DEVELOPER = "developer"
    FINANCE = "finance"
    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPPORT = "support"

    @property
    def of_platform(self) -> bool:
        """Whether it is held on the platform rather than in one account."""
        return self in (Role.OPERATOR, Role.SUPPORT)


class Permission(StrEnum):
    """What a page or an action asks for."""

    READ = "read"  # an account's pages
    KEYS = "keys"  # make, rotate, change and revoke keys
    CALL = "call"  # spend money in the playground
    LIMITS = "limits"  # caps, rates and alerts
    PLAN = "plan"  # subscribe, change and cancel
    PAY = "pay"  # pay invoices, leave a payment method, dispute a line
    OUTCOMES = "outcomes"  # sign contracts, dispute effects
    TEAM = "team"  # invite people, change roles, end memberships
    OPERATE = "operate"  # the platform's pages, and every action on them
    WATCH = "watch"  # the platform's pages, to read
    IMPERSONATE = "impersonate"  # read an account's pages as its people see them


_FIRM = frozenset(Permission) - {Permission.OPERATE, Permission.WATCH, Permission.IMPERSONATE}

MAY: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.OWNER: _FIRM,
        Role.DEVELOPER: frozenset({Permission.READ, Permission.KEYS, Permission.CALL}),
        Role.FINANCE: frozenset(
            {Permission.READ, Permission.LIMITS, Permission.PAY, Permission.OUTCOMES}
        ),
        Role.VIEWER: frozenset({Permission.READ}),
        Role.OPERATOR: frozenset({Permission.OPERATE, Permission.WATCH, Permission.IMPERSONATE}),
        Role.SUPPORT: frozenset({Permission.WATCH, Permission.IMPERSONATE}),
    }
)
