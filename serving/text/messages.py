"""Messages between the ingress and the replicas of the text models."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

EVENT_STREAM = "text/event-stream"


class Operation(StrEnum):
    """The operations of a text engine, by the name of the engine's method."""

    CHAT = "chat"
    COMPLETIONS = "completions"


@dataclass(frozen=True, slots=True)
class TextRequest:
    """An HTTP request for an engine: the JSON body as received, and the headers by name.

    The headers have the trace context.
    """

    operation: Operation
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ResponseStart:
    """The beginning of a response: its status, media type and first content.

    For an event stream, texts with further events follow; any other content is complete.
    """

    status: int
    media_type: str
    content: str

    @property
    def is_stream(self) -> bool:
        """Whether further content follows."""
        return self.media_type == EVENT_STREAM
