"""Request bodies of `/v1/agents`: a definition as JSON, as TOML text, or a filled template."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields, read_toml
from gateway.agents.definitions.filling import fill_template
from gateway.agents.definitions.values import AgentDefinition
from gateway.call.errors import BadRequest, ParameterInvalid
from gateway.wire.body import decode_body_strict

PATH = "/v1/agents"
MAX_BODY_BYTES = 128 << 10
_TOML_TYPES = ("application/toml", "text/toml")


class AgentRequest(msgspec.Struct, kw_only=True):
    """A new agent: its `definition`, or `template`, `asset` and `name`, with `overrides` of fields.

    `key` is the ID of the API key that pays for the agent's calls; default: the key of this
    request. A definition as TOML text is sent with content type `application/toml`.
    """

    definition: dict[str, Any] | None = None
    template: str | None = None
    asset: str | None = None
    name: str | None = None
    overrides: dict[str, Any] = {}
    key: str | None = None


class AgentChangeRequest(msgspec.Struct, kw_only=True):
    """The next version of an agent's definition, complete.

    `expected_version` is the version that was read: the change is refused if there is a later one.
    """

    definition: dict[str, Any]
    expected_version: int | None = None
    key: str | None = None


class AgentFields(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed request."""

    definition: AgentDefinition
    key: str | None = None
    expected_version: int | None = None


_NEW = msgspec.json.Decoder(AgentRequest)
_CHANGE = msgspec.json.Decoder(AgentChangeRequest)
BODIES: Mapping[str, type[msgspec.Struct]] = {
    PATH: AgentRequest,
    f"{PATH}/{{agent}}": AgentChangeRequest,
}


def parse_new(body: bytes, content_type: str) -> AgentFields:
    """Parse the body of a new agent.

    Raises AgentDefinitionInvalid, AgentTemplateNotFound and the errors of an unreadable body.
    """
    if _is_toml(content_type):
        return AgentFields(definition=_of_toml(body))
    request = decode_body_strict(_NEW, body)
    if (request.definition is None) == (request.template is None):
        raise ParameterInvalid("Send either `definition` or `template`.", param="definition")
    if request.definition is not None:
        if request.asset or request.name or request.overrides:
            raise ParameterInvalid(
                "`asset`, `name` and `overrides` go with `template`.", param="template"
            )
        return AgentFields(definition=check(read_fields(request.definition)), key=request.key)
    filled = fill_template(
        request.template or "", request.asset or "", request.name or "", request.overrides
    )
    return AgentFields(definition=filled, key=request.key)


def parse_change(body: bytes, content_type: str) -> AgentFields:
    """Parse the body of a change. Raises AgentDefinitionInvalid, and of an unreadable body."""
    if _is_toml(content_type):
        return AgentFields(definition=_of_toml(body))
    request = decode_body_strict(_CHANGE, body)
    return AgentFields(
        definition=check(read_fields(request.definition)),
        key=request.key,
        expected_version=request.expected_version,
    )


def _is_toml(content_type: str) -> bool:
    """Return whether a content type is TOML."""
    return content_type.partition(";")[0].strip().lower() in _TOML_TYPES


def _of_toml(body: bytes) -> AgentDefinition:
    """Return the definition of a TOML text. Raises AgentDefinitionInvalid."""
    try:
        return check(read_toml(body.decode()))
    except UnicodeDecodeError:
        raise BadRequest("The TOML text is not UTF-8.") from None
