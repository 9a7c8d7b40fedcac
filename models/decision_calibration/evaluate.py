"""Measure how well calibrated a served language model answers held-out typed questions.

python -m models.decision_calibration.evaluate --url http://127.0.0.1:8080/v1 --key KEY --model ID

Prints, for each task, accuracy, expected calibration error and log loss, with and without the
fitted calibration of `fitted/`. `by chance` is the calibration error that perfectly calibrated
answers to so few questions would show on average; `without chance` is what is left without it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from models.decision_calibration.calibration import FITTED, load_calibrations
from models.decision_calibration.collecting import CollectionFailed
from models.decision_calibration.command import (
    HELD_OUT,
    ModelUnknown,
    collect_tasks,
    new_parser,
    parse_shared,
)
from models.decision_calibration.report import render_report
from models.training_data import TrainingDataMissing


def main(arguments: Sequence[str] | None = None) -> None:
    """Collect the held-out questions and print the table."""
    parser = new_parser("Measure the calibration of a language model on held-out questions.")
    parser.add_argument("--fitted", type=Path, default=FITTED, help="folder of the calibrations")
    parsed = parser.parse_args(arguments)
    try:
        options = parse_shared(parsed)
        scored = collect_tasks(options, HELD_OUT)
    except (CollectionFailed, ModelUnknown, TrainingDataMissing) as error:
        parser.error(str(error))
    sys.stdout.write(render_report(scored, load_calibrations(parsed.fitted), options.weights))


if __name__ == "__main__":
    main()
