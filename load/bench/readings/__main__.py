"""`python -m load.bench.readings`: ingestion and reading over HTTP, from blocks, and filters.

Starts PostgreSQL (with fsync), two gateways and a worker, and prints a report in Markdown. With
`--series FILE …`, CSV files with a number in the last column, only filters and compression of these
series are measured.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from load.bench.gateways.processes import cpu_s, postmaster_of
from load.bench.readings.ingestion import Shape, day_start, prepare_bodies, send_bodies
from load.bench.readings.reading import read_from_blocks, read_over_http
from load.bench.readings.series import measure_series
from load.soak.fleet import Fleet, run_fleet

_DAY = Shape(points=20, per_point=500)
_WIDE = Shape(points=1_000, per_point=10)


def main() -> None:
    """Measure and print the report."""
    parser = argparse.ArgumentParser(prog="python -m load.bench.readings", description=__doc__)
    parser.add_argument("--series", type=Path, nargs="+", default=[])
    parser.add_argument("--requests", type=int, default=173, help="of the asset-day, 10,000 each")
    options = parser.parse_args()
    if options.series:
        sys.stdout.write("\n".join(measure_series(options.series)) + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="maas-bench-") as name:
        with run_fleet(Path(name), ("acme",)) as fleet:
            sys.stdout.write("\n".join(asyncio.run(_measure(fleet, options.requests))) + "\n")


async def _measure(fleet: Fleet, requests: int) -> list[str]:
    """Return the report of ingestion and reading."""
    lines = [
        "| shape | readings/s | CPU of gateways | PostgreSQL | client |",
        "|---|---|---|---|---|",
    ]
    start = day_start()
    for shape, count, offset in ((_DAY, requests, 0), (_WIDE, 40, 1)):
        bodies = prepare_bodies(shape, count, start + offset * 43_200, f"bench{offset}")
        before = _cpu(fleet)
        seconds, client_s = await send_bodies(fleet.urls, fleet.firms[0].key, bodies)
        gateways, postgres = (after - one for after, one in zip(_cpu(fleet), before, strict=True))
        total = shape.size * count
        lines.append(
            f"| {shape.points:,} points, {shape.per_point} each, {count} requests | "
            f"{total / seconds:,.0f} | {gateways / total * 1e6:.1f} µs | "
            f"{postgres / total * 1e6:.1f} µs | {client_s / total * 1e6:.1f} µs |"
        )
    tags = _DAY.tags("bench0")
    url, key = fleet.urls[0], fleet.firms[0].key
    lines += ["", *await read_over_http(url, key, tags, start)]
    lines += ["", *await read_from_blocks(fleet.postgres.url, start)]
    return lines


def _cpu(fleet: Fleet) -> tuple[float, float]:
    """Return the CPU seconds of the gateways and of PostgreSQL so far."""
    gateways = sum(cpu_s(one.pid) for one in fleet.gateways if one.pid is not None)
    return gateways, cpu_s(postmaster_of(fleet.folder / "data" / "postgres"))


if __name__ == "__main__":
    main()
