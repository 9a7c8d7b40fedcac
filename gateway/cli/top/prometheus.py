"""Parsing of Prometheus metrics, and rates and quantiles from two readings.

    text of /metrics -> MetricsReading; two readings -> MetricsDelta

A counter that has decreased was reset, and counts from zero.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """All samples at one time, by name and labels; `at` is monotonic seconds."""

    at: float
    samples: Mapping[str, Mapping[Labels, float]]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the sum of the samples with this name and these labels, None if there are none."""
        values = [
            value
            for sample_labels, value in self._samples_of(name)
            if labels.items() <= set(sample_labels)
        ]
        return sum(values) if values else None

    def values_by_label(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Return the sums of the samples with these labels, grouped by another label."""
        totals: dict[str, float] = defaultdict(float)
        for sample_labels, value in self._samples_of(name):
            if labels.items() <= set(sample_labels):
                totals[dict(sample_labels).get(label, "")] += value
        return dict(totals)

    def _samples_of(self, name: str) -> "list[tuple[Labels, float]]":
        """Return the labels and value of each sample of a metric; empty if it has none."""
        return list(self.samples.get(name, {}).items())


@dataclass(frozen=True, slots=True)
class MetricsDelta:
    """The changes of all samples between two readings."""

    seconds: float
    changes: MetricsReading

    def rate(self, name: str, **labels: str) -> float:
        """Return a counter's increase per second."""
        return (self.changes.value(name, **labels) or 0.0) / self.seconds

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Return the quantile `share` (0 to 1) of a histogram, None without observations.

        Interpolates linearly within a bucket, as Prometheus does; beyond the last finite bucket,
        returns its upper bound.
        """
        buckets = sorted(
            (float(bound), count)
            for bound, count in self.changes.values_by_label(
                f"{name}_bucket", "le", **labels
            ).items()
        )
        if not buckets or not buckets[-1][1]:
            return None
        rank, low, below = share * buckets[-1][1], 0.0, 0.0
        for bound, count in buckets:
            if count >= rank and count > below:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (rank - below) / (count - below)
            low, below = bound, count
        return low


def parse_metrics(text: str, at: float) -> MetricsReading:
    """Parse Prometheus text. Raises ValueError if it is invalid."""
    samples: dict[str, dict[Labels, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name][frozenset(sample.labels.items())] = sample.value
    return MetricsReading(at, samples)


def metrics_delta(before: MetricsReading, after: MetricsReading) -> MetricsDelta:
    """Return the increase of all samples; it has a meaning for counters and histograms only."""
    changes: dict[str, dict[Labels, float]] = {}
    for name, values in after.samples.items():
        earlier = before.samples.get(name, {})
        changes[name] = {
            labels: _counter_increase(earlier.get(labels, 0.0), value)
            for labels, value in values.items()
        }
    return MetricsDelta(max(after.at - before.at, 1e-9), MetricsReading(after.at, changes))


def _counter_increase(before: float, after: float) -> float:
    """Return the increase of a counter, taking a decrease as a reset."""
    return after - before if after >= before else after
