"""Request bodies of OpenAI's endpoints (chat, completions, embeddings), with types and ranges.

Errors are reported before a call costs anything. gateway/wire/parameters.py defines which fields
each endpoint accepts. Docstrings here are part of the OpenAPI document.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from models.reasoning import REQUESTED_EFFORTS

Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
StopText = Annotated[str, Meta(max_length=1000)]
TokenId = Annotated[str, Meta(pattern=r"^[0-9]{1,7}$")]
LogitBias = Annotated[float, Meta(ge=-100, le=100)]
# Parsed by gateway/wire/reasoning.py, whose error lists the values.
Effort = Annotated[str, Meta(extra_json_schema={"enum": list(REQUESTED_EFFORTS)})]
NonEmptyList = Annotated[list[msgspec.Raw], Meta(min_length=1)]


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """`stream_options`; continuous_usage_stats is vLLM's, include_obfuscation has no effect."""

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None
    include_obfuscation: bool | None = None


class GenerationRequest(msgspec.Struct, kw_only=True):
    """The common fields of chat and text completions."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=16)] | None = None
    logit_bias: Annotated[dict[TokenId, LogitBias], Meta(max_length=300)] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=1 << 20)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    ignore_eos: bool | None = None
    stop_token_ids: Annotated[list[int], Meta(max_length=16)] | None = None
    user: str | None = None
    service_tier: Literal["auto", "priority", "default", "flex", "standard"] | None = None


class ChatMessage(msgspec.Struct):
    """One message; its content is validated by the engine."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[msgspec.Raw] | None = None


class TextFormat(msgspec.Struct, forbid_unknown_fields=True, tag="text"):
    """`response_format`: any text."""


class JsonFormat(msgspec.Struct, forbid_unknown_fields=True, tag="json_object"):
    """`response_format`: any JSON object."""


class JsonSchema(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`response_format.json_schema`."""

    name: str
    schema: dict[str, Any] | bool | None = None
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(msgspec.Struct, forbid_unknown_fields=True, tag="json_schema"):
    """`response_format`: JSON of this schema."""

    json_schema: JsonSchema


class ChatRequest(GenerationRequest, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    response_format: TextFormat | JsonFormat | SchemaFormat | None = None
    tools: Annotated[list[dict[str, Any]], Meta(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: Effort | None = None


class CompletionRequest(GenerationRequest, kw_only=True):
    """`POST /v1/completions`. Prompts may be text or token ids, one or several."""

    prompt: str | NonEmptyList
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None = None
    echo: bool | None = None


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """`POST /v1/embeddings`. Inputs may be text or token ids, one or several."""

    model: str
    input: str | NonEmptyList
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Count | None = None
    user: str | None = None
