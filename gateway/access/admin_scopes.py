"""Scopes of platform admin keys: which part of the Admin API a key may read or change."""

from collections.abc import Iterable
from enum import StrEnum

from gateway.access.admin_errors import AdminScopeInvalid


class AdminScope(StrEnum):
    """A part of the Admin API. `accounts:read` covers all that belongs to one account."""

    ACCOUNTS_READ = "accounts:read"
    ACCOUNTS_WRITE = "accounts:write"
    SIGNUPS_WRITE = "signups:write"
    KEYS_WRITE = "keys:write"
    LIMITS_WRITE = "limits:write"
    CREDIT_WRITE = "credit:write"
    PLANS_WRITE = "plans:write"
    GRANTS_WRITE = "grants:write"
    INVOICES_WRITE = "invoices:write"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    DISPUTES_WRITE = "disputes:write"
    FAPIAO_WRITE = "fapiao:write"
    REPORTS_READ = "reports:read"
    RECONCILE_WRITE = "reconcile:write"
    AUDIT_READ = "audit:read"
    INCIDENTS_WRITE = "incidents:write"


def parse_admin_scopes(names: Iterable[str]) -> list[str]:
    """Return valid scopes in the order of AdminScope. Raises AdminScopeInvalid."""
    selected = set(names)
    if unknown := sorted(selected - set(AdminScope)):
        raise AdminScopeInvalid(
            f"Unknown scope: {unknown[0][:40]!r}. Choose from {', '.join(AdminScope)}.",
            param="scopes",
        )
    if not selected:
        raise AdminScopeInvalid("Choose at least one scope.", param="scopes")
    return [scope.value for scope in AdminScope if scope in selected]
