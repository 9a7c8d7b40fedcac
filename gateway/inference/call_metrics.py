"""Response headers and metrics of a call: cost, balance, rate limits and Prometheus counters.

Quota values in headers are up to a quarter of a second old, plus this process's own calls since.
Counters and histograms are flushed as rarely: incrementing a value that all processes share costs a
microsecond.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as TallyCounter
from collections import defaultdict
from collections.abc import Mapping

from prometheus_client import Counter, Histogram

from billing.metering.usage import REQUEST_ID_PREFIX, UsageRecord
from billing.money import nano_text
from billing.rating.quantities import NON_TOKEN_METERS
from billing.tables import QuotaKind, Settlement
from gateway.call.values import CallResult, Principal
from gateway.quota.leaser import QuotaLeaser
from infra import ids
from infra.frozen import frozen_dataclass
from infra.telemetry.metrics import PROVIDER, Metrics
from infra.telemetry.tracing import Value
from infra.timing import DEFAULT_TIMING, Timing

_MAX_ERROR_TYPES = 64
# The fallback value of OpenTelemetry's `error.type`.
_OTHER_ERROR_TYPE = "_OTHER"


@frozen_dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How one request to a model server ended.

    `first_chunk_monotonic` is the time of the first chunk of a stream, in monotonic seconds.
    """

    error: str | None = None
    first_chunk_monotonic: float | None = None


class CallMetrics:
    """Per-call response headers and metrics of one gateway process; `stop` flushes the counters."""

    def __init__(
        self, leaser: QuotaLeaser, metrics: Metrics, timing: Timing = DEFAULT_TIMING
    ) -> None:
        self._flush_delay_s = timing.counters_s
        self._leaser = leaser
        self._metrics = metrics
        self._counters: dict[tuple[Counter | str, ...], Counter] = {}
        self._histograms: dict[tuple[Histogram | str, ...], Histogram] = {}
        self._pending_counts: defaultdict[Counter, float] = defaultdict(float)
        self._pending_values: defaultdict[Histogram, list[float]] = defaultdict(list)
        self._error_types: set[str] = set()
        self._running_calls = 0
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Do nothing: the component interface requires it."""
        return None

    async def stop(self) -> None:
        """Stop the flush timer and flush."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()

    def flush(self) -> None:
        """Add the pending counts and values to the Prometheus counters, histograms and gauge."""
        self._timer = None
        pending_values, self._pending_values = self._pending_values, defaultdict(list)
        for histogram, values in pending_values.items():
            observe_all(histogram, values)
        pending_counts, self._pending_counts = self._pending_counts, defaultdict(float)
        for counter, number in pending_counts.items():
            counter.inc(number)
        self._metrics.running.set(self._running_calls)

    @property
    def running_calls(self) -> int:
        """The calls that run in this process."""
        return self._running_calls

    def call_started(self) -> None:
        """Count a running call until `call_ended`."""
        self._change_running_calls(1)

    def call_ended(self) -> None:
        """Count a running call as ended."""
        self._change_running_calls(-1)

    def rate_limit_headers(self, principal: Principal) -> dict[str, str]:
        """Return OpenAI's x-ratelimit headers: the scarcest limit of requests and of tokens."""
        headers: dict[str, str] = {}
        lowest_remaining: dict[str, int] = {}
        for quota in principal.rate_limit_quotas:
            name = "tokens" if quota.kind is QuotaKind.TOKENS else "requests"
            remaining, reset_s = self._leaser.rate_limit_remaining(quota) or (
                quota.amount or 0,
                0.0,
            )
            if name not in lowest_remaining or remaining < lowest_remaining[name]:
                lowest_remaining[name] = remaining
                headers[f"x-ratelimit-limit-{name}"] = str(quota.amount)
                headers[f"x-ratelimit-remaining-{name}"] = str(remaining)
                headers[f"x-ratelimit-reset-{name}"] = f"{int(reset_s)}s"
        return headers

    def cost_headers(
        self, principal: Principal | None, record: UsageRecord, linked_cost: int = 0
    ) -> dict[str, str]:
        """Return the x-maas headers for the call's cost, with its linked calls, and the balance."""
        if principal is None or record.currency is None or record.status != 200:
            return {}
        cost = record.cost_nano + linked_cost
        headers = {"x-maas-cost": nano_text(cost), "x-maas-currency": record.currency}
        balance = self.available_balance(principal)
        if balance is not None:
            headers["x-maas-balance"] = nano_text(max(0, balance - cost))
        return headers

    def available_balance(self, principal: Principal) -> int | None:
        """Return the account's available credit in nano-units. Returns None if not known here."""
        for quota in principal.quotas:
            if quota.kind is QuotaKind.CREDIT:
                snapshot = self._leaser.snapshot(quota)
                if snapshot is not None and snapshot.amount is not None:
                    return snapshot.amount - snapshot.consumed
        return None

    def record_call(self, record: UsageRecord, result: CallResult) -> str | None:
        """Record an ended call in the metrics. Returns its error type, None if it succeeded."""
        metrics, model, operation = self._metrics, record.model or "", record.operation
        self._inc(metrics.calls, operation, model, record.settlement.value, str(result.status))
        labels = (operation, PROVIDER, model)
        error = self._error_type(record)
        self._observe(metrics.request_duration, record.duration_us / 1e6, *labels, error)
        if record.first_chunk_us is not None and not error:
            self._observe_stream(record, record.first_chunk_us, labels)
        if record.settlement.billable:
            self._record_consumption(record, model, labels)
        return error or None

    def record_grounding(self, model: str, outcome: str) -> None:
        """Count an answer from passages: verified, quoted, not found or unchecked."""
        self._inc(self._metrics.grounding, model, outcome)

    def record_hosted_answer(self, model: str, origin: str) -> None:
        """Count an answer with hosted tools: verified, composed, asked, client call or plain."""
        self._inc(self._metrics.hosted_answers, model, origin)

    def record_decision(self, model: str, verdict: str) -> None:
        """Count a specialist's decision for a chat, by its verdict or `failed`."""
        self._inc(self._metrics.decisions, model, verdict)

    def record_consultation(self, kind: str, error: str | None) -> None:
        """Count a repeated search, or a question to another language model, for a chat."""
        outcome = "answered" if error is None else "failed"
        self._inc(self._metrics.consultations, kind, outcome)

    def record_decision_answer(self, answered_by: str) -> None:
        """Count the answer to a typed question by what answered it, or as a refusal."""
        self._inc(self._metrics.decision_answers, answered_by)

    def record_upstream_attempt(
        self, operation: str, model: str, started: float, finished: float, outcome: "AttemptOutcome"
    ) -> None:
        """Record one request to a model server; times are in monotonic seconds."""
        labels, error = (operation, PROVIDER, model), self._bounded_error_type(outcome.error)
        self._observe(self._metrics.operation_duration, finished - started, *labels, error)
        if outcome.first_chunk_monotonic is not None:
            first_chunk_s = outcome.first_chunk_monotonic - started
            self._observe(self._metrics.first_chunk, first_chunk_s, *labels)

    def _observe_stream(self, record: UsageRecord, first_us: int, labels: tuple[str, ...]) -> None:
        """Record time to first token and time per output token."""
        self._observe(self._metrics.first_token, first_us / 1e6, *labels)
        later_tokens = (record.quantities.output_tokens or 0) - 1
        if later_tokens > 0:
            seconds_per_token = (record.duration_us - first_us) / 1e6 / later_tokens
            self._observe(self._metrics.each_token, seconds_per_token, *labels)

    def _record_consumption(self, record: UsageRecord, model: str, labels: tuple[str, ...]) -> None:
        """Record tokens, other units, included units and cost of a billable call."""
        metrics, quantities = self._metrics, record.quantities
        if quantities.input_tokens:
            self._observe(metrics.tokens, quantities.input_tokens, *labels, "input")
        if quantities.output_tokens:
            self._observe(metrics.tokens, quantities.output_tokens, *labels, "output")
        if quantities.reasoning_tokens:
            self._inc(metrics.reasoning_tokens, model, by=quantities.reasoning_tokens)
        for meter in NON_TOKEN_METERS:
            if units := getattr(quantities, meter):
                self._inc(metrics.units[meter], model, by=units)
        for meter, units_by_quota in (record.covered or {}).items():
            self._inc(metrics.included, model, meter, by=sum(units_by_quota.values()))
        if record.cost_nano and record.currency is not None:
            self._inc(metrics.spend, model, record.currency, by=record.cost_nano / 1e9)

    def _error_type(self, record: UsageRecord) -> str:
        """Return the call's error type for metric labels; empty if it succeeded."""
        if record.status == 200 and record.settlement is not Settlement.PLATFORM_FAULT:
            return ""
        return self._bounded_error_type(record.error_code or str(record.status))

    def _bounded_error_type(self, error: str | None) -> str:
        """Limit the label's cardinality: a third-party server may return any error code."""
        if error is None:
            return ""
        if error not in self._error_types and len(self._error_types) >= _MAX_ERROR_TYPES:
            return _OTHER_ERROR_TYPE
        self._error_types.add(error)
        return error

    def _inc(self, counter: Counter, *labels: str, by: float = 1) -> None:
        """Add to a labelled counter at the next flush."""
        # Cached: looking up a labelled child costs more than incrementing it.
        child = self._counters.get((counter, *labels))
        if child is None:
            child = self._counters[counter, *labels] = counter.labels(*labels)
        self._pending_counts[child] += by

    def _change_running_calls(self, change: int) -> None:
        """Change the number of running calls and schedule a flush."""
        self._running_calls += change
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._flush_delay_s, self.flush)

    def _observe(self, histogram: Histogram, value: float, *labels: str) -> None:
        """Observe a value in a labelled histogram at the next flush."""
        child = self._histograms.get((histogram, *labels))
        if child is None:
            child = self._histograms[histogram, *labels] = histogram.labels(*labels)
        self._pending_values[child].append(value)


