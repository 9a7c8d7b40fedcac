"""Connections of gateways of tests: closed after every test, with statements compiled once.

A pool that is new compiles each statement again, which takes longer than most tests do. What a test
has left open is closed with its gateway; the pool itself serves the next one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.connections import Connections, connect_all
from infra.db import Absence
from infra.metrics import Metrics


@dataclass(slots=True)
class _Heard:
    """Counts absences in the metrics of the gateway whose connections they are just now."""

    metrics: Metrics | None = None

    def absence(self, pool: str) -> Callable[[Absence], None]:
        return lambda why: self.metrics and self.metrics.absence(pool)(why)


@dataclass(slots=True)
class Pools:
    """Connections that no gateway has just now, by database and patience."""

    idle: dict[tuple[str, float], list[tuple[Connections, _Heard]]] = field(default_factory=dict)
    taken: dict[Connections, tuple[tuple[str, float], _Heard]] = field(default_factory=dict)

    def connect(self, url: str, settle_timeout_s: float, metrics: Metrics) -> Connections:
        """In the place of the gateway's own `connect_all`."""
        kind = url, settle_timeout_s
        waiting = self.idle.get(kind)
        if waiting:
            connections, heard = waiting.pop()
        else:
            heard = _Heard()
            connections = connect_all(url, settle_timeout_s, heard)
        heard.metrics = metrics
        self.taken[connections] = kind, heard
        return connections

    def put_back(self, connections: Connections) -> None:
        """They are closed, and may serve another gateway."""
        if connections in self.taken:
            kind, heard = self.taken.pop(connections)
            self.idle.setdefault(kind, []).append((connections, heard))


POOLS = Pools()
