"""Render and merge the engines' counters and gauges as Prometheus text.

Imports neither Ray nor vLLM: server.py reads the counters, engine_counters.py collects the texts.
"""

from collections.abc import Iterable, Iterator
from copy import copy

from prometheus_client import CollectorRegistry, Gauge, Metric, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4"
# Metrics that remain valid after an engine has stopped. `_created` is the start time of a counter,
# which starts again with each engine.
COUNTER_NAMES = (
    *(
        f"vllm:{kind}_tokens_{part}"
        for kind in ("generation", "prompt")
        for part in ("total", "created")
    ),
    "vllm:num_preemptions_total",
)
METRIC_NAMES = (
    *COUNTER_NAMES,
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
)

# The number of engines whose counters are missing. While it is not 0, the sum of the counters may
# be less than the number of generated tokens.
UNCOUNTED_METRIC = "maas_engines_uncounted"


def render_metrics(registry: CollectorRegistry, names: Iterable[str], replica: str) -> str:
    """Render the named metrics of a registry that exist, with a `replica` label on each sample.

    Without the label the series of several engines of a model would be identical.
    """
    return generate_latest(_ReplicaCollector(registry, names, replica)).decode()


def render_uncounted_engines(model: str, engines: int) -> str:
    """Render the gauge with the number of a model's engines whose counters are missing."""
    registry = CollectorRegistry()
    help_text = (
        "Engines without token counts, because they are starting, stopping or not responding."
    )
    gauge = Gauge(UNCOUNTED_METRIC, help_text, ["model_name"], registry=registry)
    gauge.labels(model).set(engines)
    return generate_latest(registry).decode()


class _ReplicaCollector:
    """A Prometheus collector that adds the `replica` label to a registry's metrics."""

    def __init__(self, registry: CollectorRegistry, names: Iterable[str], replica: str) -> None:
        self._metrics = registry.restricted_registry(names)
        self._replica = replica

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics with the label `replica` added to each sample."""
        for metric in self._metrics.collect():
            labelled = copy(metric)
            labelled.samples = [
                sample._replace(labels={**sample.labels, "replica": self._replica})
                for sample in metric.samples
            ]
            yield labelled


def merge_texts(texts: Iterable[str]) -> str:
    """Merge Prometheus texts: group the lines by metric, with one HELP and TYPE line each."""
    lines = dict.fromkeys(line for text in texts for line in text.splitlines())
    return "".join(f"{line}\n" for line in sorted(lines, key=_metric_name))


def _metric_name(line: str) -> str:
    """Return the metric name of a sample, HELP or TYPE line."""
    name = line.removeprefix("# HELP ").removeprefix("# TYPE ")
    return name.split("{")[0].split(" ")[0]
