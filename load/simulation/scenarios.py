"""Scenarios to compare: fixed numbers of replicas, and autoscaling settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from load.replay.arrivals import Arrival
from load.simulation.autoscaler import ScalingRule
from load.simulation.engine_speed import EngineSpeed
from load.simulation.fleet import FleetSettings

# Upscale and downscale delays in seconds.
_DELAYS = ((30.0, 600.0), (5.0, 300.0), (5.0, 60.0))
_STARTS_S = (30.0, 120.0, 300.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named fleet to simulate."""

    name: str
    settings: FleetSettings


def busy_replicas(engine_speed: EngineSpeed, calls_s: float, arrivals: Sequence[Arrival]) -> float:
    """Return how many replicas these calls keep busy, without reserve for bursts."""
    number = len(arrivals)
    reads = sum(engine_speed.prefill_s(one.input_tokens) for one in arrivals) / number
    tokens = sum(one.output_tokens for one in arrivals) / number
    writes = tokens * engine_speed.token_interval_s(engine_speed.slots) / engine_speed.slots
    both = reads * engine_speed.stall + writes
    return calls_s * max(reads, both)


def fixed_scenarios(engine_speed: EngineSpeed, numbers: Sequence[int]) -> Iterator[Scenario]:
    """Yield a scenario per fixed number of replicas."""
    for number in numbers:
        yield Scenario(
            f"{number} always", FleetSettings(engine_speed, ScalingRule(number, number, 1.0))
        )


def scaled_scenarios(
    engine_speed: EngineSpeed, targets: Sequence[float], max_replicas: int, start_s: float
) -> Iterator[Scenario]:
    """Yield a scenario per target and pair of delays."""
    for target in targets:
        for up_s, down_s in _DELAYS:
            rule = ScalingRule(
                1, max_replicas, target, upscale_delay_s=up_s, downscale_delay_s=down_s
            )
            name = f"target {target:g}, up {up_s:g} s, down {down_s:g} s"
            yield Scenario(name, FleetSettings(engine_speed, rule, start_s=start_s))


def start_time_scenarios(
    engine_speed: EngineSpeed, target: float, max_replicas: int
) -> Iterator[Scenario]:
    """Yield a scenario per start-up time of a replica."""
    for start_s in _STARTS_S:
        yield Scenario(
            f"starts in {start_s:g} s",
            FleetSettings(engine_speed, ScalingRule(1, max_replicas, target), start_s=start_s),
        )


def concurrency_scenarios(
    engine_speed: EngineSpeed, target: float, max_replicas: int, start_s: float
) -> Iterator[Scenario]:
    """Yield scenarios with limits on the calls in flight, which hide load from the autoscaler."""
    for number in (engine_speed.slots, max_replicas * engine_speed.slots):
        settings = FleetSettings(
            engine_speed, ScalingRule(1, max_replicas, target), concurrency=number, start_s=start_s
        )
        yield Scenario(f"`concurrency` {number}", settings)
