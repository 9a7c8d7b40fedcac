"""What a language model's training file is, before anything is spent on it.

Owns what is refused at once and what is told of the rest. The lines' form is the model's to say
(models/industrial_llm/dialogues.py); specialists read theirs when they learn, in a second. Takes up
to a second for the largest file: use a thread.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from gateway.adapting.scrubbing import scrub
from gateway.adapting.secrets import require_none
from gateway.errors import BadRequest
from models.adaptation import TrainingFileInvalid
from models.industrial_llm.dialogues import read
from models.industrial_llm.effort import likely_seconds


class TrainingFileRefused(BadRequest):
    """A training file cannot be learned from; the message names the line and the field."""

    code = "invalid_training_file"


@dataclass(frozen=True, slots=True)
class Examined:
    """How many dialogues are learned from and kept apart; what may not be meant, in sentences; how
    often which kind of personal data is taken out; about how long learning takes, where that is
    known."""

    learned: int
    apart: int
    doubts: tuple[str, ...]
    scrubbed: Mapping[str, int]
    likely_seconds: int | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is told of it, in sentences."""
        said = [f"{self.learned} dialogues are learned from, {self.apart} kept apart."]
        if self.likely_seconds is not None:
            said.append(f"Learning is likely to take about {self.likely_seconds} s.")
        if self.scrubbed:
            counts = ", ".join(f"{count} {kind}" for kind, count in self.scrubbed.items())
            said.append(f"Personal data is taken out before learning: {counts}.")
        return tuple(said)


def examine(content: bytes, account_id: UUID, profile: str, scrubbing: bool) -> Examined:
    """Raises TrainingFileRefused."""
    content, found = scrub(content) if scrubbing else (content, {})
    try:
        given = read(content)
        require_none((*given.learned, *given.apart), account_id)
    except TrainingFileInvalid as error:
        raise TrainingFileRefused(error.message, param="training_file") from error
    return Examined(
        len(given.learned), len(given.apart), given.doubts, found, likely_seconds(given, profile)
    )
