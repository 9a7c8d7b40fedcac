"""Endpoints of formats other than chat: their requests are decoded into chats first."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import msgspec

from gateway.call.errors import BadRequest
from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.wire import body as bodies
from gateway.wire import chat
from gateway.wire.format import HINTS_FIELD, WireFormat
from gateway.wire.stop_sequences import StopSequenceTransformer, keep_stop_sequence


def foreign_endpoint(
    operation: Operation, path: str, label: str, wire_format: WireFormat, in_batches: bool = False
) -> Endpoint:
    """Return the entry of an endpoint whose clients use another format than chat."""
    return Endpoint(
        operation=operation,
        path=path,
        label=label,
        tasks=CHAT.tasks,
        decode=partial(_decode, wire_format),
        select_model=CHAT.select_model,
        wire_format=wire_format,
        prompt=CHAT.prompt,
        parameters=wire_format.parameters,
        usage_group=CHAT.usage_group,
        error_format=wire_format.error_format,
        in_batches=in_batches,
        guarded_fields=CHAT.guarded_fields,
        documentation=wire_format.documentation,
    )


def _decode(
    wire_format: WireFormat, call: Call, body: bytes, principal: Principal
) -> DecodedRequest:
    """Decode a request that was converted into a chat; errors have the names of its format."""
    fields: dict[str, msgspec.Raw] = dict(bodies.decode_fields(body))
    hints = fields.pop(HINTS_FIELD, None)
    try:
        chat_body = body if hints is None else bodies.encode_body(fields)
        decoded = CHAT.decode(replace(call, path=CHAT.path), chat_body, principal)
    except BadRequest as error:
        raise _renamed(error, wire_format.field_names) from None

    def for_model(resolved: ResolvedModel) -> ParsedRequest:
        """Return the parsed chat for the resolved model."""
        adapted = chat_body
        if wire_format.adapt is not None and hints is not None:
            adapted = bodies.encode_body(wire_format.adapt(fields, bytes(hints), resolved.model))
        try:
            return _build_chat(adapted, resolved)
        except BadRequest as error:
            raise _renamed(error, wire_format.field_names) from None

    return replace(decoded, for_model=for_model)


def _build_chat(body: bytes, resolved: ResolvedModel) -> ParsedRequest:
    """Build the upstream request of a chat whose answer says which stop sequence ended it."""
    parsed = chat.parse_chat_request(body)
    request = chat.build_chat_request(parsed, resolved, CHAT.path, StopSequenceTransformer)
    return replace(request, convert_response=keep_stop_sequence(request.convert_response or bytes))


def _renamed(error: BadRequest, names: Mapping[str, str]) -> BadRequest:
    """Return an error about a chat's field with the name of the format's field."""
    name = names.get(error.param or "")
    if name is None:
        return error
    message = error.message.replace(f"`{error.param}`", f"`{name}`")
    return type(error)(message, param=name, headers=error.headers)
