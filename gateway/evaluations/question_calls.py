"""Ask the questions of a run by billed calls, score the answers and store them.

    send through the pipeline -> score -> read the usage row -> store

The usage row and the stored response are written in one transaction (gateway/inference/
idempotency.py). If this process is lost before the answer is stored here, the next one sends the
same request again and gets the stored response, which is not billed again.
"""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.values import SignedInCaller
from gateway.evaluations import answers, runs
from gateway.evaluations.answers import AnswerResult, CallUsage, PendingAnswer
from gateway.evaluations.requests import (
    idempotency_key,
    read_completion,
    read_error,
    request_body,
    request_headers,
)
from gateway.evaluations.turn import AskedQuestion, Closed, Pause, Stop, TurnEnd
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.tables import EvaluationRun, EvaluationStatus
from infra import ids
from infra.database.database import Database
from infra.telemetry.metrics import Metrics
from models.evaluation.refusals import is_refusal
from models.evaluation.scoring import score_answer

# Limits of money: the run ends and can be continued when the customer has raised the limit.
_LIMIT_CODES = frozenset(
    {"account_suspended", "credit_exhausted", "budget_exhausted", "max_cost_exceeded"}
)
# Errors that every question of the run would get.
_RUN_ERROR_CODES = frozenset(
    {
        *("invalid_api_key", "api_key_revoked", "api_key_expired", "project_archived"),
        "model_not_found",
        *("model_not_served", "model_not_allowed", "model_not_priced", "model_not_supported"),
    }
)
# Errors that end by waiting.
_WAIT_CODES = frozenset(
    {
        *("rate_limit_exceeded", "credit_reserved", "idempotency_key_in_use"),
        *("model_unavailable", "model_overloaded", "service_unavailable"),
        *("metering_unavailable", "database_unavailable"),
    }
)
# A question that the platform failed to answer so often counts as failed.
MAX_ATTEMPTS = 3


class QuestionCalls:
    """Asks the questions of one run."""

    def __init__(
        self, client: PipelineClient, database: Database, metrics: Metrics, run: EvaluationRun
    ) -> None:
        self._client = client
        self._database = database
        self._metrics = metrics
        self._run = run

    async def ask(self, item: PendingAnswer) -> AskedQuestion:
        """Ask one question, score the answer and store it, or the error of its call."""
        run = self._run
        model = run.model if item.contender == 0 else run.against or run.model
        response = await self._client.post(
            CHAT,
            SignedInCaller(run.account_id, run.key_id),
            request_headers(run, item),
            request_body(model, run.max_tokens, item.request),
        )
        if response.status == 200:
            return await self._store_answer(item, response)
        error = read_error(response.body, response.status)
        end = classify_error(error, response.headers)
        if end is not None:
            return end
        return await self._store_failure(item, error, response.status >= 500)

    async def _store_answer(
        self, item: PendingAnswer, response: PipelineResponse
    ) -> AnswerResult | TurnEnd:
        """Score an answer and store it with the usage of its call."""
        completion = read_completion(response.body)
        score = await asyncio.to_thread(score_answer, completion.text, item.expectation)
        async with self._database.transaction() as session:
            usage = await self._find_usage(session, item, response)
            result = AnswerResult(
                completion.text,
                score,
                completion.is_refused or is_refusal(completion.text),
                completion.finish_reason,
                usage,
            )
            await answers.store_answer(session, self._run, item, result)
            is_open = await runs.is_open(session, self._run)
        self._metrics.evaluation_answers.labels("correct" if score.correct else "wrong").inc()
        return result if is_open else Closed.CLOSED

    async def _store_failure(
        self, item: PendingAnswer, error: Mapping[str, str], is_platform_error: bool
    ) -> TurnEnd | None:
        """Store a question's error; after one of the platform, ask it again a few times."""
        will_retry = is_platform_error and item.attempts + 1 < MAX_ATTEMPTS
        async with self._database.transaction() as session:
            if will_retry:
                await answers.count_attempt(session, self._run, item)
            else:
                await answers.store_failure(session, self._run, item, error)
            is_open = await runs.is_open(session, self._run)
        if not is_open:
            return Closed.CLOSED
        if will_retry:
            return Pause(code=error["code"], message=error["message"])
        self._metrics.evaluation_answers.labels("error").inc()
        return None

    async def _find_usage(
        self, session: AsyncSession, item: PendingAnswer, response: PipelineResponse
    ) -> CallUsage:
        """Return the usage of the call that was billed: of a replay, that of the first call."""
        account_id, request_id = self._run.account_id, _request_id(response.headers)
        if "idempotent-replayed" in response.headers:
            key = idempotency_key(self._run, item)
            first = await answers.find_first_request(session, account_id, key)
            request_id = first or request_id
        usage = await answers.find_call_usage(session, account_id, request_id)
        return usage or CallUsage(request_id, 0, None, None, None)


def classify_error(error: Mapping[str, str], headers: Mapping[str, str]) -> Stop | Pause | None:
    """Return what an error means for the run; None if it concerns this question only."""
    code, message = error["code"], error["message"]
    if code in _LIMIT_CODES:
        return Stop(EvaluationStatus.INCOMPLETE, code, message)
    if code in _RUN_ERROR_CODES:
        return Stop(EvaluationStatus.FAILED, code, message)
    if code in _WAIT_CODES:
        return Pause(_retry_after(headers), code, message)
    return None


def _retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of the `retry-after` header, 0 without one."""
    seconds = headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() and len(seconds) < 6 else 0.0


def _request_id(headers: Mapping[str, str]) -> UUID:
    """Return the id of the request, which every response of the pipeline has."""
    request_id = ids.parse_id(REQUEST_ID_PREFIX, headers["x-request-id"])
    if request_id is None:
        raise ValueError("the response has no request id")
    return request_id
