"""Roles and their permissions.

Account roles (owner to viewer) apply to one account; platform roles (operator, support) apply to
all accounts.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """A person's role in an account or on the platform."""

    OWNER = "owner"
    DEVELOPER = "developer"
    FINANCE = "finance"
    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPPORT = "support"

    @property
    def is_platform_role(self) -> bool:
        """Whether this is a platform role rather than an account role."""
        return self in (Role.OPERATOR, Role.SUPPORT)


class Permission(StrEnum):
    """A permission that a page or an action requires."""

    READ = "read"  # an account's pages
    KEYS = "keys"  # create, rotate, change and revoke keys
    CALL = "call"  # spend money in the playground
    LIMITS = "limits"  # caps, rates and alerts
    GUARD = "guard"  # rules that refuse or mask texts of calls
    PLAN = "plan"  # subscribe, change and cancel
    PAY = "pay"  # pay invoices, add a payment method, dispute an invoice line
    PLANT = "plant"  # change the plant model, import and confirm mappings
    OUTCOMES = "outcomes"  # sign contracts, dispute effects
    TEAM = "team"  # invite people, change roles, end memberships
    OPERATE = "operate"  # the platform's pages, and every action on them
    WATCH = "watch"  # the platform's pages, read-only
    IMPERSONATE = "impersonate"  # read an account's pages as its members see them


_ACCOUNT_PERMISSIONS = frozenset(Permission) - {
    Permission.OPERATE,
    Permission.WATCH,
    Permission.IMPERSONATE,
}

ROLE_PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.OWNER: _ACCOUNT_PERMISSIONS,
        Role.DEVELOPER: frozenset(
            {Permission.READ, Permission.KEYS, Permission.CALL, Permission.PLANT}
        ),
        Role.FINANCE: frozenset(
            {Permission.READ, Permission.LIMITS, Permission.PAY, Permission.OUTCOMES}
        ),
        Role.VIEWER: frozenset({Permission.READ}),
        Role.OPERATOR: frozenset({Permission.OPERATE, Permission.WATCH, Permission.IMPERSONATE}),
        Role.SUPPORT: frozenset({Permission.WATCH, Permission.IMPERSONATE}),
    }
)
