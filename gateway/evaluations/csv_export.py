"""The results of an evaluation run as CSV: one row per question, columns for each model."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from billing.invoice_documents.rendering.csv import BYTE_ORDER_MARK, format_csv_rows
from gateway.evaluations import results
from gateway.evaluations.results import QuestionResult
from gateway.evaluations.views import expected_text, models_of, result_json
from gateway.tables import EvaluationRun
from infra.database.database import Database

_PAGE_SIZE = 100
_QUESTION_COLUMNS = ("id", "question", "expected", "scoring")
_ANSWER_COLUMNS = ("answer", "correct", "found", "error", "cost", "latency_ms", "request_id")


async def stream_results_csv(
    database: Database, run: EvaluationRun, differing: bool = False
) -> AsyncIterator[bytes]:
    """Stream the questions of a run as CSV, each page in its own transaction.

    `differing`: only questions that one model answered correctly and the other did not.
    """
    names = models_of(run)
    columns = [f"{column} ({name})" for name in names for column in _ANSWER_COLUMNS]
    yield BYTE_ORDER_MARK + format_csv_rows([(*_QUESTION_COLUMNS, *columns)])
    after: int | None = None
    while True:
        async with database.transaction() as session:
            page = await results.list_results(session, run, _PAGE_SIZE, after, differing)
        if not page:
            return
        yield format_csv_rows([_row(run, result) for result in page])
        after = page[-1].question.position


def _row(run: EvaluationRun, result: QuestionResult) -> Sequence[Any]:
    """Return the cells of a question with its answers."""
    fields = result_json(run, result)
    cells: list[Any] = [
        fields["id"],
        fields["question"],
        expected_text(fields),
        fields["scoring"],
    ]
    for answer in fields["answers"]:
        error = answer["error"]
        values = {**answer, "error": None if error is None else error["code"]}
        cells += [values[column] for column in _ANSWER_COLUMNS]
    return cells
