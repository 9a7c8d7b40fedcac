"""The memory of a process over time, and whether it grows.

The trend is the Theil-Sen slope, the median of all slopes between two samples, which outliers do
not affect. The first third of a process's life is excluded, in which its caches fill.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

# Shorter runs of a process do not show a trend.
MIN_DURATION_S = 600.0
_MAX_POINTS = 200
_GROWTH_MIB_H = 8.0
_GROWTH_PART_H = 0.05


@dataclass
class MemorySeries:
    """The resident memory of a process in MiB, by seconds of the run."""

    name: str
    times: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)

    def add(self, at_s: float, mib: float) -> None:
        self.times.append(at_s)
        self.mib.append(mib)

    @property
    def elapsed_s(self) -> float:
        return self.times[-1] - self.times[0] if self.times else 0.0

    @property
    def slope_mib_h(self) -> float | None:
        """Return MiB per hour after the first third, or None with too few samples."""
        begins = len(self.times) // 3
        return slope(self.times[begins:], self.mib[begins:], 3600.0)

    @property
    def is_flat(self) -> bool | None:
        """Return whether memory does not grow, or None if the process did not run long enough."""
        found = self.slope_mib_h
        if found is None or self.elapsed_s < MIN_DURATION_S:
            return None
        return found <= max(_GROWTH_MIB_H, _GROWTH_PART_H * statistics.median(self.mib))


def slope(times: Sequence[float], values: Sequence[float], per: float) -> float | None:
    """Return the median change of the value per `per` units of time, or None if no time passes."""
    step = max(1, -(-len(times) // _MAX_POINTS))
    points = list(zip(times, values, strict=True))[::step]
    slopes = [
        per * (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(points)
        for later in points[number + 1 :]
        if later[0] > earlier[0]
    ]
    return statistics.median(slopes) if slopes else None