def observe_all(histogram: Histogram, values: list[float]) -> None:
    """Observe values like `Histogram.observe`, with one increment per bucket for all of them."""
    histogram._sum.inc(sum(values))
    buckets = TallyCounter(bisect_left(histogram._upper_bounds, value) for value in values)
    for bucket, count in buckets.items():
        histogram._buckets[bucket].inc(count)


def span_name_and_attributes(
    record: UsageRecord, result: CallResult
) -> tuple[str, dict[str, Value]]:
    """Return the name and attributes of the call's span, without caller or content."""
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": record.operation,
        "gen_ai.provider.name": PROVIDER,
        "http.response.status_code": result.status,
        "maas.request_id": ids.format_id(REQUEST_ID_PREFIX, record.request_id),
        "maas.settlement": record.settlement.value,
    }
    optional = {
        "gen_ai.request.model": record.model,
        "gen_ai.usage.input_tokens": record.quantities.input_tokens,
        "gen_ai.usage.output_tokens": record.quantities.output_tokens,
        "maas.reasoning_tokens": record.quantities.reasoning_tokens,
        "maas.first_chunk_us": record.first_chunk_us,
    }
    attributes |= {name: value for name, value in optional.items() if value is not None}
    return f"{record.operation} {record.model or ''}".rstrip(), attributes


def headers_as_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers as JSON fields, with underscores in their names."""
    return {name.replace("-", "_"): value for name, value in headers.items()}
