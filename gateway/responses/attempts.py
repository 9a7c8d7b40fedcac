"""Where a stream of a background response begins in its events: pure.

The events of an attempt follow those of earlier ones, so that no number occurs twice. Event 0 is
`response.created`, which is not kept; the first event of an attempt is `response.in_progress`, and
those after it tell the answer. A response that is generated again makes what was told before
invalid: a client that has it must not get the new answer behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FIRST_NUMBER = 1


@dataclass(frozen=True, slots=True)
class AttemptSpan:
    """The first and the last number of the events that an attempt has produced so far."""

    attempt: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The number of the last event that a client has, and the attempt that it belongs to.

    `attempt` is None before the first one, `first` the number of the attempt's first event.
    """

    after: int
    attempt: int | None = None
    first: int = FIRST_NUMBER

    def can_get(self, attempt: int) -> bool:
        """Whether events of this attempt may follow: not of another one behind a part of this."""
        return self.attempt in (None, attempt) or self.after <= self.first

    def advanced(self, attempt: int, first: int, last: int) -> "StreamPosition":
        """Return the position after events of an attempt, from `first` to `last`."""
        return StreamPosition(last, attempt, self.first if attempt == self.attempt else first)


def start_position(
    spans: Sequence[AttemptSpan], starting_after: int | None
) -> StreamPosition | None:
    """Return where a stream begins: in the newest attempt, after the event that its client has.

    spans: of all attempts with events, in order. Returns None if the client has a part of an answer
    that is no longer the response's.
    """
    after = starting_after or 0
    if not spans:
        return StreamPosition(after)
    newest = spans[-1]
    known = next((span for span in reversed(spans) if span.first <= after), None)
    if known is None or (known is not newest and after == known.first):
        return StreamPosition(newest.first - 1, newest.attempt, newest.first)
    if known is not newest:
        return None
    return StreamPosition(after, newest.attempt, newest.first)
