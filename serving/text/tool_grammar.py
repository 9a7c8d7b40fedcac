"""What a model may write if tools are available: a call as bare JSON, or another answer.

The calls of all tools and the other answer are one grammar (xgrammar's EBNF), so that the model's
first token decides between them, and a call's arguments always fit the tool's parameters.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import xgrammar

from models.industrial_llm.choices import CALL_STARTS
from serving.text.tool_requests import ANY_OBJECT

Schema = Mapping[str, Any]
_DEFINITIONS = ("$defs", "definitions")
# Text begins with no brace, code fence or tag.
TEXT_GRAMMAR = f"root ::= [^{CALL_STARTS.encode('unicode_escape').decode()}] [^]*"


def call_schema(tools: Sequence[tuple[str, Schema | None]]) -> dict[str, Any]:
    """Return the schema `{"name": …, "arguments": {…}}` of a call of one of the tools.

    tools: names with the schemas of their parameters, None for any arguments. Definitions that a
    tool's schema refers to become definitions of the whole.
    """
    calls: list[Schema] = []
    definitions: dict[str, Schema] = {}
    for number, (name, parameters) in enumerate(tools):
        renamed, own = _with_own_definitions(dict(parameters or ANY_OBJECT), f"tool_{number}_")
        definitions |= own
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": name}, "arguments": renamed},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return {"anyOf": calls} | ({"$defs": definitions} if definitions else {})


def answer_grammar(calls: Schema, answer: Schema | None) -> str:
    """Return the grammar of a call, or else of text or of JSON by the schema `answer`.

    Raises RuntimeError for a schema that xgrammar cannot express.
    """
    other = xgrammar.Grammar.from_ebnf(TEXT_GRAMMAR) if answer is None else _json_grammar(answer)
    return str(xgrammar.Grammar.union(_json_grammar(calls), other))


def _json_grammar(schema: Schema) -> xgrammar.Grammar:
    """Return the grammar of JSON by a schema, without free white space."""
    return xgrammar.Grammar.from_json_schema(json.dumps(schema), any_whitespace=False)


def _with_own_definitions(schema: dict[str, Any], prefix: str) -> tuple[Any, dict[str, Any]]:
    """Return a schema without its definitions, and these with the prefix in all names."""
    found = {
        f"{prefix}{name}": _renamed(one, prefix)
        for key in _DEFINITIONS
        for name, one in schema.get(key, {}).items()
    }
    rest = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
    return _renamed(rest, prefix), found


def _renamed(value: Any, prefix: str) -> Any:
    """Return a part of a schema whose references have the prefix."""
    if isinstance(value, list):
        return [_renamed(one, prefix) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _renamed_reference(one, prefix) if key == "$ref" else _renamed(one, prefix)
        for key, one in value.items()
    }


def _renamed_reference(reference: Any, prefix: str) -> Any:
    """Return a reference to a definition with the prefix; others are unchanged."""
    for key in _DEFINITIONS:
        start = f"#/{key}/"
        if isinstance(reference, str) and reference.startswith(start):
            return f"#/$defs/{prefix}{reference.removeprefix(start)}"
    return reference
