"""What is left to send of a response when its usage row is durable."""

from collections.abc import Mapping

from gateway.call.values import CallResult
from gateway.inference.call_metrics import headers_as_fields
from gateway.inference.translation import TranslatedCall
from gateway.wire.sse import add_event_fields


def is_delivering(result: CallResult) -> bool:
    """Return whether the client gets an answer, which requires a durable usage row first."""
    return result.stream_started or result.status == 200


def render_tail(
    result: CallResult, cost_headers: Mapping[str, str], translated: TranslatedCall | None
) -> bytes:
    """Return the bytes left to send; the usage chunk of a stream also gets the cost fields."""
    tail = result.tail
    if result.usage_event is not None:
        tail = add_event_fields(result.usage_event, headers_as_fields(cost_headers)) + tail
    return tail if translated is None else translated.end(result, tail)
