"""Transform a model server's server-sent events into the client's, and meter them.

Each chunk is re-encoded with the public fields only (gateway/wire/answer_fields.py), without usage
that the client did not request; field values stay the engine's bytes. The usage event is withheld
until the call is settled, and `[DONE]` distinguishes a complete stream from a broken one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import msgspec

from billing.rating.quantities import NO_USAGE, Quantities, sum_known
from gateway.call.errors import ANSWER_INTERRUPTED, UpstreamFailed
from gateway.wire.answer_fields import ResponseIdentity, encode_chunk_event
from gateway.wire.chunk_shape import ChunkShape, learn_shape
from gateway.wire.usage import measure_usage, usage_json

DONE = b"data: [DONE]\n\n"

# In a JSON string a quote is escaped by a backslash, so an unescaped `"usage"` is always a key.
# The braces of its value nest twice (prompt_tokens_details, multimodal_tokens).
_FLAT_OBJECT = rb"\{[^{}]*+\}"
_DETAILS = rb"\{(?:[^{}]++|" + _FLAT_OBJECT + rb")*+\}"
_USAGE_FIELD = rb'"usage":\s*+(null|\{(?:[^{}]++|' + _DETAILS + rb")*+\})"
_USAGE = re.compile(_USAGE_FIELD)
_NO_CHOICES = re.compile(rb'"choices":\s*\[\s*\]')
_INDEX = re.compile(rb'"choices":\s*\[\s*\{\s*"index":\s*(\d{1,9})')
_ERROR = re.compile(rb'\{\s*"error":')
_COMPLETION_TOKENS = re.compile(rb'"completion_tokens":\s*(\d{1,12})')
_TOTAL_INDEX = -1
# Shapes that no later chunk had, after which none is learned any more.
_MAX_USELESS_SHAPES = 4
_NO_IDENTITY = ResponseIdentity()


class StreamUsageOption(Enum):
    """Which chunks of a stream show usage to the client; the engine always reports usage."""

    NONE = "none"
    LAST = "last"
    EVERY = "every"


class StreamTransformer:
    """Transforms and meters one stream: `feed` takes upstream bytes and returns client bytes.

    It is the stream reader (gateway/call/stream_reader.py) of chat and text completions.
    """

    end_event = DONE

    def __init__(
        self,
        usage_option: StreamUsageOption,
        choices_per_prompt: int,
        choices: int,
        max_event_bytes: int,
        ceiling: int | None = None,
        identity: ResponseIdentity = _NO_IDENTITY,
        model: str | None = None,
    ) -> None:
        """Initialize the state of one stream.

        `max_event_bytes` bounds the memory of one event. `ceiling` is the maximum number of output
        tokens to pass on, None for no maximum. Each chunk reports the `identity`; `model` replaces
        the model name of the identity.
        """
        self._identity = identity if model is None else replace(identity, model=model)
        self._usage_option = usage_option
        self._choices_per_prompt = choices_per_prompt
        self._choices = choices
        self._max_event_bytes = max_event_bytes
        self._buffer = bytearray()
        self._usage_by_choice: dict[int, bytes] = {}
        self._last_chunk = b""
        self._shape: ChunkShape | None = None
        self._useless_shapes = 0
        # With several choices, chunks of different shapes alternate; shown counts are decoded.
        self._learns_shapes = choices == 1 and usage_option is not StreamUsageOption.EVERY
        self._ceiling = ceiling
        self._allow_unmetered = False
        self._withheld: bytes | None = None
        self.usage_event: bytes | None = None
        self.done = False

    @property
    def is_withholding(self) -> bool:
        """Return whether chunks are withheld because the first of them exceeds the ceiling."""
        return self._withheld is not None

    def required_tokens(self) -> int | None:
        """Return the token ceiling that lets the withheld chunk pass; None if it has no usage."""
        event = (self._withheld or b"").split(b"\n\n", 1)[0]
        return self._output_tokens_with(event, _USAGE.search(event))

    def release(self, ceiling: int, covers_maximum: bool) -> bytes:
        """Raise the token ceiling and return events within it (unmetered too if `covers_maximum`).

        With `covers_maximum`, the ceiling is the engine's own maximum, so chunks that report no
        usage may pass too. Raises like `feed`.
        """
        withheld, self._withheld, self._ceiling = self._withheld or b"", None, ceiling
        self._allow_unmetered = covers_maximum
        return self._transform_events(withheld)

    def feed(self, data: bytes) -> bytes:
        """Take upstream bytes, split anywhere, and return the client's events that are complete.

        Raises StreamBroken, with the events before the error, if the upstream reports an error or
        sends an invalid event.
        """
        buffer = self._buffer
        if self._shape is not None and not buffer and data.endswith(b"\n\n"):
            # One whole event, which is the usual case, needs no splitting.
            alike = None if self.is_withholding else self._convert_alike(data[:-2], self._shape)
            if alike is not None:
                return alike
        if buffer:
            # Only the new bytes are searched: searching the buffer each time is quadratic.
            new = buffer[-2:] + data
            if b"\n\n" not in new and b"\n\r\n" not in new:
                return self._buffer_partial_event(data, b"")
            data = bytes(buffer + data)
            buffer.clear()
        if data.find(b"\r") >= 0:  # `in` builds and drops an exception first
            data = data.replace(b"\r\n", b"\n")
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            return self._buffer_partial_event(data, b"")
        client_events = self._transform_events(data[: end - 2])
        if end == len(data):
            return client_events
        return self._buffer_partial_event(data[end:], client_events)

    def quantities(self) -> Quantities:
        """Return the quantities consumed so far, NO_USAGE if the stream has reported none yet.

        The last chunk of a complete stream has the total. Until then each chunk reports the usage
        of its choice, so the latest usages of all choices are summed.
        """
        if _TOTAL_INDEX in self._usage_by_choice:
            return measure_usage(self._usage_by_choice[_TOTAL_INDEX])
        if not self._usage_by_choice:
            return NO_USAGE
        counts = {index: measure_usage(raw) for index, raw in self._usage_by_choice.items()}
        prompts = {index // self._choices_per_prompt: count for index, count in counts.items()}
        return Quantities(
            input_tokens=sum(count.input_tokens or 0 for count in prompts.values()),
            output_tokens=sum(count.output_tokens or 0 for count in counts.values()),
            reasoning_tokens=sum_known(count.reasoning_tokens for count in counts.values()),
        )

    def output_tokens(self) -> int:
        """Return the output tokens so far, over all choices."""
        total = self._usage_by_choice.get(_TOTAL_INDEX)
        usages = self._usage_by_choice.values() if total is None else (total,)
        return sum(map(_output_tokens_of, usages))

    def truncate(self) -> bytes:
        """End the stream: return a last chunk with the finish reason `length` for every choice.

        Drops the withheld chunk without counting its tokens. Raises UpstreamFailed if no valid
        chunk came before.
        """
        self._drop_withheld()
        chunk = self._end_early()
        is_text_completion = "text" in chunk["choices"][0]
        content: dict[str, Any] = {"text": ""} if is_text_completion else {"delta": {}}
        ended = {**content, "logprobs": None, "finish_reason": "length"}
        indices = [index for index in sorted(self._usage_by_choice) if index >= 0]
        choices = [{"index": index, **ended} for index in indices]
        return b"data: " + msgspec.json.encode({**chunk, "choices": choices}) + b"\n\n"

    def end_early(self) -> bool:
        """End the stream before the engine does.

        Returns False if the engine has ended it, or if the usage so far is not known.
        """
        is_known = bool(self._usage_by_choice) and not self.is_withholding
        if self.done or not is_known or _TOTAL_INDEX in self._usage_by_choice:
            return False
        self._end_early()
        return True

    def _end_early(self) -> dict[str, Any]:
        """Mark the stream as done, with the usage event so far. Returns the last chunk.

        Raises UpstreamFailed if there is no valid chunk.
        """
        try:
            last = encode_chunk_event(self._last_chunk[5:], False, self._identity)
            chunk = msgspec.json.decode(last[5:], type=dict[str, Any])
            chunk["choices"][0].get("index")
        except (msgspec.MsgspecError, RecursionError, LookupError, TypeError, ValueError):
            raise UpstreamFailed(ANSWER_INTERRUPTED) from None
        if self._usage_option is not StreamUsageOption.NONE:
            total = {**chunk, "choices": [], "usage": usage_json(self.quantities())}
            self.usage_event = b"data: " + msgspec.json.encode(total)
        self._mark_done()
        return chunk

    def _mark_done(self) -> None:
        """Mark the stream as done: chunks that follow are dropped."""
        self.done, self._shape = True, None

    def _drop_withheld(self) -> None:
        """Drop the withheld chunk. If it is the first, count the prompt, which was processed."""
        event = (self._withheld or b"").split(b"\n\n", 1)[0]
        self._withheld = None
        if event and not self._usage_by_choice:
            self._last_chunk = event
            match = _USAGE.search(event)
            if match is not None and match[1] != b"null":
                prompt_only = _COMPLETION_TOKENS.sub(b'"completion_tokens":0', match[1])
                self._usage_by_choice[self._choice_index(event)] = prompt_only

    def _exceeds_ceiling(self, event: bytes, match: re.Match[bytes] | None) -> bool:
        """Return whether a chunk may exceed the ceiling; `match` is its usage, None if unknown."""
        tokens = self._output_tokens_with(event, match)
        within = self._allow_unmetered if tokens is None else tokens <= (self._ceiling or 0)
        return not within and not _has_no_choices(event)

    def _output_tokens_with(self, event: bytes, match: re.Match[bytes] | None) -> int | None:
        """Return all choices' output tokens up to this chunk, or None if it reports no usage."""
        count = None if match is None else _COMPLETION_TOKENS.search(match[1])
        if count is None:
            return None
        before = _output_tokens_of(self._usage_by_choice.get(self._choice_index(event), b""))
        return self.output_tokens() - before + int(count[1])

    def _buffer_partial_event(self, data: bytes, client_events: bytes) -> bytes:
        """Buffer the beginning of an event and return `client_events` unchanged."""
        self._buffer += data
        if len(self._buffer) > self._max_event_bytes:
            raise StreamBroken(client_events, "an event is too large")
        return client_events

    def _transform_events(self, block: bytes) -> bytes:
        """Return the client's events; from the first above the ceiling on, withhold them."""
        if self._withheld is not None:
            self._withheld += b"\n\n" + block  # keeps the order behind the withheld chunk
            return b""
        client_events: list[bytes] = []
        events = block.split(b"\n\n")
        for number, raw_event in enumerate(events):
            if self._shape is not None and (alike := self._convert_alike(raw_event, self._shape)):
                client_events.append(alike)
                continue
            event = raw_event.strip(b"\n")  # additional empty lines have no meaning
            if self.done or not event:
                continue
            data = event[5:].lstrip() if event.startswith(b"data:") else None
            if data == b"[DONE]":
                self._mark_done()
            elif data is not None and data[:1] == b"{" and data[-1:] == b"}":
                if _ERROR.match(data):
                    raise StreamBroken(
                        b"".join(client_events), "the engine reported an error", data
                    )
                match = _USAGE.search(event)
                if self._ceiling is not None and self._exceeds_ceiling(event, match):
                    self._withheld = b"\n\n".join((event, *events[number + 1 :]))
                    break
                try:
                    client_events.append(self._transform_chunk(event, match))
                except ValueError:
                    raise StreamBroken(
                        b"".join(client_events), "an event is not a valid chunk"
                    ) from None
            elif event[:1] == b":":
                client_events.append(event + b"\n\n")  # a comment, used as keep-alive
            else:
                raise StreamBroken(b"".join(client_events), "the stream contains invalid data")
        return b"".join(client_events)

    def _convert_alike(self, event: bytes, shape: ChunkShape) -> bytes | None:
        """Record the usage of a chunk of the learned shape and return the client's event.

        Returns None for any other event, and for a chunk above the ceiling.
        """
        converted = shape.convert(event)
        if converted is None:
            return None
        client_event, usage = converted
        if self._ceiling is not None:
            count = _COMPLETION_TOKENS.search(usage)
            if count is None or int(count[1]) > self._ceiling:
                return None
        if usage:
            self._usage_by_choice[0] = usage
        self._last_chunk = event
        self._useless_shapes = 0
        return client_event

    def _transform_chunk(self, event: bytes, match: re.Match[bytes] | None) -> bytes:
        """Record a chunk's usage and return the client's event.

        Empty for the usage event, which is withheld until the call is settled.
        """
        usage_span = None
        if match is not None and match[1] != b"null":
            self._usage_by_choice[self._choice_index(event)] = match[1]
            usage_span = match.span(1)
        if _has_no_choices(event):
            # The caller adds the cost of the call to it once the call is settled.
            requested = self._usage_option is not StreamUsageOption.NONE
            self.usage_event = self._encode_chunk(event, True) if requested else None
            self._shape, self._learns_shapes = None, False  # the total counts now
            return b""
        self._last_chunk = event
        with_usage = self._usage_option is StreamUsageOption.EVERY
        client_event = self._encode_chunk(event, with_usage)
        if self._learns_shapes and self._useless_shapes < _MAX_USELESS_SHAPES:
            self._shape = learn_shape(event, usage_span, self._encode_chunk)
            self._useless_shapes += self._shape is not None
        return client_event

    def _encode_chunk(self, event: bytes, with_usage: bool = False) -> bytes:
        """Return the client's event of a chunk. Raises ValueError."""
        return encode_chunk_event(event[5:], with_usage, self._identity) + b"\n\n"

    def _choice_index(self, event: bytes) -> int:
        """Return the index of the choice that a chunk belongs to, _TOTAL_INDEX for a total."""
        if _has_no_choices(event):
            return _TOTAL_INDEX
        if self._choices == 1:
            return 0
        choice = _INDEX.search(event)
        # Bounded by the number of choices, so that an engine cannot make the mapping grow.
        return min(int(choice[1]), self._choices - 1) if choice else _TOTAL_INDEX


