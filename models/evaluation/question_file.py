"""Read a customer's question file: JSON lines of questions with expected answers.

All problems are reported at once, each with line and field, like those of training files.
"""

from dataclasses import dataclass

from models.evaluation.question_checks import id_problems, line_problems
from models.evaluation.question_line import (
    QuestionLine,
    alternatives_of,
    scoring_of,
    tolerance_text,
)
from models.evaluation.scoring import Expectation, Scoring
from models.problems import Problem, Problems
from models.sentences import sentence
from models.training_text import MAX_SHORT_LINE, decode_lines

MAX_FILE_BYTES = 4 << 20
MAX_QUESTIONS = 1_000


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the file: its id, its messages as role and text, and the expected answer."""

    line: int
    id: str
    messages: tuple[tuple[str, str], ...]
    expectation: Expectation
    vector_store_ids: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The last message, which is the user's question."""
        return self.messages[-1][1]


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """The questions of a file, and the problems for which it is rejected."""

    questions: tuple[Question, ...]
    problems: Problems


def read_questions(content: bytes, scoring: Scoring | None = None) -> QuestionFile:
    """Read all questions and problems; `scoring` replaces the default of lines without their own.

    Takes up to a second for the largest files: run it in a thread.
    """
    problems = Problems()
    if len(content) > MAX_FILE_BYTES:
        problems.add(_too_large())
        return QuestionFile((), problems)
    lines = decode_lines(content, QuestionLine, problems, MAX_SHORT_LINE)
    if not lines and not problems.count:
        problems.add(
            Problem("empty_file", "The file has no questions.", sentence("Write one per line."))
        )
    if len(lines) > MAX_QUESTIONS:
        problems.add(_too_many(len(lines)))
        return QuestionFile((), problems)
    questions = []
    lines_by_id: dict[str, int] = {}
    for number, line in lines:
        found = [*line_problems(number, line, scoring), *id_problems(number, line, lines_by_id)]
        for problem in found:
            problems.add(problem)
        if not found:
            questions.append(_to_question(number, line, scoring))
    return QuestionFile(tuple(questions), problems)


def _to_question(number: int, line: QuestionLine, scoring: Scoring | None) -> Question:
    """Return the question of a valid line."""
    messages = tuple((one.role, one.content) for one in line.messages or ())
    return Question(
        line=number,
        id=line.id or f"line-{number}",
        messages=messages or (("user", line.question or ""),),
        expectation=_to_expectation(line, scoring),
        vector_store_ids=tuple(line.vector_store_ids or ()),
    )


def _to_expectation(line: QuestionLine, scoring: Scoring | None) -> Expectation:
    """Return what a correct answer to a line is."""
    used, tolerance = scoring_of(line, scoring), tolerance_text(line)
    if isinstance(line.expected, dict):
        return Expectation(used, fields=line.expected, tolerance=tolerance)
    choices = tuple(line.choices or ())
    return Expectation(used, alternatives_of(line), choices, tolerance=tolerance)


def _too_large() -> Problem:
    """Return the problem of a file that is too large."""
    limit = f"{MAX_FILE_BYTES >> 20} MiB"
    message = f"A question file can have at most {limit}."
    return Problem("file_too_large", message, sentence("Split the file and evaluate each part."))


def _too_many(count: int) -> Problem:
    """Return the problem of a file with too many questions."""
    message = f"The file has {count} questions; at most {MAX_QUESTIONS:,} are allowed."
    return Problem("too_many_lines", message, sentence("Split the file and evaluate each part."))
