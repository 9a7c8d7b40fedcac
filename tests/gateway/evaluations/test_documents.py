"""Questions about documents: retrieval, and the cost of the search."""

from decimal import Decimal
from typing import Any

from openai import AsyncOpenAI

from tests.support.builders import CHAT
from tests.support.gateway.evaluator import Evaluator
from tests.support.nightly import nightly


@nightly
async def test_question_about_documents_is_answered_from_a_vector_store(
    evaluator: Evaluator,
) -> None:
    gateway = evaluator.gateway
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key.secret) as openai:
        store = (await openai.vector_stores.create(name="M")).id
        content = ("pressure.txt", b"The pressure is 5 bar.")
        file = (await openai.files.create(file=content, purpose="user_data")).id
        await openai.vector_stores.files.create_and_poll(
            file, vector_store_id=store, poll_interval_ms=50
        )
    evaluator.upstream.replies = lambda _model, _prompt: "5 bar [1]"
    question: dict[str, Any] = {
        "question": "How much pressure?",
        "expected": "0.5 MPa",
        "vector_store_ids": [store],
    }
    run = await evaluator.evaluate([question], model=CHAT, max_tokens=8)
    assert run["results"][0]["correct"] == 1
    *rows, _ingestion = await gateway.rows(3)
    assert sorted(row["operation"] for row in rows) == ["chat", "embeddings"]
    assert Decimal(run["cost"]) == sum(Decimal(row["cost"]) for row in rows)
    sent = next(body for body in evaluator.upstream.received if "messages" in body)
    assert "How much pressure?" in sent["messages"][-1]["content"]
    assert "tools" not in sent
