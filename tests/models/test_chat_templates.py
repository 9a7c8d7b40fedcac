"""The chat template of the CPU profile's language models."""

import json
from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from models.catalog import CATALOG_FILE

TEMPLATE = CATALOG_FILE.parent / "chat_templates" / "industrial_dialogue.jinja"
TOOLS = [
    {"type": "function", "function": {"name": "oee", "description": "How well a line runs"}},
    {"type": "function", "function": {"name": "life", "description": None}},
]
OFFER = (
    "<bos>Choose the tool for this request and give its arguments as JSON.\n"
    "oee (How well a line runs); life\n\n"
)
CALL = {"function": {"name": "oee", "arguments": {"单位": "kW"}}}


def rendered(*messages: dict[str, Any], prompt: bool = True, tools: Any = None) -> str:
    """Render as transformers and vLLM do: same sandbox, same whitespace rules."""

    def refuse(message: str) -> Any:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        messages=list(messages), bos_token="<bos>", add_generation_prompt=prompt, tools=tools
    )


def said(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_chat_prompt_starts_with_bos_and_ends_with_assistant_turn() -> None:
    assert rendered(said("user", "Hello.")) == "<bos>User: Hello.\nAssistant:"
    assert rendered(said("user", "Hello."), prompt=False) == "<bos>User: Hello.\n"


def test_chat_prompt_contains_all_turns() -> None:
    text = rendered(
        said("system", "Be brief."), said("user", " One? "), said("assistant", "1"),
        said("user", "Two?"),
    )  # fmt: skip
    assert text == "<bos>Be brief.\n\nUser: One?\nAssistant: 1\n\nUser: Two?\nAssistant:"


def test_chat_prompt_lists_tools_before_request() -> None:
    asked = said("user", "How well does it run?")
    text = rendered(said("system", "Be brief."), asked, tools=TOOLS)
    expected = f"{OFFER}Be brief.\n\nUser: How well does it run?\nAssistant:"
    assert text == expected


def test_chat_prompt_after_tool_result_omits_tool_list() -> None:
    text = rendered(
        said("user", "How well?"),
        said("assistant", "", tool_calls=[CALL]),
        said("tool", "0.81"),
        tools=TOOLS,
    )
    assert text == (
        "<bos>User: How well?\n"
        'Assistant: {"tool": "oee", "arguments": {"单位": "kW"}}\n\n'
        "Tool: 0.81\nAssistant:"
    )


def test_chat_template_rejects_unknown_role() -> None:
    with pytest.raises(TemplateError, match="role"):
        rendered(said("king", "Hello."))
