"""Validate OpenAI requests (chat, completions, embeddings) and build their upstream requests.

Also measures the usage that responses report.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import ParameterInvalid, ParameterUnsupported, UpstreamFailed
from gateway.call.values import (
    Operation,
    OutputBounds,
    ParsedRequest,
    ResolvedModel,
    ServiceTier,
    StreamUsageOption,
)
from gateway.wire import answer_fields, file_search, nested, parameters
from gateway.wire import body as bodies
from gateway.wire.parts import require_inline
from gateway.wire.requests import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    GenerationRequest,
)
from models.catalog import Model

Tokens = Annotated[int, Meta(ge=0, le=1 << 40)]


class PromptDetails(msgspec.Struct):
    """`prompt_tokens_details`."""

    cached_tokens: Tokens | None = None


class UsageObject(msgspec.Struct):
    """`usage`, of an answer or of a stream's chunk."""

    prompt_tokens: Tokens
    completion_tokens: Tokens | None = None
    prompt_tokens_details: PromptDetails | None = None


class MeteredResponse(msgspec.Struct):
    """The metered part of a non-streamed response."""

    usage: UsageObject


class TextPart(msgspec.Struct):
    """A content part of a message; only its text is read here."""

    text: str = ""


_REQUESTS: Mapping[Operation, msgspec.json.Decoder[Any]] = {
    Operation.CHAT: msgspec.json.Decoder(ChatRequest),
    Operation.TEXT_COMPLETION: msgspec.json.Decoder(CompletionRequest),
    Operation.EMBEDDINGS: msgspec.json.Decoder(EmbeddingRequest),
}
_OPERATIONS: Mapping[type, Operation] = {
    ChatRequest: Operation.CHAT,
    CompletionRequest: Operation.TEXT_COMPLETION,
    EmbeddingRequest: Operation.EMBEDDINGS,
}
_RESPONSE = msgspec.json.Decoder(MeteredResponse)
_USAGE = msgspec.json.Decoder(UsageObject)
_PART = msgspec.json.Decoder(TextPart)
_STREAM_OPTIONS = msgspec.Raw(b'{"include_usage":true,"continuous_usage_stats":true}')
_JSON = {"content-type": "application/json"}
# `auto` and `standard` are other names of the default tier.
_TIERS = {tier.value: tier for tier in ServiceTier} | {
    "auto": ServiceTier.DEFAULT,
    "standard": ServiceTier.DEFAULT,
}
# The default of `max_tokens` in /v1/completions, of engines and of OpenAI.
_DEFAULT_COMPLETION_TOKENS = 16
_MAX_CONTEXT_LENGTH = 1 << 20


