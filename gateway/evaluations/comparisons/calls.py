"""Predict the rows of a comparison by billed calls.

Each batch has an Idempotency-Key: if this process is lost, the next one gets the stored responses,
which are not billed again (docs/decisions/0037).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import SignedInCaller
from gateway.evaluations import answers
from gateway.evaluations.comparisons.contenders import ComparisonPlan, PlannedModel
from gateway.evaluations.comparisons.rows import COMPARISON_ID_PREFIX
from gateway.evaluations.question_calls import classify_error
from gateway.evaluations.requests import read_error
from gateway.evaluations.turn import Pause, Stop
from gateway.inference.endpoints.predictions import PREDICTIONS
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.tables import EvaluationStatus, ModelComparison
from infra import ids
from infra.database.database import Database

COMPARISON_TAG = "comparison"


class _Predictions(msgspec.Struct):
    """The fields of a response of `/v1/predictions` that are read."""

    predictions: list[dict[str, Any]]


class CallsEnded(Exception):
    """The predictions cannot go on: now (Pause), or at all (Stop)."""

    def __init__(self, end: Stop | Pause) -> None:
        super().__init__(end.message)
        self.end = end


_DECODER = msgspec.json.Decoder(_Predictions)


class ComparisonCalls:
    """Predicts the rows of one comparison, and sums up their cost."""

    def __init__(self, client: PipelineClient, database: Database, row: ModelComparison) -> None:
        self._client = client
        self._database = database
        self._row = row
        self.cost_nano = 0

    async def predict(self, plan: ComparisonPlan) -> list[list[Mapping[str, Any]]]:
        """Return the predictions of each model, [models][rows]. Raises CallsEnded."""
        return [
            await self._predict_model(number, planned) for number, planned in enumerate(plan.models)
        ]

    async def _predict_model(self, number: int, planned: PlannedModel) -> list[Mapping[str, Any]]:
        """Return the predictions of one model, in the order of its instances."""
        predictions: dict[int, Mapping[str, Any]] = {}
        for batch, call in enumerate(planned.calls):
            found = await self._predict_batch(number, batch, call.body)
            predictions.update(zip(call.positions, found, strict=True))
        return [predictions[position] for position in sorted(predictions)]

    async def _predict_batch(
        self, number: int, batch: int, body: bytes
    ) -> Sequence[Mapping[str, Any]]:
        """Return the predictions of one batch, and add its cost."""
        row, name = self._row, ids.format_id(COMPARISON_ID_PREFIX, self._row.id)
        key = f"{name}:{number}:{batch}"
        headers = {
            TAGS_HEADER: f"{COMPARISON_TAG}={name}".encode(),
            b"idempotency-key": key.encode(),
        }
        caller = SignedInCaller(row.account_id, row.key_id)
        response = await self._client.post(PREDICTIONS, caller, headers, body)
        if response.status != 200:
            raise CallsEnded(_end_of(response))
        async with self._database.transaction() as session:
            self.cost_nano += await _cost_of(session, row.account_id, key, response)
        return _DECODER.decode(response.body).predictions


def _end_of(response: PipelineResponse) -> Stop | Pause:
    """Return what an error response means for the comparison."""
    error = read_error(response.body, response.status)
    end = classify_error(error, response.headers)
    if end is not None:
        return end
    if response.status >= 500:
        return Pause(0.0, error["code"], error["message"])
    return Stop(EvaluationStatus.FAILED, error["code"], error["message"])


async def _cost_of(
    session: AsyncSession, account_id: UUID, key: str, response: PipelineResponse
) -> int:
    """Return the cost of the call that was billed: of a replay, that of the first call."""
    request_id = ids.parse_id(REQUEST_ID_PREFIX, response.headers["x-request-id"])
    if "idempotent-replayed" in response.headers:
        request_id = await answers.find_first_request(session, account_id, key) or request_id
    usage = request_id and await answers.find_call_usage(session, account_id, request_id)
    return usage.cost_nano if usage else 0
