"""The tools `specialist` and `plant_graph` of a request: parsing, what they cannot go with.

Chats and responses have the same tools, so both parse them here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from gateway.call.errors import ParameterInvalid, ParameterUnknown, ParameterUnsupported
from gateway.call.hosted_tools import DEFAULT_MAX_CALLS, MAX_CALLS, MAX_SUBJECT, HostedTools
from gateway.call.values import ParsedRequest
from gateway.wire.hosted_tools.choice import apply_choice, read_choice
from infra.validation_errors import UNKNOWN_FIELD, parse_validation_error

SPECIALIST, PLANT_GRAPH = "specialist", "plant_graph"
TOOLS_HEADER = b"x-maas-hosted-tools"
_TOOLS = msgspec.json.Decoder(list[dict[str, Any]])
_MARK, _GRAPH_MARK = f'"{SPECIALIST}"'.encode(), f'"{PLANT_GRAPH}"'.encode()
Shape = TypeVar("Shape", bound=msgspec.Struct)
# Fields with which the gateway never offers a specialist by itself.
_NOT_OFFERED_WITH = ("tools", "response_format", "logprobs", "top_logprobs")
_NOT_ALLOWED_WITH = {
    "n": (b"1", b"null"),
    "response_format": (b'{"type":"text"}', b"null"),
    "logprobs": (b"false", b"null"),
}


class SpecialistTool(msgspec.Struct, forbid_unknown_fields=True):
    """The `specialist` tool: an entry of `tools`.

    `models` are specialists, mechanisms or own models by id; left out, all that the key may use.
    `max_calls` bounds their calls. `subject` is what the decision is about, such as a machine.
    `asset` is the asset of the plant model, by id or code, whose readings are inputs; left out, the
    text may name one.
    """

    type: Literal["specialist"]
    models: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=200)]],
            Meta(min_length=1, max_length=32),
        ]
        | None
    ) = None
    max_calls: Annotated[int, Meta(ge=1, le=MAX_CALLS)] | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=MAX_SUBJECT)] | None = None
    asset: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None


class PlantGraphTool(msgspec.Struct, forbid_unknown_fields=True):
    """The `plant_graph` tool: questions are answered from the account's plant graph."""

    type: Literal["plant_graph"]


def extract_hosted_tools(values: dict[str, msgspec.Raw]) -> HostedTools | None:
    """Parse the `specialist` and `plant_graph` tools and remove them from the fields, in place.

    Returns None if the request has neither, or its `tool_choice` lets none be called. Raises as
    `extract_specialist_tool`.
    """
    choice = read_choice(values)
    has_graph = _extract_plant_graph(values)
    hosted = extract_specialist_tool(values) if "tools" in values else None
    if has_graph and hosted is None:
        _require_allowed(values, PLANT_GRAPH)
        hosted = HostedTools(max_calls=1, specialists=False)
    if hosted is None:
        return None
    return apply_choice(replace(hosted, plant_graph=has_graph), choice, values)


def offer_plant_graph(request: ParsedRequest, headers: Mapping[bytes, bytes]) -> ParsedRequest:
    """Return a request for `auto` or an assistant that may be answered from the plant graph.

    Not where `offer_specialist` offers none either, except beside passages. Raises ParameterInvalid
    as it does.
    """
    if not _may_offer(replace(request, retrieval=None), headers):
        return request
    hosted = HostedTools(max_calls=1, is_requested=False, specialists=False, plant_graph=True)
    return replace(request, hosted_tools=hosted)


def is_specialist_tool(tool: Mapping[str, Any]) -> bool:
    """Return whether an entry of `tools` is a specialist tool."""
    return tool.get("type") == SPECIALIST


