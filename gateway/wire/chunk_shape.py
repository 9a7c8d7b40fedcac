"""Convert chunks of a stream that differ from an earlier one in their text and counts only.

An engine repeats everything else of a chunk for each token. Comparing it with the earlier chunk
costs a fraction of decoding it again, and gives the same bytes: a JSON string in place of another
changes nothing else of how a chunk is decoded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

# The inside of a JSON string without \u escapes, which the decoder checks further.
_TEXT = rb'[^"\\\x00-\x1f]*+(?:\\["\\/bfnrt][^"\\\x00-\x1f]*+)*+'
_TEXT_FIELD = re.compile(rb'"(?:content|text|reasoning|reasoning_content)":\s?"(' + _TEXT + rb')"')
_COUNT = rb'"[a-z_]{1,40}":\s?(?:null|0|[1-9][0-9]{0,11}+)'
_DETAILS = rb"\{" + _COUNT + rb"(?:,\s?" + _COUNT + rb")*+\}"
_FIELD = rb'(?:"[a-z_]{1,40}":\s?' + _DETAILS + rb"|" + _COUNT + rb")"
_COUNTS = rb"\{" + _FIELD + rb"(?:,\s?" + _FIELD + rb")*+\}"
_match_text = re.compile(_TEXT).match
_match_counts = re.compile(_COUNTS).match
# In place of a text and of counts: no re-encoding would keep this spelling, and no event has it.
_SAMPLE_TEXT = rb"\/maas\/text\/"
_SAMPLE_COUNTS = b'{"maas_counts":0}'


@dataclass(frozen=True, slots=True)
class ChunkShape:
    """What the chunks have in common: the bytes before the text, between text and usage, and last.

    `separators` are the client's bytes around the text. Without counts, `middle` is all that
    follows the text.
    """

    start: bytes
    middle: bytes
    end: bytes
    has_counts: bool
    separators: tuple[bytes, ...]

    def convert(self, event: bytes) -> tuple[bytes, bytes] | None:
        """Return the client's event and the usage object, empty if the chunks have none.

        Returns None for a chunk of another shape.
        """
        if not event.startswith(self.start):
            return None
        start = len(self.start)
        text_end = _match_text(event, start).end()  # type: ignore[union-attr]  # may be empty
        if not event.startswith(self.middle, text_end):
            return None
        end, usage = text_end + len(self.middle), b""
        if self.has_counts:
            counts = _match_counts(event, end)
            if counts is None:
                return None
            end, usage = counts.end(), counts[0]
        if event[end:] != self.end:
            return None
        return event[start:text_end].join(self.separators), usage


def learn_shape(
    event: bytes, usage_span: tuple[int, int] | None, convert: Callable[[bytes], bytes]
) -> ChunkShape | None:
    """Return the shape of a chunk, None if it has no text, or usage before its text.

    `usage_span` is the place of its usage object, None if it has none. `convert` returns the
    client's event of a chunk, and raises ValueError.
    """
    text = _TEXT_FIELD.search(event)
    # The first chunk, which has the role, and the last one have no text, and are like no other.
    if text is None or not text[1] or _SAMPLE_TEXT in event:
        return None
    start, rest = event[: text.start(1)], event[text.end(1) :]
    middle, end = rest, b""
    if usage_span is not None:
        if usage_span[0] < text.end():
            return None
        middle, end = event[text.end(1) : usage_span[0]], event[usage_span[1] :]
    sample = start + _SAMPLE_TEXT + middle + (b"" if usage_span is None else _SAMPLE_COUNTS) + end
    client_event = convert(sample)
    separators = tuple(client_event.split(_SAMPLE_TEXT))
    # A client that sees the counts, or not the text: the values were decoded, not only copied.
    if _SAMPLE_COUNTS in client_event or len(separators) == 1:
        return None
    return ChunkShape(start, middle, end, usage_span is not None, separators)
