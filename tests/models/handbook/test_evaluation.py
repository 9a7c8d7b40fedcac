"""The evaluation sets and their scoring rule."""

import pytest

from models.handbook.evaluation.questions import (
    DOCUMENTS,
    DocumentQuestion,
    TechnicianQuestion,
    document_questions,
    final_questions,
    technician_questions,
    tuning_questions,
)
from models.handbook.evaluation.scoring import (
    Answer,
    Verdict,
    is_right,
    normalize,
    score_document_answer,
    score_technician_answer,
)

QUESTION = DocumentQuestion(
    id="d1",
    language="en",
    document="filter.md",
    question="How often is filter F3 changed, and at what temperature do I stop?",
    answerable=True,
    kind="figure",
    evidence="Replace the return filter F3 every 500 h; stop at 80 °C.",
    expected=(("500 h", "500 hours"), ("80 °C",)),
    wrong=("600 h",),
)
UNANSWERABLE = DocumentQuestion(
    "d2", "zh", "filter.md", "F4多久换一次？", False, "figure", "", (), ()
)
EVIDENCE = "Maintenance. Replace the return filter F3 every 500 h; stop at 80 °C. Keep it clean."
TECHNICIAN = TechnicianQuestion(
    "t1",
    "en",
    "pumps",
    "Why does it shake?",
    (("cavitation",), ("align",), ("bearing",)),
    2,
    ("safe",),
)


class TestDocumentScoring:
    @pytest.mark.parametrize(
        ("text", "cited", "verdict"),
        [
            ("Every **500 hours** [1], stop at 80℃ [1].", EVIDENCE, Verdict.CORRECT),
            ("Every 500 h, stop at 80 °C.", None, Verdict.WRONG),
            ("Every 500 h, stop at 80 °C [1].", "Other text.", Verdict.WRONG_WITH_CITATION),
            ("Every 500 h [1].", EVIDENCE, Verdict.WRONG_WITH_CITATION),
            ("Every 500 h or 600 h, stop at 80 °C [1].", EVIDENCE, Verdict.WRONG_WITH_CITATION),
            ("This is not in your documents.", None, Verdict.NOT_FOUND),
            ("Stop at 80 °C [1]. I do not know.", EVIDENCE, Verdict.WRONG_WITH_CITATION),
            ("", None, Verdict.WRONG),
        ],
        ids=[
            *("all parts", "no citation", "wrong citation", "part missing", "neighbouring fact"),
            *("not found", "not found later", "empty"),
        ],
    )
    def test_answerable_question(self, text: str, cited: str | None, verdict: Verdict) -> None:
        answer = Answer(text, () if cited is None else (cited,))
        assert score_document_answer(QUESTION, answer) is verdict
        assert is_right(QUESTION, verdict) is (verdict is Verdict.CORRECT)

    def test_unanswerable_question_is_right_only_if_reported(self) -> None:
        reported = score_document_answer(UNANSWERABLE, Answer("您的资料中没有这项信息。"))
        invented = score_document_answer(UNANSWERABLE, Answer("500 h[1]。", (EVIDENCE,)))
        assert is_right(UNANSWERABLE, reported)
        assert not is_right(UNANSWERABLE, invented)

    def test_passage_that_begins_within_the_evidence_counts(self) -> None:
        answer = Answer(
            "Every 500 h, stop at 80 °C [1].", ("the return filter F3 every 500 h; stop at 80 °C.",)
        )
        assert score_document_answer(QUESTION, answer) is Verdict.CORRECT


class TestTechnicianScoring:
    @pytest.mark.parametrize(
        ("answer", "verdict"),
        [
            ("Cavitation or poor alignment.", Verdict.CORRECT),
            ("Cavitation.", Verdict.WRONG),
            ("Cavitation or a bearing; it is safe.", Verdict.WRONG),
            ("I do not know.", Verdict.NOT_FOUND),
        ],
        ids=["enough points", "too few points", "forbidden", "declined"],
    )
    def test_answer_needs_enough_points_and_nothing_forbidden(
        self, answer: str, verdict: Verdict
    ) -> None:
        assert score_technician_answer(TECHNICIAN, answer) is verdict

    def test_question_about_the_plant_is_right_only_if_declined(self) -> None:
        plant = TechnicianQuestion("p1", "en", "plant", "Who is on duty?", (), 0, (), plant=True)
        assert score_technician_answer(plant, "Li Ming.") is Verdict.WRONG


class TestEvaluationSets:
    def test_sets_are_large_enough_and_balanced(self) -> None:
        documents, technician = document_questions(), technician_questions()
        assert len(documents) >= 150
        assert sum(not one.answerable for one in documents) >= 60
        assert sum(not one.plant for one in technician) >= 80
        for questions in (documents, technician):
            chinese = sum(one.language == "zh" for one in questions)
            assert 0.4 <= chinese / len(questions) <= 0.6

    def test_evidence_is_in_the_document_and_answers(self) -> None:
        for question in (*document_questions(), *tuning_questions(), *final_questions()):
            text = normalize((DOCUMENTS / question.document).read_text(encoding="utf-8"))
            assert normalize(question.evidence) in text, question.id
            own = Answer(question.evidence, (question.evidence,))
            # A row has the figures of its other columns too, which are wrong in an answer.
            if question.answerable and not (question.evidence.startswith("|") and question.wrong):
                assert score_document_answer(question, own) is Verdict.CORRECT, question.id

    def test_final_documents_are_not_tuned_on(self) -> None:
        final = {question.document for question in final_questions()}
        tuned = {one.document for one in (*document_questions(), *tuning_questions())}
        assert len(final) >= 4
        assert not final & tuned

    def test_no_question_contains_its_own_points(self) -> None:
        for question in technician_questions():
            assert score_technician_answer(question, question.question) is not Verdict.CORRECT
