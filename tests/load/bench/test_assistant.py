"""The tables of the assistant's answers."""

from load.bench.assistant.calls import AskedAnswer
from load.bench.assistant.tables import document_table, technician_table
from models.handbook.evaluation.questions import DocumentQuestion, TechnicianQuestion
from models.handbook.evaluation.scoring import Answer

NOT_FOUND = "This is not in your documents."
EVIDENCE = "The filter F3 is replaced every 500 h."


def question(answerable: bool) -> DocumentQuestion:
    expected = (("500 h",),) if answerable else ()
    evidence = EVIDENCE if answerable else ""
    return DocumentQuestion("d", "en", "x.md", "How often?", answerable, "", evidence, expected, ())


def asked(text: str, *cited: str, passages: tuple[str, ...] = ()) -> AskedAnswer:
    return AskedAnswer(Answer(text, cited), passages or cited, "verified", 1.0)


def test_document_answers_are_counted_by_verdict() -> None:
    questions = [question(True), question(True), question(True), question(False)]
    answers = [
        asked("Every 500 h [1].", EVIDENCE),
        asked("Every 600 h [1].", EVIDENCE, passages=("other", EVIDENCE)),
        asked(NOT_FOUND),
        asked(NOT_FOUND),
    ]
    lines = document_table(questions, answers)
    assert lines[2] == "| answerable (3) | 1 (33%) | 1 (33%) | 0 (0%) | 1 (33%) |"
    assert lines[3] == "| not answerable (1) | 1 (100%) | 0 (0%) | 0 (0%) | 1 (100%) |"


def test_correct_answers_are_counted_by_position_of_the_evidence() -> None:
    answers = [
        asked("Every 500 h [1].", EVIDENCE),
        asked("Every 600 h [2].", EVIDENCE, passages=("other", EVIDENCE)),
        asked(NOT_FOUND, passages=("other",)),
    ]
    lines = document_table([question(True)] * 3, answers)
    assert "| not found | 0 of 1 |" in lines
    assert "| 1 | 1 of 1 |" in lines
    assert "| 2 | 0 of 1 |" in lines


def test_technician_answers_are_counted_by_language() -> None:
    def of(language: str, *, plant: bool = False) -> TechnicianQuestion:
        return TechnicianQuestion("t", language, "pumps", "?", (("vent",),), 1, ("lottery",), plant)

    questions = [of("en"), of("en"), of("zh"), of("en", plant=True)]
    answers = [asked("Vent it."), asked("Lottery: vent."), asked("排气"), asked(NOT_FOUND)]
    lines = technician_table(questions, answers)
    assert lines[2] == "| English (2) | 1 (50%) | 1 (50%) | 0 (0%) |"
    assert lines[3] == "| Chinese (1) | 0 (0%) | 1 (100%) | 0 (0%) |"
    assert lines[4] == "| on the plant (right: not found) (1) | 0 (0%) | 0 (0%) | 1 (100%) |"
    assert lines[-2] == "Grounding: verified 4. Median time of an answer: 1.0 s."
