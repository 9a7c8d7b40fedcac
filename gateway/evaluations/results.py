"""Results of evaluation runs for display: questions with answers, figures, and totals by run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlalchemy import select as select_columns
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from gateway.tables import AnswerStatus, EvaluationAnswer, EvaluationQuestion, EvaluationRun


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """The figures of one answer, with the names of its columns."""

    position: int
    contender: int
    status: str
    correct: bool | None
    refused: bool
    finish_reason: str | None
    cost_nano: int
    input_tokens: int | None
    output_tokens: int | None
    duration_us: int | None


@dataclass(frozen=True, slots=True)
class AnswerTotals:
    """How many answers of a run's model have a result, how many are correct, and their cost."""

    finished: int
    correct: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class QuestionResult:
    """A question with the answers of the run's models, in their order."""

    question: EvaluationQuestion
    answers: tuple[EvaluationAnswer, ...]


async def list_results(
    session: AsyncSession,
    run: EvaluationRun,
    limit: int,
    after: int | None = None,
    differing: bool = False,
) -> Sequence[QuestionResult]:
    """Return questions with their answers, in the order of the file, after the position `after`.

    `differing`: only questions that one model answered correctly and the other did not.
    """
    conditions = [
        col(EvaluationQuestion.run_id) == run.id,
        col(EvaluationQuestion.account_id) == run.account_id,
    ]
    if after is not None:
        conditions.append(col(EvaluationQuestion.position) > after)
    if differing:
        conditions.append(_differs_condition())
    query = (
        select(EvaluationQuestion)
        .where(*conditions)
        .order_by(col(EvaluationQuestion.position))
        .limit(limit)
    )
    questions = (await session.scalars(query)).all()
    answers = await _answers_by_position(session, run, [one.position for one in questions])
    return [QuestionResult(one, answers.get(one.position, ())) for one in questions]


async def list_figures(session: AsyncSession, run: EvaluationRun) -> Sequence[AnswerFigures]:
    """Return the figures of all answers without their texts, by position and contender."""
    columns = [col(getattr(EvaluationAnswer, field.name)) for field in fields(AnswerFigures)]
    query = (
        select_columns(*columns)
        .where(
            col(EvaluationAnswer.run_id) == run.id,
            col(EvaluationAnswer.account_id) == run.account_id,
        )
        .order_by(col(EvaluationAnswer.position), col(EvaluationAnswer.contender))
    )
    return [AnswerFigures(*row) for row in (await session.execute(query)).all()]


async def list_totals(
    session: AsyncSession, account_id: UUID, run_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[AnswerTotals]]:
    """Return the totals of an account's runs by run, one for each of its models."""
    is_finished = col(EvaluationAnswer.status) != AnswerStatus.PENDING
    query = (
        select_columns(
            col(EvaluationAnswer.run_id),
            func.count().filter(is_finished),
            func.count().filter(col(EvaluationAnswer.correct).is_(True)),
            func.sum(col(EvaluationAnswer.cost_nano)),
        )
        .where(
            col(EvaluationAnswer.account_id) == account_id,
            col(EvaluationAnswer.run_id).in_(run_ids),
        )
        .group_by(col(EvaluationAnswer.run_id), col(EvaluationAnswer.contender))
        .order_by(col(EvaluationAnswer.run_id), col(EvaluationAnswer.contender))
    )
    totals: dict[UUID, list[AnswerTotals]] = {}
    for run_id, finished, correct, cost_nano in (await session.execute(query)).all():
        totals.setdefault(run_id, []).append(AnswerTotals(finished, correct, int(cost_nano)))
    return totals


def _differs_condition() -> ColumnElement[bool]:
    """Return the condition that two answers of a question differ in whether they are correct."""
    first, second = aliased(EvaluationAnswer), aliased(EvaluationAnswer)
    return (
        select(first.run_id)
        .join(
            second,
            (col(second.run_id) == col(first.run_id))
            & (col(second.position) == col(first.position)),
        )
        .where(
            col(first.run_id) == col(EvaluationQuestion.run_id),
            col(first.position) == col(EvaluationQuestion.position),
            col(first.account_id) == col(EvaluationQuestion.account_id),
            col(first.contender) == 0,
            col(second.contender) == 1,
            col(first.correct) != col(second.correct),
        )
        .exists()
    )


async def _answers_by_position(
    session: AsyncSession, run: EvaluationRun, positions: Sequence[int]
) -> Mapping[int, tuple[EvaluationAnswer, ...]]:
    """Return the answers of these questions, in the order of the run's models."""
    query = (
        select(EvaluationAnswer)
        .where(
            col(EvaluationAnswer.run_id) == run.id,
            col(EvaluationAnswer.account_id) == run.account_id,
            col(EvaluationAnswer.position).in_(positions),
        )
        .order_by(col(EvaluationAnswer.position), col(EvaluationAnswer.contender))
    )
    answers: dict[int, tuple[EvaluationAnswer, ...]] = {}
    for row in await session.scalars(query):
        answers[row.position] = (*answers.get(row.position, ()), row)
    return answers
