"""What accounts say of their calls, as rows: given, given again, shown, erased.

Owns that it is about a call of the account's own that had an answer, and that a dialogue is kept
only while the account agrees that the shared model learns from it.
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

from billing.metering.usage import REQUEST_PREFIX
from billing.tables import Settlement, Usage
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Operation
from gateway.tables import Feedback, Rating
from gateway.wire.feedback import FeedbackRequest, Lesson, lesson_of
from infra import ids
from infra.clock import Clock
from infra.errors import AppError

PREFIX = "fb"
# Calls that somebody has seen an answer of.
_ANSWERED = (Settlement.COMPLETE, Settlement.CLIENT_ABORT, Settlement.REPLAYED)


class FeedbackNotFound(AppError):
    """The account has given no such feedback."""

    status = 404
    type = "invalid_request_error"
    code = "feedback_not_found"


class RequestNotFound(AppError):
    """The account has made no such call."""

    status = 404
    type = "invalid_request_error"
    code = "request_not_found"


async def give(
    session: AsyncSession, clock: Clock, account_id: UUID, said: FeedbackRequest
) -> Feedback:
    """Keep it, in place of what was said of the same call before.

    Raises RequestNotFound, ParameterInvalid.
    """
    call = await _call(session, account_id, said.request_id)
    lesson = lesson_of(said)
    if lesson is not None and call.operation != Operation.CHAT:
        raise ParameterInvalid("`messages` are of chat completions only.", param="messages")
    values = _values(clock.now(), said, lesson)
    statement = insert(Feedback).values(
        id=ids.new_id(),
        account_id=account_id,
        request_id=call.request_id,
        model=call.model,
        created_at=values["changed_at"],
        **values,
    )
    statement = statement.on_conflict_do_update(index_elements=["request_id"], set_=values)
    given = statement.returning(Feedback).execution_options(populate_existing=True)
    return (await session.scalars(given)).one()


async def find(session: AsyncSession, account_id: UUID, feedback_id: str) -> Feedback:
    """What the account has said. Raises FeedbackNotFound."""
    query = select(Feedback).where(
        col(Feedback.id) == _id_of(feedback_id), col(Feedback.account_id) == account_id
    )
    row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise _not_found(feedback_id)
    return row


async def page(
    session: AsyncSession, account_id: UUID, limit: int, after: UUID | None
) -> Sequence[Feedback]:
    """What the account has said, the newest first."""
    query = select(Feedback).where(col(Feedback.account_id) == account_id)
    if after is not None:
        query = query.where(col(Feedback.id) < after)
    return (await session.scalars(query.order_by(col(Feedback.id).desc()).limit(limit))).all()


async def erase(session: AsyncSession, account_id: UUID, feedback_id: str) -> None:
    """All of it goes. Versions that learned from it stay, and their provenance says that it is
    gone. Raises FeedbackNotFound."""
    statement = delete(Feedback).where(
        col(Feedback.id) == _id_of(feedback_id), col(Feedback.account_id) == account_id
    )
    gone = await session.execute(statement.returning(col(Feedback.id)))
    if gone.one_or_none() is None:
        raise _not_found(feedback_id)


async def count_ratings(session: AsyncSession) -> list[dict[str, Any]]:
    """By model, of all accounts: how many answers were rated how, and can be learned from."""
    good, bad = (
        func.count().filter(col(Feedback.rating) == rating).label(rating.value) for rating in Rating
    )
    lessons = func.count(col(Feedback.answer)).label("lessons")
    query = select(col(Feedback.model), good, bad, lessons).group_by(col(Feedback.model))
    rows = await session.execute(query.order_by(col(Feedback.model)))
    return [dict(row) for row in rows.mappings()]


def feedback_json(row: Feedback) -> dict[str, Any]:
    """What the account is shown of what it said."""
    good = row.rating == Rating.GOOD
    return {
        "id": ids.show(PREFIX, row.id),
        "object": "feedback",
        "request_id": ids.show(REQUEST_PREFIX, row.request_id),
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


def _values(now: datetime, said: FeedbackRequest, lesson: Lesson | None) -> dict[str, Any]:
    kept = lesson if said.consent else None
    return {
        "rating": said.rating,
        "comment": said.comment,
        "messages": None if kept is None else msgspec.to_builtins(kept.messages),
        "answer": None if kept is None else kept.answer,
        "consented_at": now if said.consent else None,
        "changed_at": now,
    }


async def _call(session: AsyncSession, account_id: UUID, request_id: str) -> Usage:
    found = ids.parse(REQUEST_PREFIX, request_id)
    query = select(Usage).where(col(Usage.request_id) == found, col(Usage.account_id) == account_id)
    row = None if found is None else (await session.scalars(query)).one_or_none()
    if row is None:
        raise RequestNotFound(
            f"The account has made no call {request_id[:60]!r}: its answer's `x-request-id` names "
            "it, once it has ended.",
            param="request_id",
        )
    if row.model is None or row.settlement not in _ANSWERED:
        raise ParameterInvalid("That call had no answer.", param="request_id")
    return row


def _id_of(text: str) -> UUID:
    found = ids.parse(PREFIX, text)
    if found is None:
        raise _not_found(text)
    return found


def _not_found(feedback_id: str) -> FeedbackNotFound:
    return FeedbackNotFound(f"The feedback {feedback_id[:60]!r} does not exist.", param="feedback")
