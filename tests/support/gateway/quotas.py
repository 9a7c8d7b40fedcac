"""Quotas of a call, for tests of in-memory leases without a database."""

from billing.metering.quotas import QuotaRef
from billing.tables import QuotaKind

KINDS = tuple(QuotaKind)
LIMITS = tuple(kind for kind in KINDS if kind is not QuotaKind.ALLOWANCE)


def quota(kind: QuotaKind, amount: int | None = None) -> QuotaRef:
    """The quota of a kind; the monthly budget is the key's."""
    return QuotaRef(f"the-{kind.value}", kind, kind is QuotaKind.BUDGET, amount)


def allowance(meter: str, model: str = "m") -> QuotaRef:
    """An allowance of one model or of all models."""
    return QuotaRef(f"{model}/{meter}", QuotaKind.ALLOWANCE, False, 1000, model, meter)


# What limits a call.
ALL = tuple(quota(kind) for kind in LIMITS)
