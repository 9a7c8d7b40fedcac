"""The interface between the relay and the stream format of an endpoint."""

from typing import Protocol

from billing.rating.quantities import Quantities


class StreamReader(Protocol):
    """Converts one upstream stream into the client's events and measures it.

    Events beyond the ceiling, the number of output tokens reserved so far, are withheld until
    `release` raises it.
    """

    done: bool
    usage_event: bytes | None
    """The usage event for the client, which is sent with the cost of the call; None without one."""

    @property
    def end_event(self) -> bytes:
        """Return the event that ends a complete stream."""
        ...

    @property
    def is_withholding(self) -> bool:
        """Return whether events are withheld until more output tokens are reserved."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take upstream bytes, split anywhere, and return the client's complete events.

        Raises StreamBroken if the stream cannot continue.
        """
        ...

    def required_tokens(self) -> int | None:
        """Return the token ceiling that the first withheld event needs; None if it has no usage."""
        ...

    def release(self, ceiling: int, covers_maximum: bool) -> bytes:
        """Raise the token ceiling; return events within it (`covers_maximum`: also without usage).

        With `covers_maximum` the ceiling is all that the engine may generate, so chunks that
        report no usage are returned too.
        """
        ...

    def truncate(self) -> bytes:
        """End the stream before the withheld events and return its last event."""
        ...

    def end_early(self) -> bool:
        """End the stream before the engine does. Returns False if its usage so far is not known."""
        ...

    def output_tokens(self) -> int:
        """Return the output tokens so far, over all choices."""
        ...

    def quantities(self) -> Quantities:
        """Return the quantities consumed so far, NO_USAGE if the stream has reported none."""
        ...


class StreamReaderFactory(Protocol):
    """Creates the reader of a stream."""

    def __call__(
        self, max_event_bytes: int, ceiling: int | None, *, model: str | None = None
    ) -> StreamReader:
        """Create a reader of events up to a size, with a ceiling (None for no maximum).

        `model` replaces the server's name of the model in the client's events.
        """
        ...
