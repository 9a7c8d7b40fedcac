"""`python -m load.bench.usage_writer [--against FOLDER]`: the cost of the usage writer per call.

With --against, another checkout of this repository is measured in turn with this one, so that
a busy machine affects both. Prints a table: CPU of the block that was disturbed least, medians of
everything else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from load.bench.gateways.processes import python_module
from load.bench.usage_writer.block import BlockOrder, BlockResult

_COLUMNS = "| checkout | producers | model ms | gateway µs | PostgreSQL µs | p50 ms | p99 ms |"
_MORE_COLUMNS = " commits per call | WAL bytes | calls |"


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.usage_writer", description=__doc__)
    parser.add_argument("--against", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--producers", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--upstream-ms", type=float, nargs="+", default=[2.0, 40.0])
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    orders = [
        BlockOrder(producers, upstream_ms, options.seconds)
        for upstream_ms in options.upstream_ms
        for producers in options.producers
    ]
    sys.stdout.write(_COLUMNS + _MORE_COLUMNS + "\n" + "|---" * 10 + "|\n")
    with ExitStack() as stack:
        folders = [*options.against, Path.cwd()]
        children = {str(folder): stack.enter_context(_checkout(folder)) for folder in folders}
        for order in orders:
            _run(children, order)  # warm-up: leases, prepared statements
            rounds = [_run(children, order) for _ in range(options.rounds)]
            for name in children:
                sys.stdout.write(render(name, order, [one[name] for one in rounds]) + "\n")
            sys.stdout.flush()


@contextmanager
def _checkout(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the writer of a checkout; it ends with its standard input."""
    command = python_module("load.bench.usage_writer.block")
    environment = {**os.environ, "PYTHONPATH": str(folder.resolve())}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1
    ) as child:
        _read_line(child)
        yield child
        assert child.stdin is not None
        child.stdin.close()


def _run(
    children: Mapping[str, subprocess.Popen[str]], order: BlockOrder
) -> dict[str, BlockResult]:
    """Run one block in each checkout, one after the other."""
    results = {}
    for name, child in children.items():
        assert child.stdin is not None
        child.stdin.write(json.dumps(asdict(order)) + "\n")
        results[name] = BlockResult(**json.loads(_read_line(child)))
    return results


def _read_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise RuntimeError("a writer has ended; its error is above")
    return line


def render(name: str, order: BlockOrder, results: Sequence[BlockResult]) -> str:
    """Return a line of the table: the blocks of one checkout."""

    def median(field: str) -> float:
        return statistics.median(float(getattr(result, field)) for result in results)

    def least(field: str) -> float:
        return min(float(getattr(result, field)) for result in results)

    return (
        f"| {Path(name).name} | {order.producers} | {order.upstream_ms:g} "
        f"| {least('gateway_us'):.1f} | {least('postgres_us'):.1f} | {median('p50_ms'):.2f} "
        f"| {median('p99_ms'):.2f} | {median('commits'):.3f} | {median('wal_bytes'):.0f} "
        f"| {median('calls'):.0f} |"
    )


if __name__ == "__main__":
    main()
