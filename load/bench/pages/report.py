"""The report of the pages in Markdown: one row per kind of page, slowest first."""

import statistics
from collections.abc import Iterable, Sequence

from load.bench.billing.api_latency import p95
from load.bench.pages.page_visits import PageVisit
from load.bench.pages.web_vitals import WebVitals


def render_times(visits: Iterable[Sequence[PageVisit]]) -> str:
    """Render the latencies and sizes of pages, over all visitors."""
    combined: dict[str, PageVisit] = {}
    for one in (one for visited in visits for one in visited):
        known = combined.setdefault(one.kind, PageVisit(one.kind, one.address, 0))
        known.milliseconds += one.milliseconds
        known.compressed = max(known.compressed, one.compressed)
    lines = ["| page | median, ms | p95, ms | kB, compressed |", "|---|---|---|---|"]
    for name, one in sorted(combined.items(), key=lambda found: -p95(found[1].milliseconds)):
        taken = one.milliseconds
        lines.append(
            f"| {name} | {statistics.median(taken):.0f} | {p95(taken):.0f} "
            f"| {one.compressed / 1000:.1f} |"
        )
    return "\n".join(lines) + "\n"


def render_web_vitals(width: int, vitals: Sequence[WebVitals]) -> str:
    """Render the median and the worst value of each metric at one width."""
    lines = [
        f"{len(vitals)} pages, {width} pixels, empty cache:",
        "",
        "| | median | worst | of |",
        "|---|---|---|---|",
        _line("first paint, ms", vitals, [one.first for one in vitals], 0),
        _line("largest paint, ms", vitals, [one.calls_of_largest_account for one in vitals], 0),
        _line("blocked, ms", vitals, [one.blocked for one in vitals], 0),
        _line("shift", vitals, [one.shift for one in vitals], 3),
        _line("kB without the chart library", vitals, [one.transferred / 1e3 for one in vitals], 0),
        _line("kB of the chart library", vitals, [one.library / 1e3 for one in vitals], 0),
    ]
    return "\n".join(lines) + "\n"


def _line(what: str, vitals: Sequence[WebVitals], values: Sequence[float], places: int) -> str:
    worst = max(range(len(values)), key=lambda at: values[at])
    middle = statistics.median(values)
    return f"| {what} | {middle:.{places}f} | {values[worst]:.{places}f} | {vitals[worst].kind} |"
