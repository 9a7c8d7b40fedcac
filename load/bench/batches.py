"""`python -m load.bench.batches`: a batch of 10,000 calls whose gateway is killed twice.

One gateway, PostgreSQL and the constant upstream run on this machine. The batch must come out as if
nothing had happened: each line once, in the order of the file, billed once, the hold returned.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from load.bench.gateways.processes import cpu_s
from load.bench.one_gateway import Platform, run_platform
from load.bench.servers import run_maas_command
from load.constant_upstream.engine import UpstreamSpeed
from load.deployment.service import start_constant_upstream

_POLL_S = 0.25
_MAX_TOKENS = 8
_ENDED = ("completed", "failed", "expired", "cancelled")
_SPEED = UpstreamSpeed(0.0, 0.002, 0)
_PROBES = 40


@dataclass
class RunFigures:
    """What the run took: seconds, CPU seconds of the gateways, recoveries after kills."""

    created_s: float = 0.0
    total_s: float = 0.0
    gateway_cpu_s: float = 0.0
    recovered_s: list[float] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)
    beside_ms: list[float] = field(default_factory=list)


def main() -> None:
    """Run the batch, check it, and print the figures in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.batches", description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=2)
    options = parser.parse_args()
    with run_platform(_start_upstream) as platform:
        measured = RunFigures(alone_ms=_probe(platform))
        batch = _run_batch(platform, options.lines, options.kills, measured)
        problems = _check(platform, batch, options.lines)
        sys.stdout.write(_render(batch, options.kills, measured, problems))
    if problems:
        sys.exit(1)


def _start_upstream(folder: Path, stack: ExitStack) -> str:
    """Start the constant upstream and return its URL."""
    url, _ = start_constant_upstream(folder, _SPEED, stack)
    return url


