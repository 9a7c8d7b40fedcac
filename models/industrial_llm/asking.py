"""Asking a server that speaks OpenAI's chat completions.

Owns the calls, several at once, greedy, held to a JSON schema where there is one. It is the only
way in which models are judged: what is measured is what is served.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from models.industrial_llm.chat import Message
from models.industrial_llm.examples import Schema

AT_ONCE = 16
PATIENCE_S = 300.0


class ServerUnfit(RuntimeError):
    """The server does not answer as one that speaks chat completions; it tells what it said."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked, how many tokens the answer may take, and the schema that it holds to."""

    messages: tuple[Message, ...]
    longest: int
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """`url` up to and with `/v1`. `transport` stands in for the network; so many calls are under
    way at a time."""

    url: str
    key: str
    model: str
    transport: httpx.AsyncBaseTransport | None = None
    at_once: int = AT_ONCE

    def answers(self, prompts: Sequence[Prompt], report: Callable[[int], None]) -> list[str]:
        """One answer a prompt, in their order; `report` takes how many there are. Raises
        ServerUnfit."""
        return asyncio.run(self.gather(prompts, report))

    async def gather(self, prompts: Sequence[Prompt], report: Callable[[int], None]) -> list[str]:
        """The same within an event loop."""
        free, done = asyncio.Semaphore(self.at_once), 0
        # No header may end in a space.
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}

        async def ask(client: httpx.AsyncClient, prompt: Prompt) -> str:
            nonlocal done
            async with free:
                answer = await self._ask(client, prompt)
            done += 1
            report(done)
            return answer

        async with httpx.AsyncClient(
            headers=headers, timeout=PATIENCE_S, transport=self.transport
        ) as client:
            return list(await asyncio.gather(*(ask(client, prompt) for prompt in prompts)))

    async def _ask(self, client: httpx.AsyncClient, prompt: Prompt) -> str:
        try:
            said = await client.post(f"{self.url}/chat/completions", json=self._body(prompt))
        except httpx.HTTPError as error:
            raise ServerUnfit(f"{self.url} cannot be reached: {error!r}.") from error
        if said.status_code != httpx.codes.OK:
            raise ServerUnfit(f"{self.url} says {said.status_code}: {said.text[:300]}")
        return str(said.json()["choices"][0]["message"]["content"] or "").strip()

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(prompt.messages),
            "temperature": 0,
            "max_tokens": prompt.longest,
        }
        if prompt.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(prompt.schema), "strict": True},
            }
        return body
