"""What the engines have counted themselves, asked of every server that is configured.

Owns the addresses that are asked, reading the answers (Prometheus text with vLLM's names) and
adding up the servers of a model.
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

# Our own serving, and any vLLM server.
_PATHS = ("/v2/metrics", "/metrics")
_SECONDS = 5.0
_MOST_BYTES = 16 << 20
_GENERATED, _PROMPT = "vllm:generation_tokens_total", "vllm:prompt_tokens_total"
# A counter begins with its engine; the process is told where `_created` is switched off.
_CREATED, _PROCESS = "vllm:generation_tokens_created", "process_start_time_seconds"
# Of our own serving: of so many engines of a model there is no count.
_UNCOUNTED = "maas_engines_uncounted"
_SHORT = "not all engines of this model tell their counts, as while one starts"
_NONE = "it counts no tokens of this model"


class CountsUnknown(AppError):
    """A server does not tell what its engines have counted."""

    code = "counts_unknown"


Counts = Mapping[str, EngineCount | CountsUnknown]
"""One server's counts, by model."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """A model whose engines cannot be compared, and why."""

    model: str
    reason: str


def ask_engines(servers: Mapping[str, Sequence[str]]) -> tuple[EngineCount | NotAsked, ...]:
    """Ask for the counts of each model; `servers` are the base URLs of all its servers.

    A model is compared only if all its servers answer: without one, nothing is known of the sum.
    """
    urls = {url for several in servers.values() for url in several}
    answers = {url: _ask(url) for url in urls}
    return tuple(
        _of_model(model, {url: answers[url] for url in several})
        for model, several in servers.items()
    )


def parse_counts(text: str) -> Counts:
    """Read Prometheus text. Raises CountsUnknown where it is none, or does not say since when."""
    try:
        families = text_string_to_metric_families(text)
        return _counts(sample for family in families for sample in family.samples)
    # The parser has no error of its own; a count may be no number, a time beyond all calendars.
    except (ValueError, ArithmeticError, LookupError, OSError) as error:
        raise CountsUnknown("what it says cannot be read") from error


def _of_model(model: str, answers: Mapping[str, Counts | CountsUnknown]) -> EngineCount | NotAsked:
    found: list[EngineCount] = []
    for url, answer in answers.items():
        count = _said(answer, model)
        if isinstance(count, CountsUnknown):
            return NotAsked(model, f"{url}: {count.message}")
        found.append(count)
    return _added(found) if found else NotAsked(model, "no server is configured for it")


def _said(answer: Counts | CountsUnknown, model: str) -> EngineCount | CountsUnknown:
    return answer if isinstance(answer, CountsUnknown) else answer.get(model, CountsUnknown(_NONE))


def _added(counts: Sequence[EngineCount]) -> EngineCount:
    return EngineCount(
        model=counts[0].model,
        prompt_tokens=sum(count.prompt_tokens for count in counts),
        generated_tokens=sum(count.generated_tokens for count in counts),
        first_start=min(count.first_start for count in counts),
        last_start=max(count.last_start for count in counts),
    )


def _ask(server: str) -> Counts | CountsUnknown:
    try:
        return parse_counts(_fetch(server))
    except CountsUnknown as unknown:
        return unknown


def _fetch(server: str) -> str:
    # Upstreams are reached directly, as the gateway does: no proxy of the environment's.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for path in _PATHS:
        try:
            with opener.open(f"{server}{path}", timeout=_SECONDS) as response:
                body: bytes = response.read(_MOST_BYTES)
                return body.decode("utf-8", "replace")
        except HTTPError as error:
            error.close()
            if error.code != 404:
                raise CountsUnknown(f"it answers with status {error.code}") from None
        except (OSError, HTTPException) as error:
            raise CountsUnknown("it does not answer") from error
    raise CountsUnknown("it has no counters")


def _counts(samples: Iterable[Sample]) -> Counts:
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    starts: dict[str, set[datetime]] = defaultdict(set)
    process: set[datetime] = set()
    short: set[str] = set()
    for sample in samples:
        model = sample.labels.get("model_name", "")
        if sample.name in (_GENERATED, _PROMPT):
            totals[model][sample.name] += int(sample.value)  # one for each engine of the server
        elif sample.name == _CREATED:
            starts[model].add(_moment(sample))
        elif sample.name == _PROCESS:
            process.add(_moment(sample))
        elif sample.name == _UNCOUNTED and sample.value > 0:
            short.add(model)
    return {
        model: _count(model, counted, starts[model] or process) for model, counted in totals.items()
    } | dict.fromkeys(short, CountsUnknown(_SHORT))


def _count(model: str, counted: Mapping[str, int], starts: set[datetime]) -> EngineCount:
    if not starts:
        raise CountsUnknown("it does not say since when it counts")
    return EngineCount(model, counted[_PROMPT], counted[_GENERATED], min(starts), max(starts))


def _moment(sample: Sample) -> datetime:
    return datetime.fromtimestamp(sample.value, UTC)
