"""Prometheus counters of requests with admin keys."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter


@dataclass(frozen=True, slots=True)
class AdminMetrics:
    """Counters of the Admin API and of OpenAI's organization API."""

    requests: Counter


def declare_admin_metrics(registry: CollectorRegistry) -> AdminMetrics:
    """Create the counters. An area is the path up to the first name behind the API's."""
    return AdminMetrics(
        Counter(
            "maas_admin_requests",
            "Requests with admin keys by area of the API, method and status.",
            ("area", "method", "status"),
            registry=registry,
        )
    )
