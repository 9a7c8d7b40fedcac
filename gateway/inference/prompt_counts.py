"""Count the tokens of a prompt for a client, without calling a model.

Exact where the model's tokenizer and chat template are here, as for quotes; otherwise an estimate
from the texts. Nothing is billed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from gateway.call.values import ParsedRequest, Principal
from gateway.inference.admission import Admission
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.internal.calls import new_internal_call
from gateway.inference.parsing import Parser
from gateway.inference.token_count import PromptTokenCounter
from infra import ids
from infra.clock import Clock

# Special tokens and role of a message.
_MESSAGE_OVERHEAD_TOKENS = 5
_MESSAGES = msgspec.json.Decoder(list[dict[str, Any]])


class CountMethod(StrEnum):
    """How exact a count is: the engine's own, from the texts alone, or from the size only."""

    COUNTED = "counted"
    ESTIMATED = "estimated"
    BOUNDED = "bounded"


@dataclass(frozen=True, slots=True)
class PromptCount:
    """The tokens of a prompt."""

    tokens: int
    method: CountMethod


class PromptCounts:
    """Counts prompts of chats in one gateway process."""

    def __init__(
        self, parser: Parser, admission: Admission, counter: PromptTokenCounter, clock: Clock
    ) -> None:
        self._parser = parser
        self._admission = admission
        self._counter = counter
        self._clock = clock

    async def count(self, principal: Principal, endpoint: Endpoint, body: bytes) -> PromptCount:
        """Return the tokens of a request's prompt. Raises the errors of parsing and pricing."""
        call = new_internal_call(self._clock, ids.new_id(), endpoint)
        request = self._parser.parse(call, endpoint.internal_body(call, body), principal)
        bound = self._admission.compute_demand(call, principal, request).input_tokens
        counted = await self._counter.count(request.model, endpoint.prompt, request.request_fields)
        if counted is not None:
            return PromptCount(counted, CountMethod.COUNTED)
        estimate = await self._estimate(request)
        if estimate is None:
            return PromptCount(bound, CountMethod.BOUNDED)
        return PromptCount(estimate, CountMethod.ESTIMATED)

    async def _estimate(self, request: ParsedRequest) -> int | None:
        """Return the tokens of a chat's texts and tools. Returns None without a tokenizer."""
        messages = _MESSAGES.decode(request.request_fields["messages"])
        tools = bytes(request.request_fields.get("tools", b"")).decode(errors="replace")
        text = "\n".join([*(part for message in messages for part in _texts(message)), tools])
        tokens = await self._counter.count_text(request.model, text)
        return None if tokens is None else tokens + _MESSAGE_OVERHEAD_TOKENS * len(messages)


def _texts(message: dict[str, Any]) -> Iterator[str]:
    """Yield the texts of a message, and its tool calls as JSON."""
    content = message.get("content") or ""
    if isinstance(content, str):
        yield content
    else:
        yield from (part.get("text", "") for part in content)
    if message.get("tool_calls"):
        yield msgspec.json.encode(message["tool_calls"]).decode()
