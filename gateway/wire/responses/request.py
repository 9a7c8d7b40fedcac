"""The body of `POST /v1/responses`, with types and ranges.

Docstrings here are part of the OpenAPI document.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from gateway.wire import body as bodies
from gateway.wire.parameters import select_upstream_fields
from gateway.wire.requests import Count, Effort, JsonFormat, NonEmptyList, TextFormat
from gateway.wire.responses.parameters import RESPONSES_PARAMETERS

MetadataKey = Annotated[str, Meta(max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=16)]
Includable = Literal[
    "file_search_call.results",
    "message.output_text.logprobs",
    "message.input_image.image_url",
    "reasoning.encrypted_content",
    "web_search_call.results",
    "web_search_call.action.sources",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]
INCLUDE_RESULTS: Includable = "file_search_call.results"
INCLUDE_LOGPROBS: Includable = "message.output_text.logprobs"


class ResponseSchemaFormat(msgspec.Struct, forbid_unknown_fields=True, tag="json_schema"):
    """`text.format`: JSON of this schema."""

    name: str
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextConfig(msgspec.Struct, forbid_unknown_fields=True):
    """`text`: the format of the answer. `verbosity` may only be `medium`."""

    format: TextFormat | JsonFormat | ResponseSchemaFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningConfig(msgspec.Struct, forbid_unknown_fields=True):
    """`reasoning`: the effort. Reasoning is returned in full, so `summary` has no effect."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None


class ResponseStreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`stream_options`; include_obfuscation has no effect."""

    include_obfuscation: bool | None = None


class ResponseRequest(msgspec.Struct, kw_only=True):
    """`POST /v1/responses`."""

    model: str
    input: str | NonEmptyList
    instructions: str | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    max_output_tokens: Count | None = None
    max_tool_calls: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    include: list[Includable] | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    service_tier: Literal["auto", "priority", "default", "flex", "standard"] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


_REQUEST = msgspec.json.Decoder(ResponseRequest)


def parse_response_request(body: bytes) -> ResponseRequest:
    """Parse and validate the body of a request; its items and tools are not validated here.

    Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    request = bodies.decode_body(_REQUEST, body)
    select_upstream_fields(RESPONSES_PARAMETERS, bodies.decode_fields(body))
    if request.stream_options is not None and not request.stream:
        raise _invalid("`stream_options` is only allowed with `stream: true`.", "stream_options")
    if request.text is not None and request.text.verbosity not in (None, "medium"):
        raise ParameterUnsupported(
            "`text.verbosity` is not supported by this endpoint. No model supports it.",
            param="text.verbosity",
        )
    if request.background and not request.store:
        raise _invalid("`background: true` requires `store: true`.", "background")
    return request


def _invalid(message: str, param: str) -> ParameterInvalid:
    """Return the error of a field that does not fit the other fields."""
    return ParameterInvalid(message, param=param)
