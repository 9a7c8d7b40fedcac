"""The `usage` object of OpenAI responses and stream chunks, and the quantities it reports."""

from typing import Annotated

import msgspec
from msgspec import Meta

from billing.rating.quantities import Quantities
from gateway.call.errors import UpstreamFailed

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


_RESPONSE = msgspec.json.Decoder(MeteredResponse)
_USAGE = msgspec.json.Decoder(UsageObject)


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
    )
