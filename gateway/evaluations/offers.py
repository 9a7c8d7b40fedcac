"""Validate and quote evaluation runs before they are queued.

Checks the question file, the models and the vector stores, and prices each question like a call
with the same body.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.metering.leases import remaining_credit
from billing.money import nano_text
from gateway.call.errors import MaxCostExceeded, ParameterInvalid
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import Principal
from gateway.evaluations.errors import QuestionFileRejected
from gateway.evaluations.new_runs import NewRun, QuotedQuestion
from gateway.evaluations.requests import question_request, request_body
from gateway.inference.quotes import CostBounds, Quotes
from gateway.registry.files import EVALS_PURPOSE, find_file, read_content
from gateway.tables import TrainingFile
from gateway.wire.evaluations import RunRequest
from infra.database.database import Database
from infra.errors import AppError
from models.evaluation.question_file import MAX_FILE_BYTES, Question, QuestionFile, read_questions
from models.problems import Problem, Problems, single_problem
from models.sentences import sentence


@dataclass(frozen=True, slots=True)
class EvaluationOffer:
    """A validated run: its quoted questions, the lowest cost by model, and notes on the file."""

    principal: Principal
    request: RunRequest
    questions: tuple[QuotedQuestion, ...]
    min_nano: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def max_nano(self) -> tuple[int, ...]:
        """The highest cost in nano-units, by model."""
        by_model = zip(*(question.max_nano for question in self.questions), strict=True)
        return tuple(sum(costs) for costs in by_model)


class EvaluationOffers:
    """Validates and quotes evaluation runs in one process."""

    def __init__(self, database: Database, quotes: Quotes) -> None:
        self._database = database
        self._quotes = quotes
        # A file takes up to a second of CPU: read one at a time.
        self._semaphore = asyncio.Semaphore(1)

    async def create_offer(self, principal: Principal, request: RunRequest) -> EvaluationOffer:
        """Validate a run on an uploaded file and quote it.

        Raises FileNotFound, ParameterInvalid, QuestionFileRejected, MaxCostExceeded and the errors
        that a call to one of the models would raise.
        """
        async with self._database.transaction() as session:
            file = await find_file(session, principal.account_id, request.file)
            content = await self._read(session, file)
        return await self.create_offer_for_content(principal, request, content)

    async def create_offer_for_content(
        self, principal: Principal, request: RunRequest, content: bytes
    ) -> EvaluationOffer:
        """Validate a run on the content of a question file and quote it. Raises as create_offer."""
        async with self._semaphore:
            read = await asyncio.to_thread(read_questions, content, request.default_scoring)
        if read.problems.count:
            raise QuestionFileRejected(read.problems)
        await self._require_stores(principal, request, read)
        bounds = [
            [
                await self._bound_cost(principal, request, contender, question)
                for contender in range(len(request.models))
            ]
            for question in read.questions
        ]
        questions = tuple(
            QuotedQuestion(
                question, question_request(question), tuple(bound.max_nano for bound in costs)
            )
            for question, costs in zip(read.questions, bounds, strict=True)
        )
        least = tuple(sum(one.min_nano for one in costs) for costs in zip(*bounds, strict=True))
        offer = EvaluationOffer(principal, request, questions, least, tuple(read.problems.notes))
        _require_one_question(offer)
        return offer

    async def render_quote(self, offer: EvaluationOffer) -> dict[str, Any]:
        """Return an offer as JSON with the account's balance."""
        async with self._database.transaction() as session:
            balance = await remaining_credit(session, offer.principal.account_id)
        return quote_json(offer, balance)

    async def _read(self, session: AsyncSession, file: TrainingFile) -> bytes:
        """Return a question file's bytes. Raises ParameterInvalid, QuestionFileRejected."""
        if file.purpose != EVALS_PURPOSE:
            raise ParameterInvalid(
                f"The file has the purpose `{file.purpose}`. Upload the questions with the purpose "
                f"`{EVALS_PURPOSE}`.",
                param="file",
            )
        if file.size > MAX_FILE_BYTES:
            limit = f"{MAX_FILE_BYTES >> 20} MiB"
            raise QuestionFileRejected(
                single_problem(
                    "file_too_large",
                    f"A question file can have at most {limit}.",
                    sentence("Split the file and evaluate each part."),
                )
            )
        return await read_content(session, file.account_id, file.id)

    async def _bound_cost(
        self, principal: Principal, request: RunRequest, contender: int, question: Question
    ) -> CostBounds:
        """Return the bounds of a question's cost for one of the models.

        An error about the model names the request's field.
        """
        await asyncio.sleep(0)  # a thousand questions take a second: let calls go on
        body = _body(request, contender, question)
        try:
            return await self._quotes.bound_cost(principal, body, {TAGS_HEADER: b"evaluation=run"})
        except AppError as error:
            if error.param == "model" and contender:
                error.param = "against"
            raise

    async def _require_stores(
        self, principal: Principal, request: RunRequest, read: QuestionFile
    ) -> None:
        """Raise QuestionFileRejected with each question whose vector stores cannot be searched."""
        problems = Problems()
        for question in _first_of_each_store(read):
            try:
                await self._quotes.require_searchable(principal, _body(request, 0, question))
            except AppError as error:
                if error.param == "model" or error.status >= 500:
                    raise
                problems.add(_store_problem(question, error))
        if problems.count:
            raise QuestionFileRejected(problems)


