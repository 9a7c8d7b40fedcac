"""Experiments of a replay: the whole trace, fairness between tenants, and service tiers.

The noisy tenant has 20 times the share of a quiet one. Quiet tenants make the same calls with and
without it, in alternating phases, so that a slower machine affects both.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from load.constant_upstream.engine import UpstreamSpeed
from load.replay.arrivals import Arrival
from load.replay.call_statistics import (
    CallStatistics,
    LatencyTargets,
    compute_statistics,
    p99_ratio,
)
from load.replay.player import CallOutcome, ReplayTarget, send_calls
from load.replay.schedule import (
    ScheduledCall,
    assign_tenants,
    assign_tiers,
    fill_capacity,
    speed_up,
    thin,
)

QUIET = ("acme", "boltz", "cantor", "dietz")
NOISY = "noisy"
NOISY_SHARE = 20
TIER_SHARES = {"priority": 0.2, "default": 0.6, "flex": 0.2}
MAX_P99_RATIO = 1.2


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is replayed: arrivals, phase length, load and seed.

    `load` is a share of the engine's capacity; `speed`, if given, is a multiple of the trace's own
    rate.
    """

    arrivals: Sequence[Arrival]
    seconds: float
    load: float
    engine: UpstreamSpeed | None
    latency_targets: LatencyTargets
    speed: float | None = None
    keep: float = 1.0
    seed: int = 1

    def arrivals_at(self, load: float) -> list[Arrival]:
        """Return the arrivals of one phase at this share of the capacity."""
        rng = random.Random(self.seed)
        kept = thin(self.arrivals, self.keep, rng)
        if self.speed is None and self.engine is not None:
            return fill_capacity(kept, load, self.engine, self.seconds)
        return speed_up(kept, self.speed or 1.0, self.seconds)

    def summarise(self, outcomes: Sequence[CallOutcome], phases: int = 1) -> CallStatistics:
        """Return the statistics of calls that were sent in `phases` phases."""
        return compute_statistics(
            outcomes, phases * self.seconds, self.latency_targets, self.engine
        )


@dataclass(frozen=True, slots=True)
class FairnessResult:
    """Statistics of quiet tenants alone and beside a noisy one, and the ratios of their p99
    latencies."""

    alone: CallStatistics
    beside: CallStatistics
    noisy: CallStatistics
    total_ratio: float | None
    first_ratio: float | None

    @property
    def is_met(self) -> bool:
        """Return whether the ratio of total latencies is within the limit."""
        return self.total_ratio is not None and self.total_ratio <= MAX_P99_RATIO


async def run_trace(plan: ReplayPlan, target: ReplayTarget) -> CallStatistics:
    """Replay the trace with its calls spread over all tenants."""
    shares = {name: 1.0 for name in target.keys if name != NOISY} or {NOISY: 1.0}
    scheduled = assign_tenants(plan.arrivals_at(plan.load), shares, random.Random(plan.seed))
    return plan.summarise(await send_calls(target, scheduled))


async def run_fairness(
    plan: ReplayPlan, target: ReplayTarget, load: float, rounds: int
) -> FairnessResult:
    """Replay the quiet tenants' calls alone and beside the noisy tenant's, in turn."""
    shares = {**{name: 1.0 for name in QUIET}, NOISY: float(NOISY_SHARE)}
    scheduled = assign_tenants(plan.arrivals_at(load), shares, random.Random(plan.seed))
    own = [one for one in scheduled if one.tenant != NOISY]
    alone: list[CallOutcome] = []
    beside: list[CallOutcome] = []
    for turn in range(rounds):
        phases = [(own, alone), (scheduled, beside)]
        for calls, seen in phases if turn % 2 == 0 else reversed(phases):
            seen += await send_calls(target, calls, frozenset({NOISY}))
    quiet = [one for one in beside if one.scheduled.tenant != NOISY]
    noisy = [one for one in beside if one.scheduled.tenant == NOISY]
    return FairnessResult(
        plan.summarise(alone, rounds),
        plan.summarise(quiet, rounds),
        plan.summarise(noisy, rounds),
        p99_ratio(quiet, alone, lambda one: one.total_s),
        p99_ratio(quiet, alone, lambda one: one.first_token_s),
    )


async def run_service_tiers(
    plan: ReplayPlan, target: ReplayTarget, load: float
) -> dict[str, CallStatistics]:
    """Replay one tenant's calls at several service tiers, above the capacity."""
    calls = [ScheduledCall(one, QUIET[0]) for one in plan.arrivals_at(load)]
    scheduled = assign_tiers(calls, TIER_SHARES, random.Random(plan.seed))
    outcomes = await send_calls(target, scheduled)
    return {
        name: plan.summarise([one for one in outcomes if one.scheduled.tier == name])
        for name in TIER_SHARES
    }
