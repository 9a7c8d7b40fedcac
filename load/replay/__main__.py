"""`python -m load.replay`: a public trace of a language model's calls, played against the service.

Without a trace it says so and stops.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load.constant_upstream.engine import Speed
from load.mixed_day.firm_rotation import KEY_VARIABLE
from load.replay.call_statistics import InTime
from load.replay.experiments import NOISY, QUIET, Plan, as_it_is, classes, fairness
from load.replay.player import Target
from load.replay.report import Told, fairness_text, opening, table
from load.replay.schedule import Cut, cut_to
from load.replay.targets import own_service, running_service
from load.replay.traces import AZURE, trace_or_exit


def main() -> None:
    """Read, start what is needed, play, tell."""
    given = _options()
    arrivals = trace_or_exit(given.trace, given.seed)
    cut = cut_to(arrivals, given.context)
    with _target(given) as target:
        text = asyncio.run(_experiments(given, cut, target))
    sys.stdout.write(text)
    if given.out:
        Path(given.out).write_text(text, encoding="utf-8")


async def _experiments(given: argparse.Namespace, cut: Cut, target: Target) -> str:
    plan = Plan(
        cut.arrivals,
        given.seconds,
        given.load,
        _speed(given),
        InTime(given.first_ms / 1000, given.each_ms / 1000),
        given.speed,
        given.keep,
        given.seed,
    )
    told = Told(
        *(Path(given.trace).name, len(cut.arrivals), cut.shortened, _upstream(given)),
        *(plan.in_time, plan.seconds),
    )
    parts = [opening(told)]
    if "trace" in given.parts:
        parts += ["", f"At {given.load:g} of capacity:", ""]
        parts.append(table({"the trace": await as_it_is(plan, target)}))
    if "fairness" in given.parts and NOISY in target.keys:
        found = await fairness(plan, target, given.crowd, given.rounds)
        parts += ["", fairness_text(found, given.crowd)]
    if "classes" in given.parts and NOISY in target.keys:
        parts += ["", f"Classes of service at {given.crowd:g} of capacity:", ""]
        parts.append(table(await classes(plan, target, given.crowd)))
    return "\n".join(parts) + "\n"


@contextmanager
def _target(given: argparse.Namespace) -> Iterator[Target]:
    """A service that runs, with one tenant; or one of our own with all of them."""
    if given.host:
        key = given.key or os.environ.get(KEY_VARIABLE, "")
        yield running_service(given.host, QUIET[0], key)
        return
    with own_service((*QUIET, NOISY), _speed(given), given.slots) as target:
        yield target


def _speed(given: argparse.Namespace) -> Speed | None:
    if given.host or given.upstream != "constant":
        return None
    return Speed(given.prefill, given.token_ms / 1000, given.slots)


def _upstream(given: argparse.Namespace) -> str:
    if _speed(given) is None:
        return "the real engine" if not given.host else "a service that runs"
    return (
        f"the constant upstream ({given.prefill:g} prompt tokens/s, {given.token_ms:g} ms a token, "
        f"{given.slots} at a time)"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.replay", description=__doc__)
    add = parser.add_argument
    add("--trace", default=str(AZURE), help="a CSV of Azure's or BurstGPT's, or ServeGen's folder")
    add("--parts", nargs="+", default=["trace", "fairness", "classes"], help="which experiments")
    add("--upstream", choices=("constant", "engine"), default="constant")
    add("--seconds", type=float, default=30, help="of each phase")
    add("--rounds", type=int, default=2, help="of alone and beside")
    add("--load", type=float, default=0.6, help="part of the engine's capacity")
    add("--crowd", type=float, default=1.5, help="the same with the noisy tenant, and for classes")
    add("--speed", type=float, help="times the trace's own pace, in place of a part of capacity")
    add("--keep", type=float, default=1.0, help="part of the calls that is kept")
    add("--context", type=int, default=4000, help="tokens that the model takes")
    add("--prefill", type=float, default=100_000, help="prompt tokens a second")
    add("--token-ms", type=float, default=2.0)
    add("--slots", type=int, default=16, help="answers at a time")
    add("--first-ms", type=float, default=1000, help="a good call's first token")
    add("--each-ms", type=float, default=50, help="and each further one")
    add("--seed", type=int, default=1)
    add("--host", help="a service that runs; with one key there are no tenants to compare")
    add("--key")
    add("--out", help="a file for the report")
    return parser.parse_args()


if __name__ == "__main__":
    main()
