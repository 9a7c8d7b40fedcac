"""Figures: what an answer's headers and the metrics tell of a call.

Owns names and spelling of the headers for cost, balance and rates, and counting calls. What is
told of quotas was true a quarter of a second ago, with this process's own calls since; counters are
as late in the metrics, since each change of one that all processes share costs a microsecond.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from prometheus_client import Counter, Histogram

from billing.metering.usage import UsageRecord
from billing.money import nano_text
from billing.rating.quantities import WHOLE
from billing.tables import QuotaKind
from gateway.flow import Completion, Principal
from gateway.leasing import Lender
from infra.metrics import Metrics

_LATE_S = 0.25


class Figures:
    """Tells and counts for one gateway process. `stop` it in the end, or the last are lost."""

    def __init__(self, lender: Lender, metrics: Metrics) -> None:
        self._lender = lender
        self._metrics = metrics
        self._counters: dict[tuple[Counter | str, ...], Counter] = {}
        self._histograms: dict[tuple[Histogram, str, str], Histogram] = {}
        self._counted: defaultdict[Counter, int] = defaultdict(int)
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.tell()

    def tell(self) -> None:
        """Bring the metrics up to date."""
        self._timer = None
        counted, self._counted = self._counted, defaultdict(int)
        for counter, number in counted.items():
            counter.inc(number)
        self._metrics.running.set(self._running)

    def begin(self) -> None:
        """A call is being answered, until `end`."""
        self._change(1)

    def end(self) -> None:
        self._change(-1)

    def limits(self, principal: Principal) -> dict[str, str]:
        """OpenAI's headers for the rates that the caller is under, of each the scarcer one."""
        shown: dict[str, str] = {}
        least: dict[str, int] = {}
        for quota in principal.rates:
            name = "tokens" if quota.kind is QuotaKind.TOKENS else "requests"
            left, reset_s = self._lender.remaining(quota) or (quota.amount or 0, 0.0)
            if name not in least or left < least[name]:
                least[name] = left
                shown[f"x-ratelimit-limit-{name}"] = str(quota.amount)
                shown[f"x-ratelimit-remaining-{name}"] = str(left)
                shown[f"x-ratelimit-reset-{name}"] = f"{int(reset_s)}s"
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
        metrics, model, operation = self._metrics, record.model or "", record.operation
        self._inc(metrics.calls, operation, model, record.settlement.value, str(completion.status))
        self._observe(metrics.duration, operation, model, record.duration_us / 1e6)
        if record.first_chunk_us is not None:
            self._observe(metrics.first_chunk, operation, model, record.first_chunk_us / 1e6)
        if record.settlement.billable:
            quantities = record.quantities
            if quantities.input_tokens:
                self._inc(metrics.tokens, model, "input", by=quantities.input_tokens)
            if quantities.output_tokens:
                self._inc(metrics.tokens, model, "output", by=quantities.output_tokens)
            for meter in WHOLE:
                if units := quantities.of(meter):
                    self._inc(metrics.units[meter], model, by=units)
            for meter, taken in (record.covered or {}).items():
                self._inc(metrics.included, model, meter, by=sum(taken.values()))

    def _inc(self, counter: Counter, *labels: str, by: int = 1) -> None:
        # Kept: finding a child by its labels costs more than counting.
        child = self._counters.get((counter, *labels))
        if child is None:
            child = self._counters[counter, *labels] = counter.labels(*labels)
        self._counted[child] += by

    def _change(self, running: int) -> None:
        self._running += running
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATE_S, self.tell)

    def _observe(self, histogram: Histogram, operation: str, model: str, seconds: float) -> None:
        child = self._histograms.get((histogram, operation, model))
        if child is None:
            child = histogram.labels(operation, model)
            self._histograms[histogram, operation, model] = child
        child.observe(seconds)


def as_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """The same in a JSON object, whose names hold no dashes."""
    return {name.replace("-", "_"): value for name, value in headers.items()}
