"""The experiments of a replay: the trace as it is, one noisy tenant beside quiet ones, and classes.

A noisy tenant has 20 times the share of a quiet one; the quiet ones' calls are the same with it and
without it, phases taking turns, so that a machine that grows slower does so for both.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from load.constant_upstream.engine import Speed
from load.replay.arrivals import Arrival
from load.replay.call_statistics import Figures, InTime, figures, ratio
from load.replay.player import Played, Target, play
from load.replay.schedule import Due, among, filling, in_classes, sped_up, thin

QUIET = ("acme", "boltz", "cantor", "dietz")
NOISY = "noisy"
TIMES = 20
CLASSES = {"priority": 0.2, "default": 0.6, "flex": 0.2}
BAR = 1.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played: arrivals that the model takes, for so long, by a seed; `load` is the part of
    the engine's capacity, `speed` times the trace's own pace where that is given instead."""

    arrivals: Sequence[Arrival]
    seconds: float
    load: float
    engine: Speed | None
    in_time: InTime
    speed: float | None = None
    keep: float = 1.0
    seed: int = 1

    def due(self, load: float) -> list[Arrival]:
        """The calls of one phase at this part of the capacity."""
        chance = random.Random(self.seed)
        kept = thin(self.arrivals, self.keep, chance)
        if self.speed is None and self.engine is not None:
            return filling(kept, load, self.engine, self.seconds)
        return sped_up(kept, self.speed or 1.0, self.seconds)

    def figures(self, played: Sequence[Played], phases: int = 1) -> Figures:
        return figures(played, phases * self.seconds, self.in_time, self.engine)


@dataclass(frozen=True, slots=True)
class Fairness:
    """How quiet tenants fare alone and beside a noisy one; ratios of 99th percentiles."""

    alone: Figures
    beside: Figures
    noisy: Figures
    total_ratio: float | None
    first_ratio: float | None

    @property
    def held(self) -> bool:
        return self.total_ratio is not None and self.total_ratio <= BAR


async def as_it_is(plan: Plan, target: Target) -> Figures:
    """The trace, its calls spread over the tenants."""
    shares = {name: 1.0 for name in target.keys if name != NOISY} or {NOISY: 1.0}
    due = among(plan.due(plan.load), shares, random.Random(plan.seed))
    return plan.figures(await play(target, due))


async def fairness(plan: Plan, target: Target, load: float, rounds: int) -> Fairness:
    """Quiet tenants' calls at `load / (quiet + 20)` of it each, alone and beside the noisy one."""
    shares = {**{name: 1.0 for name in QUIET}, NOISY: float(TIMES)}
    due = among(plan.due(load), shares, random.Random(plan.seed))
    own = [one for one in due if one.tenant != NOISY]
    alone: list[Played] = []
    beside: list[Played] = []
    for turn in range(rounds):
        phases = [(own, alone), (due, beside)]
        for calls, seen in phases if turn % 2 == 0 else reversed(phases):
            seen += await play(target, calls, frozenset({NOISY}))
    quiet = [one for one in beside if one.due.tenant != NOISY]
    noisy = [one for one in beside if one.due.tenant == NOISY]
    return Fairness(
        plan.figures(alone, rounds),
        plan.figures(quiet, rounds),
        plan.figures(noisy, rounds),
        ratio(quiet, alone, lambda one: one.total_s),
        ratio(quiet, alone, lambda one: one.first_s),
    )


async def classes(plan: Plan, target: Target, load: float) -> dict[str, Figures]:
    """One tenant's calls in classes of service, more of them than can be answered at once."""
    calls = [Due(one, QUIET[0]) for one in plan.due(load)]
    due = in_classes(calls, CLASSES, random.Random(plan.seed))
    played = await play(target, due)
    return {name: plan.figures([one for one in played if one.due.tier == name]) for name in CLASSES}
