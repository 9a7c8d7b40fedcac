"""A question whose right answer is known."""

from dataclasses import dataclass

from models.decision_calibration.questions import TypedQuestion


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question about a context; `truth` is the index of the right option.

    `id` is unique and stable, so that an interrupted collection can go on.
    """

    id: str
    context: str
    question: TypedQuestion
    truth: int
