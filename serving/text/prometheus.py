"""The engines' counters and gauges as Prometheus text.

Owns which of vLLM's metrics are told, by which replica, of how many engines there are none, and
making one text of several. Knows neither Ray nor vLLM: server.py reads the counters,
engine_counters.py collects the texts.
"""

from collections.abc import Iterable, Iterator
from copy import copy

from prometheus_client import CollectorRegistry, Gauge, Metric, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4"
# What stays true of an engine that has ended. `_created` is when a counter began: it begins again
# with the engine.
COUNTERS = (
    *(
        f"vllm:{kind}_tokens_{part}"
        for kind in ("generation", "prompt")
        for part in ("total", "created")
    ),
    "vllm:num_preemptions_total",
)
METRICS = (
    *COUNTERS,
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
)

# Our own, beside them. While it is not 0 the counters are those of some engines only, and what they
# add up to may be less than what was generated.
UNCOUNTED = "maas_engines_uncounted"


def told(registry: CollectorRegistry, names: Iterable[str], replica: str) -> str:
    """Those of the names that there are. Each line names the replica: several engines of a model
    say the same otherwise, and one would be taken for the other."""
    return generate_latest(_OfReplica(registry, names, replica)).decode()


def uncounted(model: str, engines: int) -> str:
    """How many engines of a model do not tell what they have counted."""
    registry = CollectorRegistry()
    help_text = "Engines that do not tell their counts: they start, end or hang."
    gauge = Gauge(UNCOUNTED, help_text, ["model_name"], registry=registry)
    gauge.labels(model).set(engines)
    return generate_latest(registry).decode()


class _OfReplica:
    def __init__(self, registry: CollectorRegistry, names: Iterable[str], replica: str) -> None:
        self._metrics = registry.restricted_registry(names)
        self._replica = replica

    def collect(self) -> Iterator[Metric]:
        for metric in self._metrics.collect():
            labelled = copy(metric)
            labelled.samples = [
                sample._replace(labels={**sample.labels, "replica": self._replica})
                for sample in metric.samples
            ]
            yield labelled


def joined(texts: Iterable[str]) -> str:
    """One text of several: a metric's lines stand together, and its type is said once."""
    lines = dict.fromkeys(line for text in texts for line in text.splitlines())
    return "".join(f"{line}\n" for line in sorted(lines, key=_metric))


def _metric(line: str) -> str:
    name = line.removeprefix("# HELP ").removeprefix("# TYPE ")
    return name.split("{")[0].split(" ")[0]
