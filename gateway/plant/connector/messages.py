"""Messages between a broker and the handler of a source; handlers know no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.plant.connector.filters import FilterConfig
from gateway.plant.readings.filtering.filter import Sample


@dataclass(frozen=True, slots=True)
class Incoming:
    """A received message; `is_retained` if the broker had stored it before the subscription."""

    topic: str
    payload: bytes
    is_retained: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


class ReadingSink(Protocol):
    """Takes the readings of a handler: the collector, or what reads a command back."""

    def add_point(self, tag: str, unit: str, config: FilterConfig) -> bool:
        """Add a point unless it is known; False if it is not wanted."""
        ...

    def add(self, tag: str, sample: Sample) -> None:
        """Add a reading of a point."""
        ...


class MessageHandler(Protocol):
    """What a source does with messages of its broker."""

    @property
    def subscriptions(self) -> Sequence[tuple[str, int]]:
        """The topic filters to subscribe to, each with its QoS."""
        ...

    def will(self, now_us: int) -> Outgoing | None:
        """Return the message that the broker publishes when the connection is lost."""
        ...

    def connected(self, now_us: int) -> Sequence[Outgoing]:
        """Return the messages to publish after each connection, once subscribed."""
        ...

    def receive(self, message: Incoming, now_us: int) -> Sequence[Outgoing]:
        """Collect the readings of a message; return the messages to publish."""
        ...
