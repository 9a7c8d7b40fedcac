"""A typed question: a predicate, a choice or a score, with its answer options.

The types are those of OpenAI's Decisions API (`openai.types.decision_create_params`).
"""

from dataclasses import dataclass
from enum import StrEnum


class QuestionKind(StrEnum):
    """The type of a question, which decides the shape of its answer."""

    PREDICATE = "predicate"
    CHOICE = "choice"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Option:
    """An answer option as the model reads it. `description` is empty if there is none."""

    text: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class TypedQuestion:
    """A question with at least two options; those of a score are ordered from lowest to highest."""

    kind: QuestionKind
    instructions: str
    options: tuple[Option, ...]


# The options of a predicate; the first one is the one whose probability is the answer.
TRUE, FALSE = Option("true"), Option("false")


def predicate(statement: str) -> TypedQuestion:
    """Return the question whether a statement about the input is true."""
    return TypedQuestion(QuestionKind.PREDICATE, statement, (TRUE, FALSE))
