"""What the engine of one replica has counted, from its beginning to its end.

Owns what the replica says of it, under which names, and that it is left behind. It runs in the
process whose registry vLLM counts in.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry
from ray import serve

from serving.text.ended_counters import EndedCounts
from serving.text.prometheus import COUNTERS, METRICS, told


class Counting:
    """Made in the replica, before its engine counts: an engine that ends after that is needed."""

    def __init__(self, registry: CollectorRegistry, folder: Path) -> None:
        self._registry = registry
        self._ended = EndedCounts(folder)
        context = serve.get_replica_context()
        self._deployment, self._replica = context.deployment, context.replica_tag
        self._ended.forget(self._deployment)

    def text(self) -> str:
        """Since the engine started, as Prometheus text."""
        return told(self._registry, METRICS, self._replica)

    def leave(self) -> None:
        """Once the last answer has ended."""
        self._ended.keep(
            self._deployment, self._replica, told(self._registry, COUNTERS, self._replica)
        )
