"""An assistant that quotes the handbook: questions are answered without the model.

The fake model server's vectors have another dimension than the handbook's: keywords decide.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from billing.metering.usage import list_usage
from gateway.retrieval import ingestion
from gateway.retrieval.quoting import MAX_QUESTION_LENGTH
from models.catalog import Catalog
from models.catalog.entries import Assistant
from models.catalog.upstreams import HANDBOOK
from tests.gateway.retrieval.asking import chats, tool
from tests.gateway.retrieval.firm import RETRIEVING, Firm, cut_here
from tests.gateway.retrieval.rows import newest
from tests.support.builders import CATALOG, Emptying, word_tokenizer
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.lasting import Lasting, run_lasting

ASSISTANT = next(one for one in CATALOG.models.values() if one.assistant is not None)
QUESTION, CHINESE_QUESTION = "The pump is cavitating. What do I check first?", "水泵气蚀先查什么？"
USER: Any = {"role": "user", "content": QUESTION}
FOLLOW_UP: Any = [USER, {"role": "assistant", "content": "The suction."}, USER]


def quoting_catalog() -> Catalog:
    """The catalog of tests with an assistant that quotes."""
    quoting = replace(ASSISTANT, assistant=Assistant(max_passages=3, quotes=True))
    return Catalog({**CATALOG.models, ASSISTANT.id: quoting})


@pytest.fixture(scope="module")
async def served(postgres: str, emptying: Emptying, lasting: object) -> AsyncIterator[Lasting]:
    """One gateway for the module, with a tokenizer of the assistant's engine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingestion, "chunk_in_subprocess", cut_here)
        async with run_lasting(postgres, emptying, catalog=quoting_catalog()) as running:
            word_tokenizer(running.gateway.parts.settings.data_dir, ASSISTANT.engine_id)
            yield running


@pytest.fixture
def firm(served: Lasting) -> Firm:
    served.upstream.received.clear()
    served.upstream.embeddings_do, served.upstream.says = "", "The model's own words."
    return Firm(served.gateway, served.openai)


@pytest.fixture
def upstream(served: Lasting) -> FakeUpstream:
    return served.upstream


async def asked(firm: Firm, messages: Any = None, **more: Any) -> Any:
    messages = messages or [USER]
    return await firm.openai.chat.completions.create(model=ASSISTANT.id, messages=messages, **more)


@pytest.mark.parametrize(
    ("question", "area"), [(QUESTION, "Pumps"), (CHINESE_QUESTION, "泵")], ids=["en", "zh"]
)
async def test_question_is_answered_by_the_best_passage_with_its_citation(
    firm: Firm, upstream: FakeUpstream, question: str, area: str
) -> None:
    answer = await asked(firm, [{"role": "user", "content": question}])
    choice, passage = answer.choices[0], answer.file_search["results"][0]
    assert choice.message.content == f"{passage['text'].strip()} [1]"
    assert choice.finish_reason == "stop"
    assert [one.passage for one in choice.message.annotations] == [1]
    assert choice.message.annotations[0].filename.startswith(area)
    assert answer.file_search["grounding"] == "quoted"
    assert answer.model == ASSISTANT.id
    assert not chats(upstream)


async def test_question_is_charged_as_input_and_the_passage_as_output(firm: Firm) -> None:
    answer = await asked(firm)
    words = len(answer.choices[0].message.content.split())
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (len(QUESTION.split()), words)
    searched, row = await newest(firm, 2)
    assert (row["model"], row["settlement"]) == (ASSISTANT.id, "complete")
    assert (row["input_tokens"], row["output_tokens"]) == (usage.prompt_tokens, words)
    assert (searched["model"], searched["parent_id"]) == (RETRIEVING.id, row["request_id"])


async def test_row_has_the_handbook_as_upstream_at_no_cost(firm: Firm) -> None:
    await asked(firm)
    async with firm.gateway.parts.database.transaction() as session:
        rows = await list_usage(session, account_id=None, limit=2)
    (answered,) = (row for row in rows if row.model == ASSISTANT.id)
    assert (answered.upstream, answered.upstream_cost_nano) == (HANDBOOK, 0)


async def test_stream_has_the_same_text_usage_and_citations(firm: Firm) -> None:
    whole = await asked(firm)
    stream = await asked(firm, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    deltas = [one.choices[0].delta for one in chunks if one.choices]
    text = "".join(delta.content or "" for delta in deltas)
    assert text == whole.choices[0].message.content
    assert [one.choices[0].finish_reason for one in chunks if one.choices].count("stop") == 1
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    cited = [one for delta in deltas for one in getattr(delta, "annotations", None) or []]
    assert [one["passage"] for one in cited] == [1]
    (streamed,) = (row for row in await newest(firm, 2) if row["model"] == ASSISTANT.id)
    assert (streamed["streamed"], streamed["settlement"]) == (True, "complete")


@pytest.mark.parametrize(
    "request_fields",
    [
        {"messages": FOLLOW_UP},
        {"messages": [{"role": "user", "content": f"{QUESTION} {'x' * MAX_QUESTION_LENGTH}"}]},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"max_tokens": 5},
        {"logprobs": True},
    ],
    ids=["follow-up", "long text", "JSON", "two choices", "limit below the passage", "logprobs"],
)
async def test_request_that_a_passage_cannot_answer_goes_to_the_model(
    firm: Firm, upstream: FakeUpstream, request_fields: dict[str, Any]
) -> None:
    await asked(firm, **request_fields)
    assert QUESTION in chats(upstream)[0]["messages"][-1]["content"]


async def test_question_to_the_accounts_documents_goes_to_the_model(
    firm: Firm, upstream: FakeUpstream
) -> None:
    store = await firm.store("The pump P7 of line 2 cavitates below 3 bar.")
    await asked(firm, tools=[tool(store)])
    assert len(chats(upstream)) >= 1


async def test_quotation_needs_no_model_server(firm: Firm, upstream: FakeUpstream) -> None:
    upstream.embeddings_do = "fault"
    answer = await asked(firm)
    assert answer.file_search["grounding"] == "quoted"


async def test_quotation_longer_than_the_reduced_limit_is_charged_up_to_the_limit(
    firm: Firm,
) -> None:
    quote = (
        await firm.gateway.http.post(
            "/v1/quote", json={"model": ASSISTANT.id, "messages": [USER], "max_tokens": 400}
        )
    ).json()
    answer = await asked(firm, max_tokens=400)
    _, row = await newest(firm, 2)
    assert float(row["cost"]) <= float(quote["max_cost"])
    assert answer.usage.completion_tokens <= 400
