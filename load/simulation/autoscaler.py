"""How many replicas are wanted: Ray Serve's rule, by how many requests are under way.

The mean of the requests under way over the look-back, by what one replica should have, is wanted;
it is done once that was wanted for as long as the delay says.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """As Ray Serve's `autoscaling_config` names them, here with its defaults of the times."""

    least: int
    most: int
    target: float
    look_back_s: float = 30.0
    upscale_delay_s: float = 30.0
    downscale_delay_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Wish:
    """Which way it has been wanted to go (1 up, -1 down, 0 neither), and since when."""

    way: int = 0
    since: float = 0.0


def decide(rule: Rule, ongoing: float, replicas: int, wish: Wish, now: float) -> tuple[int, Wish]:
    """How many there are to be, of which `replicas` are or are starting; and what is wanted on."""
    wanted = min(rule.most, max(rule.least, math.ceil(ongoing / rule.target)))
    way = (wanted > replicas) - (wanted < replicas)
    if way == 0:
        return replicas, Wish()
    if way != wish.way:
        wish = Wish(way, now)
    delay = rule.upscale_delay_s if way > 0 else rule.downscale_delay_s
    return (wanted, Wish()) if now - wish.since >= delay else (replicas, wish)
