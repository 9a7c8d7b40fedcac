"""`python -m load.bench.hosted_tools.overhead`: what a step of a loop costs the gateway.

A chat whose language model calls n specialists has 2n + 1 steps. Model server and specialists
answer at once, so that the gateway's processor time is the loop's own. The lengths alternate within
one run, and the cost of a step is the slope over all of them.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from load.bench.gateways.processes import cpu_s, python_module, run_process, wait_for_port
from load.bench.one_gateway import Platform, run_platform
from load.deployment.service import free_port

LENGTHS = (0, 1, 2, 4)
_TEXT = "Torque 65 Nm: will it fail?"


@dataclass
class LengthFigures:
    """What chats with one number of specialists took: calls, steps, CPU and wall seconds."""

    calls: int = 0
    steps: int = 0
    cpu_s: float = 0.0
    wall_s: list[float] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    @property
    def steps_per_call(self) -> float:
        """Return the requests to model servers per chat."""
        return self.steps / self.calls

    @property
    def cpu_ms(self) -> float:
        """Return the gateway's milliseconds of processor time per chat."""
        return 1000 * self.cpu_s / self.calls


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the figures in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="of all lengths in turn")
    parser.add_argument("--calls", type=int, default=40, help="of each length in a round")
    options = parser.parse_args(arguments)
    with run_platform(_start_model) as platform:
        plain = LengthFigures()
        figures = {length: LengthFigures() for length in LENGTHS}
        specialists = _specialists(platform)
        for length in LENGTHS:
            _measure(platform, specialists, length, 10, LengthFigures())  # warm-up
        for _ in range(options.rounds):
            _measure(platform, (), 0, options.calls, plain)
            for length in LENGTHS:
                _measure(platform, specialists, length, options.calls, figures[length])
    sys.stdout.write(render(plain, figures))


def step_cost_ms(figures: dict[int, LengthFigures]) -> float:
    """Return the milliseconds of processor time per step: the least-squares slope."""
    return statistics.linear_regression(
        [one.steps_per_call for one in figures.values()], [one.cpu_ms for one in figures.values()]
    ).slope


def render(plain: LengthFigures, figures: dict[int, LengthFigures]) -> str:
    """Return the report in Markdown."""
    lines = [
        "| specialists called | steps | CPU of the gateway, ms | wall time, median ms | answer |",
        "|---|---|---|---|---|",
        _line("no hosted tools", plain),
        *(_line(str(length), one) for length, one in figures.items()),
        f"\nper step: {step_cost_ms(figures):.2f} ms of processor time",
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, one: LengthFigures) -> str:
    """Return a row of the table."""
    wall, origins = 1000 * statistics.median(one.wall_s), ", ".join(sorted(one.origins))
    return f"| {name} | {one.steps_per_call:.1f} | {one.cpu_ms:.2f} | {wall:.1f} | {origins} |"


def _start_model(folder: Path, stack: ExitStack) -> str:
    """Start the model server and return its URL."""
    port = free_port()
    command = [*python_module("load.constant_upstream", port), "--tool-loop"]
    child = stack.enter_context(run_process(command, folder / "model.log"))
    wait_for_port(port, child)
    return f"http://127.0.0.1:{port}"


def _specialists(platform: Platform) -> tuple[str, ...]:
    """Return as many formulas as the longest loop calls: they need no training."""
    models = platform.http.get("/v1/models").json()["data"]
    names = [one["id"] for one in models if one["task"] == "calculation"]
    return tuple(names[: max(LENGTHS)])


def _measure(
    platform: Platform, specialists: Sequence[str], length: int, calls: int, into: LengthFigures
) -> None:
    """Make chats of one length, one at a time, and add what they took."""
    pid = platform.gateway.pid
    if pid is None:
        raise RuntimeError("the gateway has ended")
    body = _body(platform.model, specialists, length)
    steps, began_cpu = _steps(platform), cpu_s(pid)
    for _ in range(calls):
        began = time.perf_counter()
        answer = platform.http.post("/v1/chat/completions", json=body).raise_for_status().json()
        into.wall_s.append(time.perf_counter() - began)
        into.origins.add(answer.get("x_maas_answer", "–"))
    into.cpu_s += cpu_s(pid) - began_cpu
    into.calls += calls
    into.steps += _steps(platform) - steps


def _body(model: str, specialists: Sequence[str], length: int) -> dict[str, Any]:
    """Return the body of a chat that calls so many specialists; none is offered without names."""
    messages = [
        {"role": "system", "content": f"steps={length}"},
        {"role": "user", "content": _TEXT},
    ]
    tool = {"type": "specialist", "models": list(specialists), "max_calls": max(1, length)}
    tools = {"tools": [tool]} if specialists else {}
    return {"model": model, "messages": messages, "max_tokens": 20, **tools}


def _steps(platform: Platform) -> int:
    """Return how many requests the model server has answered."""
    return sum(httpx.get(f"{platform.upstream}/served", timeout=30).json().values())


if __name__ == "__main__":
    main()
