"""What a training file is, before anything is spent on it.

The lines' form is the model's to say (models/industrial_llm/dialogues.py, and
training_file_readers.py for specialists). Takes up to some seconds for the largest file: use a
thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gateway.call.errors import BadRequest
from gateway.fine_tuning.pii_scrubber import scrub
from gateway.fine_tuning.secret_scan import require_none
from gateway.fine_tuning.training_file_readers import READERS
from models.adaptation import TrainingFileInvalid
from models.anomaly.settings import RELIABLE_ROWS
from models.catalog import Model, Task
from models.industrial_llm.dialogues import read
from models.industrial_llm.effort import likely_seconds
from models.training_text import encoding_notes


class TrainingFileRefused(BadRequest):
    """A training file cannot be learned from. The message names the first problem; `problems` of
    the error object are all, up to 100, and `problem_count` says how many there are."""

    code = "invalid_training_file"

    def __init__(self, error: TrainingFileInvalid) -> None:
        super().__init__(error.message, param="training_file")
        self.details = error.details


@dataclass(frozen=True, slots=True)
class Examined:
    """How many examples are learned from and kept apart; what may not be meant, in sentences; how
    often which kind of personal data is taken out; about how long learning takes, where that is
    known. `apart` is None where a specialist chooses what it holds out while it learns."""

    learned: int
    apart: int | None
    doubts: tuple[str, ...] = ()
    scrubbed: Mapping[str, int] = field(default_factory=dict)
    likely_seconds: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is told of it, in sentences."""
        if self.apart is None:
            return ()
        said = [f"{self.learned} dialogues are learned from, {self.apart} kept apart."]
        if self.likely_seconds is not None:
            said.append(f"Learning is likely to take about {self.likely_seconds} s.")
        if self.scrubbed:
            counts = ", ".join(f"{count} {kind}" for kind, count in self.scrubbed.items())
            said.append(f"Personal data is taken out before learning: {counts}.")
        return tuple(said)


def examine(
    model: Model, content: bytes, account_id: UUID, profile: str, scrubbing: bool
) -> Examined:
    """Raises TrainingFileRefused with all problems."""
    try:
        if model.task is Task.TEXT_GENERATION:
            return _dialogues(content, account_id, profile, scrubbing)
        count = READERS[model.adapter or ""](content)
        return Examined(count, None, (*encoding_notes(content), *_unsure(model, count)))
    except TrainingFileInvalid as error:
        raise TrainingFileRefused(error) from error


def check_json(model: Model, found: Examined | TrainingFileRefused) -> dict[str, Any]:
    """The result of checking a file for a model."""
    valid = isinstance(found, Examined)
    details = {} if isinstance(found, Examined) else found.details
    return {
        "object": "training_file.check",
        "model": model.id,
        "valid": valid,
        "examples": found.learned if isinstance(found, Examined) else None,
        "warnings": list(found.doubts) if isinstance(found, Examined) else [],
        "problem_count": details.get("problem_count", 0),
        "problems": details.get("problems", []),
    }


def _unsure(model: Model, count: int) -> tuple[str, ...]:
    if model.task is not Task.ANOMALY_DETECTION or count >= RELIABLE_ROWS:
        return ()
    return (
        f"{count} rows of normal hours are enough to fit, but with fewer than {RELIABLE_ROWS} the "
        "alarm limit is unsure. Look at the held-out false alarms, and give more hours if you can.",
    )


def _dialogues(content: bytes, account_id: UUID, profile: str, scrubbing: bool) -> Examined:
    notes = encoding_notes(content)
    content, found = scrub(content) if scrubbing else (content, {})
    given = read(content)
    require_none((*given.learned, *given.apart), account_id)
    counts = len(given.learned), len(given.apart)
    return Examined(*counts, (*notes, *given.doubts), found, likely_seconds(given, profile))
