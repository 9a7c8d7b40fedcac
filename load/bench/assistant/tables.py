"""Tables of the answers' verdicts, in Markdown."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

from load.bench.assistant.calls import AskedAnswer
from models.handbook.evaluation.questions import DocumentQuestion, TechnicianQuestion
from models.handbook.evaluation.scoring import (
    Verdict,
    has_evidence,
    is_right,
    score_document_answer,
    score_technician_answer,
)


def technician_table(
    questions: Sequence[TechnicianQuestion], answers: Sequence[AskedAnswer]
) -> list[str]:
    """Return the table of the technicians' questions, by language, and of those on the plant."""
    lines = [
        "| technicians' questions | correct and useful | wrong | not found |",
        "|---|---|---|---|",
    ]
    groups = {
        "English": [q.language == "en" and not q.plant for q in questions],
        "Chinese": [q.language == "zh" and not q.plant for q in questions],
        "on the plant (right: not found)": [q.plant for q in questions],
    }
    verdicts = [
        score_technician_answer(question, asked.answer.text)
        for question, asked in zip(questions, answers, strict=True)
    ]
    for name, is_in in groups.items():
        found = [verdict for verdict, chosen in zip(verdicts, is_in, strict=True) if chosen]
        count = Counter(found)
        right, wrong, missing = (
            _share(count[one], len(found))
            for one in (Verdict.CORRECT, Verdict.WRONG, Verdict.NOT_FOUND)
        )
        lines.append(f"| {name} ({len(found)}) | {right} | {wrong} | {missing} |")
    return [*lines, "", *_grounding_lines(answers)]


def document_table(
    questions: Sequence[DocumentQuestion], answers: Sequence[AskedAnswer]
) -> list[str]:
    """Return the lines of the questions about documents, answerable and not."""
    verdicts = [
        score_document_answer(question, asked.answer)
        for question, asked in zip(questions, answers, strict=True)
    ]
    lines = [
        "| questions about documents | right | wrong with a citation | wrong | not found |",
        "|---|---|---|---|---|",
    ]
    for answerable, name in ((True, "answerable"), (False, "not answerable")):
        pairs = [
            (question, verdict)
            for question, verdict in zip(questions, verdicts, strict=True)
            if question.answerable is answerable
        ]
        count = Counter(verdict for _, verdict in pairs)
        shares = (
            _share(sum(is_right(*pair) for pair in pairs), len(pairs)),
            *(
                _share(count[one], len(pairs))
                for one in (Verdict.WRONG_WITH_CITATION, Verdict.WRONG, Verdict.NOT_FOUND)
            ),
        )
        lines.append(f"| {name} ({len(pairs)}) | {' | '.join(shares)} |")
    return [*lines, "", *_position_lines(questions, answers, verdicts), *_grounding_lines(answers)]


def _position_lines(
    questions: Sequence[DocumentQuestion],
    answers: Sequence[AskedAnswer],
    verdicts: Sequence[Verdict],
) -> list[str]:
    """Return the share of correct answers by the position of the first passage with the evidence.

    Position 0: no passage that the model was given has it.
    """
    by_position: dict[int, list[bool]] = {}
    for question, asked, verdict in zip(questions, answers, verdicts, strict=True):
        if question.answerable:
            position = next(
                (
                    number
                    for number, passage in enumerate(asked.passages, start=1)
                    if has_evidence(passage, question.evidence)
                ),
                0,
            )
            by_position.setdefault(position, []).append(verdict is Verdict.CORRECT)
    lines = ["| position of the passage with the evidence | right |", "|---|---|"]
    for position, right in sorted(by_position.items()):
        lines.append(f"| {position or 'not found'} | {sum(right)} of {len(right)} |")
    return [*lines, ""]


def _grounding_lines(answers: Sequence[AskedAnswer]) -> list[str]:
    """Return how the answers came about and how long they took."""
    counted = Counter(asked.grounding or "none" for asked in answers)
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counted.items()))
    seconds = median(asked.seconds for asked in answers) if answers else 0.0
    return [f"Grounding: {parts}. Median time of an answer: {seconds:.1f} s.", ""]


def _share(count: int, total: int) -> str:
    """Return a count with its percentage."""
    return f"{count} ({count / total:.0%})" if total else "0"
