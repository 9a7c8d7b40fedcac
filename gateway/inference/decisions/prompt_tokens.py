"""Bound or count the prompt tokens of a decision before it is sent."""

import asyncio
import unicodedata

import msgspec

from gateway.call.decisions import DecisionPrompts
from gateway.call.values import ParsedRequest
from gateway.inference.token_count import (
    PromptFormat,
    PromptTokenCounter,
    max_prompt_tokens_by_size,
)
from gateway.wire.decisions.upstream import empty_prompt_size, prompt_messages
from models.catalog import Model

_CHAT = PromptFormat("messages", is_chat=True)


def max_decision_tokens(model: Model, prompts: DecisionPrompts) -> int:
    """Return an upper bound of the tokens of all prompts, from the sizes of their texts."""
    shared = empty_prompt_size() + _size(prompts.shared)
    return sum(
        max_prompt_tokens_by_size(shared + _size(end), model.context_length) for end in prompts.ends
    )


async def count_prompt_tokens(
    counter: PromptTokenCounter, prompt: PromptFormat | None, request: ParsedRequest
) -> int | None:
    """Return the prompt tokens of a request, of a decision those of all its prompts.

    `prompt` is the endpoint's. Returns None if the model's tokenizer is not available.
    """
    if request.decision is None:
        return await counter.count(request.model, prompt, request.request_fields)
    return await _count_prompts(counter, request.model, request.decision.prompts)


async def _count_prompts(
    counter: PromptTokenCounter, model: Model, prompts: DecisionPrompts
) -> int | None:
    """Return the tokens of all prompts. Returns None if the model's tokenizer is not available."""
    total = 0
    for end in prompts.ends:
        messages = msgspec.json.encode(prompt_messages(prompts.shared, end))
        count = await counter.count(model, _CHAT, {"messages": msgspec.Raw(messages)})
        if count is None:
            return None
        total += count
        await asyncio.sleep(0)  # hundreds of prompts must not hold up other calls
    return total if prompts.ends else None


def _size(text: str) -> int:
    """Return the larger of the text's bytes and those of its NFC form (token_count.py)."""
    if text.isascii():
        return len(text)
    forms = (text, unicodedata.normalize("NFC", text))
    return max(len(form.encode(errors="replace")) for form in forms)
