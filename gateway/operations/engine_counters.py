"""Token counts of the inference engines, fetched from the metrics of all configured servers.

The format is Prometheus text with vLLM's metric names.
"""

import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from urllib.error import HTTPError

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from billing.reconciliation.usage_and_quotas import EngineCount
from infra.errors import AppError

# The paths of this project's serving and of a plain vLLM server.
_METRICS_PATHS = ("/v2/metrics", "/metrics")
_TIMEOUT_S = 5.0
_MAX_RESPONSE_BYTES = 16 << 20
_GENERATION_TOKENS, _PROMPT_TOKENS = "vllm:generation_tokens_total", "vllm:prompt_tokens_total"
# Start of a counter; the process start is the fallback if `_created` is disabled.
_CREATED, _PROCESS_START = "vllm:generation_tokens_created", "process_start_time_seconds"
# This project's serving: the number of a model's engines without a count.
_ENGINES_UNCOUNTED = "maas_engines_uncounted"
_INCOMPLETE = "not all engines of this model report token counts yet"
_MODEL_MISSING = "it reports no token counts for this model"


class EngineCountsUnavailable(AppError):
    """A server does not report the token counts of its engines."""

    code = "counts_unknown"


CountsByModel = Mapping[str, EngineCount | EngineCountsUnavailable]
"""One server's counts, by model."""


@dataclass(frozen=True, slots=True)
class EngineNotCompared:
    """A model whose engine counts cannot be compared, with the reason."""

    model: str
    reason: str


def fetch_engine_counts(
    servers: Mapping[str, Sequence[str]],
) -> tuple[EngineCount | EngineNotCompared, ...]:
    """Fetch the token counts of each model; `servers` are the base URLs of its servers.

    A model is compared only if all its servers respond; otherwise its total is unknown.
    """
    urls = {url for model_urls in servers.values() for url in model_urls}
    answers = {url: _fetch_counts(url) for url in urls}
    return tuple(
        _model_count(model, {url: answers[url] for url in model_urls})
        for model, model_urls in servers.items()
    )


def parse_engine_counts(text: str) -> CountsByModel:
    """Parse Prometheus text to token counts by model.

    Raises EngineCountsUnavailable if the text is invalid or has no start time.
    """
    try:
        families = text_string_to_metric_families(text)
        return _collect_counts(sample for family in families for sample in family.samples)
    # The parser raises no type of its own; counts may be NaN, timestamps out of range.
    except (ValueError, ArithmeticError, LookupError, OSError) as error:
        raise EngineCountsUnavailable("its metrics cannot be parsed") from error


def _model_count(
    model: str, answers: Mapping[str, CountsByModel | EngineCountsUnavailable]
) -> EngineCount | EngineNotCompared:
    """Add up a model's counts over its servers, or return why that is impossible."""
    counts: list[EngineCount] = []
    for url, answer in answers.items():
        count = _counts_of_model(answer, model)
        if isinstance(count, EngineCountsUnavailable):
            return EngineNotCompared(model, f"{url}: {count.message}")
        counts.append(count)
    return (
        _sum_counts(counts)
        if counts
        else EngineNotCompared(model, "no server is configured for this model")
    )


def _counts_of_model(
    answer: CountsByModel | EngineCountsUnavailable, model: str
) -> EngineCount | EngineCountsUnavailable:
    """Return a model's token counts from one server's answer, or why they are unavailable."""
    return (
        answer
        if isinstance(answer, EngineCountsUnavailable)
        else answer.get(model, EngineCountsUnavailable(_MODEL_MISSING))
    )


def _sum_counts(counts: Sequence[EngineCount]) -> EngineCount:
    """Add up the counts of several servers."""
    return EngineCount(
        model=counts[0].model,
        prompt_tokens=sum(count.prompt_tokens for count in counts),
        generated_tokens=sum(count.generated_tokens for count in counts),
        first_start=min(count.first_start for count in counts),
        last_start=max(count.last_start for count in counts),
    )


def _fetch_counts(server: str) -> CountsByModel | EngineCountsUnavailable:
    """Fetch and parse one server's counts; returns the error instead of raising it."""
    try:
        return parse_engine_counts(_fetch_metrics_text(server))
    except EngineCountsUnavailable as error:
        return error


def _fetch_metrics_text(server: str) -> str:
    """Fetch the metrics of a server as text. Raises EngineCountsUnavailable."""
    # Upstreams are reached directly, as in the gateway: environment proxies are ignored.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for path in _METRICS_PATHS:
        try:
            with opener.open(f"{server}{path}", timeout=_TIMEOUT_S) as response:
                body: bytes = response.read(_MAX_RESPONSE_BYTES)
                return body.decode("utf-8", "replace")
        except HTTPError as error:
            error.close()
            if error.code != 404:
                raise EngineCountsUnavailable(
                    f"it responded with HTTP status {error.code}"
                ) from None
        except (OSError, HTTPException) as error:
            raise EngineCountsUnavailable("it does not respond") from error
    raise EngineCountsUnavailable("it has no metrics endpoint")


def _collect_counts(samples: Iterable[Sample]) -> CountsByModel:
    """Add up samples to token counts by model, or the reason why they are unavailable."""
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    starts: dict[str, set[datetime]] = defaultdict(set)
    process_starts: set[datetime] = set()
    incomplete: set[str] = set()
    for sample in samples:
        model = sample.labels.get("model_name", "")
        if sample.name in (_GENERATION_TOKENS, _PROMPT_TOKENS):
            totals[model][sample.name] += int(sample.value)  # one sample per engine of the server
        elif sample.name == _CREATED:
            starts[model].add(_sample_time(sample))
        elif sample.name == _PROCESS_START:
            process_starts.add(_sample_time(sample))
        elif sample.name == _ENGINES_UNCOUNTED and sample.value > 0:
            incomplete.add(model)
    return {
        model: _build_count(model, counted, starts[model] or process_starts)
        for model, counted in totals.items()
    } | dict.fromkeys(incomplete, EngineCountsUnavailable(_INCOMPLETE))


def _build_count(model: str, counted: Mapping[str, int], starts: set[datetime]) -> EngineCount:
    """Build a model's token counts. Raises EngineCountsUnavailable without a start time."""
    if not starts:
        raise EngineCountsUnavailable("its metrics have no start time")
    return EngineCount(
        model, counted[_PROMPT_TOKENS], counted[_GENERATION_TOKENS], min(starts), max(starts)
    )


def _sample_time(sample: Sample) -> datetime:
    """Return a sample's value as a UTC time."""
    return datetime.fromtimestamp(sample.value, UTC)
