"""JSON views of evaluation runs and their results."""

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_text, rounded
from gateway.evaluations.report import ModelReport, RunReport
from gateway.evaluations.results import QuestionResult
from gateway.evaluations.runs import RUN_ID_PREFIX
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.tables import AnswerStatus, EvaluationAnswer, EvaluationRun
from infra import ids
from models.evaluation.scoring import Expectation
from models.evaluation.statistics import Comparison

# Significant digits of shares and p-values.
_DIGITS = 6


def models_of(run: EvaluationRun) -> tuple[str, ...]:
    """Return the names of the run's models: the evaluated one, then the other one if any."""
    return (run.model,) if run.against is None else (run.model, run.against)


def run_json(run: EvaluationRun, report: RunReport | None = None) -> dict[str, Any]:
    """Return a run as JSON; with a report also its progress and results."""
    fields = {
        "id": ids.format_id(RUN_ID_PREFIX, run.id),
        "object": "eval.run",
        "name": run.name,
        "status": run.status,
        "model": run.model,
        "against": run.against,
        "file": None if run.file_id is None else ids.format_id(FILE_PREFIX, run.file_id),
        "filename": run.filename,
        "questions": run.questions,
        "scoring": run.scoring,
        "max_tokens": run.max_tokens,
        "currency": run.currency,
        "max_cost": None if run.max_cost_nano is None else nano_text(run.max_cost_nano),
        "quoted_max_cost": nano_text(run.quoted_nano),
        "created_at": _unix_seconds(run.created_at),
        "finished_at": None if run.finished_at is None else _unix_seconds(run.finished_at),
        "error": run.error,
    }
    return fields if report is None else {**fields, **report_json(run, report)}


def report_json(run: EvaluationRun, report: RunReport) -> dict[str, Any]:
    """Return progress, cost, results by model, and the comparison as JSON."""
    names = models_of(run)
    total = run.questions * len(names)
    return {
        "progress": {"finished": report.finished, "total": total},
        "cost": nano_text(report.cost_nano),
        "results": [
            _model_json(name, model) for name, model in zip(names, report.models, strict=True)
        ],
        "comparison": None if report.comparison is None else _comparison_json(report.comparison),
    }


def result_json(run: EvaluationRun, result: QuestionResult) -> dict[str, Any]:
    """Return a question with its expected answer and the models' answers as JSON."""
    question = result.question
    expectation = msgspec.convert(question.expected, Expectation)
    return {
        "id": question.item_id,
        "object": "eval.run.output_item",
        "position": question.position,
        "question": question.question,
        "scoring": expectation.scoring.value,
        **expected_json(expectation),
        "answers": [
            _answer_json(name, answer)
            for name, answer in zip(models_of(run), result.answers, strict=False)
        ],
    }


def expected_json(expectation: Expectation) -> dict[str, Any]:
    """Return the expected answer under the field that a question file has for it."""
    if expectation.fields:
        return {"expected": expectation.fields}
    first, *others = expectation.alternatives
    if len(first) > 1:
        return {"expected_all": list(first)}
    if others:
        return {"expected_any": [parts[0] for parts in expectation.alternatives]}
    return {"expected": first[0]}


def expected_text(item: Mapping[str, Any]) -> str:
    """Return the expected answer of a question (as JSON) as text: `a / b` for any, `a + b` for all.

    An object is JSON text.
    """
    if "expected_any" in item:
        return " / ".join(item["expected_any"])
    if "expected_all" in item:
        return " + ".join(item["expected_all"])
    expected = item["expected"]
    return expected if isinstance(expected, str) else msgspec.json.encode(expected).decode()


def audit_details(run: EvaluationRun) -> dict[str, Any]:
    """Return what the audit log records of a new or continued run."""
    models = {"model": run.model, "against": run.against}
    details = {**models, "file": run.filename, "max_cost": run.max_cost_nano}
    return {name: value for name, value in details.items() if value is not None}


def cost_per_question_nano(model: ModelReport) -> int | None:
    """Return the cost of a question on average, rounded once; None without results."""
    if not model.finished:
        return None
    return rounded(Fraction(model.cost_nano, model.finished))


def _model_json(name: str, model: ModelReport) -> dict[str, Any]:
    """Return the results of one model as JSON."""
    each = cost_per_question_nano(model)
    return {
        "model": name,
        "finished": model.finished,
        "correct": model.correct,
        "share_correct": None if model.share is None else round(model.share, _DIGITS),
        "share_interval_95": [round(bound, _DIGITS) for bound in model.interval],
        "errors": model.errors,
        "refusals": model.refusals,
        "truncated": model.truncated,
        "latency_ms": {
            "median": _milliseconds(model.median_us),
            "p95": _milliseconds(model.percentile_95_us),
        },
        "input_tokens": model.input_tokens,
        "output_tokens": model.output_tokens,
        "cost": nano_text(model.cost_nano),
        "cost_per_question": None if each is None else nano_text(each),
    }


def _comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison of two models as JSON."""
    return {
        "verdict": comparison.verdict.value,
        "p_value": round(comparison.p_value, _DIGITS),
        "both_correct": comparison.both_correct,
        "only_model": comparison.only_first,
        "only_against": comparison.only_second,
        "neither": comparison.neither,
    }


def _answer_json(model: str, answer: EvaluationAnswer) -> dict[str, Any]:
    """Return a model's answer to a question as JSON."""
    is_answered = answer.status == AnswerStatus.ANSWERED
    return {
        "model": model,
        "status": answer.status,
        "answer": answer.answer,
        "correct": answer.correct,
        "found": answer.found,
        "wrong_fields": answer.wrong_fields or [],
        "refused": answer.refused,
        "finish_reason": answer.finish_reason,
        "error": answer.error,
        "request_id": _request_id(answer.request_id),
        "latency_ms": _milliseconds(answer.duration_us),
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "cost": nano_text(answer.cost_nano) if is_answered else None,
    }


def _request_id(request_id: UUID | None) -> str | None:
    """Return the public id of a call, None if there was none."""
    return None if request_id is None else ids.format_id(REQUEST_ID_PREFIX, request_id)


def _milliseconds(microseconds: int | None) -> float | None:
    """Return microseconds as milliseconds."""
    return None if microseconds is None else microseconds / 1000


def _unix_seconds(moment: datetime) -> int:
    """Return the Unix time in whole seconds, rounded down."""
    return int(moment.timestamp())