def extract_specialist_tool(values: dict[str, msgspec.Raw]) -> HostedTools | None:
    """Parse the `specialist` tool and remove it from the request's fields, in place.

    values: the request's fields by name, of which `tools` is read. Returns None if there is none.
    Raises ParameterInvalid, ParameterUnknown, ParameterUnsupported.
    """
    raw = bytes(values.get("tools", b""))
    if _MARK not in raw:
        return None
    tools = _TOOLS.decode(raw)
    indices = [index for index, tool in enumerate(tools) if is_specialist_tool(tool)]
    if not indices:
        return None
    if len(indices) > 1:
        raise ParameterInvalid(f"`tools` contains {SPECIALIST!r} more than once.", param="tools")
    parsed = _parse(tools[indices[0]], f"tools[{indices[0]}]")
    others = [tool for index, tool in enumerate(tools) if index not in indices]
    _keep(values, others)
    _require_allowed(values, SPECIALIST)
    return HostedTools(
        models=tuple(dict.fromkeys(parsed.models or ())),
        max_calls=parsed.max_calls or DEFAULT_MAX_CALLS,
        subject=parsed.subject,
        asset=parsed.asset,
    )


def offer_specialist(
    request: ParsedRequest, model: str, headers: Mapping[bytes, bytes]
) -> ParsedRequest:
    """Return a request for `auto` with the specialist that its text asks for, if it may be used.

    Not if the client has tools, a format or several choices of its own, or forbids it with
    `tool_choice: "none"` or `X-Maas-Hosted-Tools: deny`. Raises ParameterInvalid for another value
    of the header.
    """
    if not _may_offer(request, headers):
        return request
    return replace(request, hosted_tools=HostedTools(models=(model,), is_requested=False))


def _may_offer(request: ParsedRequest, headers: Mapping[bytes, bytes]) -> bool:
    """Return whether the gateway may offer a hosted tool. Raises ParameterInvalid."""
    header = headers.get(TOOLS_HEADER)
    if header not in (None, b"allow", b"deny"):
        raise ParameterInvalid(
            "X-Maas-Hosted-Tools must be `allow` or `deny`.", param="X-Maas-Hosted-Tools"
        )
    is_taken = any(name in request.request_fields for name in _NOT_OFFERED_WITH)
    if header == b"deny" or is_taken or request.refuses_tools or request.retrieval is not None:
        return False
    return request.hosted_tools is None and request.output_bounds.choices <= 1


def _extract_plant_graph(values: dict[str, msgspec.Raw]) -> bool:
    """Remove the `plant_graph` tool from the fields. Returns whether there was one."""
    raw = bytes(values.get("tools", b""))
    if _GRAPH_MARK not in raw:
        return False
    tools = _TOOLS.decode(raw)
    indices = [index for index, tool in enumerate(tools) if tool.get("type") == PLANT_GRAPH]
    if not indices:
        return False
    if len(indices) > 1:
        raise ParameterInvalid(f"`tools` contains {PLANT_GRAPH!r} more than once.", param="tools")
    _convert(tools[indices[0]], PlantGraphTool, f"tools[{indices[0]}]")
    _keep(values, [tool for index, tool in enumerate(tools) if index not in indices])
    return True


def _keep(values: dict[str, msgspec.Raw], others: Sequence[Mapping[str, Any]]) -> None:
    """Set the tools that are left, in place; without any, drop the fields that refer to them."""
    if others:
        values["tools"] = msgspec.Raw(msgspec.json.encode(others))
        return
    for name in ("tools", "tool_choice", "parallel_tool_calls"):
        values.pop(name, None)


def _parse(tool: dict[str, Any], path: str) -> SpecialistTool:
    """Convert an entry of `tools`. Raises ParameterInvalid, ParameterUnknown naming the field."""
    return _convert(tool, SpecialistTool, path)


def _convert(tool: Mapping[str, Any], shape: type[Shape], path: str) -> Shape:
    """Convert an entry of `tools`. Raises ParameterInvalid, ParameterUnknown naming the field."""
    try:
        return msgspec.convert(tool, shape)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        path = f"{path}.{misfit.path}" if misfit.path else path
        if misfit.what == UNKNOWN_FIELD:
            raise ParameterUnknown.for_name(path) from None
        raise ParameterInvalid(f"`{path}`: {misfit.what}.", param=path) from None


def _require_allowed(values: Mapping[str, msgspec.Raw], tool: str) -> None:
    """Raise ParameterUnsupported for a field that an answer of the tool cannot honour."""
    for name, allowed in _NOT_ALLOWED_WITH.items():
        raw = values.get(name)
        if raw is None:
            continue
        if msgspec.json.encode(msgspec.json.decode(raw)) not in allowed:
            raise ParameterUnsupported(
                f"`{name}` cannot be combined with the tool {tool!r}.", param=name
            )
