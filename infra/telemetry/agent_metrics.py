"""Prometheus metrics of agents (docs/observability.md)."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter


@dataclass(frozen=True, slots=True)
class AgentMetrics:
    """Counters of ticks and actions of agents."""

    ticks: Counter
    actions: Counter


def declare_agent_metrics(registry: CollectorRegistry) -> AgentMetrics:
    """Create the counters."""
    return AgentMetrics(
        ticks=Counter(
            "maas_agent_ticks",
            "Ticks of agents by outcome: quiet (by rules alone), wait, inspect, stop, retried, "
            "stopped or error.",
            ("outcome",),
            registry=registry,
        ),
        actions=Counter(
            "maas_agent_actions",
            "Actions that agents took or proposed, by kind.",
            ("kind",),
            registry=registry,
        ),
    )
