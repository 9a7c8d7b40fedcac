"""Figures: what an answer's headers and the metrics tell of a call.

Owns names and spelling of the headers for cost, balance and rates, and counting calls. What is
told of quotas was true a quarter of a second ago, with this process's own calls since; counters are
as late in the metrics, since each change of one that all processes share costs a microsecond.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from billing.metering.usage import REQUEST_PREFIX, UsageRecord
from billing.money import nano_text
from billing.rating.quantities import WHOLE
from billing.tables import QuotaKind, Settlement
from gateway.call.values import Completion, Principal
from gateway.quota.leaser import Lender
from infra import ids
from infra.telemetry.metrics import PROVIDER, Metrics
from infra.telemetry.tracing import Value
from infra.timing import USUAL, Timing

_MOST_ERRORS = 64
# What OpenTelemetry calls an error that has no name of its own.
_OTHER = "_OTHER"


@dataclass(frozen=True, slots=True)
class Sent:
    """How a try at a model's server ended; `first_chunk` is when a stream began, on the clock that
    durations are taken by."""

    error: str | None = None
    first_chunk: float | None = None


class Figures:
    """Tells and counts for one gateway process. `stop` it in the end, or the last are lost."""

    def __init__(self, lender: Lender, metrics: Metrics, timing: Timing = USUAL) -> None:
        self._late_s = timing.counters_s
        self._lender = lender
        self._metrics = metrics
        self._counters: dict[tuple[Counter | str, ...], Counter] = {}
        self._histograms: dict[tuple[Histogram | str, ...], Histogram] = {}
        self._counted: defaultdict[Counter, float] = defaultdict(float)
        self._errors: set[str] = set()
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
        counted, self._counted = self._counted, defaultdict(float)
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

    def cost(
        self, principal: Principal | None, record: UsageRecord, inner: int = 0
    ) -> dict[str, str]:
        """What the call costs with its `inner` calls, and what the account may spend after it."""
        if principal is None or record.currency is None or record.status != 200:
            return {}
        cost = record.cost_nano + inner
        shown = {"x-maas-cost": nano_text(cost), "x-maas-currency": record.currency}
        balance = self.balance(principal)
        if balance is not None:
            shown["x-maas-balance"] = nano_text(max(0, balance - cost))
        return shown

    def balance(self, principal: Principal) -> int | None:
        """Nano-units that the account may still spend; None where that is not known here."""
        for quota in principal.quotas:
            if quota.kind is QuotaKind.CREDIT:
                standing = self._lender.standing(quota)
                if standing is not None and standing.amount is not None:
                    return standing.amount - standing.spent
        return None

    def count(self, record: UsageRecord, completion: Completion) -> str | None:
        """Add the call to the metrics; gives what they say went wrong."""
        metrics, model, operation = self._metrics, record.model or "", record.operation
        self._inc(metrics.calls, operation, model, record.settlement.value, str(completion.status))
        call = (operation, PROVIDER, model)
        error = self._error_type(record)
        self._observe(metrics.request_duration, record.duration_us / 1e6, *call, error)
        if record.first_chunk_us is not None and not error:
            self._stream(record, record.first_chunk_us, call)
        if record.settlement.billable:
            self._consumed(record, model, call)
        return error or None

    def sent(self, operation: str, model: str, began: float, ended: float, end: "Sent") -> None:
        """Add one try at a model's server, by monotonic seconds."""
        call, error = (operation, PROVIDER, model), self._bounded(end.error)
        self._observe(self._metrics.operation_duration, ended - began, *call, error)
        if end.first_chunk is not None:
            self._observe(self._metrics.first_chunk, end.first_chunk - began, *call)

    def _stream(self, record: UsageRecord, first_us: int, call: tuple[str, ...]) -> None:
        self._observe(self._metrics.first_token, first_us / 1e6, *call)
        further = (record.quantities.output_tokens or 0) - 1
        if further > 0:
            each = (record.duration_us - first_us) / 1e6 / further
            self._observe(self._metrics.each_token, each, *call)

    def _consumed(self, record: UsageRecord, model: str, call: tuple[str, ...]) -> None:
        metrics, quantities = self._metrics, record.quantities
        if quantities.input_tokens:
            self._observe(metrics.tokens, quantities.input_tokens, *call, "input")
        if quantities.output_tokens:
            self._observe(metrics.tokens, quantities.output_tokens, *call, "output")
        for meter in WHOLE:
            if units := quantities.of(meter):
                self._inc(metrics.units[meter], model, by=units)
        for meter, taken in (record.covered or {}).items():
            self._inc(metrics.included, model, meter, by=sum(taken.values()))
        if record.cost_nano and record.currency is not None:
            self._inc(metrics.spend, model, record.currency, by=record.cost_nano / 1e9)

    def _error_type(self, record: UsageRecord) -> str:
        if record.status == 200 and record.settlement is not Settlement.PLATFORM_FAULT:
            return ""
        return self._bounded(record.error_code or str(record.status))

    def _bounded(self, error: str | None) -> str:
        """A server that is not ours may say any code; what is beyond a few is one."""
        if error is None:
            return ""
        if error not in self._errors and len(self._errors) >= _MOST_ERRORS:
            return _OTHER
        self._errors.add(error)
        return error

    def _inc(self, counter: Counter, *labels: str, by: float = 1) -> None:
        # Kept: finding a child by its labels costs more than counting.
        child = self._counters.get((counter, *labels))
        if child is None:
            child = self._counters[counter, *labels] = counter.labels(*labels)
        self._counted[child] += by

    def _change(self, running: int) -> None:
        self._running += running
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._late_s, self.tell)

    def _observe(self, histogram: Histogram, value: float, *labels: str) -> None:
        child = self._histograms.get((histogram, *labels))
        if child is None:
            child = self._histograms[histogram, *labels] = histogram.labels(*labels)
        child.observe(value)


def traced(record: UsageRecord, completion: Completion) -> tuple[str, dict[str, Value]]:
    """What a span of the whole call is called and says; never who called, nor any text."""
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": record.operation,
        "gen_ai.provider.name": PROVIDER,
        "http.response.status_code": completion.status,
        "maas.request_id": ids.show(REQUEST_PREFIX, record.request_id),
        "maas.settlement": record.settlement.value,
    }
    said = {
        "gen_ai.request.model": record.model,
        "gen_ai.usage.input_tokens": record.quantities.input_tokens,
        "gen_ai.usage.output_tokens": record.quantities.output_tokens,
        "maas.first_chunk_us": record.first_chunk_us,
    }
    attributes |= {name: value for name, value in said.items() if value is not None}
    return f"{record.operation} {record.model or ''}".rstrip(), attributes


def as_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """The same in a JSON object, whose names hold no dashes."""
    return {name.replace("-", "_"): value for name, value in headers.items()}
