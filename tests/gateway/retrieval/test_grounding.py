"""Answers from passages through the official client: verified, generated again, quoted."""

from typing import Any

import pytest

from billing.money import nano_from_text
from tests.gateway.retrieval.asking import ask, chats, tool
from tests.gateway.retrieval.firm import Firm
from tests.gateway.retrieval.rows import newest
from tests.support.builders import CHAT
from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.drafts import QUESTION, QUOTATION, RIGHT, TEXT, WRONG, in_order
from tests.support.gateway.lasting import Lasting

CHINESE = "回油滤芯每500 h更换一次，80 °C停机。"
CHINESE_QUESTION = "回油滤芯多久更换一次？"
CHINESE_WRONG = "每600 h更换[1]。"


@pytest.fixture(scope="module")
def firm(served: Lasting) -> Firm:
    return Firm(served.gateway, served.openai)


@pytest.fixture(scope="module")
async def store(firm: Firm) -> str:
    return await firm.store(TEXT, name="filter.txt")


@pytest.fixture(scope="module")
async def chinese_store(firm: Firm) -> str:
    return await firm.store(CHINESE, name="滤芯.txt")


@pytest.fixture
def upstream(served: Lasting, store: str, chinese_store: str) -> FakeUpstream:
    """The fake model server, without the requests of earlier tests."""
    served.upstream.received.clear()
    served.upstream.says, served.upstream.replies, served.upstream.delay_s = "", None, 0.0
    served.upstream.untold = False
    return served.upstream


async def streamed(firm: Firm, *tools: Any, **more: Any) -> tuple[str, list[Any]]:
    """The text of a streamed answer, and its chunks."""
    stream = await ask(firm, more.pop("question", QUESTION), *tools, stream=True, **more)
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    return text, chunks


def told(chunks: list[Any]) -> dict[str, Any]:
    return next(chunk.file_search for chunk in chunks if getattr(chunk, "file_search", None))


