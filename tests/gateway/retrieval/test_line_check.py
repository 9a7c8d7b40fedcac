"""Lines of which the reader's judge is in doubt: the language model is asked, at no cost."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.retrieval import ingestion, line_check
from models.catalog import Catalog
from models.catalog.entries import FileSearch
from models.line_reader.judging.judge import Judge, Judgement
from models.passages import NOT_FOUND_TEXTS
from tests.gateway.retrieval.asking import ask, chats, tool
from tests.gateway.retrieval.firm import MANUAL, Firm, cut_here
from tests.gateway.retrieval.rows import newest
from tests.support.builders import CATALOG, INDUSTRIAL, Emptying, word_tokenizer
from tests.support.fakes.first_tokens import no_chances
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.lasting import Lasting, run_lasting
from tests.support.nightly import at_length

QUESTION = "How often is the spindle bearing greased?"
ANSWER = "The spindle bearing 6205-2RS is greased every 2000 hours with lithium grease."
BASE = CATALOG.models[INDUSTRIAL].base or ""
YES: Mapping[str, float] = {"Yes": 0.97, "No": 0.02}
NO: Mapping[str, float] = {"Yes": 0.02, "No": 0.97}


def checking_catalog() -> Catalog:
    """The catalog of tests with a model that checks the lines of another."""
    reading = replace(CATALOG.models[INDUSTRIAL], file_search=FileSearch(reads_lines=True))
    checking = replace(CATALOG.models[BASE], file_search=FileSearch(checks_lines=True))
    return Catalog({**CATALOG.models, INDUSTRIAL: reading, BASE: checking})


@pytest.fixture(scope="module")
async def served(postgres: str, emptying: Emptying, lasting: object) -> AsyncIterator[Lasting]:
    """One gateway for the module, with a tokenizer of the chat model's engine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingestion, "chunk_in_subprocess", cut_here)
        async with run_lasting(postgres, emptying, catalog=checking_catalog()) as running:
            word_tokenizer(running.gateway.parts.settings.data_dir)
            yield running


@pytest.fixture
def upstream(served: Lasting) -> FakeUpstream:
    served.upstream.received.clear()
    served.upstream.chances, served.upstream.does = no_chances, []
    return served.upstream


