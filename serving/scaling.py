"""How many replicas hold the specialists, and how many engines each language model has.

Owns the bounds and how they are said to Ray Serve, as plain values: the environment has to be in
force before Ray is imported.
"""

import os
from dataclasses import dataclass
from typing import Any

from infra.settings import Settings

# Requests come in bursts: one that is over in this time needs no further replica.
_LOOK_BACK_S = 10.0
# For how long there have to be too many requests. Specialists start in seconds, an engine in a
# minute or more, and one that is started for a burst comes after it (docs/scale.md).
_SPECIALISTS_PATIENCE_S = 5.0
ENGINES_PATIENCE_S = 30.0
# With Ray's 10 s the first request to specialists that sleep waits 5 s more on average. Deprecated
# for two variables of the environment, which Ray 2.60 names but does not read.
_REPORT_S = 1.0


@dataclass(frozen=True, slots=True)
class Scaling:
    """`target` is how many requests a replica should work on at once, on average; where it was
    more for `patience_s` seconds another is started, and one that has been too many for `idle_s`
    seconds is stopped, the last one only where `least` is 0."""

    least: int
    most: int
    target: float
    idle_s: float
    patience_s: float = _SPECIALISTS_PATIENCE_S

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
            "upscale_delay_s": self.patience_s,
            "downscale_delay_s": self.idle_s,
        }

    def options(self) -> dict[str, Any]:
        """The same as options of a deployment: a fixed number needs no look at the load."""
        if self.least == self.most:
            return {"num_replicas": self.least}
        return {"autoscaling_config": self.settings()}


@dataclass(frozen=True, slots=True)
class Scalings:
    """Of the specialists, which share replicas, and of each language model's engines."""

    specialists: Scaling
    engines: Scaling


def scalings(settings: Settings) -> Scalings:
    """As `MAAS_SPECIALIST_…` and `MAAS_ENGINE_…` say."""
    return Scalings(
        of_specialists(
            settings.specialist_min_replicas,
            settings.specialist_max_replicas,
            settings.specialist_target_requests,
            settings.specialist_idle_s,
        ),
        of_engines(
            settings.engine_min_replicas,
            settings.engine_max_replicas,
            settings.engine_target_requests,
            settings.engine_idle_s,
        ),
    )


def of_specialists(least: int, most: int | None, target: float, idle_s: float) -> Scaling:
    """Half the processors at most, where nobody says."""
    return Scaling(least, most or max(least, most_replicas()), target, idle_s)


def of_engines(least: int, most: int | None, target: float, idle_s: float) -> Scaling:
    """As many at most as at least, where nobody says: each takes a card or a core of its own."""
    return Scaling(least, most or least, target, idle_s, ENGINES_PATIENCE_S)


def most_replicas() -> int:
    """For this machine's processors: a replica's threads are busy on more than one of them, and
    HAProxy, the gateway and the language model need the rest."""
    return max(1, (os.cpu_count() or 1) // 2)
