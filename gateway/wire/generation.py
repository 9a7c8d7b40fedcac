"""What chat and text completions have in common: validation, output bounds, upstream request."""

from collections.abc import Mapping
from functools import partial

import msgspec

from gateway.call.errors import ParameterInvalid
from gateway.call.stream_reader import StreamReaderFactory
from gateway.call.values import (
    OutputBounds,
    ParsedRequest,
    ResolvedModel,
    RetrievalRequest,
    ServiceTier,
)
from gateway.wire import body as bodies
from gateway.wire.answer_fields import ResponseIdentity, convert_generation
from gateway.wire.reasoning import limit_reasoning
from gateway.wire.requests import GenerationRequest
from gateway.wire.sse import StreamTransformer, StreamUsageOption
from gateway.wire.usage import measure_response
from models.catalog import Model

JSON_HEADERS: Mapping[str, str] = {"content-type": "application/json"}
_STREAM_OPTIONS = msgspec.Raw(b'{"include_usage":true,"continuous_usage_stats":true}')
# `auto` and `standard` are other names of the default tier.
_TIERS = {tier.value: tier for tier in ServiceTier} | {
    "auto": ServiceTier.DEFAULT,
    "standard": ServiceTier.DEFAULT,
}
_MAX_CONTEXT_LENGTH = 1 << 20


def require_stream(request: GenerationRequest) -> None:
    """Raise ParameterInvalid for `stream_options` without `stream`."""
    if request.stream_options and not request.stream:
        raise ParameterInvalid(
            "`stream_options` is only allowed with `stream: true`.", param="stream_options"
        )


def output_bounds(
    model: Model, requested_tokens: int | None, choices: int, default_tokens: int | None = None
) -> OutputBounds:
    """Return the bounds of an answer, within the model's context length.

    `requested_tokens` is the client's limit per choice. `default_tokens` applies if the client set
    none; None is the context length.
    """
    context = model.context_length or _MAX_CONTEXT_LENGTH
    return OutputBounds(
        max_tokens_per_choice=min(requested_tokens or default_tokens or context, context),
        choices=choices,
        is_client_limited=requested_tokens is not None,
    )


def build_generation_request(
    request: GenerationRequest,
    resolved: ResolvedModel,
    path: str,
    values: dict[str, msgspec.Raw],
    bounds: OutputBounds,
    retrieval: RetrievalRequest | None = None,
    transformer: type[StreamTransformer] = StreamTransformer,
) -> ParsedRequest:
    """Build the upstream request from the fields that are meant for the engine.

    `values` are changed in place: the model's upstream name is set and, for a stream, a request for
    usage in every chunk. `transformer` is the reader of the stream.
    """
    tier = _TIERS.get(request.service_tier or "")
    identity = ResponseIdentity(_replaced_name(resolved), None if tier is None else tier.value)
    # The client's `model` may be `auto`, or a public name that the engine does not know.
    values["model"] = msgspec.Raw(msgspec.json.encode(resolved.upstream_name))
    if request.stream:
        values["stream_options"] = _STREAM_OPTIONS

    def with_max_tokens(tokens: int) -> bytes:
        """Return the upstream body with `max_tokens` set to this number."""
        names = ("max_tokens", "max_completion_tokens")
        limited = limit_reasoning(values, tokens)
        other_fields = {name: value for name, value in limited.items() if name not in names}
        return bodies.encode_body({**other_fields, "max_tokens": tokens})

    return ParsedRequest(
        model=resolved.model,
        path=path,
        body=bodies.encode_body(values),
        headers=JSON_HEADERS,
        measure=measure_response,
        convert_response=partial(convert_generation, identity=identity),
        stream=bool(request.stream),
        stream_reader=(
            _stream_reader(request, bounds, identity, transformer) if request.stream else None
        ),
        output_bounds=bounds,
        service_tier=tier or ServiceTier.DEFAULT,
        request_fields=values,
        with_max_tokens=with_max_tokens,
        variant_id=resolved.variant_id,
        retrieval=retrieval,
    )


def _replaced_name(resolved: ResolvedModel) -> str | None:
    """Return the model name that a response must show in place of its engine's; None to keep it.

    The engine of a model that answers with its base's weights knows the base's name only.
    """
    is_base = resolved.model.weights.kind == "base" and resolved.variant_id is None
    return resolved.public_name if is_base else None


def _stream_reader(
    request: GenerationRequest,
    bounds: OutputBounds,
    identity: ResponseIdentity,
    transformer: type[StreamTransformer],
) -> StreamReaderFactory:
    """Return the factory of the stream's reader, which reports the identity in each chunk."""
    usage_option, choices_per_prompt = _stream_usage_option(request), request.n or 1
    return partial(
        transformer,
        usage_option,
        choices_per_prompt,
        bounds.choices,
        identity=identity,
    )


def _stream_usage_option(request: GenerationRequest) -> StreamUsageOption:
    """Return which chunks of the client's stream report usage: none, the last, or all."""
    options = request.stream_options
    if options is None or not options.include_usage:
        return StreamUsageOption.NONE
    return StreamUsageOption.EVERY if options.continuous_usage_stats else StreamUsageOption.LAST
