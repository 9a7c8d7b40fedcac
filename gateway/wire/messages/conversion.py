"""Parse requests of `/v1/messages` and convert them to chat requests."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.wire import body as bodies
from gateway.wire.messages.content import chat_messages
from gateway.wire.messages.parameters import MESSAGES_PARAMETERS
from gateway.wire.messages.requests import (
    MessagesRequest,
    OutputConfig,
    Thinking,
    ThinkingDisabled,
    ThinkingEnabled,
)
from gateway.wire.messages.tools import tool_fields
from gateway.wire.parameters import select_upstream_fields
from gateway.wire.reasoning import EFFORT_FIELD
from models.catalog import Model
from models.reasoning import REASONING_EFFORTS, ReasoningEffort

# Usage in every chunk: a message starts with the tokens of its prompt.
_STREAM_OPTIONS = {"include_usage": True, "continuous_usage_stats": True}
_TIERS = {"auto": "auto", "standard_only": "default"}
_EFFORTS = {"low": ReasoningEffort.LOW, "medium": ReasoningEffort.MEDIUM}
_DEFAULT_EFFORT = "medium"
_REQUEST = msgspec.json.Decoder(MessagesRequest)


class ModelHints(msgspec.Struct):
    """What a request asks for in a way that depends on the model."""

    max_tokens: int
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None


def parse_messages_request(body: bytes) -> MessagesRequest:
    """Parse and validate the body of `/v1/messages`.

    Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    request = bodies.decode_body(_REQUEST, body)
    select_upstream_fields(MESSAGES_PARAMETERS, bodies.decode_fields(body))
    return request


def chat_fields(request: MessagesRequest) -> dict[str, Any]:
    """Return the fields of the chat request, without its reasoning effort.

    Raises ParameterInvalid, ParameterUnsupported.
    """
    sampling = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k or None,
        "stop": request.stop_sequences or None,
        "service_tier": _TIERS.get(request.service_tier or ""),
        "response_format": _response_format(request),
    }
    return {
        "model": request.model,
        "messages": chat_messages(request),
        "max_tokens": request.max_tokens,
        **({"stream": True, "stream_options": _STREAM_OPTIONS} if request.stream else {}),
        **{name: value for name, value in sampling.items() if value is not None},
        **tool_fields(request),
    }


def fields_for_model(
    fields: Mapping[str, Any], request: ModelHints | MessagesRequest, model: Model
) -> dict[str, Any]:
    """Return the chat fields for a model: with its effort, and a limit within its context.

    Clients send a limit that fits the largest models. One of the context length or more limits
    nothing, and engines refuse it, so it is left out.
    """
    effort = requested_effort(request, model)
    efforts = {} if effort is None else {EFFORT_FIELD: effort.value}
    is_limit = model.context_length is None or request.max_tokens < model.context_length
    limited = {name: value for name, value in fields.items() if is_limit or name != "max_tokens"}
    return {**limited, **efforts}


def requested_effort(request: ModelHints | MessagesRequest, model: Model) -> ReasoningEffort | None:
    """Return the effort at which a model reasons; None if it cannot, or is not asked to.

    A budget becomes the highest effort within it, the lowest if none is. Clients ask every model
    to think, so a model that cannot reason is not an error.
    """
    thinking = request.thinking
    if not model.reasoning or thinking is None or isinstance(thinking, ThinkingDisabled):
        return None
    if isinstance(thinking, ThinkingEnabled):
        within = [
            effort
            for effort in REASONING_EFFORTS
            if model.reasoning[effort.value] <= thinking.budget_tokens
        ]
        return within[-1] if within else REASONING_EFFORTS[0]
    named = None if request.output_config is None else request.output_config.effort
    return _EFFORTS.get(named or _DEFAULT_EFFORT, ReasoningEffort.HIGH)


def _response_format(request: MessagesRequest) -> dict[str, Any] | None:
    """Return the form of the answer in chat form, None for any text."""
    config = request.output_config
    if config is None or config.format is None:
        return None
    schema = {"name": "answer", "schema": config.format.schema, "strict": True}
    return {"type": "json_schema", "json_schema": schema}
