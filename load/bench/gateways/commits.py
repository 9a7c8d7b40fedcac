"""Durations of a gateway's commits, from the histogram at /metrics."""

import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_BUCKET = re.compile(r'^maas_settle_duration_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CommitDurations:
    """The number of commits so far that took at most so many seconds."""

    counts: Mapping[float, float]

    @classmethod
    def read(cls, port: int) -> Self:
        """Read the histogram of the gateway at this port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return cls.parse(answer.read().decode())

    @classmethod
    def parse(cls, metrics: str) -> Self:
        """Parse metrics in Prometheus' text format."""
        return cls({float(bound): float(count) for bound, count in _BUCKET.findall(metrics)})

    def quantile_ms(self, later: Self, part: float) -> float | None:
        """Return a quantile of the commits between two readings; None without commits.

        Interpolates within a bucket, as Prometheus does.
        """
        bounds = sorted(later.counts)
        counts = [later.counts[bound] - self.counts.get(bound, 0.0) for bound in bounds]
        if not counts or counts[-1] == 0:
            return None
        wanted = part * counts[-1]
        place = next(number for number, count in enumerate(counts) if count >= wanted)
        low, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
        if bounds[place] == float("inf"):
            return 1000 * low
        inside = (wanted - below) / (counts[place] - below)
        return 1000 * (low + inside * (bounds[place] - low))
