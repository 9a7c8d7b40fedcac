"""`python -m load.bench.hot_path.measure`: measure calls in this process; prints JSON.

The gateway's settings are in the environment. With `--counter`, the calls run within the compiled
extension's stages for callgrind instead.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from gateway.process.lifespan import freeze_loaded_objects
from load.bench.hot_path.callgrind import load_counter
from load.bench.hot_path.client import call_all
from load.bench.hot_path.counting import StageCounts
from load.bench.hot_path.gateway_process import HotPath, run_gateway
from load.bench.hot_path.memory_transport import MemoryLoop
from load.bench.hot_path.stages import install

# Longer than the time between two commits.
_STEP_S = 0.01
_WARM_UP_ROUNDS = 50


def main() -> None:
    """Measure, and print the figures per call as JSON."""
    options = _options()
    with asyncio.Runner(loop_factory=MemoryLoop) as runner:
        sys.stdout.write(json.dumps(runner.run(_measure(options))) + "\n")


async def _measure(options: argparse.Namespace) -> dict[str, object]:
    async with run_gateway(options.connections) as path:
        await _rounds(path, options.warm_up)
        freeze_loaded_objects()
        if options.counter is not None:
            await _count_instructions(path, options.rounds, options.counter)
            return {}
        return await _count_in_process(path, options.rounds)


async def _count_in_process(path: HotPath, rounds: int) -> dict[str, object]:
    """Return the CPU seconds of all rounds, then CPU time and function calls by stage."""
    began = time.thread_time_ns()
    await _rounds(path, rounds)
    total_ns = time.thread_time_ns() - began
    by_time, by_calls = StageCounts(), StageCounts()
    await _counted(path, rounds, by_time, counts_calls=False)
    await _counted(path, rounds, by_calls, counts_calls=True)
    calls = rounds * len(path.clients)
    return {
        "cpu_us": total_ns / calls / 1000,
        "stage_us": [value / calls / 1000 for value in by_time.cpu_ns],
        "stage_calls": [value / calls for value in by_calls.calls],
    }


async def _counted(path: HotPath, rounds: int, counts: StageCounts, counts_calls: bool) -> None:
    undo = install(counts.run_of)
    counts.start(counts_calls)
    await _rounds(path, rounds)
    counts.stop()
    undo()


async def _count_instructions(path: HotPath, rounds: int, library: Path) -> None:
    """Run the calls within the stages of the extension, while callgrind collects."""
    counter = load_counter(library)
    install(lambda number: getattr(counter, f"stage_{number}"))
    counter.start()
    await _rounds(path, 3)
    counter.toggle()
    await _rounds(path, rounds)
    counter.toggle()


async def _rounds(path: HotPath, rounds: int) -> None:
    """Send one call on each connection at once, and again when all have their answers."""
    for _ in range(rounds):
        path.clock.advance(_STEP_S)
        await call_all(path.clients)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load.bench.hot_path.measure")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--warm-up", type=int, default=_WARM_UP_ROUNDS)
    parser.add_argument("--counter", type=Path, help="the compiled extension")
    return parser.parse_args()


if __name__ == "__main__":
    main()