class TestPlainAnswer:
    async def test_verified_answer_is_one_call_with_its_search(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.says = "Every 500 h [3]."
        answer = await ask(firm, QUESTION, tool(store))
        assert answer.choices[0].message.content == RIGHT
        assert [one.passage for one in answer.choices[0].message.annotations] == [1]
        assert answer.file_search["grounding"] == "verified"
        assert len(chats(upstream)) == 1

    @pytest.mark.parametrize(
        ("question", "wrong", "right", "claim"),
        [
            (QUESTION, WRONG, RIGHT, "The passages do not state the following: 600 h."),
            (
                CHINESE_QUESTION,
                "每600 h更换[1]。",
                "每500 h更换[1]。",
                "段落中没有以下内容：600 h。",
            ),
        ],
        ids=["English", "Chinese"],
    )
    async def test_wrong_figure_is_generated_again_at_the_operators_expense(
        self,
        firm: Firm,
        store: str,
        chinese_store: str,
        upstream: FakeUpstream,
        question: str,
        wrong: str,
        right: str,
        claim: str,
    ) -> None:
        upstream.replies = in_order(wrong, right)
        used = store if question == QUESTION else chinese_store
        answer = await ask(firm, question, tool(used), max_tokens=700)
        assert answer.choices[0].message.content == right
        assert answer.choices[0].finish_reason == "stop"
        assert answer.file_search["grounding"] == "verified"
        first, second = chats(upstream)
        assert first["messages"][-1]["content"] in second["messages"][-1]["content"]
        assert claim in second["messages"][-1]["content"]
        assert (second["max_tokens"], second.get("stream")) == (512, None)
        again, _search, row = await newest(firm, 3)
        assert again["parent_id"] == row["request_id"]
        assert (again["settlement"], again["cost"]) == ("waived", "0.000000000")
        assert again["output_tokens"] == 512
        assert row["settlement"] == "complete"
        assert row["output_tokens"] == answer.usage.completion_tokens == 700
        assert (await firm.gateway.reconciled()).differences == ()

    async def test_cost_header_is_the_cost_of_the_first_answer(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        message = {"role": "user", "content": QUESTION}
        body = {"model": CHAT, "messages": [message], "tools": [tool(store)], "max_tokens": 5}
        costs = []
        for texts in ([RIGHT], [WRONG, RIGHT]):
            upstream.replies = in_order(*texts)
            answer = await firm.gateway.http.post("/v1/chat/completions", json=body)
            costs.append(answer.headers["x-maas-cost"])
        assert costs[0] == costs[1] != "0.000000000"
        assert nano_from_text(costs[0]) > 0

    @pytest.mark.parametrize(
        ("question", "wrong", "quotation"),
        [
            (QUESTION, WRONG, QUOTATION),
            (CHINESE_QUESTION, CHINESE_WRONG, f"{CHINESE} [1]"),
        ],
        ids=["English", "Chinese"],
    )
    async def test_passage_is_quoted_if_the_second_answer_is_wrong_too(
        self,
        firm: Firm,
        store: str,
        chinese_store: str,
        upstream: FakeUpstream,
        question: str,
        wrong: str,
        quotation: str,
    ) -> None:
        upstream.replies = in_order(wrong, wrong)
        used = store if question == QUESTION else chinese_store
        answer = await ask(firm, question, tool(used))
        assert answer.choices[0].message.content == quotation
        assert answer.file_search["grounding"] == "quoted"
        assert answer.file_search["results"][0]["cited"]
        assert len(chats(upstream)) == 2

    @pytest.mark.parametrize(
        ("question", "said", "text"),
        [
            (QUESTION, "I do not know.", "This is not in your documents."),
            (CHINESE_QUESTION, "文档中没有提到。", "您的资料中没有这项信息。"),
        ],
        ids=["English", "Chinese"],
    )
    async def test_refusal_is_reported_as_not_found(
        self,
        firm: Firm,
        store: str,
        upstream: FakeUpstream,
        question: str,
        said: str,
        text: str,
    ) -> None:
        upstream.says = said
        answer = await ask(firm, question, tool(store))
        assert answer.choices[0].message.content == text
        assert answer.choices[0].message.annotations == []
        assert answer.file_search["grounding"] == "not_found"
        assert len(chats(upstream)) == 1

    async def test_answer_without_a_passage_is_not_generated_again(
        self, firm: Firm, upstream: FakeUpstream
    ) -> None:
        empty = (await firm.openai.vector_stores.create()).id
        upstream.says = WRONG
        answer = await ask(firm, QUESTION, tool(empty))
        assert answer.choices[0].message.content == "This is not in your documents."
        assert answer.file_search["grounding"] == "not_found"
        assert len(chats(upstream)) == 1

    async def test_answer_that_a_limit_cut_keeps_its_last_sentence(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        answer = await ask(firm, QUESTION, tool(store), max_tokens=3)
        assert answer.choices[0].message.content == "word " * 3
        assert answer.choices[0].finish_reason == "length"
        assert answer.file_search["grounding"] == "unchecked"

    async def test_second_answer_is_asked_without_tools(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        function: Any = {"type": "function", "function": {"name": "stop", "parameters": {}}}
        upstream.replies = in_order(WRONG, RIGHT)
        answer = await ask(firm, QUESTION, function, tool(store))
        assert answer.choices[0].message.content == RIGHT
        first, second = chats(upstream)
        assert first["tools"] == [function]
        assert "tools" not in second

    async def test_json_answer_is_unchecked(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.says = '{"hours": 600}'
        answer = await ask(firm, QUESTION, tool(store), response_format={"type": "json_object"})
        assert answer.choices[0].message.content == '{"hours": 600}'
        assert answer.file_search["grounding"] == "unchecked"


class TestStreamedAnswer:
    async def test_verified_sentences_are_streamed_with_their_citations(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.says = "Every 500 h. Stop at 80 °C [2]."
        text, chunks = await streamed(
            firm, tool(store), max_tokens=20, stream_options={"include_usage": True}
        )
        assert text == "Every 500 h [1]. Stop at 80 °C [1]."
        assert told(chunks)["grounding"] == "verified"
        assert chunks[-1].usage.completion_tokens == 20
        assert {chunk.id for chunk in chunks} == {"c"}
        ends = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
        assert [end for end in ends if end] == ["stop"]

    async def test_wrong_first_sentence_is_generated_again_in_the_same_stream(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.replies = in_order(f"{WRONG} {'Then stop. ' * 30}", RIGHT)
        text, chunks = await streamed(
            firm, tool(store), max_tokens=100, stream_options={"include_usage": True}
        )
        assert text == RIGHT
        assert told(chunks)["grounding"] == "verified"
        assert {chunk.id for chunk in chunks} == {"c"}
        again, _search, row = await newest(firm, 3)
        # The model was stopped: the rest of its draft is not billed.
        assert row["output_tokens"] == chunks[-1].usage.completion_tokens < 100
        assert (row["settlement"], row["error_code"]) == ("complete", "answer_corrected")
        assert (again["settlement"], again["streamed"]) == ("waived", False)
        assert again["parent_id"] == row["request_id"]
        assert (await firm.gateway.reconciled()).differences == ()

    async def test_draft_is_read_to_its_end_if_only_the_end_reports_usage(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.untold = True
        upstream.replies = in_order(f"{WRONG} {'Then stop. ' * 30}", RIGHT)
        text, chunks = await streamed(firm, tool(store), max_tokens=100)
        assert text == RIGHT
        assert told(chunks)["grounding"] == "verified"
        _again, _search, row = await newest(firm, 3)
        assert (row["output_tokens"], row["error_code"]) == (100, None)

    async def test_quotation_continues_after_sent_sentences(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.replies = in_order(f"Stop at 80 °C. {WRONG}")
        text, chunks = await streamed(firm, tool(store), max_tokens=20)
        assert text == f"Stop at 80 °C [1]. \n\n{TEXT} [1]"
        assert told(chunks)["grounding"] == "quoted"
        assert len(chats(upstream)) == 1

    async def test_twice_wrong_answer_is_quoted(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.replies = in_order(WRONG, WRONG)
        text, chunks = await streamed(firm, tool(store), max_tokens=20)
        assert text == QUOTATION
        assert told(chunks)["results"][0]["cited"]

    async def test_refusal_is_reported_as_not_found(
        self, firm: Firm, chinese_store: str, upstream: FakeUpstream
    ) -> None:
        upstream.says = "我不知道。"
        text, chunks = await streamed(firm, tool(chinese_store), question=CHINESE_QUESTION)
        assert text == "您的资料中没有这项信息。"
        assert told(chunks)["grounding"] == "not_found"

    async def test_answer_is_stored_for_its_idempotency_key(
        self, firm: Firm, store: str, upstream: FakeUpstream
    ) -> None:
        upstream.replies = in_order(WRONG, RIGHT)
        body = {
            "model": CHAT,
            "messages": [{"role": "user", "content": QUESTION}],
            "tools": [tool(store)],
            "stream": True,
            "max_tokens": 10,
        }
        headers = {"idempotency-key": "grounded"}
        first, again = [
            await firm.gateway.http.post("/v1/chat/completions", json=body, headers=headers)
            for _ in range(2)
        ]
        assert first.content == again.content
        assert len(chats(upstream)) == 2