@pytest.fixture
def firm(served: Lasting, upstream: FakeUpstream) -> Firm:
    return Firm(served.gateway, served.openai)


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the probability that the judge gives its best line."""

    def set_to(probability: float, is_answer: bool) -> None:
        judge = Judge.judge

        def judging(*given: Any) -> Judgement:
            return replace(judge(*given), probability=probability, is_answer=is_answer)

        monkeypatch.setattr(Judge, "judge", judging)

    return set_to


async def answered(firm: Firm, **more: Any) -> str:
    answer = await ask(firm, QUESTION, tool(await firm.store(MANUAL)), model=INDUSTRIAL, **more)
    return str(answer.choices[0].message.content)


@pytest.mark.parametrize(
    ("chances", "text"),
    [(YES, f"{ANSWER} [1]"), (NO, NOT_FOUND_TEXTS["en"])],
    ids=["answers", "does not answer"],
)
async def test_model_decides_on_a_line_in_doubt(
    firm: Firm, upstream: FakeUpstream, judged: Any, chances: Mapping[str, float], text: str
) -> None:
    judged(0.5, is_answer=chances is NO)
    upstream.chances = lambda _: chances
    assert await answered(firm) == text
    asked = chats(upstream)
    assert [(one["model"], one["max_tokens"]) for one in asked] == [(BASE, 1), (BASE, 1)]
    assert all(QUESTION in one["messages"][-1]["content"] for one in asked)
    assert all(ANSWER in one["messages"][-1]["content"] for one in asked)


@pytest.mark.parametrize(
    ("probability", "is_answer", "text"),
    [(0.99, True, f"{ANSWER} [1]"), (0.001, False, NOT_FOUND_TEXTS["en"])],
    ids=["clearly answers", "clearly does not"],
)
async def test_model_is_not_asked_about_a_clear_line(
    firm: Firm, upstream: FakeUpstream, judged: Any, probability: float, is_answer: bool, text: str
) -> None:
    judged(probability, is_answer)
    assert await answered(firm) == text
    assert not chats(upstream)


async def test_line_about_another_item_does_not_answer_without_asking(
    firm: Firm, upstream: FakeUpstream, judged: Any
) -> None:
    judged(0.5, is_answer=True)
    upstream.chances = lambda _: YES
    manual = "The bearing of machine 3 is greased every 2000 hours."
    store = tool(await firm.store(manual))
    asked = "How often is the bearing of machine 5 greased?"
    answer = await ask(firm, asked, store, model=INDUSTRIAL)
    assert answer.choices[0].message.content == NOT_FOUND_TEXTS["en"]
    assert not chats(upstream)


@pytest.mark.parametrize("is_answer", [True, False])
@pytest.mark.parametrize(
    "behaviour", at_length(["too-long", "no log-probabilities"], ["no log-probabilities"])
)
async def test_judge_decides_alone_if_the_model_fails(
    firm: Firm, upstream: FakeUpstream, judged: Any, behaviour: str, is_answer: bool
) -> None:
    judged(0.5, is_answer)
    store = tool(await firm.store(MANUAL))
    upstream.does = [behaviour] * 2
    answer = await ask(firm, QUESTION, store, model=INDUSTRIAL)
    expected = f"{ANSWER} [1]" if is_answer else NOT_FOUND_TEXTS["en"]
    assert answer.choices[0].message.content == expected


async def test_judge_decides_alone_if_the_model_takes_too_long(
    firm: Firm, upstream: FakeUpstream, judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_check, "_TIMEOUT_S", 0.05)
    judged(0.5, is_answer=True)
    upstream.does = ["hang", "hang"]
    assert await answered(firm) == f"{ANSWER} [1]"
    await firm.gateway.caught_up()
    checks = [row for row in await newest(firm, 4) if row["model"] == BASE]
    assert {(row["status"], row["error_code"]) for row in checks} == {(504, "model_timeout")}


async def test_judge_decides_alone_while_many_lines_are_checked(
    firm: Firm, upstream: FakeUpstream, judged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_check, "_MAX_RUNNING", 0)
    judged(0.5, is_answer=True)
    assert await answered(firm) == f"{ANSWER} [1]"
    assert not chats(upstream)


async def test_checks_are_rows_of_the_call_that_cost_nothing(
    firm: Firm, upstream: FakeUpstream, judged: Any
) -> None:
    judged(0.5, is_answer=False)
    upstream.chances = lambda _: YES
    answer = await ask(firm, QUESTION, tool(await firm.store(MANUAL)), model=INDUSTRIAL)
    await firm.gateway.caught_up()
    rows = await newest(firm, 4)
    (parent,) = (row for row in rows if row["model"] == INDUSTRIAL)
    checks = [row for row in rows if row["model"] == BASE]
    assert len(checks) == 2
    assert {row["parent_id"] for row in checks} == {parent["request_id"]}
    assert {(row["settlement"], float(row["cost"])) for row in checks} == {("waived", 0.0)}
    assert answer.usage.prompt_tokens == len(QUESTION.split())


async def test_checks_are_counted_by_verdict(
    firm: Firm, upstream: FakeUpstream, judged: Any
) -> None:
    judged(0.5, is_answer=False)
    counted = firm.gateway.parts.metrics.line_checks
    store = tool(await firm.store(MANUAL))
    before = {one: counted.labels(one)._value.get() for one in ("answers", "does_not_answer")}
    for chances in (YES, NO):
        upstream.chances = lambda _, found=chances: found
        await ask(firm, QUESTION, store, model=INDUSTRIAL)
    for verdict, count in before.items():
        assert counted.labels(verdict)._value.get() == count + 1
