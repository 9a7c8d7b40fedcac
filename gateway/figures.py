"""Figures: what an answer's headers and the metrics tell of a call.

Owns names and spelling of the headers for cost, balance and rates, and counting calls. What is
told of quotas was true a quarter of a second ago, with this process's own calls since.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from billing.money import nano_text
from billing.quotas import QuotaRef
from billing.tables import QuotaKind
from billing.usage import UsageRecord
from gateway.flow import Completion, Principal
from gateway.leasing import Lender
from infra.clock import Clock
from infra.metrics import Metrics

_RATES = {QuotaKind.REQUESTS: "requests", QuotaKind.TOKENS: "tokens"}


class Figures:
    """Tells and counts for one gateway process."""

    def __init__(self, lender: Lender, clock: Clock, metrics: Metrics) -> None:
        self._lender = lender
        self._clock = clock
        self._metrics = metrics

    def running(self) -> AbstractContextManager[None]:
        """A block in which a call is being answered."""
        return self._metrics.running.track_inprogress()

    def limits(self, principal: Principal) -> dict[str, str]:
        """OpenAI's headers for the rates that the caller is under, of each the scarcer one."""
        shown: dict[str, str] = {}
        least: dict[QuotaKind, int] = {}
        for quota in principal.quotas:
            if quota.kind not in _RATES or quota.amount is None:
                continue
            left, reset_s = self._left(quota)
            if left < least.get(quota.kind, left + 1):
                least[quota.kind] = left
                name = _RATES[quota.kind]
                shown[f"x-ratelimit-limit-{name}"] = str(quota.amount)
                shown[f"x-ratelimit-remaining-{name}"] = str(left)
                shown[f"x-ratelimit-reset-{name}"] = f"{reset_s:.0f}s"
        return shown

    def cost(self, principal: Principal | None, record: UsageRecord) -> dict[str, str]:
        """What the call costs, and what the account may still spend after it."""
        if principal is None or record.currency is None or record.status != 200:
            return {}
        shown = {"x-maas-cost": nano_text(record.cost_nano), "x-maas-currency": record.currency}
        balance = self.balance(principal)
        if balance is not None:
            shown["x-maas-balance"] = nano_text(max(0, balance - record.cost_nano))
        return shown

    def balance(self, principal: Principal) -> int | None:
        """Nano-units that the account may still spend; None where that is not known here."""
        for quota in principal.quotas:
            if quota.kind is QuotaKind.CREDIT:
                standing = self._lender.standing(quota)
                if standing is not None and standing.amount is not None:
                    return standing.amount - standing.spent
        return None

    def count(self, record: UsageRecord, completion: Completion) -> None:
        """Add the call to the metrics."""
        metrics, model = self._metrics, record.model or ""
        settlement, status = record.settlement.value, str(completion.status)
        metrics.calls.labels(record.operation, model, settlement, status).inc()
        metrics.duration.labels(record.operation, model).observe(record.duration_us / 1e6)
        if record.first_chunk_us is not None:
            metrics.first_chunk.labels(record.operation, model).observe(record.first_chunk_us / 1e6)
        if record.settlement.billable:
            quantities = record.quantities
            metrics.tokens.labels(model, "input").inc(quantities.input_tokens or 0)
            metrics.tokens.labels(model, "output").inc(quantities.output_tokens or 0)
            metrics.rows.labels(model).inc(quantities.rows or 0)

    def _left(self, quota: QuotaRef) -> tuple[int, float]:
        """Units left in this minute, and the seconds until all are there again."""
        standing = self._lender.standing(quota)
        if standing is None or standing.amount is None:
            return quota.amount or 0, 0.0
        lease = self._lender.lease(quota)
        now = self._clock.monotonic()
        lease.free(now)
        left = max(0, standing.amount - standing.elsewhere - lease.held)
        return left, lease.free_in(lease.held, now) if lease.held else 0.0


def as_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """The same in a JSON object, whose names hold no dashes."""
    return {name.replace("-", "_"): value for name, value in headers.items()}
