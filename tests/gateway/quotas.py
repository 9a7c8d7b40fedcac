"""Quotas as a call finds them, for tests of what is held in memory: no database."""

from billing.quotas import QuotaRef
from billing.tables import QuotaKind

KINDS = tuple(QuotaKind)


def quota(kind: QuotaKind, amount: int | None = None) -> QuotaRef:
    """The one quota of its kind; that of money a month is the key's."""
    return QuotaRef(f"the-{kind.value}", kind, kind is QuotaKind.BUDGET, amount)


ALL = tuple(quota(kind) for kind in KINDS)