def _run_batch(
    platform: Platform, lines: int, kills: int, measured: RunFigures
) -> Mapping[str, Any]:
    """Create the batch, kill its gateway at even distances, and wait for the end."""
    http, began = platform.http, time.monotonic()
    batch: Mapping[str, Any] = _create(platform, lines)
    measured.created_s = time.monotonic() - began
    if "id" not in batch:
        raise RuntimeError(f"the batch was not created: {batch}")
    marks = [lines * number // (kills + 1) for number in range(1, kills + 1)]
    while batch["status"] not in _ENDED:
        done = batch["request_counts"]["completed"]
        if marks and done >= marks[0]:
            marks.pop(0)
            _kill(platform, measured, batch["id"], done)
        elif not marks and not measured.beside_ms:
            measured.beside_ms = _probe(platform)
        time.sleep(_POLL_S)
        batch = http.get(f"/v1/batches/{batch['id']}").json()
        sys.stderr.write(f"\r{batch['status']} {batch['request_counts']['completed']:,} ")
    sys.stderr.write("\n")
    measured.total_s = time.monotonic() - began
    measured.gateway_cpu_s += _gateway_cpu_s(platform)
    return batch


def _create(platform: Platform, lines: int) -> Mapping[str, Any]:
    """Upload the file and create the batch of it."""
    content = "\n".join(json.dumps(_line(platform.model, number)) for number in range(lines))
    upload = platform.http.post(
        "/v1/files",
        data={"purpose": "batch"},
        files={"file": ("in.jsonl", content.encode())},
    ).json()
    body = {
        "input_file_id": upload["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    batch: Mapping[str, Any] = platform.http.post("/v1/batches", json=body).json()
    return batch


def _line(model: str, number: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"bearing {number} runs hot"}]
    return {
        "custom_id": f"line-{number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": messages, "max_tokens": _MAX_TOKENS},
    }


def _kill(platform: Platform, measured: RunFigures, batch_id: str, done: int) -> None:
    """Kill the gateway, start it again, and measure until the batch goes on."""
    measured.gateway_cpu_s += _gateway_cpu_s(platform)
    began = time.monotonic()
    platform.gateway.kill()
    platform.gateway.start()
    platform.gateway.wait()
    while True:
        batch = platform.http.get(f"/v1/batches/{batch_id}").json()
        # Up to eight results may have been stored between the last look and the kill.
        if batch["status"] in _ENDED or batch["request_counts"]["completed"] > done + 200:
            break
        time.sleep(_POLL_S)
    measured.recovered_s.append(time.monotonic() - began)


def _gateway_cpu_s(platform: Platform) -> float:
    return 0.0 if platform.gateway.pid is None else cpu_s(platform.gateway.pid)


def _probe(platform: Platform) -> list[float]:
    """Return the milliseconds of plain calls, one at a time."""
    taken = []
    for number in range(_PROBES):
        body = _line(platform.model, number)["body"]
        began = time.perf_counter()
        platform.http.post("/v1/chat/completions", json=body).raise_for_status()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _check(platform: Platform, batch: Mapping[str, Any], lines: int) -> list[str]:
    """Return what is wrong: lost, doubled or unordered lines, wrong bills, differences."""
    content = platform.http.get(f"/v1/files/{batch['output_file_id']}/content").text
    ids = [json.loads(line)["custom_id"] for line in content.splitlines()]
    found = {
        "the batch did not complete": batch["status"] == "completed",
        "lines are lost, doubled or out of order": ids == [f"line-{n}" for n in range(lines)],
        "usage rows differ": _rows(platform, batch) == (lines, round(_nano(batch, "cost"))),
        "the hold was exceeded": _nano(batch, "cost") <= _nano(batch, "max_cost"),
    }
    problems = [problem for problem, is_right in found.items() if not is_right]
    platform.gateway.stop()  # reconciliation is exact once no call runs
    reconciled = run_maas_command(platform.environment, "reconcile")
    return problems + [str(one) for one in reconciled["differences"]]


def _nano(batch: Mapping[str, Any], name: str) -> float:
    return float(batch[f"x_maas_{name}"]) * 1e9


def _rows(platform: Platform, batch: Mapping[str, Any]) -> tuple[int, int]:
    """Return the number of the batch's complete usage rows, and the cost of all its rows."""
    query = (
        "select count(*) filter (where settlement = 'complete'), sum(cost_nano)::bigint "
        "from usage where tags->>'batch' = %s"
    )
    with psycopg.connect(platform.database) as connection:
        row = connection.execute(query, [batch["id"]]).fetchone()
    if row is None:
        raise RuntimeError("the usage cannot be read")
    return int(row[0]), int(row[1])


def _render(
    batch: Mapping[str, Any], kills: int, measured: RunFigures, problems: Sequence[str]
) -> str:
    """Return the report in Markdown."""
    lines = batch["request_counts"]["total"]
    recovered = ", ".join(f"{one:.1f}" for one in measured.recovered_s) or "–"
    beside = measured.beside_ms or measured.alone_ms
    rows = [
        ("lines", f"{lines:,}"),
        ("created (checked, priced, held), s", f"{measured.created_s:.1f}"),
        (f"to the end with {kills} kills, s", f"{measured.total_s:.1f}"),
        ("lines/s", f"{lines / measured.total_s:.0f}"),
        ("from a kill to the next 200 results, s", recovered),
        ("CPU of the gateway per line, ms", f"{1000 * measured.gateway_cpu_s / lines:.1f}"),
        ("a plain call alone, median ms", f"{statistics.median(measured.alone_ms):.1f}"),
        ("a plain call beside the batch, median ms", f"{statistics.median(beside):.1f}"),
        ("held, cost", f"{batch['x_maas_max_cost']}, {batch['x_maas_cost']}"),
        ("each line once, in order, billed once; reconciled", "no" if problems else "yes"),
    ]
    table = ["| batch | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([*table, *problems, ""])


if __name__ == "__main__":
    main()
