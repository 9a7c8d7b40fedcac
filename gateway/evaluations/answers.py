"""Answers of evaluation runs as rows: pending ones, scored ones, and the usage that bills them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.tables import KeptAnswer, Usage
from gateway.tables import AnswerStatus, EvaluationAnswer, EvaluationQuestion, EvaluationRun
from models.evaluation.scoring import Expectation, Score

_MAX_ANSWER_LENGTH = 20_000


@dataclass(frozen=True, slots=True)
class PendingAnswer:
    """A question that a model has still to answer; `contender` is the index of the model."""

    position: int
    contender: int
    attempts: int
    quoted_nano: int
    request: Mapping[str, Any]
    expectation: Expectation


@dataclass(frozen=True, slots=True)
class CallUsage:
    """Cost, tokens and duration of a call with its linked calls."""

    request_id: UUID
    cost_nano: int
    input_tokens: int | None
    output_tokens: int | None
    duration_us: int | None


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """A scored answer. `refused`: the model declined to answer."""

    answer: str
    score: Score
    refused: bool
    finish_reason: str | None
    usage: CallUsage


async def list_pending(
    session: AsyncSession, run: EvaluationRun, limit: int
) -> Sequence[PendingAnswer]:
    """Return questions that are not answered, in their order; those that failed come last."""
    query = (
        select(EvaluationAnswer, EvaluationQuestion)
        .join(
            EvaluationQuestion,
            (col(EvaluationQuestion.run_id) == col(EvaluationAnswer.run_id))
            & (col(EvaluationQuestion.position) == col(EvaluationAnswer.position)),
        )
        .where(
            col(EvaluationAnswer.run_id) == run.id,
            col(EvaluationAnswer.account_id) == run.account_id,
            col(EvaluationAnswer.status) == AnswerStatus.PENDING,
        )
        .order_by(
            col(EvaluationAnswer.attempts),
            col(EvaluationAnswer.position),
            col(EvaluationAnswer.contender),
        )
        .limit(limit)
    )
    return [
        PendingAnswer(
            answer.position,
            answer.contender,
            answer.attempts,
            answer.quoted_nano,
            question.request,
            msgspec.convert(question.expected, Expectation),
        )
        for answer, question in (await session.execute(query)).all()
    ]


async def sum_cost(session: AsyncSession, run: EvaluationRun) -> int:
    """Return the cost of the run's answers so far, in nano-units."""
    query = select(func.coalesce(func.sum(col(EvaluationAnswer.cost_nano)), 0)).where(
        col(EvaluationAnswer.run_id) == run.id, col(EvaluationAnswer.account_id) == run.account_id
    )
    return int((await session.execute(query)).scalar_one())


async def store_answer(
    session: AsyncSession, run: EvaluationRun, item: PendingAnswer, result: AnswerResult
) -> None:
    """Store a scored answer, unless the question has a result already or the run was deleted."""
    usage = result.usage
    await _update_pending(
        session,
        run,
        item,
        {
            "status": AnswerStatus.ANSWERED,
            "answer": result.answer[:_MAX_ANSWER_LENGTH].replace("\x00", ""),
            "correct": result.score.correct,
            "found": result.score.found,
            "wrong_fields": list(result.score.wrong_fields) or None,
            "refused": result.refused,
            "finish_reason": result.finish_reason,
            "request_id": usage.request_id,
            "cost_nano": usage.cost_nano,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "duration_us": usage.duration_us,
        },
    )


async def store_failure(
    session: AsyncSession, run: EvaluationRun, item: PendingAnswer, error: Mapping[str, Any]
) -> None:
    """Store that a question's call failed for good; it counts as not correct."""
    values = {"status": AnswerStatus.FAILED, "correct": False, "error": dict(error)}
    await _update_pending(session, run, item, values)


async def count_attempt(session: AsyncSession, run: EvaluationRun, item: PendingAnswer) -> None:
    """Count a failed attempt of a question that is asked again."""
    await _update_pending(session, run, item, {"attempts": item.attempts + 1})


async def find_call_usage(
    session: AsyncSession, account_id: UUID, request_id: UUID
) -> CallUsage | None:
    """Return the usage of a call with its linked calls, None if its usage row is not written."""
    query = select(Usage).where(
        col(Usage.account_id) == account_id,
        or_(col(Usage.request_id) == request_id, col(Usage.parent_id) == request_id),
    )
    rows = (await session.scalars(query)).all()
    own = next((row for row in rows if row.request_id == request_id), None)
    if own is None:
        return None
    return CallUsage(
        request_id=request_id,
        cost_nano=sum(row.cost_nano for row in rows),
        input_tokens=own.input_tokens,
        output_tokens=own.output_tokens,
        duration_us=own.duration_us,
    )


async def find_first_request(
    session: AsyncSession, account_id: UUID, idempotency_key: str
) -> UUID | None:
    """Return the id of the request whose answer is stored for an Idempotency-Key, None if none."""
    query = select(col(KeptAnswer.request_id)).where(
        col(KeptAnswer.account_id) == account_id,
        col(KeptAnswer.idempotency_key) == idempotency_key,
    )
    return (await session.scalars(query)).one_or_none()


async def _update_pending(
    session: AsyncSession, run: EvaluationRun, item: PendingAnswer, values: Mapping[str, Any]
) -> None:
    """Set columns of a pending answer; does nothing if it is not pending."""
    await session.execute(
        update(EvaluationAnswer)
        .where(
            col(EvaluationAnswer.run_id) == run.id,
            col(EvaluationAnswer.account_id) == run.account_id,
            col(EvaluationAnswer.position) == item.position,
            col(EvaluationAnswer.contender) == item.contender,
            col(EvaluationAnswer.status) == AnswerStatus.PENDING,
        )
        .values(values)
        .execution_options(synchronize_session=False)
    )
