"""OpenAI's requests and answers: chat, completions, embeddings.

Owns what goes to the engine of a request, and how an answer's usage is read.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import ParameterInvalid, ParameterUnsupported, UpstreamFailed
from gateway.call.values import Ask, Extent, Operation, Served, Tier, UsageWish
from gateway.wire import answer_fields, file_search, nested, parameters
from gateway.wire import body as bodies
from gateway.wire.parts import require_inline
from gateway.wire.requests import ChatRequest, CompletionRequest, EmbeddingRequest, Generation
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


class Answer(msgspec.Struct):
    """The part of a plain answer that is metered."""

    usage: UsageObject


class TextPart(msgspec.Struct):
    """A part of a message, of which only text is read here."""

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
_ANSWER = msgspec.json.Decoder(Answer)
_USAGE = msgspec.json.Decoder(UsageObject)
_PART = msgspec.json.Decoder(TextPart)
_ASK_USAGE = msgspec.Raw(b'{"include_usage":true,"continuous_usage_stats":true}')
_JSON = {"content-type": "application/json"}
# `auto` is the default tier, and `standard` another name of it.
_TIERS = {tier.value: tier for tier in Tier} | {"auto": Tier.DEFAULT, "standard": Tier.DEFAULT}
# What engines generate for /v1/completions without `max_tokens`, as OpenAI does.
_COMPLETION_TOKENS = 16
_LONGEST = 1 << 20


def read_request(operation: Operation, body: bytes) -> Generation | EmbeddingRequest:
    """Check a body. Raises BodyNotJson, ParameterInvalid."""
    request: Generation | EmbeddingRequest = bodies.read(_REQUESTS[operation], body)
    if isinstance(request, Generation) and request.stream_options and not request.stream:
        raise ParameterInvalid(
            "`stream_options` goes with `stream: true` only.", param="stream_options"
        )
    values = parameters.for_model(operation, bodies.fields(body))
    if isinstance(request, ChatRequest):
        for number, message in enumerate(request.messages):
            require_inline(message.content, f"messages[{number}].content")
        nested.check(request, values)
    if isinstance(request, CompletionRequest) and request.echo and request.logprobs is not None:
        # The engine would keep a row of its whole vocabulary for each token of the prompt.
        raise ParameterUnsupported(
            "`logprobs` of an echoed prompt are not supported.", param="logprobs"
        )
    return request


def ask(request: Generation | EmbeddingRequest, served: Served, path: str, body: bytes) -> Ask:
    """What goes to the engine: the client's fields that are for it, always the length of a plain
    completion, and in a stream always a wish for usage."""
    operation, model = _OPERATIONS[type(request)], served.model
    values = parameters.for_model(operation, bodies.fields(body))
    tier = _TIERS.get(getattr(request, "service_tier", None) or "", None)
    reshape = answer_fields.reshaper(operation, None if tier is None else tier.value)
    # Where the client left the choice to us, its engine must not be asked for `auto`.
    values["model"] = msgspec.Raw(msgspec.json.encode(served.place))
    if not isinstance(request, Generation):
        return Ask(
            model, path, bodies.envelope(values), _JSON, measure_answer, reshape, prompt=values
        )
    searching = None
    if isinstance(request, ChatRequest):
        searching = file_search.take_out(values, words_of(request))
    extent = _extent(request, model)
    if isinstance(request, CompletionRequest):
        tokens = msgspec.Raw(msgspec.json.encode(extent.output_each))
        values.setdefault("max_tokens", tokens)
    if request.stream:
        values["stream_options"] = _ASK_USAGE

    def shortened(tokens: int) -> bytes:
        both = ("max_tokens", "max_completion_tokens")
        kept = {name: value for name, value in values.items() if name not in both}
        return bodies.envelope({**kept, "max_tokens": tokens})

    return Ask(
        model=model,
        path=path,
        body=bodies.envelope(values),
        headers=_JSON,
        measure=measure_answer,
        reshape=reshape,
        stream=bool(request.stream),
        usage_wish=_usage_wish(request),
        choices_each=request.n or 1,
        extent=extent,
        tier=tier or Tier.DEFAULT,
        shown_tier=None if tier is None else tier.value,
        prompt=values,
        shortened=shortened,
        variant=served.variant,
        searching=searching,
    )


def words_of(request: Generation) -> str:
    """What is asked for in words, if it is: the user's last message, or the prompt."""
    if isinstance(request, CompletionRequest):
        return request.prompt if isinstance(request.prompt, str) else ""
    messages = request.messages if isinstance(request, ChatRequest) else []
    said = next((one.content for one in reversed(messages) if one.role == "user"), None) or ""
    return said if isinstance(said, str) else " ".join(_text_of(part) for part in said)


def output_limit(request: Generation) -> int | None:
    """The most tokens of an answer, where the client says so."""
    if isinstance(request, ChatRequest) and request.max_completion_tokens is not None:
        return request.max_completion_tokens
    return request.max_tokens


def _text_of(part: msgspec.Raw) -> str:
    try:
        return _PART.decode(part).text
    except msgspec.ValidationError:
        return ""


def _extent(request: Generation, model: Model) -> Extent:
    """How many choices there will be, and how long one can become."""
    context = model.context_length or _LONGEST
    prompts, asked, natural = 1, output_limit(request), context
    if isinstance(request, CompletionRequest):
        natural = min(_COMPLETION_TOKENS, context)
    if isinstance(request, CompletionRequest) and not isinstance(request.prompt, str):
        texts = bytes(request.prompt[0]).lstrip()[:1] in (b'"', b"[")
        prompts = len(request.prompt) if texts else 1
    return Extent(
        output_each=min(asked or natural, context),
        choices=prompts * (request.n or 1),
        limited=asked is not None,
    )


def measure_answer(body: bytes) -> Quantities:
    """What a plain answer says it consumed. Raises UpstreamFailed where it does not say."""
    try:
        return _quantities(_ANSWER.decode(body).usage)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise UpstreamFailed("The model's answer could not be read.") from None


def measure_usage(raw: bytes) -> Quantities:
    """The same for the `usage` object of a stream's chunk."""
    try:
        return _quantities(_USAGE.decode(raw))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise UpstreamFailed("The model's answer could not be read.") from None


def _quantities(usage: UsageObject) -> Quantities:
    details = usage.prompt_tokens_details
    return Quantities(
        input_tokens=usage.prompt_tokens,
        cached_input_tokens=details.cached_tokens if details else None,
        output_tokens=usage.completion_tokens,
    )


def _usage_wish(request: Generation | EmbeddingRequest) -> UsageWish:
    options = request.stream_options if isinstance(request, Generation) else None
    if options is None or not options.include_usage:
        return UsageWish.NONE
    return UsageWish.EVERY if options.continuous_usage_stats else UsageWish.LAST
