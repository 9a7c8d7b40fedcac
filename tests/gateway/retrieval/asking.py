"""Helpers: chats with `file_search`, and the requests that reach the chat model."""

from typing import Any

from tests.gateway.retrieval.firm import Firm
from tests.support.builders import CHAT
from tests.support.fakes.upstream import FakeUpstream


def tool(store: str, **more: Any) -> Any:
    return {"type": "file_search", "vector_store_ids": [store], **more}


async def ask(firm: Firm, question: str, *tools: Any, **more: Any) -> Any:
    message: Any = {"role": "user", "content": question}
    return await firm.openai.chat.completions.create(
        model=more.pop("model", CHAT), messages=[message], tools=list(tools), **more
    )


def chats(upstream: FakeUpstream) -> list[dict[str, Any]]:
    return [body for body in upstream.received if "messages" in body]
