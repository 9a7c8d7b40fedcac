"""Feedback on calls as rows: save, replace, list and delete.

Feedback refers to an answered call of the same account. The dialogue is stored only while the
account consents to training the shared model on it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.tables import Settlement, Usage
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Operation
from gateway.tables import Feedback, Rating
from gateway.wire.feedback import FeedbackRequest, TrainingExample, training_example_of
from infra import ids
from infra.clock import Clock
from infra.database.paging import page_of
from infra.errors import AppError

FEEDBACK_ID_PREFIX = "fb"
# Settlements of calls whose answer the client has received, at least in part.
_ANSWERED_SETTLEMENTS = (Settlement.COMPLETE, Settlement.CLIENT_ABORT, Settlement.REPLAYED)


class FeedbackNotFound(AppError):
    """The account has no feedback with this id."""

    status = 404
    type = "invalid_request_error"
    code = "feedback_not_found"


class RequestNotFound(AppError):
    """The account has no call with this request id."""

    status = 404
    type = "invalid_request_error"
    code = "request_not_found"


async def save_feedback(
    session: AsyncSession, clock: Clock, account_id: UUID, request: FeedbackRequest
) -> Feedback:
    """Save feedback on a call, replacing earlier feedback on the same call.

    Raises RequestNotFound, ParameterInvalid.
    """
    call = await _find_answered_call(session, account_id, request.request_id)
    lesson = training_example_of(request)
    if lesson is not None and call.operation != Operation.CHAT:
        raise ParameterInvalid("`messages` is only allowed for chat completions.", param="messages")
    values = _row_values(clock.now(), request, lesson)
    statement = insert(Feedback).values(
        id=ids.new_id(),
        account_id=account_id,
        request_id=call.request_id,
        model=call.model,
        created_at=values["changed_at"],
        **values,
    )
    statement = statement.on_conflict_do_update(index_elements=["request_id"], set_=values)
    returning = statement.returning(Feedback).execution_options(populate_existing=True)
    return (await session.scalars(returning)).one()


async def find_feedback(session: AsyncSession, account_id: UUID, feedback_id: str) -> Feedback:
    """Return one feedback of the account. Raises FeedbackNotFound."""
    query = select(Feedback).where(
        col(Feedback.id) == _parse_feedback_id(feedback_id), col(Feedback.account_id) == account_id
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise _not_found(feedback_id)
    return row


async def list_feedback(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None
) -> Sequence[Feedback]:
    """Return a page of the account's feedback, newest first."""
    query = select(Feedback).where(col(Feedback.account_id) == account_id)
    return (await session.scalars(page_of(query, col(Feedback.id), limit, after))).all()


async def delete_feedback(session: AsyncSession, account_id: UUID, feedback_id: str) -> None:
    """Delete feedback. Versions trained on it remain; their provenance shows it as withdrawn.

    Raises FeedbackNotFound.
    """
    statement = delete(Feedback).where(
        col(Feedback.id) == _parse_feedback_id(feedback_id), col(Feedback.account_id) == account_id
    )
    deleted = await session.execute(statement.returning(col(Feedback.id)))
    if deleted.one_or_none() is None:
        raise _not_found(feedback_id)


async def count_ratings(session: AsyncSession) -> list[dict[str, Any]]:
    """Count ratings and trainable examples by model, over all accounts."""
    good, bad = (
        func.count().filter(col(Feedback.rating) == rating).label(rating.value) for rating in Rating
    )
    lessons = func.count(col(Feedback.answer)).label("lessons")
    query = select(col(Feedback.model), good, bad, lessons).group_by(col(Feedback.model))
    rows = await session.execute(query.order_by(col(Feedback.model)))
    return [dict(row) for row in rows.mappings()]


def render_feedback(row: Feedback) -> dict[str, Any]:
    """Return feedback as JSON, for the account."""
    good = row.rating == Rating.GOOD
    return {
        "id": ids.format_id(FEEDBACK_ID_PREFIX, row.id),
        "object": "feedback",
        "request_id": ids.format_id(REQUEST_ID_PREFIX, row.request_id),
        "model": row.model,
        "rating": row.rating,
        "comment": row.comment,
        "messages": row.messages,
        "answer": row.answer if good else None,
        "correction": None if good else row.answer,
        "consent": row.consented_at is not None,
        "created_at": int(row.created_at.timestamp()),
        "changed_at": int(row.changed_at.timestamp()),
    }


def _row_values(
    now: datetime, request: FeedbackRequest, example: TrainingExample | None
) -> dict[str, Any]:
    """Return the columns of a feedback row. The training example is stored only with consent."""
    stored = example if request.consent else None
    return {
        "rating": request.rating,
        "comment": request.comment,
        "messages": None if stored is None else msgspec.to_builtins(stored.messages),
        "answer": None if stored is None else stored.answer,
        "consented_at": now if request.consent else None,
        "changed_at": now,
    }


async def _find_answered_call(session: AsyncSession, account_id: UUID, request_id: str) -> Usage:
    """Return the usage row of a call. Raises RequestNotFound, or ParameterInvalid if unanswered."""
    parsed_id = ids.parse_id(REQUEST_ID_PREFIX, request_id)
    query = select(Usage).where(
        col(Usage.request_id) == parsed_id, col(Usage.account_id) == account_id
    )
    row = None if parsed_id is None else (await session.scalars(query)).one_or_none()
    if row is None:
        raise RequestNotFound(
            f"The account has no finished call {request_id[:60]!r}. Use the "
            "`x-request-id` of a response.",
            param="request_id",
        )
    if row.model is None or row.settlement not in _ANSWERED_SETTLEMENTS:
        raise ParameterInvalid("The call has no response to rate.", param="request_id")
    return row


def _parse_feedback_id(text: str) -> UUID:
    """Parse a feedback id of the API. Raises FeedbackNotFound if it is malformed."""
    parsed_id = ids.parse_id(FEEDBACK_ID_PREFIX, text)
    if parsed_id is None:
        raise _not_found(text)
    return parsed_id


def _not_found(feedback_id: str) -> FeedbackNotFound:
    """Return the error for feedback that does not exist."""
    return FeedbackNotFound(f"The feedback {feedback_id[:60]!r} does not exist.", param="feedback")
