"""The Responses API as a format of chats (gateway/wire/format.py).

gateway/responses/ decodes requests that continue a stored response, or are stored or queued.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from gateway.call.errors import ParameterUnsupported
from gateway.wire.documentation import Documentation, Examples
from gateway.wire.format import CallIdentity, DecodedChat, WireFormat
from gateway.wire.reasoning import EFFORT_FIELD
from gateway.wire.responses.answer import response_of
from gateway.wire.responses.chat_form import ResponseOptions, chat_form
from gateway.wire.responses.documentation import ResponseObject, example_response, example_stream
from gateway.wire.responses.items import REFERENCE, decode_items
from gateway.wire.responses.output import ResponseRef
from gateway.wire.responses.parameters import RESPONSES_PARAMETERS
from gateway.wire.responses.request import ResponseRequest, parse_response_request
from gateway.wire.responses.stream import ResponseStream
from models.catalog import Task


class ResponseEncoder:
    """Encodes the answer to one request; `response` is its last state, None before its end."""

    def __init__(self, ref: ResponseRef, options: ResponseOptions) -> None:
        self._ref = ref
        self._options = options
        self._stream: ResponseStream | None = None
        self._response: Mapping[str, Any] | None = None

    @property
    def response(self) -> Mapping[str, Any] | None:
        """Return the response that was encoded, whole or as a stream."""
        return self._response if self._stream is None else self._stream.response

    def encode(self, answer: bytes, now: datetime) -> bytes:
        """Return a chat's whole answer as a response. Raises UpstreamFailed."""
        self._response = response_of(answer, self._ref, self._options, now)
        return msgspec.json.encode(self._response)

    def open_stream(self) -> ResponseStream:
        """Return what encodes the stream."""
        self._stream = ResponseStream(self._ref, self._options)
        return self._stream


def _decode(identity: CallIdentity, body: bytes) -> DecodedChat:
    """Decode a request that is known from its body alone, as a line of a batch.

    Raises ParameterUnsupported also if it needs what is stored, or is answered later.
    """
    request = parse_response_request(body)
    items = decode_items(request.input)
    for name in ("previous_response_id", "background"):
        if getattr(request, name):
            raise ParameterUnsupported(f"`{name}` is not supported here.", param=name)
    if any(item["type"] == REFERENCE for item in items):
        raise ParameterUnsupported("References to items are not supported here.", param="input")
    chat = chat_form(request, items)
    ref = ResponseRef(identity.request_id, identity.started_at)
    return DecodedChat(chat.body, bool(request.stream), ResponseEncoder(ref, chat.options))


def _examples(model: str) -> Examples:
    """Return OpenAPI examples of a response, plain and streamed, with this model id."""
    plain: dict[str, Any] = {
        "model": model,
        "instructions": "Write this work order in plain text.",
        "input": "rplce lh eng oil fltr",
        "max_output_tokens": 40,
    }
    request = msgspec.convert(plain, ResponseRequest)
    head = chat_form(request, decode_items(request.input)).options.head
    response = example_response(model, head, "replace left hand engine oil filter")
    return Examples(
        {"Whole answer": plain, "Streamed answer": {**plain, "stream": True}},
        response,
        example_stream(response),
    )


RESPONSES_FORMAT = WireFormat(
    decode=_decode,
    parameters=RESPONSES_PARAMETERS,
    field_names={
        EFFORT_FIELD: "reasoning.effort",
        "response_format": "text.format",
        "max_tokens": "max_output_tokens",
        "messages": "input",
    },
    documentation=Documentation(
        request=ResponseRequest,
        answer=ResponseObject,
        summary="Create a response",
        description=(
            "OpenAI's Responses API, with functions, `file_search`, specialists, structured output "
            "and conversations (`previous_response_id`). Responses are stored with `store: true` "
            "only. With `stream: true` the answer is a stream of numbered events; the last one "
            "has the response with its usage, and `x_maas_cost`, `x_maas_currency` and "
            "`x_maas_balance`."
        ),
        examples=_examples,
        example_task=Task.TEXT_GENERATION,
    ),
)
