"""Ask a specialist for the rows of a decision, and read its predictions as probabilities."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from billing.rating.quantities import Quantities
from billing.tables import Settlement
from gateway.call.decisions import AskedQuestion, Refusal
from gateway.call.errors import UpstreamFailed
from gateway.call.values import AdmittedCall, Call, CallResult
from gateway.inference.decisions.planning import (
    PlannedPrediction,
    SpecialistQuestion,
    build_rows_request,
)
from gateway.inference.internal.detached_sender import DetachedSender
from infra.errors import AppError
from models.decision_calibration.outputs import (
    NotAnswerable,
    OutputForm,
    below_probability,
    choice_probabilities,
    event_probability,
    level_probabilities,
)
from models.decision_calibration.questions import QuestionKind

Prediction = Mapping[str, Any]


class _Predictions(msgspec.Struct):
    """The part of a response of `/v1/predictions` that is read here."""

    predictions: list[dict[str, Any]]


_RESPONSE = msgspec.json.Decoder(_Predictions)


@dataclass(frozen=True, slots=True)
class Predicted:
    """The predictions of a specialist's rows, or why a row has none, with the call's result."""

    rows: tuple[dict[str, Any] | Refusal, ...]
    result: CallResult


async def predict_rows(
    sender: DetachedSender, call: Call, admitted: AdmittedCall, planned: PlannedPrediction
) -> Predicted:
    """Return the predictions of all rows.

    If the specialist rejects a row, each row is sent by itself, so that the others are predicted.
    Raises the upstream's errors that concern no row.
    """
    try:
        request = replace(planned.request, decision=None)
        result = await sender.send(call, replace(admitted, request=request))
        return Predicted(tuple(_decode(result.tail, len(planned.rows))), result)
    except AppError as error:
        if not _rejects_data(error):
            raise
        if len(planned.rows) == 1:
            return Predicted((_refusal(error),), _nothing_used())
    return await _predict_each(sender, call, admitted, planned)


async def _predict_each(
    sender: DetachedSender, call: Call, admitted: AdmittedCall, planned: PlannedPrediction
) -> Predicted:
    """Return the predictions of rows that are sent one by one."""
    rows: list[dict[str, Any] | Refusal] = []
    total = _nothing_used()
    for row in planned.rows:
        request = build_rows_request(planned.resolved, [row], planned.units, "")
        try:
            result = await sender.send(call, replace(admitted, request=request))
        except AppError as error:
            if not _rejects_data(error):
                raise
            rows.append(_refusal(error))
            continue
        rows += _decode(result.tail, 1)
        total = replace(result, quantities=total.quantities + result.quantities)
    return Predicted(tuple(rows), total)


def read_probabilities(
    asked: AskedQuestion, question: SpecialistQuestion, row: Prediction
) -> tuple[float, ...]:
    """Return the probability of each option of a question. Raises NotAnswerable."""
    output, reference = question.output, question.reference
    if asked.typed.kind is QuestionKind.CHOICE:
        return choice_probabilities(output, row, asked.values)
    if asked.typed.kind is QuestionKind.SCORE:
        return level_probabilities(output, row, asked.minimums)
    if output.form is OutputForm.NUMBER:
        limit = reference.below if reference.above is None else reference.above
        if limit is None:
            raise NotAnswerable(
                "limit_missing", f"`{output.name}` is a number: give `above` or `below`."
            )
        below = below_probability(output, row, limit)
        chance = below if reference.above is None else 1 - below
    else:
        chance = event_probability(output, row, reference.class_name)
    return chance, 1 - chance


def _decode(body: bytes, count: int) -> list[dict[str, Any]]:
    """Return the predictions of a response. Raises UpstreamFailed."""
    try:
        predictions = _RESPONSE.decode(body).predictions
    except (msgspec.MsgspecError, RecursionError, ValueError):
        predictions = []
    if len(predictions) != count:
        raise UpstreamFailed("The model's response could not be parsed.")
    return predictions


def _rejects_data(error: AppError) -> bool:
    """Return whether an error is about the rows and not about the platform."""
    return error.type == "invalid_request_error" and error.status in (400, 413, 422)


def _refusal(error: AppError) -> Refusal:
    """Return the refusal of the questions about a row that a specialist rejects."""
    return Refusal(error.code or "inputs_invalid", error.message)


def _nothing_used() -> CallResult:
    """Return the result of a call that predicted no row: it costs nothing."""
    return CallResult(Settlement.COMPLETE, 200, b"", {}, quantities=Quantities(rows=0))
