"""The interface of formats other than chat, such as the Responses and the Messages API.

Chat is the internal form: a request is decoded into a chat, and the chat's answer or stream is
encoded for the client at the end. Metering, guards, hosted tools, passages and cost know chats
only. A new format is a package that exports a `WireFormat`, and a line in the endpoint table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from gateway.call.error_format import OPENAI_ERRORS, ErrorFormat
from gateway.wire.documentation import Documentation
from gateway.wire.parameters import Parameter
from infra.errors import AppError
from models.catalog import Model

# What a request asks for in a way that depends on the model: a field of its chat, for `adapt`.
HINTS_FIELD = "x_maas_hints"
# What a value without the form of a chat's answer raises.
UNREADABLE = (
    msgspec.MsgspecError,
    RecursionError,
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """What an answer shows of its call: the id, and when it started (UTC)."""

    request_id: UUID
    started_at: datetime


class AnswerStream(Protocol):
    """Encodes one stream. Events of the chat may have its cost, citations and decisions."""

    def feed(self, events: bytes) -> bytes:
        """Return the client's events for complete events of the chat. Raises one of UNREADABLE."""
        ...

    def end(self, tail: bytes, now: datetime) -> bytes:
        """Return the last events, from the end of the chat's stream: usage, cost, `[DONE]`."""
        ...

    def fail(self, error: AppError) -> bytes:
        """Return the events of an error that ends the stream, also after `end`."""
        ...


class AnswerEncoder(Protocol):
    """Encodes the answer to one request, whole or as a stream."""

    def encode(self, answer: bytes, now: datetime) -> bytes:
        """Return the client's form of a chat's whole answer. Raises one of UNREADABLE."""
        ...

    def open_stream(self) -> AnswerStream:
        """Return what encodes the stream."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedChat:
    """A request in the form of a chat, and what encodes the answer to it."""

    body: bytes
    streams: bool
    encoder: AnswerEncoder


@dataclass(frozen=True, slots=True)
class WireFormat:
    """A format of requests and answers other than chat.

    `decode` validates a request and converts it; it raises BodyNotJson, ParameterInvalid,
    ParameterUnknown, ParameterUnsupported. `adapt` returns a chat's fields for a model, given the
    fields, the value of HINTS_FIELD and the model; None if the chat is the same for all models.
    `parameters` are the request fields with their handling. `field_names` are the names of a chat's
    fields in this format, for errors. `request_id_header` is a further header with the id.
    """

    decode: Callable[[CallIdentity, bytes], DecodedChat]
    parameters: Mapping[str, Parameter]
    documentation: Documentation
    adapt: Callable[[Mapping[str, Any], bytes, Model], Mapping[str, Any]] | None = None
    field_names: Mapping[str, str] = field(default_factory=dict)
    error_format: ErrorFormat = OPENAI_ERRORS
    request_id_header: str | None = None
