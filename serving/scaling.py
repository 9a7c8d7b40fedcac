"""How many replicas hold the specialists.

Owns the bounds and how they are said to Ray Serve, as plain values: the environment has to be in
force before Ray is imported. Does not own what a replica is (specialist_app.py).
"""

import os
from dataclasses import dataclass
from typing import Any

# Requests come in bursts: one that is over in this time needs no further replica.
_LOOK_BACK_S = 10.0
_PATIENCE_S = 5.0
# With Ray's 10 s the first request to specialists that sleep waits 5 s more on average. Deprecated
# for two variables of the environment, which Ray 2.60 names but does not read.
_REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """`target` is how many requests a replica should work on at once, on average; one that has
    been too many for `idle_s` seconds is stopped, the last one only where `least` is 0."""

    least: int
    most: int
    target: float
    idle_s: float

    @property
    def sleeps(self) -> bool:
        """Whether no replica at all may be what is wanted."""
        return self.least == 0

    def settings(self) -> dict[str, Any]:
        """Ray Serve's `autoscaling_config`."""
        return {
            "min_replicas": self.least,
            "max_replicas": self.most,
            # Started once in any case: an artefact that cannot be loaded is to be found out now,
            # not by the first customer.
            "initial_replicas": max(1, self.least),
            "target_ongoing_requests": self.target,
            "metrics_interval_s": _REPORT_S,
            "look_back_period_s": _LOOK_BACK_S,
            "upscale_delay_s": _PATIENCE_S,
            "downscale_delay_s": self.idle_s,
        }


def most_replicas() -> int:
    """For this machine's processors: a replica's threads are busy on more than one of them, and
    HAProxy, the gateway and the language model need the rest."""
    return max(1, (os.cpu_count() or 1) // 2)
