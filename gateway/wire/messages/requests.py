"""The body of `POST /v1/messages`, with types and ranges.

Fields of blocks and tools that are not declared here (`cache_control`, `citations`, …) are ignored:
nothing of them is sent to a model. Docstrings here are part of the OpenAPI document.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.wire.requests import Count, StopText

ImageType = Literal["image/jpeg", "image/png", "image/gif", "image/webp"]


class TextBlock(msgspec.Struct, tag="text"):
    """A text."""

    text: str


class Base64Source(msgspec.Struct, tag="base64"):
    """An image in the request."""

    media_type: ImageType
    data: str


class UrlSource(msgspec.Struct, tag="url"):
    """An image behind a URL, which is refused: the gateway fetches no URLs."""

    url: str


class ImageBlock(msgspec.Struct, tag="image"):
    """An image, for models that accept images."""

    source: Base64Source | UrlSource


class ToolUseBlock(msgspec.Struct, tag="tool_use"):
    """A tool call of an earlier answer."""

    id: str
    name: str
    input: dict[str, Any]


class ToolResultBlock(msgspec.Struct, tag="tool_result"):
    """The result of a tool call, as text."""

    tool_use_id: str
    content: str | list[TextBlock | ImageBlock] | None = None
    is_error: bool | None = None


class ThinkingBlock(msgspec.Struct, tag="thinking"):
    """What a model wrote before an earlier answer; ignored."""

    thinking: str = ""


class RedactedThinkingBlock(msgspec.Struct, tag="redacted_thinking"):
    """The same, encrypted by another provider; ignored."""


ContentBlock = (
    TextBlock | ImageBlock | ToolUseBlock | ToolResultBlock | ThinkingBlock | RedactedThinkingBlock
)


class InputMessage(msgspec.Struct):
    """One message. The last one is the user's: answers cannot be prefilled."""

    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlock]


class AutoToolChoice(msgspec.Struct, tag="auto"):
    """The model decides whether it calls tools."""

    disable_parallel_tool_use: bool | None = None


class AnyToolChoice(msgspec.Struct, tag="any"):
    """The model calls a tool."""

    disable_parallel_tool_use: bool | None = None


class NamedToolChoice(msgspec.Struct, tag="tool"):
    """The model calls this tool."""

    name: str
    disable_parallel_tool_use: bool | None = None


class NoToolChoice(msgspec.Struct, tag="none"):
    """The model calls no tool."""


class ThinkingEnabled(msgspec.Struct, tag="enabled"):
    """The model reasons first, with about this many tokens."""

    budget_tokens: Count


class ThinkingAdaptive(msgspec.Struct, tag="adaptive"):
    """The model reasons first; `output_config.effort` says for how long."""


class ThinkingBetweenTools(msgspec.Struct, tag="between_tools"):
    """The same as `adaptive`."""


class ThinkingDisabled(msgspec.Struct, tag="disabled"):
    """The model does not reason."""


Thinking = ThinkingEnabled | ThinkingAdaptive | ThinkingBetweenTools | ThinkingDisabled


class SchemaOutput(msgspec.Struct, tag="json_schema"):
    """JSON of this schema."""

    schema: dict[str, Any]


class OutputConfig(msgspec.Struct):
    """`output_config`: how long the model reasons, and the form of its answer."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: SchemaOutput | None = None


class CountTokensRequest(msgspec.Struct, kw_only=True):
    """`POST /v1/messages/count_tokens`: what a prompt consists of."""

    model: str
    messages: Annotated[list[InputMessage], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=128)] | None = None
    tool_choice: AutoToolChoice | AnyToolChoice | NamedToolChoice | NoToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None


class MessagesRequest(CountTokensRequest, kw_only=True):
    """`POST /v1/messages`."""

    max_tokens: Count
    stream: bool | None = None
    stop_sequences: Annotated[list[StopText], Meta(max_length=16)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=1 << 20)] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
