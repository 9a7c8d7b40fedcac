"""The report of the pages, in Markdown.

Owns the tables: each kind of page once, the slowest first, whoever opened it.
"""

import statistics
from collections.abc import Iterable, Sequence

from load.bench.billing.api_latency import p95
from load.bench.pages.page_visits import Visited
from load.bench.pages.web_vitals import Painted


def times(visits: Iterable[Sequence[Visited]]) -> str:
    """What the server takes."""
    together: dict[str, Visited] = {}
    for one in (one for visited in visits for one in visited):
        known = together.setdefault(one.kind, Visited(one.kind, one.address, 0))
        known.milliseconds += one.milliseconds
        known.compressed = max(known.compressed, one.compressed)
    lines = ["| page | median, ms | p95, ms | kB, compressed |", "|---|---|---|---|"]
    for name, one in sorted(together.items(), key=lambda found: -p95(found[1].milliseconds)):
        taken = one.milliseconds
        lines.append(
            f"| {name} | {statistics.median(taken):.0f} | {p95(taken):.0f} "
            f"| {one.compressed / 1000:.1f} |"
        )
    return "\n".join(lines) + "\n"


def paints(width: int, painted: Sequence[Painted]) -> str:
    """What a browser makes of them: medians and the worst of all pages of one width."""
    lines = [
        f"{len(painted)} pages, {width} pixels, empty cache:",
        "",
        "| | median | worst | of |",
        "|---|---|---|---|",
        _line("first paint, ms", painted, [one.first for one in painted], 0),
        _line("largest paint, ms", painted, [one.largest for one in painted], 0),
        _line("deaf, ms", painted, [one.blocked for one in painted], 0),
        _line("shift", painted, [one.shift for one in painted], 3),
        _line(
            "kB without the chart library", painted, [one.transferred / 1e3 for one in painted], 0
        ),
        _line("kB of the chart library", painted, [one.library / 1e3 for one in painted], 0),
    ]
    return "\n".join(lines) + "\n"


def _line(what: str, painted: Sequence[Painted], values: Sequence[float], places: int) -> str:
    worst = max(range(len(values)), key=lambda at: values[at])
    middle = statistics.median(values)
    return f"| {what} | {middle:.{places}f} | {values[worst]:.{places}f} | {painted[worst].kind} |"
