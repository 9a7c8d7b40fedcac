"""`make bench-agents`, second part: learned warnings against a limit on the best single sensor.

    python -m load.bench.agents.warnings [--data FOLDER] [--only NAME]

Both are fitted on the same histories and replayed on others. The saving is pooled over all series
and has a bootstrap interval over series.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from load.bench.agents.histories import DATA, Split, read_groups
from models.policies.intervals import interval_of_ratio
from models.policies.warnings.history import WarningTerms
from models.policies.warnings.learned import learn_warnings
from models.policies.warnings.replay import WarningResult, replay_warnings
from models.policies.warnings.single_sensor import fit_single_sensor

COST_RATIOS = (5.0, 20.0, 100.0)
_HOURS_OF_MONTH = 730.0
_SEED = 11


@dataclass(frozen=True, slots=True)
class Replayed:
    """Both results on one series, and the policy that was chosen."""

    usual: WarningResult
    learned: WarningResult
    policy: str


def main() -> None:
    """Replay all groups and print a table in Markdown for each ratio of costs."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.agents.warnings")
    asked.add_argument("--data", type=Path, default=DATA)
    asked.add_argument("--only", default="")
    options = asked.parse_args()
    if not options.data.exists():
        sys.exit(f"{options.data} is missing. Name a folder with the series by --data.")
    groups = [group for group in read_groups(options.data) if options.only in group.name]
    for ratio in COST_RATIOS:
        print(f"\nA miss costs {ratio:g} false alarms.\n")
        print("| series | events | missed, usual | missed | false alarms a month, usual | ", end="")
        print("false alarms a month | saving | policies |\n|---|---|---|---|---|---|---|---|")
        pooled: list[Replayed] = []
        for group in groups:
            terms = WarningTerms(ratio, 1.0, group.hold)
            replays = [one for split in group.splits for one in _replay(split, terms)]
            pooled += replays
            print(_row(group.name, replays, terms, group.tick_hours), flush=True)
        print(_row("all", pooled, WarningTerms(ratio, 1.0, 1), None), flush=True)


def _replay(split: Split, terms: WarningTerms) -> list[Replayed]:
    """Return both results on each replayed history of a split."""
    usual = fit_single_sensor(split.learned, terms)
    learned = learn_warnings(split.learned, terms)
    return [
        Replayed(
            replay_warnings(usual.wants(one), one, terms.hold),
            learned.replay(one, terms),
            learned.name,
        )
        for one in split.replayed
    ]


def _row(
    name: str, replays: Sequence[Replayed], terms: WarningTerms, tick_hours: float | None
) -> str:
    """Return a line of the table. tick_hours: None for series with ticks of different length."""
    usual = sum((one.usual for one in replays), WarningResult())
    learned = sum((one.learned for one in replays), WarningResult())
    costs = np.array([one.usual.cost(terms) for one in replays])
    saved = costs - np.array([one.learned.cost(terms) for one in replays])
    found = interval_of_ratio(saved, costs, _SEED) if costs.sum() else None
    saving = "–" if found is None else f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"
    names = sorted({one.policy for one in replays})
    return (
        f"| {name} | {usual.caught + usual.missed} | {usual.missed} | {learned.missed} | "
        f"{_monthly(usual, tick_hours)} | {_monthly(learned, tick_hours)} | {saving} | "
        f"{'; '.join(names) if tick_hours else ''} |"
    )


def _monthly(result: WarningResult, tick_hours: float | None) -> str:
    """Return the false alarms in a month of a machine."""
    if tick_hours is None:
        return f"{result.false_alarms} in all"
    return f"{result.false_alarms / (result.ticks * tick_hours / _HOURS_OF_MONTH):.3g}"


if __name__ == "__main__":
    main()
