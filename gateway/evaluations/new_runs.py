"""Create evaluation runs: the run, its questions, and a pending answer for each model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from gateway.evaluations.errors import TooManyEvaluationRuns
from gateway.evaluations.runs import MAX_RUNS, require_place_for_open_run
from gateway.tables import (
    AnswerStatus,
    EvaluationAnswer,
    EvaluationQuestion,
    EvaluationRun,
    EvaluationStatus,
)
from infra import ids
from infra.clock import Clock
from models.evaluation.question_file import Question


@dataclass(frozen=True, slots=True)
class QuotedQuestion:
    """A question with its chat request (without model and limits), and its highest cost by model.

    `max_nano` has one amount in nano-units for each model of the run.
    """

    question: Question
    request: dict[str, Any]
    max_nano: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NewRun:
    """A new run with its quoted questions, paid with the key `key_id`."""

    account_id: UUID
    key_id: UUID
    currency: str
    model: str
    against: str | None
    name: str
    file_id: UUID | None
    filename: str
    scoring: str
    max_tokens: int
    max_cost_nano: int | None
    questions: Sequence[QuotedQuestion]

    @property
    def quoted_nano(self) -> int:
        """The highest cost of all questions in nano-units."""
        return sum(sum(question.max_nano) for question in self.questions)


async def create_run(session: AsyncSession, clock: Clock, new: NewRun) -> EvaluationRun:
    """Insert a queued run with its questions. Raises TooManyEvaluationRuns."""
    await _check_limits(session, new.account_id)
    run = EvaluationRun(
        id=ids.new_id(),
        account_id=new.account_id,
        key_id=new.key_id,
        name=new.name,
        model=new.model,
        against=new.against,
        file_id=new.file_id,
        filename=new.filename,
        scoring=new.scoring,
        questions=len(new.questions),
        max_tokens=new.max_tokens,
        max_cost_nano=new.max_cost_nano,
        quoted_nano=new.quoted_nano,
        currency=new.currency,
        status=EvaluationStatus.QUEUED,
        created_at=clock.now(),
    )
    session.add(run)
    await session.flush()
    await _insert_questions(session, run, new.questions)
    return run


async def _check_limits(session: AsyncSession, account_id: UUID) -> None:
    """Raise TooManyEvaluationRuns if the account has too many open or stored runs."""
    await require_place_for_open_run(session, account_id)
    query = select(func.count()).where(col(EvaluationRun.account_id) == account_id)
    if (await session.execute(query)).scalar_one() >= MAX_RUNS:
        raise TooManyEvaluationRuns(
            f"An account can store at most {MAX_RUNS} runs. Delete runs that you no longer need."
        )


async def _insert_questions(
    session: AsyncSession, run: EvaluationRun, questions: Sequence[QuotedQuestion]
) -> None:
    """Insert a run's questions, and a pending answer for each of its models."""
    owner = {"run_id": run.id, "account_id": run.account_id}
    rows = [
        {
            **owner,
            "position": position,
            "item_id": quoted.question.id,
            "question": quoted.question.text,
            "request": quoted.request,
            "expected": msgspec.to_builtins(quoted.question.expectation),
        }
        for position, quoted in enumerate(questions)
    ]
    answers = [
        {
            **owner,
            "position": position,
            "contender": contender,
            "quoted_nano": max_nano,
            "status": AnswerStatus.PENDING,
            "attempts": 0,
            "refused": False,
            "cost_nano": 0,
        }
        for position, quoted in enumerate(questions)
        for contender, max_nano in enumerate(quoted.max_nano)
    ]
    await session.execute(insert(EvaluationQuestion), rows)
    await session.execute(insert(EvaluationAnswer), answers)
