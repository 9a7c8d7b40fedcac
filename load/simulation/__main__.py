"""`python -m load.simulation`: compare scaling settings, or the simulation with a real run.

    python -m load.simulation scale [--trace …] [--times 20]
    python -m load.simulation check [--upstream engine]

Exits with a message if the trace is missing.
"""

import argparse
import asyncio
import math
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from load.constant_upstream.engine import UpstreamSpeed
from load.replay.arrivals import Arrival
from load.replay.call_statistics import LatencyTargets, compute_statistics
from load.replay.experiments import QUIET
from load.replay.player import ReplayTarget, send_calls
from load.replay.schedule import (
    ScheduledCall,
    assign_tenants,
    fill_capacity,
    speed_up,
    thin,
    truncate_to_context,
)
from load.replay.targets import deployed_target
from load.replay.traces import AZURE, trace_or_exit
from load.simulation.autoscaler import ScalingRule
from load.simulation.engine_speed import ASSUMED_SPEED, EngineSpeed, speed_of_constant_upstream
from load.simulation.fleet import FleetSettings, SimulationResult, simulate
from load.simulation.report import render_check, render_fleets
from load.simulation.scenarios import (
    Scenario,
    busy_replicas,
    concurrency_scenarios,
    fixed_scenarios,
    scaled_scenarios,
    start_time_scenarios,
)
from load.simulation.speed_measurement import measure_speed

_SPREAD_S = 60.0


