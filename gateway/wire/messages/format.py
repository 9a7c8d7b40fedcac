"""The Messages API as a format of chats (gateway/wire/format.py)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.error_format import ErrorFormat
from gateway.wire import body as bodies
from gateway.wire.format import HINTS_FIELD, CallIdentity, DecodedChat, WireFormat
from gateway.wire.messages.answer import MESSAGE_ID_PREFIX, convert_completion
from gateway.wire.messages.conversion import (
    ModelHints,
    chat_fields,
    fields_for_model,
    parse_messages_request,
)
from gateway.wire.messages.documentation import MESSAGES_DOCUMENTATION
from gateway.wire.messages.errors import message_error
from gateway.wire.messages.parameters import MESSAGES_PARAMETERS
from gateway.wire.messages.stream import MessageStream
from gateway.wire.reasoning import EFFORT_FIELD
from infra import ids
from models.catalog import Model

_HINTS = msgspec.json.Decoder(ModelHints)


class _MessageEncoder:
    """Encodes the answer to one request."""

    def __init__(self, identity: CallIdentity) -> None:
        self._request_id = ids.format_id(REQUEST_ID_PREFIX, identity.request_id)
        self._message_id = MESSAGE_ID_PREFIX + identity.request_id.hex

    def encode(self, answer: bytes, now: datetime) -> bytes:
        """Return a chat completion as a message."""
        return convert_completion(answer, self._message_id)

    def open_stream(self) -> MessageStream:
        """Return what encodes the stream."""
        return MessageStream(self._message_id, self._request_id)


def _decode(identity: CallIdentity, body: bytes) -> DecodedChat:
    """Validate a request and convert it into a chat."""
    request = parse_messages_request(body)
    hints = ModelHints(request.max_tokens, request.thinking, request.output_config)
    fields = {**chat_fields(request), HINTS_FIELD: hints}
    return DecodedChat(bodies.encode_body(fields), bool(request.stream), _MessageEncoder(identity))


def _adapt(fields: Mapping[str, Any], hints: bytes, model: Model) -> Mapping[str, Any]:
    """Return the fields of the chat for a model: with its effort, and a limit that it accepts."""
    return fields_for_model(fields, _HINTS.decode(hints), model)


MESSAGES_FORMAT = WireFormat(
    decode=_decode,
    adapt=_adapt,
    parameters=MESSAGES_PARAMETERS,
    documentation=MESSAGES_DOCUMENTATION,
    field_names={
        EFFORT_FIELD: "thinking",
        "response_format": "output_config.format",
        "stop": "stop_sequences",
    },
    error_format=ErrorFormat("MessagesError", message_error),
    request_id_header="request-id",
)
