"""The `usage` object of OpenAI responses and stream chunks, and the quantities it reports."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import UpstreamFailed

Tokens = Annotated[int, Meta(ge=0, le=1 << 40)]


class PromptDetails(msgspec.Struct):
    """`prompt_tokens_details`."""

    cached_tokens: Tokens | None = None


class CompletionDetails(msgspec.Struct):
    """`completion_tokens_details`; reasoning tokens are a part of the completion tokens."""

    reasoning_tokens: Tokens | None = None


class UsageObject(msgspec.Struct):
    """`usage`, of an answer or of a stream's chunk."""

    prompt_tokens: Tokens
    completion_tokens: Tokens | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class MeteredResponse(msgspec.Struct):
    """The metered part of a non-streamed response."""

    usage: UsageObject


_RESPONSE = msgspec.json.Decoder(MeteredResponse)
_USAGE = msgspec.json.Decoder(UsageObject)


def token_counts(quantities: Quantities) -> Quantities:
    """Return the tokens of a call without its other quantities."""
    return Quantities(
        input_tokens=quantities.get("input_tokens"),
        cached_input_tokens=quantities.cached_input_tokens,
        output_tokens=quantities.get("output_tokens"),
        reasoning_tokens=quantities.reasoning_tokens,
    )


def usage_json(tokens: Quantities) -> dict[str, Any]:
    """Return tokens as OpenAI's `usage` object.

    It has cached tokens if there are any, and reasoning tokens if they are known.
    """
    usage: dict[str, Any] = {
        "prompt_tokens": tokens.input_tokens,
        "completion_tokens": tokens.output_tokens,
        "total_tokens": tokens.tokens,
    }
    if tokens.cached_input_tokens:
        usage["prompt_tokens_details"] = {"cached_tokens": tokens.cached_input_tokens}
    if tokens.reasoning_tokens is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": tokens.reasoning_tokens}
    return usage


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
    """Return the quantities that a `usage` object reports."""
    details = usage.prompt_tokens_details
    return Quantities(
        input_tokens=usage.prompt_tokens,
        cached_input_tokens=details.cached_tokens if details else None,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=_reasoning_tokens(usage),
    )


def _reasoning_tokens(usage: UsageObject) -> int | None:
    """Return the reasoning tokens, never more than output tokens; None if not reported."""
    details = usage.completion_tokens_details
    if details is None or details.reasoning_tokens is None:
        return None
    # They are information and not priced, so a wrong count of an engine fails no call.
    return min(details.reasoning_tokens, usage.completion_tokens or 0)
