"""A stream of server-sent events, teed: passed on as it came and read for its usage.

Owns finding events in the bytes, taking out the usage that the client did not ask for, holding
back the last events until the call is settled, and telling a whole stream from a broken one. Each
chunk is written anew with the fields that clients see (gateway/wire/answer_fields.py); their
values are the engine's bytes.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from billing.rating.quantities import NOTHING, Quantities
from gateway.call.errors import BROKEN_OFF, UpstreamFailed
from gateway.call.values import UsageWish
from gateway.wire.answer_fields import shown_chunk
from gateway.wire.openai import measure_usage

DONE = b"data: [DONE]\n\n"

# A quote within a JSON string stands behind a backslash, so `"usage"` between bare quotes is
# always a key. The braces of the value nest once (prompt_tokens_details).
_FIELD = rb'"usage":\s*+(null|\{(?:[^{}]++|\{[^{}]*+\})*+\})'
_USAGE = re.compile(_FIELD)
_NO_CHOICES = re.compile(rb'"choices":\s*\[\s*\]')
_INDEX = re.compile(rb'"choices":\s*\[\s*\{\s*"index":\s*(\d{1,9})')
_ERROR = re.compile(rb'\{\s*"error":')
_GENERATED = re.compile(rb'"completion_tokens":\s*(\d{1,12})')
_TOTAL = -1


class StreamTee:
    """Feed it the upstream's bytes in any pieces; it gives the bytes for the client."""

    def __init__(
        self,
        wish: UsageWish,
        choices_each: int,
        choices: int,
        limit: int,
        ceiling: int | None = None,
        tier: str | None = None,
    ) -> None:
        """`limit`: the most bytes that one event may have, so that memory is bounded. `ceiling`:
        the most output tokens that may be passed on; None where nothing limits them. `tier`: the
        service tier that each chunk names."""
        self._tier = tier
        self._wish = wish
        self._choices_each = choices_each
        self._choices = choices
        self._limit = limit
        self._held = bytearray()
        self._usage: dict[int, bytes] = {}
        self._last_chunk = b""
        self._ceiling = ceiling
        self._untold_may_pass = False
        self._withheld: bytes | None = None
        self.usage_event: bytes | None = None
        self.done = False

    @property
    def withheld(self) -> bool:
        """Whether a chunk waits, with all that follows it, because it goes beyond the ceiling."""
        return self._withheld is not None

    def needed(self) -> int | None:
        """The ceiling that the withheld chunk needs; None where it does not tell its usage."""
        event = (self._withheld or b"").split(b"\n\n", 1)[0]
        return self._counted_with(event, _USAGE.search(event))

    def release(self, ceiling: int, whole: bool) -> bytes:
        """What waited, as far as a higher ceiling allows it; where that is the `whole` answer,
        chunks that do not tell their usage may pass too. Raises as `feed` does."""
        waiting, self._withheld, self._ceiling = self._withheld or b"", None, ceiling
        self._untold_may_pass = whole
        return self._events(waiting)

    def feed(self, piece: bytes) -> bytes:
        """The whole events so far, as the client shall see them.

        Raises StreamBroken with the events before the fault, where the upstream reports an error
        or sends what is no event.
        """
        held = self._held
        if held:
            # Only what is new is looked through, or a long event would cost its square.
            new = held[-2:] + piece
            if b"\n\n" not in new and b"\n\r\n" not in new:
                return self._hold(piece, b"")
            piece = bytes(held + piece)
            held.clear()
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n")
        end = piece.rfind(b"\n\n") + 2
        if end == 1:
            return self._hold(piece, b"")
        shown = self._events(piece[: end - 2])
        return shown if end == len(piece) else self._hold(piece[end:], shown)

    def quantities(self) -> Quantities:
        """What was consumed so far; nothing known where the stream has not said anything yet.

        The last chunk of a whole stream has the total. Before it, each chunk counts the choice
        that it belongs to, so the newest counts of all choices are added up.
        """
        if _TOTAL in self._usage:
            return measure_usage(self._usage[_TOTAL])
        if not self._usage:
            return NOTHING
        counts = {index: measure_usage(raw) for index, raw in self._usage.items()}
        prompts = {index // self._choices_each: count for index, count in counts.items()}
        return Quantities(
            input_tokens=sum(count.input_tokens or 0 for count in prompts.values()),
            output_tokens=sum(count.output_tokens or 0 for count in counts.values()),
        )

    def generated(self) -> int:
        """Output tokens so far, over all choices."""
        total = self._usage.get(_TOTAL)
        told = self._usage.values() if total is None else (total,)
        return sum(map(_count, told))

    def cut(self) -> bytes:
        """A last event that ends every choice for its length, as the engine would have said it.
        A chunk that was withheld is dropped, and its tokens are not counted.

        Raises UpstreamFailed where the engine has said nothing that could be told like that.
        """
        self._drop_withheld()
        try:
            last = shown_chunk(self._last_chunk[5:], False, self._tier)
            chunk = msgspec.json.decode(last[5:], type=dict[str, Any])
            text = "text" in chunk["choices"][0]
        except (msgspec.MsgspecError, RecursionError, LookupError, TypeError, ValueError):
            raise UpstreamFailed(BROKEN_OFF) from None
        said: dict[str, Any] = {"text": ""} if text else {"delta": {}}
        ended = {**said, "logprobs": None, "finish_reason": "length"}
        choices = [{"index": index, **ended} for index in sorted(self._usage) if index >= 0]
        if self._wish is not UsageWish.NONE:
            total = {**chunk, "choices": [], "usage": _usage_object(self.quantities())}
            self.usage_event = b"data: " + msgspec.json.encode(total)
        self.done = True
        return b"data: " + msgspec.json.encode({**chunk, "choices": choices}) + b"\n\n"

    def _drop_withheld(self) -> None:
        """Forget the withheld chunk. Where it is the first, the prompt was read all the same."""
        event = (self._withheld or b"").split(b"\n\n", 1)[0]
        self._withheld = None
        if event and not self._usage:
            self._last_chunk = event
            found = _USAGE.search(event)
            if found is not None and found[1] != b"null":
                read = _GENERATED.sub(b'"completion_tokens":0', found[1])
                self._usage[self._index(event)] = read

    def _goes_beyond(self, event: bytes, found: re.Match[bytes] | None) -> bool:
        """Whether a chunk would pass on more tokens than the ceiling; one that does not say how
        many there are could."""
        counted = self._counted_with(event, found)
        within = self._untold_may_pass if counted is None else counted <= (self._ceiling or 0)
        return not within and not _without_choices(event)

    def _counted_with(self, event: bytes, found: re.Match[bytes] | None) -> int | None:
        """Output tokens over all choices, with this chunk; None where it does not tell them."""
        count = None if found is None else _GENERATED.search(found[1])
        if count is None:
            return None
        before = _count(self._usage.get(self._index(event), b""))
        return self.generated() - before + int(count[1])

    def _hold(self, begun: bytes, shown: bytes) -> bytes:
        """Keep the beginning of an event until its end comes."""
        self._held += begun
        if len(self._held) > self._limit:
            raise StreamBroken(shown, "an event is too large")
        return shown

    def _events(self, block: bytes) -> bytes:
        if self._withheld is not None:
            self._withheld += b"\n\n" + block  # it stays behind the chunk that waits
            return b""
        shown: list[bytes] = []
        events = block.split(b"\n\n")
        for number, between in enumerate(events):
            event = between.strip(b"\n")  # more empty lines than one say nothing
            if self.done or not event:
                continue
            data = event[5:].lstrip() if event.startswith(b"data:") else None
            if data == b"[DONE]":
                self.done = True
            elif data is not None and data[:1] == b"{" and data[-1:] == b"}":
                if _ERROR.match(data):
                    raise StreamBroken(b"".join(shown), "the engine reported an error", data)
                found = _USAGE.search(event)
                if self._ceiling is not None and self._goes_beyond(event, found):
                    self._withheld = b"\n\n".join((event, *events[number + 1 :]))
                    break
                try:
                    shown.append(self._chunk(event, found))
                except ValueError:
                    raise StreamBroken(b"".join(shown), "what came is no chunk") from None
            elif event[:1] == b":":
                shown.append(event + b"\n\n")  # a comment, which keeps the connection open
            else:
                raise StreamBroken(b"".join(shown), "what came is no event")
        return b"".join(shown)

    def _chunk(self, event: bytes, found: re.Match[bytes] | None) -> bytes:
        if found is not None and found[1] != b"null":
            self._usage[self._index(event)] = found[1]
        if _without_choices(event):
            # Held back until the call is settled: it will also say what the call cost.
            wished = self._wish is not UsageWish.NONE
            self.usage_event = shown_chunk(event[5:], True, self._tier) if wished else None
            return b""
        self._last_chunk = event
        return shown_chunk(event[5:], self._wish is UsageWish.EVERY, self._tier) + b"\n\n"

    def _index(self, event: bytes) -> int:
        """The choice that an event belongs to; of a total, none."""
        if _without_choices(event):
            return _TOTAL
        if self._choices == 1:
            return 0
        choice = _INDEX.search(event)
        # No more choices are counted than there can be, whatever an engine makes up.
        return min(int(choice[1]), self._choices - 1) if choice else _TOTAL


def _count(usage: bytes) -> int:
    """The output tokens that a usage object tells."""
    found = _GENERATED.search(usage)
    return int(found[1]) if found else 0


def _without_choices(event: bytes) -> bool:
    # As engines write it; the pattern is for those that put spaces.
    if b'"choices":[{' in event:
        return False
    return b'"choices":[]' in event or _NO_CHOICES.search(event) is not None


def _usage_object(used: Quantities) -> dict[str, int | None]:
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.tokens,
    }


def with_fields(event: bytes, fields: Mapping[str, str]) -> bytes:
    """An event whose object has these fields too."""
    more = msgspec.json.encode(fields)[1:]
    return event.rstrip()[:-1] + b"," + more + b"\n\n"


class StreamBroken(UpstreamFailed):
    """The stream cannot go on. `shown` are the good events before; `data` the engine's error."""

    def __init__(self, shown: bytes, why: str, data: bytes | None = None) -> None:
        super().__init__(BROKEN_OFF)
        self.shown = shown
        self.why = why
        self.data = data
