"""`POST /v1/completions`."""

from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints import text_generation
from gateway.inference.endpoints.endpoint import (
    DecodedRequest,
    Endpoint,
    UsageGroup,
)
from gateway.inference.model_selection import ModelSelector
from gateway.inference.token_count import PromptFormat
from gateway.wire import answers, completions
from gateway.wire.documentation import Documentation, Examples
from gateway.wire.parameters import COMPLETION_PARAMETERS
from gateway.wire.requests import CompletionRequest
from models.catalog import AUTO, Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate a completion; its prompt gives the criteria to choose a model for `auto`."""
    request = completions.parse_completion_request(body)

    def for_model(resolved: ResolvedModel) -> ParsedRequest:
        """Return the parsed request for the resolved model."""
        return completions.build_completion_request(request, resolved, call.path, body)

    if request.model != AUTO:
        return DecodedRequest(request.model, for_model)
    criteria = text_generation.text_criteria(
        principal, completions.prompt_text(request), body, request.max_tokens
    )
    return DecodedRequest(request.model, for_model, criteria=criteria)


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a completion, plain and streamed, with this model id."""
    plain = {"model": model, "prompt": "Replace the left hand engine", "max_tokens": 16}
    choice = {"index": 0, "text": " oil filter.", "finish_reason": "stop"}
    parts = [{"index": 0, "text": text, "finish_reason": None} for text in (" oil", " filter.")]
    return Examples(
        text_generation.plain_and_streamed(plain),
        text_generation.example_completion(model, "text_completion", [choice]),
        text_generation.example_stream(model, "text_completion", parts),
    )


TEXT_COMPLETION = Endpoint(
    operation=Operation.TEXT_COMPLETION,
    path="/v1/completions",
    label="Text completion",
    tasks=text_generation.TASKS,
    decode=_decode,
    select_model=ModelSelector.select_for_text,
    prompt=PromptFormat("prompt"),
    parameters=COMPLETION_PARAMETERS,
    quote_field="prompt",
    usage_group=UsageGroup.COMPLETIONS,
    in_batches=True,
    guarded_fields=("prompt",),
    documentation=Documentation(
        request=CompletionRequest,
        answer=answers.TextCompletion,
        summary="Create a text completion",
        description=text_generation.STREAM_DESCRIPTION,
        examples=_examples,
        example_task=Task.TEXT_GENERATION,
    ),
)
