"""The evaluation tables in PostgreSQL: constraints and deletion."""

import pytest
from sqlalchemy.exc import IntegrityError

from gateway.evaluations.new_runs import NewRun, QuotedQuestion, create_run
from gateway.evaluations.requests import question_request
from gateway.tables import EvaluationRun
from infra.database.database import Database
from models.evaluation.question_file import read_questions
from tests.support.billing.making import CLOCK, customer, sql


async def stored_run(database: Database) -> EvaluationRun:
    """Insert a run with one question for two models, of a new customer."""
    of = await customer(database)
    (question,) = read_questions(b'{"question": "x", "expected": "y"}').questions
    new = NewRun(
        account_id=of.account_id,
        key_id=of.key_id,
        currency="CNY",
        model="a",
        against="b",
        name="q",
        file_id=None,
        filename="q.jsonl",
        scoring="auto",
        max_tokens=8,
        max_cost_nano=None,
        questions=[QuotedQuestion(question, question_request(question), (1, 2))],
    )
    async with database.transaction() as session:
        return await create_run(session, CLOCK, new)


async def test_deleting_a_run_deletes_questions_and_answers(database: Database) -> None:
    run = await stored_run(database)
    assert run.quoted_nano == 3
    count = "select count(*) from evaluation_answer join evaluation_question using (run_id)"
    assert await sql(database, count) == [(2,)]
    await sql(database, "delete from evaluation_run")
    assert await sql(database, count) == [(0,)]


@pytest.mark.parametrize(
    "change",
    [
        "update evaluation_run set max_cost_nano = -1",
        "update evaluation_run set questions = 0",
        "update evaluation_answer set contender = 2",
        "update evaluation_answer set cost_nano = -1",
        "update evaluation_answer set position = 7",
    ],
)
async def test_invalid_values_are_rejected(database: Database, change: str) -> None:
    await stored_run(database)
    with pytest.raises(IntegrityError):
        await sql(database, change)
