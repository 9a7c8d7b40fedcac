"""`python -m models.line_reader.train_judge`: train the judge of lines, print figures, store it.

Learns from documents that the encoder was not trained on: the evaluation's first two sets of
questions, and the written documents that were held out (`zh_mixed.txt`, `en_mixed.txt`). Prints the
figures of documents left out in turn (eight parts), and with `--final` those of the final set,
which nothing is tuned on. Takes two minutes of one core.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.line_reader.judging.judge import JUDGE_FILE, save_judge
from models.line_reader.training.case_sets import load_case_sets
from models.line_reader.training.judging import fit_judge
from models.line_reader.training.outcomes import (
    THRESHOLDS,
    answer,
    choose_threshold,
    leave_out,
    print_figures,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on all but the final set, and measure."""
    parser = argparse.ArgumentParser(prog="python -m models.line_reader.train_judge")
    parser.add_argument("--target", type=Path, default=JUDGE_FILE)
    parser.add_argument("--final", action="store_true", help="measure the final set too")
    options = parser.parse_args(arguments)
    sets = load_case_sets()
    left_out = leave_out(sets.every)
    for name, group in sets.learned.items():
        written = [case for case in group if case.weight == 1.0]
        print_figures(f"{name}, left out", [left_out[id(case)][0] for case in written])
    outcomes = [left_out[id(case)][0] for case in sets.every if case.weight == 1.0]
    weights = fit_judge(sets.every, choose_threshold(outcomes))
    save_judge(weights, options.target)
    sys.stdout.write(f"threshold {weights.threshold}\n")
    if options.final:
        final = [answer(weights, case) for case in sets.final if case.weight == 1.0]
        print_figures("final", final, (weights.threshold, *THRESHOLDS))


if __name__ == "__main__":
    main()
