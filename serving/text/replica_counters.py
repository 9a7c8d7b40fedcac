"""Token counters of one replica's engine, from its start to its final value on disk.

Runs in the process in whose Prometheus registry vLLM counts.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry
from ray import serve

from serving.text.ended_counters import EndedCounters
from serving.text.prometheus import COUNTER_NAMES, METRIC_NAMES, render_metrics


class ReplicaCounters:
    """The counters of this replica's engine.

    Create it in the replica before its engine starts: it deletes the counters of engines that
    stopped earlier.
    """

    def __init__(self, registry: CollectorRegistry, folder: Path) -> None:
        self._registry = registry
        self._ended = EndedCounters(folder)
        context = serve.get_replica_context()
        self._deployment, self._replica = context.deployment, context.replica_tag
        self._ended.delete(self._deployment)

    def render(self) -> str:
        """Return the counters and gauges since the engine started, as Prometheus text."""
        return render_metrics(self._registry, METRIC_NAMES, self._replica)

    def save_final(self) -> None:
        """Save the final counters to disk; call it after the last response has ended."""
        self._ended.save(
            self._deployment,
            self._replica,
            render_metrics(self._registry, COUNTER_NAMES, self._replica),
        )
