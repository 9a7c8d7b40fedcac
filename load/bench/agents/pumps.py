"""`make bench-agents`, first part: a schedule learned from 60 days of logs against hysteresis.

    python -m load.bench.agents.pumps [--days 1000] [--seeds 5] [--series FILE]

Prints one line for each seed: the cost of the best of five hysteresis bands and of the learned
schedule over the days after the log, and the steps outside the levels.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from load.bench.agents.waterworks import (
    ETT,
    LEVELS,
    SLOTS,
    START_PRICE,
    Waterworks,
    build_waterworks,
    record_log,
)
from models.policies.scheduling.comparison import Comparison, compare
from models.policies.scheduling.controllers import Hysteresis
from models.policies.scheduling.evaluation import BANDS
from models.policies.scheduling.learning import ScheduleTerms, learn
from models.policies.scheduling.operation import operate

LOG_DAYS, RANDOM_SHARE = 60, 0.1


@dataclass(frozen=True, slots=True)
class Result:
    """The best band, and the schedule next to it on the days after the log."""

    band: tuple[float, float]
    comparison: Comparison
    promoted: bool


def main() -> None:
    """Run all seeds and print a table in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.agents.pumps")
    asked.add_argument("--days", type=int, default=1000)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--series", type=Path, default=ETT)
    options = asked.parse_args()
    if not options.series.exists():
        sys.exit(f"{options.series} is missing. Name an hourly series of ETT by --series.")
    print(
        f"{options.days} days after a log of {LOG_DAYS} days, {RANDOM_SHARE:.0%} random actions.\n"
    )
    print("| seed | best band | hysteresis, CNY | learned, CNY | saving | violations | promoted |")
    print("|---|---|---|---|---|---|---|")
    for seed in range(options.seeds):
        print(_row(seed, measure(options.series, options.days, seed)), flush=True)


def measure(series: Path, days: int, seed: int) -> Result:
    """Return the result of one seed."""
    works = build_waterworks(series, LOG_DAYS + days, seed)
    begins = ((LEVELS.lowest + LEVELS.highest) / 2, 0)
    after = works.demands[LOG_DAYS:]
    runs = {band: operate(works.installation, hysteresis(band), after, begins) for band in BANDS}
    best = min(BANDS, key=lambda band: runs[band].total)
    plan = learn(
        record_log(works, hysteresis(BANDS[1]), LOG_DAYS, RANDOM_SHARE, seed),
        terms(works),
        hysteresis(BANDS[1]),
    )
    compared = compare(works.installation, hysteresis(best), plan.schedule, after, begins)
    return Result(best, compared, plan.comparison.is_better)


def hysteresis(band: tuple[float, float]) -> Hysteresis:
    """Return the hysteresis of a band, in shares of the span between the levels."""
    span = LEVELS.highest - LEVELS.lowest
    return Hysteresis(LEVELS.lowest + band[0] * span, LEVELS.lowest + band[1] * span, 2)


def terms(works: Waterworks) -> ScheduleTerms:
    """Return what the owner of the works states."""
    return ScheduleTerms(LEVELS, works.tariff, 2, START_PRICE, SLOTS)


def _row(seed: int, result: Result) -> str:
    """Return a line of the table."""
    compared = result.comparison
    saving = compared.saving
    return (
        f"| {seed} | {result.band[0]:.0%}–{result.band[1]:.0%} | {compared.current.total:,.0f} | "
        f"{compared.candidate.total:,.0f} | {saving.value:.1%} "
        f"({saving.low:.1%} to {saving.high:.1%}) | {compared.candidate.violations} "
        f"(hysteresis {compared.current.violations}) | {'yes' if result.promoted else 'no'} |"
    )


if __name__ == "__main__":
    main()
