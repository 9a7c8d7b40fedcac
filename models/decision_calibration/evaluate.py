"""Measure how well calibrated a served language model answers held-out typed questions.

python -m models.decision_calibration.evaluate --url http://127.0.0.1:8080/v1 --key KEY --model ID

Prints, for each of three tasks, accuracy, expected calibration error and log loss, with and without
the fitted calibration of `fitted/`. `by chance` is the calibration error that perfectly calibrated
answers to so few questions would show on average.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from models.decision_calibration.calibration import (
    FITTED,
    UNCALIBRATED,
    Calibrations,
    find_calibration,
    load_calibrations,
)
from models.decision_calibration.collecting import CollectionFailed
from models.decision_calibration.command import (
    HELD_OUT,
    ModelUnknown,
    collect_tasks,
    new_parser,
    parse_shared,
)
from models.decision_calibration.fitting import ScoredQuestion
from models.decision_calibration.metrics import Reliability, measure_reliability
from models.training_data import TrainingDataMissing

_HEAD = (
    "| task | type | calibration | questions | accuracy | calibration error | by chance "
    "| log loss |\n"
    "|---|---|---|---|---|---|---|---|"
)


def render_report(
    scored: Mapping[str, Sequence[ScoredQuestion]], calibrations: Calibrations, weights: str
) -> str:
    """Return the figures of each task as a Markdown table."""
    lines = [line for task in scored for line in _task_lines(task, scored, calibrations, weights)]
    return "\n".join([_HEAD, *lines]) + "\n"


def _task_lines(
    task: str,
    scored: Mapping[str, Sequence[ScoredQuestion]],
    calibrations: Calibrations,
    weights: str,
) -> Iterator[str]:
    """Yield the line of a task without calibration, and with it where there is one."""
    questions = scored[task]
    if not questions:
        return
    kind = questions[0].kind
    yield _line(task, kind, "none", measure_reliability(questions, UNCALIBRATED))
    fitted = find_calibration(calibrations, weights, kind)
    if fitted is not None:
        yield _line(task, kind, "fitted", measure_reliability(questions, fitted))


def _line(task: str, kind: str, calibration: str, figures: Reliability) -> str:
    """Return one line of the table."""
    return (
        f"| {task} | {kind} | {calibration} | {figures.questions} | {figures.accuracy:.3f} "
        f"| {figures.calibration_error:.3f} | {figures.chance_error:.3f} | {figures.log_loss:.3f} |"
    )


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
