"""Client for OpenAI's chat completions, used to evaluate models.

Calls run concurrently with greedy decoding, constrained by a JSON schema if the prompt has one.
With tools, the answer is the first call as JSON `{"tool": …, "arguments": …}`.
Models are evaluated only through this client, so that the figures are those of the served model.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from models.industrial_llm.chat import Message
from models.industrial_llm.examples import Schema
from models.industrial_llm.tasks.extraction import dump_json

CONCURRENCY = 16
TIMEOUT_S = 300.0


class ChatServerError(RuntimeError):
    """The server cannot be reached or did not answer as a chat completions API."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A call's messages, the maximum answer tokens, and optionally a JSON schema of the answer.

    `tools` are OpenAI's functions, from which the model chooses one or none.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    schema: Schema | None = None
    tools: tuple[Schema, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatClient:
    """Calls one model of an OpenAI-compatible server.

    `url` includes `/v1`. `transport` replaces the network. At most `concurrency` calls run at a
    time.
    """

    url: str
    key: str
    model: str
    transport: httpx.AsyncBaseTransport | None = None
    concurrency: int = CONCURRENCY

    def complete_all(
        self, prompts: Sequence[Prompt], report_progress: Callable[[int], None]
    ) -> list[str]:
        """Complete all prompts and return the answers in order.

        `report_progress` receives the number of completed prompts. Raises ChatServerError.
        """
        return asyncio.run(self.complete_all_async(prompts, report_progress))

    async def complete_all_async(
        self, prompts: Sequence[Prompt], report_progress: Callable[[int], None]
    ) -> list[str]:
        """Complete all prompts within a running event loop, like `complete_all`."""
        semaphore, done = asyncio.Semaphore(self.concurrency), 0
        # `Bearer ` without a key would end in a space, which is not allowed in a header.
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}

        async def complete(client: httpx.AsyncClient, prompt: Prompt) -> str:
            """Complete a prompt when a slot is free, and report the number of completed prompts."""
            nonlocal done
            async with semaphore:
                answer = await self._complete(client, prompt)
            done += 1
            report_progress(done)
            return answer

        async with httpx.AsyncClient(
            headers=headers, timeout=TIMEOUT_S, transport=self.transport
        ) as client:
            return list(await asyncio.gather(*(complete(client, prompt) for prompt in prompts)))

    async def _complete(self, client: httpx.AsyncClient, prompt: Prompt) -> str:
        """Send one chat completion and return the answer's text. Raises ChatServerError."""
        try:
            response = await client.post(
                f"{self.url}/chat/completions", json=self._request_body(prompt)
            )
        except httpx.HTTPError as error:
            raise ChatServerError(f"{self.url} cannot be reached: {error!r}.") from error
        if response.status_code != httpx.codes.OK:
            raise ChatServerError(
                f"{self.url} responded with HTTP status {response.status_code}: "
                f"{response.text[:300]}"
            )
        message = response.json()["choices"][0]["message"]
        return _render_call(message) if prompt.tools else str(message["content"] or "").strip()

    def _request_body(self, prompt: Prompt) -> dict[str, Any]:
        """Build the JSON body of a chat completion: greedy, with an optional response format."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(prompt.messages),
            "temperature": 0,
            "max_tokens": prompt.max_tokens,
        }
        if prompt.tools:
            body["tools"] = list(prompt.tools)
        elif prompt.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": dict(prompt.schema), "strict": True},
            }
        return body


def _render_call(message: Mapping[str, Any]) -> str:
    """Return a message's first tool call in the form of the task, with no tool for a text."""
    for call in message.get("tool_calls") or ():
        function = call["function"]
        arguments = json.loads(function["arguments"] or "{}")
        return dump_json({"tool": function["name"], "arguments": arguments})
    return dump_json({"tool": None, "arguments": {}})
