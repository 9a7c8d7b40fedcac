"""Fit the calibration of a served language model for typed questions.

python -m models.decision_calibration.calibrate --url http://127.0.0.1:8080/v1 --key KEY --model ID

Asks labelled questions of ten tasks, each in both orders of its options, and writes the fitted
calibrations to `fitted/`. Prints how good a calibration is that was fitted on the other tasks of
its type. A run that was interrupted goes on where it ended.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from models.decision_calibration.calibration import FITTED, ModelCalibration, TypeCalibration
from models.decision_calibration.collecting import CollectionFailed
from models.decision_calibration.command import (
    FITTING,
    ModelUnknown,
    collect_tasks,
    new_parser,
    parse_shared,
)
from models.decision_calibration.fitting import TooFewQuestions, fit_type
from models.decision_calibration.questions import QuestionKind
from models.decision_calibration.report import render_unknown_tasks
from models.decision_calibration.scored import ScoredQuestion
from models.training_data import TrainingDataMissing

_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


def fit_by_kind(
    scored: Mapping[str, Sequence[ScoredQuestion]],
) -> dict[QuestionKind, TypeCalibration]:
    """Return a calibration for each type of question that occurs. Raises TooFewQuestions."""
    questions = [question for task in scored.values() for question in task]
    kinds = sorted({question.kind for question in questions})
    return {kind: fit_type([one for one in questions if one.kind is kind]) for kind in kinds}


def write_calibration(calibration: ModelCalibration, folder: Path) -> Path:
    """Write a calibration to the file of its weights and return the path."""
    path = folder / f"{_UNSAFE.sub('-', calibration.weights).strip('-').lower()}.json"
    text = msgspec.json.format(msgspec.json.encode(calibration), indent=2)
    path.write_bytes(text + b"\n")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Collect, fit and write; print what was fitted."""
    parser = new_parser("Fit a language model's calibration for typed questions.")
    parser.add_argument("--output", type=Path, default=FITTED, help="folder of the calibrations")
    parsed = parser.parse_args(arguments)
    try:
        options = parse_shared(parsed)
        scored = collect_tasks(options, FITTING)
        by_kind = fit_by_kind(scored)
    except (CollectionFailed, ModelUnknown, TooFewQuestions, TrainingDataMissing) as error:
        parser.error(str(error))
    provenance = {
        "data": ", ".join(f"{task} {len(found)}" for task, found in scored.items() if found),
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m models.decision_calibration.calibrate",
    }
    calibration = ModelCalibration(options.weights, by_kind, provenance)
    path = write_calibration(calibration, parsed.output)
    sys.stdout.write(f"{path}\n{path.read_text(encoding='utf-8')}\n{render_unknown_tasks(scored)}")


if __name__ == "__main__":
    main()
