"""A definition from a template: asset, name, and fields that replace those of the template."""

from collections.abc import Mapping
from typing import Any

from gateway.agents.definitions.checking import check
from gateway.agents.definitions.document import read_fields
from gateway.agents.definitions.templates import read_templates
from gateway.agents.definitions.values import AgentDefinition
from gateway.agents.errors import AgentTemplateNotFound

# A template states what the agent is for; which asset it watches is stated beside it.
_STATED = ("asset", "name", "template")


def fill_template(
    template: str, asset: str, name: str, overrides: Mapping[str, Any]
) -> AgentDefinition:
    """Return the definition of a template for an asset.

    overrides: fields of a definition. Those of `costs`, `budget` and `prediction` replace single
    values, all others the whole field. Raises AgentTemplateNotFound, AgentDefinitionInvalid.
    """
    found = read_templates().get(template)
    if found is None:
        raise AgentTemplateNotFound(
            f"The template {template[:60]!r} does not exist.", param="template"
        )
    stated = {key: value for key, value in overrides.items() if key not in _STATED}
    return check(read_fields(merge(found.for_asset(asset, name), stated)))


def merge(fields: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with those of `overrides`; tables are merged by their keys."""
    return {
        **fields,
        **{
            key: {**fields[key], **value}
            if isinstance(value, Mapping) and isinstance(fields.get(key), Mapping)
            else value
            for key, value in overrides.items()
        },
    }
