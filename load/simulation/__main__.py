"""`python -m load.simulation`: scaling settings on a trace, and the simulation beside a run.

    python -m load.simulation scale [--trace …] [--times 20]
    python -m load.simulation check [--upstream engine]

Without a trace it says so and stops.
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

from load.constant_upstream.engine import Speed
from load.replay.arrivals import Arrival
from load.replay.call_statistics import InTime, figures
from load.replay.experiments import QUIET
from load.replay.player import Target, play
from load.replay.schedule import Due, among, cut_to, filling, sped_up, thin
from load.replay.targets import own_service
from load.replay.traces import AZURE, trace_or_exit
from load.simulation.autoscaler import Rule
from load.simulation.engine_speed import ASSUMED, Pace, constant
from load.simulation.fleet import Run, Setup, simulate
from load.simulation.report import check, fleets
from load.simulation.scenarios import Named, fixed, held_back, replicas_for, scaled, starts
from load.simulation.speed_measurement import measure

_SPREAD_S = 60.0


def main() -> None:
    """Read the trace, do what was asked, tell."""
    given = _options()
    arrivals = trace_or_exit(given.trace, given.seed)
    cut = cut_to(arrivals, given.context).arrivals
    text = _scale(given, cut) if given.what == "scale" else _check(given, cut)
    sys.stdout.write(text)
    if given.out:
        Path(given.out).write_text(text, encoding="utf-8")


def _scale(given: argparse.Namespace, cut: Sequence[Arrival]) -> str:
    pace = Pace(
        *(given.prefill, given.token_ms / 1000, given.token_ms_each / 1000, given.slots),
        given.stall,
    )
    arrivals = multiplied(cut, given.times, random.Random(given.seed), given.seconds)
    due = among(arrivals, {QUIET[0]: 1.0}, random.Random(given.seed))
    calls_s = len(due) / arrivals[-1].at_s
    busy = replicas_for(pace, calls_s, arrivals)
    least, most = max(1, math.floor(busy)), 4 * math.ceil(busy)
    in_time = InTime(given.first_ms / 1000, given.each_ms / 1000)
    first = given.targets[0]
    numbers = sorted({math.ceil(busy * part) for part in (1.0, 1.25, 1.5, 2.0, 3.0)})
    parts: dict[str, Iterable[Named]] = {
        "A fixed number": fixed(pace, numbers),
        f"Scaled, {given.start_s:g} s to start": scaled(pace, given.targets, most, given.start_s),
        f"What starting takes (target {first:g})": starts(pace, first, most),
        "What the gateway lets through": held_back(pace, first, most, given.start_s),
    }
    lines = [
        f"{len(due)} calls in {arrivals[-1].at_s:.0f} s, {calls_s:.1f} a second; one replica: "
        f"{asdict(pace)}. Busy all the time: {busy:.1f} replicas. Good: first token within "
        f"{in_time.first_s:g} s, each further one within {1000 * in_time.each_s:g} ms.",
    ]
    for title, settings in parts.items():
        lines += ["", f"{title}:", "", fleets(_runs(settings, due, least), in_time)]
    return "\n".join(lines) + "\n"


def _runs(settings: Iterable[Named], due: Sequence[Due], begins: int) -> Iterator[tuple[str, Run]]:
    """Each begins with the replicas that the trace keeps busy: an hour is no beginning."""
    named = list(settings)
    setups = [replace(one.setup, begins=max(begins, one.setup.rule.least)) for one in named]
    with ProcessPoolExecutor() as processes:
        found = processes.map(partial(simulate, due=due), setups)
        yield from zip((one.name for one in named), found, strict=True)


def _check(given: argparse.Namespace, cut: Sequence[Arrival]) -> str:
    speed = (
        Speed(given.prefill, given.token_ms / 1000, given.slots)
        if given.upstream == "constant"
        else None
    )
    with own_service(QUIET, speed, given.slots) as target:
        return asyncio.run(_checked(given, cut, target, speed))


async def _checked(
    given: argparse.Namespace, cut: Sequence[Arrival], target: Target, speed: Speed | None
) -> str:
    pace = constant(speed) if speed is not None else await measure(target, given.slots)
    if speed is None:
        arrivals = sped_up(
            thin(cut, given.keep, random.Random(given.seed)), given.speed, given.seconds
        )
    else:
        arrivals = filling(cut, given.load, speed, given.seconds)
    due = among(arrivals, dict.fromkeys(QUIET, 1.0), random.Random(given.seed))
    in_time = InTime(given.first_ms / 1000, given.each_ms / 1000)
    played = figures(await play(target, due), given.seconds, in_time, None)
    run = simulate(Setup(pace, Rule(1, 1, 1.0), concurrency=given.slots), due)
    simulated = figures(run.played, given.seconds, in_time, None)
    refused = f", refused {played.refused}" if played.refused else ""
    return (
        f"{len(due)} calls in {given.seconds:g} s{refused}; one replica: {asdict(pace)}\n\n"
        f"{check(played, simulated)}\n"
    )


def multiplied(
    arrivals: Sequence[Arrival], times: int, chance: random.Random, seconds: float
) -> list[Arrival]:
    """So many of each call, each moved by up to a minute: the same hour with more callers."""
    moved = (
        replace(one, at_s=max(0.0, one.at_s + chance.uniform(-_SPREAD_S, _SPREAD_S)))
        for one in arrivals
        for _ in range(times)
    )
    return sorted((one for one in moved if one.at_s < seconds), key=lambda one: one.at_s)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.simulation", description=__doc__)
    add = parser.add_argument
    add("what", choices=("scale", "check"))
    add("--trace", default=str(AZURE), help="a CSV of Azure's or BurstGPT's, or ServeGen's folder")
    add("--times", type=int, default=10, help="callers for each of the trace's")
    add("--seconds", type=float, default=3600, help="of the trace; of the run that is checked by")
    add("--load", type=float, default=0.8, help="part of the constant upstream's capacity")
    add("--keep", type=float, default=0.1, help="part of the calls, with the real engine")
    add("--speed", type=float, default=1.0, help="times the trace's pace, with the real engine")
    add("--upstream", choices=("constant", "engine"), default="constant")
    add("--context", type=int, default=4000, help="tokens that the model takes")
    add("--prefill", type=float, default=ASSUMED.prefill_tokens_s, help="prompt tokens a second")
    add("--token-ms", type=float, default=1000 * ASSUMED.token_s, help="from a token to the next")
    add("--token-ms-each", type=float, default=1000 * ASSUMED.token_s_each, help="for each beside")
    add("--slots", type=int, default=ASSUMED.slots, help="answers at a time")
    add("--stall", type=float, default=ASSUMED.stall, help="of writing while a prompt is read")
    add("--targets", type=float, nargs="+", default=[16, 8, 32, 64], help="requests a replica")
    add("--start-s", type=float, default=120, help="from wanting a replica to its first call")
    add("--first-ms", type=float, default=1000, help="a good call's first token")
    add("--each-ms", type=float, default=50, help="and each further one")
    add("--seed", type=int, default=1)
    add("--out", help="a file for the report")
    return parser.parse_args()


if __name__ == "__main__":
    main()
