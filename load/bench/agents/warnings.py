"""`make bench-agents`, second part: learned warnings against a limit on the best single sensor.

    python -m load.bench.agents.warnings [--data FOLDER] [--only NAME]

Both are fitted on the same histories and replayed on others. Savings of a kind of machine have a
bootstrap interval over blocks; the pooled one is of kinds with equal weight (`pooling`).
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from load.bench.agents.histories import DATA, Group, Split, read_groups
from load.bench.agents.pooling import Block, pooled_saving
from models.observed.resampling import ScoreInterval
from models.policies.warnings.candidates import fit_candidates
from models.policies.warnings.history import WarningTerms
from models.policies.warnings.learned import choose_policy
from models.policies.warnings.replay import WarningResult, replay_blocks
from models.policies.warnings.single_sensor import fit_single_sensor

COST_RATIOS = (5.0, 20.0, 100.0)
_HOURS_OF_MONTH = 730.0
# Series with one or two events each are one kind: a single block has no interval.
_NAB = "NAB"


@dataclass(frozen=True, slots=True)
class Replayed:
    """Both results on one block of a history, and the policy that was chosen."""

    usual: WarningResult
    learned: WarningResult
    policy: str

    def block(self, terms: WarningTerms) -> Block:
        """Return the costs of the block."""
        events = self.usual.caught + self.usual.missed
        return Block(self.usual.cost(terms), self.learned.cost(terms), events * terms.miss)


Results = Mapping[str, Sequence[Replayed]]


def main() -> None:
    """Replay all groups and print a table in Markdown for each ratio of costs."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.agents.warnings")
    asked.add_argument("--data", type=Path, default=DATA)
    asked.add_argument("--only", default="")
    options = asked.parse_args()
    if not options.data.exists():
        sys.exit(f"{options.data} is missing. Name a folder with the series by --data.")
    groups = [group for group in read_groups(options.data) if options.only in group.name]
    by_ratio: dict[float, dict[str, list[Replayed]]] = {ratio: {} for ratio in COST_RATIOS}
    for group in groups:
        for split in group.splits:
            for ratio, replays in _replay(split, group.hold).items():
                by_ratio[ratio].setdefault(group.name, []).extend(replays)
    for ratio, results in by_ratio.items():
        _print_ratio(ratio, groups, results)


def _print_ratio(ratio: float, groups: Sequence[Group], results: Results) -> None:
    """Print the table of a ratio of costs."""
    terms = WarningTerms(ratio, 1.0, 1)
    print(f"\nA miss costs {ratio:g} false alarms.\n")
    print(
        "| kind | events | missed, usual | missed | false alarms a machine-month, usual | ", end=""
    )
    print("false alarms a machine-month | saving | policies |\n|---|---|---|---|---|---|---|---|")
    months = {group.name: group.tick_hours / _HOURS_OF_MONTH for group in groups}
    for name, replays in results.items():
        found = pooled_saving({name: [one.block(terms) for one in replays]})
        print(_row(name, replays, months[name], found), flush=True)
    kinds: dict[str, list[Block]] = {}
    for name, replays in results.items():
        kind = _NAB if name.startswith(_NAB) else name
        kinds.setdefault(kind, []).extend(one.block(terms) for one in replays)
    print(
        f"\nPooled over {len(kinds)} kinds with equal weight: {_text(pooled_saving(kinds))}, ",
        end="",
    )
    print(f"kinds drawn as well: {_text(pooled_saving(kinds, over_kinds=True))}.", flush=True)


def _replay(split: Split, hold: int) -> Mapping[float, list[Replayed]]:
    """Return both results on each block of the replayed histories, by ratio of costs."""
    candidates = fit_candidates(split.learned, hold)
    found: dict[float, list[Replayed]] = {}
    for ratio in COST_RATIOS:
        terms = WarningTerms(ratio, 1.0, hold)
        usual = fit_single_sensor(split.learned, terms)
        learned = choose_policy(candidates, terms)
        found[ratio] = [
            Replayed(before, after, learned.name)
            for one in split.replayed
            for before, after in zip(
                replay_blocks(usual.wants(one), one, hold),
                replay_blocks(learned.wants(one), one, hold),
                strict=True,
            )
        ]
    return found


def _row(
    name: str, replays: Sequence[Replayed], months_of_tick: float, saving: ScoreInterval
) -> str:
    """Return a line of the table."""
    usual = sum((one.usual for one in replays), WarningResult())
    learned = sum((one.learned for one in replays), WarningResult())
    names = sorted({one.policy for one in replays})
    return (
        f"| {name} | {usual.caught + usual.missed} | {usual.missed} | {learned.missed} | "
        f"{_monthly(usual, months_of_tick)} | {_monthly(learned, months_of_tick)} | "
        f"{_text(saving)} | {'; '.join(names)} |"
    )


def _monthly(result: WarningResult, months_of_tick: float) -> str:
    """Return the false alarms in a month of a machine."""
    return f"{result.false_alarms / (result.ticks * months_of_tick):.3g}"


def _text(saving: ScoreInterval) -> str:
    """Return a saving with its interval; without a cost of the usual rule there is none."""
    if math.isnan(saving.value):
        return "–"
    if math.isinf(saving.low):
        return f"{saving.value:.1%} (no interval)"
    return f"{saving.value:.1%} ({saving.low:.1%} to {saving.high:.1%})"


if __name__ == "__main__":
    main()
