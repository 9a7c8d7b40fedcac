"""Accounts that call a text model, rate and correct its responses, with the official client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI

from tests.support import builders
from tests.support.builders import CHAT, Gateway
from tests.support.gateway.customers import client

ASKED: list[dict[str, Any]] = [
    {"role": "user", "content": "Which failure mode: pump leaks at seal?"}
]
LESSON: dict[str, Any] = {"messages": ASKED, "correction": "Leaking", "consent": True}


class Asker:
    """An account that calls a text model and sends feedback."""

    def __init__(self, openai: AsyncOpenAI, model: str = CHAT) -> None:
        self.openai = openai
        self.model = model

    async def asks(self, question: str = "word word") -> Any:
        return await self.openai.chat.completions.create(
            model=self.model, messages=[{"role": "user", "content": question}], max_tokens=3
        )

    async def told(self) -> str:
        """Make a call; returns its request id."""
        return str((await self.asks())._request_id)

    async def listed(self, **query: Any) -> Any:
        """The feedback, newest first."""
        return await self.openai.get("/feedback", cast_to=object, options={"params": query})

    async def says(self, request_id: str, rating: str = "bad", **more: Any) -> Any:
        body = {"request_id": request_id, "rating": rating, **more}
        return await self.openai.post("/feedback", body=body, cast_to=object)

    async def corrects(self, question: str, correction: str, consent: bool = True) -> Any:
        """Make a call and send the corrected response."""
        answer = await self.asks(question)
        return await self.says(
            answer._request_id,
            messages=[{"role": "user", "content": question}],
            correction=correction,
            consent=consent,
        )


@asynccontextmanager
async def firm(gateway: Gateway, name: str, model: str = CHAT) -> AsyncIterator[Asker]:
    """Another one."""
    parts = gateway.parts
    _, key = await builders.customer(parts.database, parts.settings, name)
    async with client(gateway.url, key.secret) as openai:
        yield Asker(openai, model)
