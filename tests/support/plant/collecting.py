"""A collector that keeps what a connector's sources give it, and clocks for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from gateway.plant.connector.collecting import CollectedPoint, Collector
from gateway.plant.connector.disk_queue import DiskQueue
from gateway.plant.connector.problems import Problems
from infra.clock import Clock, SystemClock
from infra.telemetry.plant_metrics import ConnectorMetrics, declare_connector_metrics


def new_metrics() -> ConnectorMetrics:
    return declare_connector_metrics(CollectorRegistry())


@dataclass
class Collected:
    """A collector on a queue of its own, with its metrics."""

    queue: DiskQueue
    collector: Collector
    metrics: ConnectorMetrics
    problems: Problems

    def readings(self) -> list[dict[str, Any]]:
        """All readings so far, those in the queue first; removes them from it."""
        self.collector.flush()
        found = []
        for path in list(self.queue.waiting()):
            found += msgspec.json.decode(path.read_bytes())["readings"]
            self.queue.remove(path)
        return found

    def values(self) -> list[tuple[str, Any]]:
        """Tags and values of all readings so far."""
        return [(one["tag"], one["value"]) for one in self.readings()]

    def problem_count(self, reason: str) -> float:
        value: float = self.metrics.problems.labels("test", reason)._value.get()
        return value


def new_collected(
    folder: Path,
    clock: Clock | None = None,
    points: Iterable[CollectedPoint] = (),
    *,
    max_points: int = 1_000,
) -> Collected:
    metrics, chosen = new_metrics(), clock or SystemClock()
    queue = DiskQueue(folder / "queue", 1 << 24)
    known = {point.tag: point for point in points}
    collector = Collector(known, queue, "line-1", 1_000, chosen, metrics, max_points)
    return Collected(queue, collector, metrics, Problems("test", chosen, metrics))
