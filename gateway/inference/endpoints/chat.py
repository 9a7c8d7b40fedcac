"""`POST /v1/chat/completions`."""

from dataclasses import replace

from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints import text_generation
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Endpoint,
    UsageGroup,
)
from gateway.inference.model_selection import ModelSelector
from gateway.inference.token_count import PromptFormat
from gateway.wire import answers, chat
from gateway.wire.documentation import Documentation, Examples
from gateway.wire.parameters import CHAT_PARAMETERS
from gateway.wire.requests import ChatRequest
from models.catalog import AUTO, Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate a chat request; its question gives the criteria to choose a model for `auto`."""
    parsed = chat.parse_chat_request(body)
    request = parsed.request

    def for_model(resolved: ResolvedModel) -> ParsedRequest:
        """Return the parsed request for the resolved model."""
        return chat.build_chat_request(parsed, resolved, call.path)

    effort = chat.requested_effort(request)
    needs_reasoning = effort is not None and effort.reasons
    if request.model != AUTO:
        return DecodedRequest(request.model, for_model, needs_reasoning=needs_reasoning)
    criteria = text_generation.text_criteria(
        principal, chat.task_text(request), body, chat.requested_max_tokens(request)
    )
    criteria = replace(criteria, needs_reasoning=needs_reasoning)
    return DecodedRequest(request.model, for_model, criteria=criteria)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a chat, plain and streamed, with this model id."""
    plain = {
        "model": model,
        "messages": [
            {"role": "system", "content": "Write this work order in plain text."},
            {"role": "user", "content": "rplce lh eng oil fltr"},
        ],
        "max_tokens": 40,
    }
    message = {"role": "assistant", "content": "replace left hand engine oil filter"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    deltas = [{"role": "assistant", "content": "replace"}, {"content": " left hand engine"}]
    parts = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    return Examples(
        text_generation.plain_and_streamed(plain),
        text_generation.example_completion(model, "chat.completion", [choice]),
        text_generation.example_stream(model, "chat.completion.chunk", parts),
    )


CHAT = Endpoint(
    operation=Operation.CHAT,
    path="/v1/chat/completions",
    label="Chat",
    tasks=text_generation.TASKS,
    decode=_decode,
    select_model=ModelSelector.select_for_text,
    prompt=PromptFormat("messages", is_chat=True),
    parameters=CHAT_PARAMETERS,
    quote_field="messages",
    usage_group=UsageGroup.COMPLETIONS,
    in_batches=True,
    guarded_fields=("messages",),
    documentation=Documentation(
        request=ChatRequest,
        answer=answers.ChatCompletion,
        summary="Create a chat completion",
        description=text_generation.STREAM_DESCRIPTION,
        examples=_examples,
        example_task=Task.TEXT_GENERATION,
    ),
)