def map_chunks(events: bytes, convert: Callable[[bytes], bytes]) -> bytes:
    """Return complete events of a client's stream with each chunk converted.

    `convert` gets and returns a chunk's event; other events, as `[DONE]` and comments, stay.
    """
    sent = (
        convert(event) if event.startswith(b"data: {") else event + b"\n\n"
        for event in events.split(b"\n\n")
        if event
    )
    return b"".join(sent)


def _output_tokens_of(usage: bytes) -> int:
    """Return the output tokens of a usage object in JSON, 0 if it has none."""
    match = _COMPLETION_TOKENS.search(usage)
    return int(match[1]) if match else 0


def _has_no_choices(event: bytes) -> bool:
    """Return whether the `choices` of a chunk are an empty list."""
    # Fast paths for the engines' usual form; the pattern also matches white space.
    if b'"choices":[{' in event:
        return False
    return b'"choices":[]' in event or _NO_CHOICES.search(event) is not None


def add_event_fields(event: bytes, fields: Mapping[str, str]) -> bytes:
    """Return an event with additional fields in its JSON object."""
    return add_body_fields(event.rstrip(), fields) + b"\n\n"


def add_body_fields(body: bytes, fields: Mapping[str, str]) -> bytes:
    """Return a JSON object that is not empty with additional fields at its end."""
    return body[:-1] + b"," + msgspec.json.encode(fields)[1:] if fields else body


class StreamBroken(UpstreamFailed):
    """The stream cannot continue.

    `client_events` are the valid events before the error, `engine_error` is the error object that
    the engine sent, if any.
    """

    def __init__(
        self, client_events: bytes, reason: str, engine_error: bytes | None = None
    ) -> None:
        super().__init__(ANSWER_INTERRUPTED)
        self.client_events = client_events
        self.reason = reason
        self.engine_error = engine_error
