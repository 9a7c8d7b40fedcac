"""What a tool is, who calls it, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.call.values import Principal

JsonSchema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCaller:
    """An authenticated caller, with the headers of the request that apply to a model's call.

    `credentials` are those of the request, as an Authorization header, `address` is the client's.
    """

    principal: Principal
    credentials: str | None = None
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as clients see it. `is_billed` is True if a call may cost something.

    `is_destructive` is True if a call may undo or end something. `is_idempotent`: a repeated call
    with the same arguments has no further effect; None for tools that only read and are not billed.
    """

    name: str
    title: str
    description: str
    input_schema: JsonSchema
    output_schema: JsonSchema
    is_billed: bool = False
    is_read_only: bool = True
    is_destructive: bool = False
    is_idempotent: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The structured result of a call, or an error object with the fields of OpenAI's."""

    content: Mapping[str, Any]
    is_error: bool = False


class ToolProvider(Protocol):
    """A group of tools."""

    @property
    def kind(self) -> str:
        """Return the name of the group in metrics."""
        ...

    async def list_tools(self, caller: ToolCaller) -> list[Tool]:
        """Return the tools that the caller may use."""
        ...

    async def call(
        self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]
    ) -> ToolAnswer | None:
        """Call a tool; None if this group has none of this name. Raises AppError."""
        ...


def object_schema(
    properties: Mapping[str, JsonSchema], required: list[str] | None = None
) -> dict[str, Any]:
    """Return the schema of an object with these properties, and with no others."""
    schema = {"type": "object", "properties": dict(properties), "required": required or []}
    return {**schema, "additionalProperties": False}


def result_schema(properties: Mapping[str, JsonSchema], required: list[str]) -> dict[str, Any]:
    """Return the schema of a result, which may have further properties."""
    return {"type": "object", "properties": dict(properties), "required": required}
