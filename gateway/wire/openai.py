"""OpenAI's requests and answers: chat, completions, embeddings.

Owns which fields are checked here, so that a mistake is named before anything is spent, and how
an answer's usage is read. Fields that are not named here go to the engine as they are, but for
those that reach into it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.errors import ParameterInvalid, UpstreamFailed
from gateway.flow import Ask, Extent, Operation, Served, Tier, UsageWish
from gateway.wire import body as bodies
from gateway.wire import file_search
from gateway.wire.parts import require_inline
from models.catalog import Model

Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Tokens = Annotated[int, Meta(ge=0, le=1 << 40)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Some = Annotated[list[msgspec.Raw], Meta(min_length=1)]

# Engine fields that a client may not set: they choose priorities, share caches between tenants,
# run templates, name internal requests, or (beams) generate more than usage tells of.
_ENGINE_ONLY = frozenset(
    {
        "cache_salt",
        "chat_template",
        "kv_transfer_params",
        "mm_processor_kwargs",
        "priority",
        "request_id",
        "use_beam_search",
        "vllm_xargs",
    }
)


class StreamOptions(msgspec.Struct):
    """`stream_options`; continuous_usage_stats is vLLM's."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class Generation(msgspec.Struct, kw_only=True):
    """What chat and plain completions have in common."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    user: str | None = None
    service_tier: Literal["auto", "priority", "default", "flex", "standard"] | None = None


class Message(msgspec.Struct):
    """One message; its content is the engine's to judge."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[msgspec.Raw] | None = None


class ChatRequest(Generation, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None


class CompletionRequest(Generation, kw_only=True):
    """`POST /v1/completions`. Prompts may be text or token ids, one or several."""

    prompt: str | Some
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: Literal[1] | None = None


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """`POST /v1/embeddings`. Inputs may be text or token ids, one or several."""

    model: str
    input: str | Some
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None
    user: str | None = None


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
_ANSWER = msgspec.json.Decoder(Answer)
_USAGE = msgspec.json.Decoder(UsageObject)
_PART = msgspec.json.Decoder(TextPart)
_ASK_USAGE = msgspec.Raw(b'{"include_usage":true,"continuous_usage_stats":true}')
_JSON = {"content-type": "application/json"}
_TIERS = {tier.value: tier for tier in Tier}
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
    if isinstance(request, ChatRequest):
        for number, message in enumerate(request.messages):
            require_inline(message.content, f"messages[{number}].content")
    return request


def ask(request: Generation | EmbeddingRequest, served: Served, path: str, body: bytes) -> Ask:
    """What goes to the engine: the client's fields, and in a stream always a wish for usage.

    Raises ParameterInvalid for a field that clients may not set.
    """
    values, model = bodies.fields(body), served.model
    # Where the client left the choice to us, its engine must not be asked for `auto`.
    values["model"] = msgspec.Raw(msgspec.json.encode(served.place))
    for name in _ENGINE_ONLY.intersection(values):
        raise ParameterInvalid(f"`{name}` cannot be set here.", param=name)
    if not isinstance(request, Generation):
        return Ask(model, path, bodies.envelope(values), _JSON, measure_answer, prompt=values)
    values.pop("service_tier", None)  # ours to keep, not the engine's
    searching = None
    if isinstance(request, ChatRequest):
        searching = file_search.take_out(values, words_of(request))
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
        stream=bool(request.stream),
        usage_wish=_usage_wish(request),
        choices_each=request.n or 1,
        extent=_extent(request, model),
        tier=_TIERS.get(request.service_tier or "", Tier.DEFAULT),
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
