"""Quotas as a call finds them, for tests of what is held in memory: no database."""

from billing.metering.quotas import QuotaRef
from billing.tables import QuotaKind

KINDS = tuple(QuotaKind)
LIMITS = tuple(kind for kind in KINDS if kind is not QuotaKind.ALLOWANCE)


def quota(kind: QuotaKind, amount: int | None = None) -> QuotaRef:
    """The one quota of its kind; that of money a month is the key's."""
    return QuotaRef(f"the-{kind.value}", kind, kind is QuotaKind.BUDGET, amount)


def allowance(meter: str, model: str = "m") -> QuotaRef:
    """Included units, of one model or of all."""
    return QuotaRef(f"{model}/{meter}", QuotaKind.ALLOWANCE, False, 1000, model, meter)


# What limits a call.
ALL = tuple(quota(kind) for kind in LIMITS)
