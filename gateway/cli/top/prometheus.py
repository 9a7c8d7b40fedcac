"""Readings of a gateway's metrics, and what two of them say of the time between.

    text of /metrics -> Reading; Reading, Reading -> Between

Owns reading Prometheus' text, differences of counters and quantiles of histograms. A counter that
is smaller than it was has begun anew. Pure.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Every sample of one moment, by its name and labels; `at` is monotonic seconds."""

    at: float
    samples: Mapping[str, Mapping[Labels, float]]

    def value(self, name: str, **labels: str) -> float | None:
        """What the samples of this name with these labels come to; None where there is none."""
        found = [value for known, value in self._of(name) if labels.items() <= set(known)]
        return sum(found) if found else None

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The same for each value of one label."""
        total: dict[str, float] = defaultdict(float)
        for known, value in self._of(name):
            if labels.items() <= set(known):
                total[dict(known).get(label, "")] += value
        return dict(total)

    def _of(self, name: str) -> "list[tuple[Labels, float]]":
        return list(self.samples.get(name, {}).items())


@dataclass(frozen=True, slots=True)
class Between:
    """What happened from one reading to another."""

    seconds: float
    happened: Reading

    def rate(self, name: str, **labels: str) -> float:
        """How often a second."""
        return (self.happened.value(name, **labels) or 0.0) / self.seconds

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Of a histogram; None where nothing happened. Within a bucket all values are as likely;
        what is beyond the last is told as its bound."""
        buckets = sorted(
            (float(bound), number)
            for bound, number in self.happened.by(f"{name}_bucket", "le", **labels).items()
        )
        if not buckets or not buckets[-1][1]:
            return None
        rank, low, below = share * buckets[-1][1], 0.0, 0.0
        for bound, number in buckets:
            if number >= rank and number > below:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (rank - below) / (number - below)
            low, below = bound, number
        return low


def read(text: str, at: float) -> Reading:
    """Raises ValueError where it is no text of metrics."""
    samples: dict[str, dict[Labels, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name][frozenset(sample.labels.items())] = sample.value
    return Reading(at, samples)


def between(before: Reading, after: Reading) -> Between:
    """Differences of all samples; only those of counters and histograms mean anything."""
    happened: dict[str, dict[Labels, float]] = {}
    for name, known in after.samples.items():
        earlier = before.samples.get(name, {})
        happened[name] = {
            labels: _grown(earlier.get(labels, 0.0), n) for labels, n in known.items()
        }
    return Between(max(after.at - before.at, 1e-9), Reading(after.at, happened))


def _grown(before: float, after: float) -> float:
    return after - before if after >= before else after