def main() -> None:
    """Run the selected comparison and print its report."""
    options = _options()
    arrivals = trace_or_exit(options.trace, options.seed)
    cut = truncate_to_context(arrivals, options.context).arrivals
    text = (
        _compare_scenarios(options, cut)
        if options.what == "scale"
        else _compare_with_run(options, cut)
    )
    sys.stdout.write(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")


def _compare_scenarios(options: argparse.Namespace, cut: Sequence[Arrival]) -> str:
    """Simulate all scaling scenarios on a trace and return the report."""
    engine_speed = EngineSpeed(
        *(options.prefill, options.token_ms / 1000, options.token_ms_each / 1000, options.slots),
        options.stall,
    )
    arrivals = multiply_callers(cut, options.times, random.Random(options.seed), options.seconds)
    scheduled = assign_tenants(arrivals, {QUIET[0]: 1.0}, random.Random(options.seed))
    calls_s = len(scheduled) / arrivals[-1].at_s
    busy = busy_replicas(engine_speed, calls_s, arrivals)
    min_replicas, max_replicas = max(1, math.floor(busy)), 4 * math.ceil(busy)
    latency_targets = LatencyTargets(options.first_ms / 1000, options.each_ms / 1000)
    first = options.targets[0]
    numbers = sorted({math.ceil(busy * part) for part in (1.0, 1.25, 1.5, 2.0, 3.0)})
    parts: dict[str, Iterable[Scenario]] = {
        "A fixed number": fixed_scenarios(engine_speed, numbers),
        f"Scaled, {options.start_s:g} s to start": scaled_scenarios(
            engine_speed, options.targets, max_replicas, options.start_s
        ),
        f"What starting takes (target {first:g})": start_time_scenarios(
            engine_speed, first, max_replicas
        ),
        "What the gateway lets through": concurrency_scenarios(
            engine_speed, first, max_replicas, options.start_s
        ),
    }
    lines = [
        f"{len(scheduled)} calls in {arrivals[-1].at_s:.0f} s, {calls_s:.1f} a second; one "
        "replica: "
        f"{asdict(engine_speed)}. Busy all the time: {busy:.1f} replicas. Good: first token within "
        f"{latency_targets.first_token_s:g} s, each further one within "
        f"{1000 * latency_targets.token_interval_s:g} ms.",
    ]
    for title, scenarios in parts.items():
        lines += [
            "",
            f"{title}:",
            "",
            render_fleets(_simulate_all(scenarios, scheduled, min_replicas), latency_targets),
        ]
    return "\n".join(lines) + "\n"


def _simulate_all(
    scenarios: Iterable[Scenario], scheduled: Sequence[ScheduledCall], initial_replicas: int
) -> Iterator[tuple[str, SimulationResult]]:
    """Simulate scenarios in parallel; each starts with enough replicas for the trace's load."""
    named = list(scenarios)
    settings = [
        replace(
            one.settings, initial_replicas=max(initial_replicas, one.settings.rule.min_replicas)
        )
        for one in named
    ]
    with ProcessPoolExecutor() as processes:
        found = processes.map(partial(simulate, scheduled=scheduled), settings)
        yield from zip((one.name for one in named), found, strict=True)


def _compare_with_run(options: argparse.Namespace, cut: Sequence[Arrival]) -> str:
    """Start a service and compare a replay against it with the simulation."""
    speed = (
        UpstreamSpeed(options.prefill, options.token_ms / 1000, options.slots)
        if options.upstream == "constant"
        else None
    )
    with deployed_target(QUIET, speed, options.slots) as target:
        return asyncio.run(_play_and_simulate(options, cut, target, speed))


async def _play_and_simulate(
    options: argparse.Namespace,
    cut: Sequence[Arrival],
    target: ReplayTarget,
    speed: UpstreamSpeed | None,
) -> str:
    """Replay and simulate the same calls and return the comparison."""
    engine_speed = (
        speed_of_constant_upstream(speed)
        if speed is not None
        else await measure_speed(target, options.slots)
    )
    if speed is None:
        arrivals = speed_up(
            thin(cut, options.keep, random.Random(options.seed)), options.speed, options.seconds
        )
    else:
        arrivals = fill_capacity(cut, options.load, speed, options.seconds)
    scheduled = assign_tenants(arrivals, dict.fromkeys(QUIET, 1.0), random.Random(options.seed))
    latency_targets = LatencyTargets(options.first_ms / 1000, options.each_ms / 1000)
    measured = compute_statistics(
        await send_calls(target, scheduled), options.seconds, latency_targets, None
    )
    result = simulate(
        FleetSettings(engine_speed, ScalingRule(1, 1, 1.0), concurrency=options.slots), scheduled
    )
    simulated = compute_statistics(result.outcomes, options.seconds, latency_targets, None)
    refused = f", refused {measured.refused}" if measured.refused else ""
    return (
        f"{len(scheduled)} calls in {options.seconds:g} s{refused}; one replica: "
        f"{asdict(engine_speed)}\n\n"
        f"{render_check(measured, simulated)}\n"
    )


def multiply_callers(
    arrivals: Sequence[Arrival], times: int, rng: random.Random, seconds: float
) -> list[Arrival]:
    """Repeat each call, each copy moved by up to a minute: the same hour with more callers."""
    moved = (
        replace(one, at_s=max(0.0, one.at_s + rng.uniform(-_SPREAD_S, _SPREAD_S)))
        for one in arrivals
        for _ in range(times)
    )
    return sorted((one for one in moved if one.at_s < seconds), key=lambda one: one.at_s)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.simulation", description=__doc__)
    add = parser.add_argument
    add("what", choices=("scale", "check"))
    add("--trace", default=str(AZURE), help="a CSV of Azure's or BurstGPT's, or ServeGen's folder")
    add("--times", type=int, default=10, help="copies of each call")
    add("--seconds", type=float, default=3600, help="duration of the trace or the run")
    add("--load", type=float, default=0.8, help="share of the constant upstream's capacity")
    add("--keep", type=float, default=0.1, help="share of the calls, with the real engine")
    add(
        "--speed",
        type=float,
        default=1.0,
        help="multiple of the trace's rate, with the real engine",
    )
    add("--upstream", choices=("constant", "engine"), default="constant")
    add("--context", type=int, default=4000, help="the model's context length")
    add(
        "--prefill",
        type=float,
        default=ASSUMED_SPEED.prefill_tokens_s,
        help="prompt tokens per second",
    )
    add(
        "--token-ms",
        type=float,
        default=1000 * ASSUMED_SPEED.token_s,
        help="milliseconds per token",
    )
    add(
        "--token-ms-each",
        type=float,
        default=1000 * ASSUMED_SPEED.token_s_per_answer,
        help="more per further answer",
    )
    add("--slots", type=int, default=ASSUMED_SPEED.slots, help="concurrent answers")
    add(
        "--stall",
        type=float,
        default=ASSUMED_SPEED.stall,
        help="share of decoding paused by a prefill",
    )
    add(
        "--targets",
        type=float,
        nargs="+",
        default=[16, 8, 32, 64],
        help="target requests per replica",
    )
    add("--start-s", type=float, default=120, help="start-up time of a replica")
    add("--first-ms", type=float, default=1000, help="latency target of the first token")
    add("--each-ms", type=float, default=50, help="latency target of each further token")
    add("--seed", type=int, default=1)
    add("--out", help="file for the report")
    return parser.parse_args()


if __name__ == "__main__":
    main()
