"""Tables of how well calibrated answers are, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence

from models.decision_calibration.calibration import (
    UNCALIBRATED,
    Calibrations,
    TypeCalibration,
    find_calibration,
)
from models.decision_calibration.fitting import TooFewQuestions, fit_type
from models.decision_calibration.metrics import measure_reliability
from models.decision_calibration.scored import ScoredQuestion

_HEAD = (
    "| task | type | calibration | questions | accuracy | calibration error | by chance "
    "| without chance | log loss |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
Scored = Mapping[str, Sequence[ScoredQuestion]]
"""Scored questions by task."""


def render_report(scored: Scored, calibrations: Calibrations, weights: str) -> str:
    """Return the figures of each task without a calibration and with the fitted one."""
    lines = []
    for task, questions in scored.items():
        if questions:
            fitted = find_calibration(calibrations, weights, questions[0].kind)
            lines += list(_lines(task, questions, "fitted", fitted))
    return "\n".join([_HEAD, *lines]) + "\n"


def render_unknown_tasks(scored: Scored) -> str:
    """Return the figures of each task with a calibration fitted on the other tasks of its type.

    It is what questions of a task that nobody fitted can expect.
    """
    lines = []
    for task, questions in scored.items():
        if questions:
            others = [
                one
                for other, asked in scored.items()
                if other != task
                for one in asked
                if one.kind is questions[0].kind
            ]
            lines += list(_lines(task, questions, "other tasks", _fit(others)))
    return "\n".join([_HEAD, *lines]) + "\n"


def _fit(questions: Sequence[ScoredQuestion]) -> TypeCalibration | None:
    """Return the calibration of the questions, None if they are too few."""
    try:
        return fit_type(questions)
    except TooFewQuestions:
        return None


def _lines(
    task: str,
    questions: Sequence[ScoredQuestion],
    name: str,
    calibration: TypeCalibration | None,
) -> Iterator[str]:
    """Yield the line of a task without calibration, and with one of this name if there is one."""
    yield _line(task, questions, "none", UNCALIBRATED)
    if calibration is not None:
        yield _line(task, questions, name, calibration)


def _line(
    task: str, questions: Sequence[ScoredQuestion], name: str, calibration: TypeCalibration
) -> str:
    """Return one line of the table."""
    figures = measure_reliability(questions, calibration)
    return (
        f"| {task} | {questions[0].kind} | {name} | {figures.questions} | {figures.accuracy:.3f} "
        f"| {figures.calibration_error:.3f} | {figures.chance_error:.3f} "
        f"| {figures.corrected_error:.3f} | {figures.log_loss:.3f} |"
    )
