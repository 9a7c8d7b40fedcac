"""Memory over time: how much a process holds, and whether that grows.

Owns the samples and their slope: the median of all slopes between two samples (Theil-Sen), which a
few that stand out do not bend. The first third of a process's life is left out, in which it fills
what it keeps. Pure.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

# Shorter lives say nothing of an hour.
LEAST_S = 600.0
_MOST_POINTS = 200
_GROWTH_MIB_H = 8.0
_GROWTH_PART_H = 0.05


@dataclass
class Series:
    """One process's resident memory, by seconds of the run."""

    name: str
    times: list[float] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)

    def add(self, at_s: float, mib: float) -> None:
        self.times.append(at_s)
        self.mib.append(mib)

    @property
    def lasted_s(self) -> float:
        return self.times[-1] - self.times[0] if self.times else 0.0

    @property
    def slope_mib_h(self) -> float | None:
        """MiB an hour after the first third; None of too few samples."""
        begins = len(self.times) // 3
        return slope(self.times[begins:], self.mib[begins:], 3600.0)

    @property
    def flat(self) -> bool | None:
        """Whether it holds as much as before; None where it did not live long enough to say."""
        found = self.slope_mib_h
        if found is None or self.lasted_s < LEAST_S:
            return None
        return found <= max(_GROWTH_MIB_H, _GROWTH_PART_H * statistics.median(self.mib))


def slope(times: Sequence[float], values: Sequence[float], per: float) -> float | None:
    """The median change of the value in `per` of time; None where no time passes."""
    step = max(1, -(-len(times) // _MOST_POINTS))
    points = list(zip(times, values, strict=True))[::step]
    slopes = [
        per * (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(points)
        for later in points[number + 1 :]
        if later[0] > earlier[0]
    ]
    return statistics.median(slopes) if slopes else None
