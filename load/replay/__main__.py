"""`python -m load.replay`: replay a public trace of language model calls against the service.

Exits with a message if the trace is missing.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load.constant_upstream.engine import UpstreamSpeed
from load.mixed_day.firm_rotation import KEY_VARIABLE
from load.replay.call_statistics import LatencyTargets
from load.replay.experiments import (
    NOISY,
    QUIET,
    ReplayPlan,
    run_fairness,
    run_service_tiers,
    run_trace,
)
from load.replay.player import ReplayTarget
from load.replay.report import ReplayInfo, render_fairness, render_heading, render_table
from load.replay.schedule import TruncatedTrace, truncate_to_context
from load.replay.targets import deployed_target, external_target
from load.replay.traces import AZURE, trace_or_exit


def main() -> None:
    """Run the experiments and print the report."""
    options = _options()
    arrivals = trace_or_exit(options.trace, options.seed)
    cut = truncate_to_context(arrivals, options.context)
    with _target(options) as target:
        text = asyncio.run(_experiments(options, cut, target))
    sys.stdout.write(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")


async def _experiments(
    options: argparse.Namespace, cut: TruncatedTrace, target: ReplayTarget
) -> str:
    """Run the selected experiments and return the report."""
    plan = ReplayPlan(
        cut.arrivals,
        options.seconds,
        options.load,
        _speed(options),
        LatencyTargets(options.first_ms / 1000, options.each_ms / 1000),
        options.speed,
        options.keep,
        options.seed,
    )
    info = ReplayInfo(
        *(Path(options.trace).name, len(cut.arrivals), cut.shortened, _upstream(options)),
        *(plan.latency_targets, plan.seconds),
    )
    parts = [render_heading(info)]
    if "trace" in options.parts:
        parts += ["", f"At {options.load:g} of capacity:", ""]
        parts.append(render_table({"the trace": await run_trace(plan, target)}))
    if "fairness" in options.parts and NOISY in target.keys:
        result = await run_fairness(plan, target, options.crowd, options.rounds)
        parts += ["", render_fairness(result, options.crowd)]
    if "classes" in options.parts and NOISY in target.keys:
        parts += ["", f"Classes of service at {options.crowd:g} of capacity:", ""]
        parts.append(render_table(await run_service_tiers(plan, target, options.crowd)))
    return "\n".join(parts) + "\n"


@contextmanager
def _target(options: argparse.Namespace) -> Iterator[ReplayTarget]:
    """Yield the service under test: the given one with one tenant, or one started here with all
    tenants."""
    if options.host:
        key = options.key or os.environ.get(KEY_VARIABLE, "")
        yield external_target(options.host, QUIET[0], key)
        return
    with deployed_target((*QUIET, NOISY), _speed(options), options.slots) as target:
        yield target


def _speed(options: argparse.Namespace) -> UpstreamSpeed | None:
    if options.host or options.upstream != "constant":
        return None
    return UpstreamSpeed(options.prefill, options.token_ms / 1000, options.slots)


def _upstream(options: argparse.Namespace) -> str:
    if _speed(options) is None:
        return "the real engine" if not options.host else "a service that runs"
    return (
        f"the constant upstream ({options.prefill:g} prompt tokens/s, "
        f"{options.token_ms:g} ms a token, {options.slots} at a time)"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.replay", description=__doc__)
    add = parser.add_argument
    add("--trace", default=str(AZURE), help="a CSV of Azure's or BurstGPT's, or ServeGen's folder")
    add("--parts", nargs="+", default=["trace", "fairness", "classes"], help="experiments to run")
    add("--upstream", choices=("constant", "engine"), default="constant")
    add("--seconds", type=float, default=30, help="duration of each phase")
    add("--rounds", type=int, default=2, help="rounds of the fairness experiment")
    add("--load", type=float, default=0.6, help="share of the engine's capacity")
    add("--crowd", type=float, default=1.5, help="the same for fairness and service tiers")
    add("--speed", type=float, help="multiple of the trace's rate, instead of --load")
    add("--keep", type=float, default=1.0, help="share of the calls to keep")
    add("--context", type=int, default=4000, help="the model's context length")
    add("--prefill", type=float, default=100_000, help="prompt tokens per second")
    add("--token-ms", type=float, default=2.0)
    add("--slots", type=int, default=16, help="concurrent answers")
    add("--first-ms", type=float, default=1000, help="latency target of the first token")
    add("--each-ms", type=float, default=50, help="latency target of each further token")
    add("--seed", type=int, default=1)
    add("--host", help="a running service; one API key, so only the trace experiment")
    add("--key")
    add("--out", help="file for the report")
    return parser.parse_args()


if __name__ == "__main__":
    main()
