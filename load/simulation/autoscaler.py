"""Ray Serve's autoscaling rule: the desired replicas from the number of ongoing requests.

Desired is the mean of ongoing requests over the look-back period, divided by the target per
replica. A change is made once it was desired in the same direction for the delay.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScalingRule:
    """Parameters of Ray Serve's `autoscaling_config`, with its default delays."""

    min_replicas: int
    max_replicas: int
    target: float
    look_back_s: float = 30.0
    upscale_delay_s: float = 30.0
    downscale_delay_s: float = 600.0


@dataclass(frozen=True, slots=True)
class PendingDecision:
    """The direction of a desired change (1 up, -1 down, 0 none), and since when."""

    direction: int = 0
    since: float = 0.0


def decide(
    rule: ScalingRule, ongoing: float, replicas: int, pending: PendingDecision, now: float
) -> tuple[int, PendingDecision]:
    """Return the number of replicas from now on, and the pending decision.

    `replicas` counts running and starting ones.
    """
    wanted = min(rule.max_replicas, max(rule.min_replicas, math.ceil(ongoing / rule.target)))
    direction = (wanted > replicas) - (wanted < replicas)
    if direction == 0:
        return replicas, PendingDecision()
    if direction != pending.direction:
        pending = PendingDecision(direction, now)
    delay = rule.upscale_delay_s if direction > 0 else rule.downscale_delay_s
    return (wanted, PendingDecision()) if now - pending.since >= delay else (replicas, pending)
