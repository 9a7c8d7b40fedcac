"""Which stop sequence ended a text. Chat responses do not say it; vLLM does, in `stop_reason`.

The sequence becomes a field of the chat response on its way to formats that report it.
"""

import re
from collections.abc import Callable

import msgspec

from gateway.wire.sse import StreamTransformer, add_event_fields

FIELD = "stop_sequence"
# In a JSON string a quote is escaped, so this is always a field.
_STOP_REASON = re.compile(rb'"stop_reason":\s*"')
_DATA = b"data:"


class _Choice(msgspec.Struct):
    """How the engine says why a choice ended: a text, the id of a token, or null."""

    stop_reason: str | int | None = None


class _Ended(msgspec.Struct):
    """A response or a chunk of the engine."""

    choices: list[_Choice] = []


_ENDED = msgspec.json.Decoder(_Ended)


def find_stop_sequence(body: bytes) -> str | None:
    """Return the stop sequence that ended the first choice. Returns None if there is none."""
    if _STOP_REASON.search(body) is None:
        return None
    try:
        choices = _ENDED.decode(body).choices
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    reason = choices[0].stop_reason if choices else None
    return reason if isinstance(reason, str) else None


def keep_stop_sequence(convert: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Return a conversion of responses that keeps the stop sequence beside it."""

    def converted(body: bytes) -> bytes:
        """Return the converted response with the field, if a sequence ended it."""
        sequence, response = find_stop_sequence(body), convert(body)
        return response if sequence is None else add_event_fields(response, {FIELD: sequence})

    return converted


class StopSequenceTransformer(StreamTransformer):
    """Transforms a stream like its base, and keeps the stop sequence in the last chunk."""

    def _encode_chunk(self, event: bytes, with_usage: bool = False) -> bytes:
        """Return the client's event, with the field if a sequence ended the text."""
        client_event = super()._encode_chunk(event, with_usage)
        sequence = find_stop_sequence(event.removeprefix(_DATA))
        return (
            client_event if sequence is None else add_event_fields(client_event, {FIELD: sequence})
        )