def parse_openai_request(operation: Operation, body: bytes) -> GenerationRequest | EmbeddingRequest:
    """Parse and validate a request body.

    Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    request: GenerationRequest | EmbeddingRequest = bodies.decode_body(_REQUESTS[operation], body)
    if isinstance(request, GenerationRequest) and request.stream_options and not request.stream:
        raise ParameterInvalid(
            "`stream_options` is only allowed with `stream: true`.", param="stream_options"
        )
    values = parameters.select_upstream_fields(operation, bodies.decode_fields(body))
    if isinstance(request, ChatRequest):
        for number, message in enumerate(request.messages):
            require_inline(message.content, f"messages[{number}].content")
        nested.validate_nested_objects(request, values)
    if isinstance(request, CompletionRequest) and request.echo and request.logprobs is not None:
        # The engine would keep logits of its whole vocabulary for each token of the prompt.
        raise ParameterUnsupported(
            "`logprobs` of an echoed prompt are not supported.", param="logprobs"
        )
    return request


def build_openai_request(
    request: GenerationRequest | EmbeddingRequest, resolved: ResolvedModel, path: str, body: bytes
) -> ParsedRequest:
    """Build the upstream request of a validated OpenAI request.

    It has the client's fields that are meant for the engine, an explicit `max_tokens` for text
    completions, and for streams a request for usage in every chunk.
    """
    operation, model = _OPERATIONS[type(request)], resolved.model
    values = parameters.select_upstream_fields(operation, bodies.decode_fields(body))
    tier = _TIERS.get(getattr(request, "service_tier", None) or "", None)
    converter = answer_fields.response_converter(operation, None if tier is None else tier.value)
    # The client's `model` may be `auto`, or a public name that the engine does not know.
    values["model"] = msgspec.Raw(msgspec.json.encode(resolved.upstream_name))
    if not isinstance(request, GenerationRequest):
        return ParsedRequest(
            model,
            path,
            bodies.encode_body(values),
            _JSON,
            measure_response,
            converter,
            request_fields=values,
        )
    retrieval = None
    if isinstance(request, ChatRequest):
        retrieval = file_search.extract_file_search(values, prompt_text(request))
    bounds = _output_bounds(request, model)
    if isinstance(request, CompletionRequest):
        tokens = msgspec.Raw(msgspec.json.encode(bounds.max_tokens_per_choice))
        values.setdefault("max_tokens", tokens)
    if request.stream:
        values["stream_options"] = _STREAM_OPTIONS

    def with_max_tokens(tokens: int) -> bytes:
        names = ("max_tokens", "max_completion_tokens")
        other_fields = {name: value for name, value in values.items() if name not in names}
        return bodies.encode_body({**other_fields, "max_tokens": tokens})

    return ParsedRequest(
        model=model,
        path=path,
        body=bodies.encode_body(values),
        headers=_JSON,
        measure=measure_response,
        convert_response=converter,
        stream=bool(request.stream),
        stream_usage=_stream_usage_option(request),
        choices_per_prompt=request.n or 1,
        output_bounds=bounds,
        service_tier=tier or ServiceTier.DEFAULT,
        reported_service_tier=None if tier is None else tier.value,
        request_fields=values,
        with_max_tokens=with_max_tokens,
        variant_id=resolved.variant_id,
        retrieval=retrieval,
    )


def prompt_text(request: GenerationRequest) -> str:
    """Return the text of the last user message or of the prompt, empty if it has no text."""
    if isinstance(request, CompletionRequest):
        return request.prompt if isinstance(request.prompt, str) else ""
    messages = request.messages if isinstance(request, ChatRequest) else []
    contents = (message.content for message in reversed(messages) if message.role == "user")
    content = next(contents, None) or ""
    return content if isinstance(content, str) else " ".join(_text_of(part) for part in content)


def requested_max_tokens(request: GenerationRequest) -> int | None:
    """Return the client's limit of output tokens per choice, or None if it set none."""
    if isinstance(request, ChatRequest) and request.max_completion_tokens is not None:
        return request.max_completion_tokens
    return request.max_tokens


def _text_of(part: msgspec.Raw) -> str:
    try:
        return _PART.decode(part).text
    except msgspec.ValidationError:
        return ""


def _output_bounds(request: GenerationRequest, model: Model) -> OutputBounds:
    """Return the number of choices and the maximum tokens of one."""
    context = model.context_length or _MAX_CONTEXT_LENGTH
    prompts, requested, default = 1, requested_max_tokens(request), context
    if isinstance(request, CompletionRequest):
        default = min(_DEFAULT_COMPLETION_TOKENS, context)
    if isinstance(request, CompletionRequest) and not isinstance(request.prompt, str):
        # A list of texts or of token lists is several prompts, a list of token ids is one.
        several = bytes(request.prompt[0]).lstrip()[:1] in (b'"', b"[")
        prompts = len(request.prompt) if several else 1
    return OutputBounds(
        max_tokens_per_choice=min(requested or default, context),
        choices=prompts * (request.n or 1),
        is_client_limited=requested is not None,
    )


def measure_response(body: bytes) -> Quantities:
    """Return the quantities that a non-streamed response reports. Raises UpstreamFailed if none."""
    try:
        return _quantities(_RESPONSE.decode(body).usage)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise UpstreamFailed("The model's response could not be parsed.") from None


def measure_usage(raw: bytes) -> Quantities:
    """Return the quantities of a stream chunk's `usage` object. Raises UpstreamFailed."""
    try:
        return _quantities(_USAGE.decode(raw))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise UpstreamFailed("The model's response could not be parsed.") from None


def _quantities(usage: UsageObject) -> Quantities:
    details = usage.prompt_tokens_details
    return Quantities(
        input_tokens=usage.prompt_tokens,
        cached_input_tokens=details.cached_tokens if details else None,
        output_tokens=usage.completion_tokens,
    )


def _stream_usage_option(request: GenerationRequest | EmbeddingRequest) -> StreamUsageOption:
    options = request.stream_options if isinstance(request, GenerationRequest) else None
    if options is None or not options.include_usage:
        return StreamUsageOption.NONE
    return StreamUsageOption.EVERY if options.continuous_usage_stats else StreamUsageOption.LAST