def new_run(offer: EvaluationOffer, file: TrainingFile | None, filename: str) -> NewRun:
    """Return the run that an offer is for; `file` is None for a file that is not stored."""
    request, principal = offer.request, offer.principal
    return NewRun(
        account_id=principal.account_id,
        key_id=principal.key_id,
        currency=principal.currency,
        model=request.model,
        against=request.against,
        name=request.name or filename,
        file_id=None if file is None else file.id,
        filename=filename,
        scoring=request.scoring,
        max_tokens=request.max_tokens,
        max_cost_nano=request.max_cost_nano,
        questions=offer.questions,
    )


def quote_json(offer: EvaluationOffer, balance: int | None) -> dict[str, Any]:
    """Return an offer as JSON; `balance` is the available credit in nano-units, None for no limit.

    `covered` is whether the balance and the run's own limit cover the highest cost.
    """
    request, total = offer.request, sum(offer.max_nano)
    limits = [limit for limit in (balance, request.max_cost_nano) if limit is not None]
    return {
        "object": "eval.run.quote",
        "questions": len(offer.questions),
        "models": [
            {"model": model, "max_cost": nano_text(most), "min_cost": nano_text(least)}
            for model, most, least in zip(
                request.models, offer.max_nano, offer.min_nano, strict=True
            )
        ],
        "currency": offer.principal.currency,
        "max_cost": nano_text(total),
        "min_cost": nano_text(sum(offer.min_nano)),
        "balance": None if balance is None else nano_text(max(0, balance)),
        "covered": all(total <= limit for limit in limits),
        "max_tokens": request.max_tokens,
        "notes": list(offer.notes),
    }


def _body(request: RunRequest, contender: int, question: Question) -> bytes:
    """Return the body of a question's call to one of the request's models."""
    return request_body(request.models[contender], request.max_tokens, question_request(question))


def _require_one_question(offer: EvaluationOffer) -> None:
    """Raise MaxCostExceeded if the run's limit does not cover each single question."""
    limit = offer.request.max_cost_nano
    most = max(max(question.max_nano) for question in offer.questions)
    if limit is not None and most > limit:
        raise MaxCostExceeded(
            f"One question can cost {nano_text(most)} {offer.principal.currency}, more than "
            "`max_cost`. Raise `max_cost` or lower `max_tokens`.",
            param="max_cost",
        )


def _first_of_each_store(read: QuestionFile) -> Iterator[Question]:
    """Yield the first question for each set of vector stores."""
    seen: set[tuple[str, ...]] = {()}
    for question in read.questions:
        if question.vector_store_ids not in seen:
            seen.add(question.vector_store_ids)
            yield question


def _store_problem(question: Question, error: AppError) -> Problem:
    """Return the problem of a question whose vector stores cannot be searched."""
    return Problem(
        error.code or "vector_store_not_found",
        f"Line {question.line}: {error.message}",
        sentence("Use the ids that `GET /v1/vector_stores` lists."),
        question.line,
        "vector_store_ids",
    )
