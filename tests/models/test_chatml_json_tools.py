"""The chat template of small models that write tool calls as bare JSON."""

import json
from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from models.catalog import CATALOG_FILE

TEMPLATE = CATALOG_FILE.parent / "chat_templates" / "chatml_json_tools.jinja"
TOOLS = [{"type": "function", "function": {"name": "stock", "description": "Parts in stock"}}]
SYSTEM = "<|im_start|>system\nBe brief.<|im_end|>\n"


def rendered(*messages: dict[str, Any], tools: Any = None) -> str:
    """Render as transformers and vLLM do: same sandbox, same whitespace rules."""

    def refuse(message: str) -> Any:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        messages=[{"role": "system", "content": "Be brief."}, *messages],
        add_generation_prompt=True,
        tools=tools,
    )


def said(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def called(number: str, **arguments: Any) -> dict[str, Any]:
    return {"id": number, "function": {"name": "stock", "arguments": arguments}}


def test_chat_without_tools_is_chatml() -> None:
    text = rendered(said("user", "One?"), said("assistant", "1"), said("user", "Two?"))
    assert text == (
        f"{SYSTEM}<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n1<|im_end|>\n"
        "<|im_start|>user\nTwo?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_tools_are_listed_in_the_system_turn() -> None:
    system, _, rest = rendered(said("user", "One?"), tools=TOOLS).partition("<|im_end|>\n")
    assert f"\n<tools>\n{json.dumps(TOOLS[0])}\n</tools>\n" in system
    assert rest == "<|im_start|>user\nOne?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("question", "result", "request_"),
    [
        ("How many 6205?", "Result of stock: 14", "Answer my question in one sentence"),
        ("6205 还有多少？", "stock 的结果：14", "请用这个结果用一句话回答我的问题。"),
    ],
)
def test_result_comes_with_the_request_to_answer_in_the_users_language(
    question: str, result: str, request_: str
) -> None:
    call = said("assistant", None, tool_calls=[called("a", part="6205")])
    text = rendered(said("user", question), call, said("tool", "14", tool_call_id="a"))
    call_text = '{"name": "stock", "arguments": {"part": "6205"}}'
    assert f"<|im_start|>assistant\n{call_text}<|im_end|>\n" in text
    assert f"<|im_start|>user\n{result}\n{request_}" in text


def test_results_of_several_calls_are_one_turn() -> None:
    calls = said("assistant", None, tool_calls=[called("a", part="x"), called("b", part="y")])
    results = (said("tool", "1", tool_call_id="a"), said("tool", "2", tool_call_id="b"))
    text = rendered(said("user", "Both?"), calls, *results)
    assert "<|im_start|>user\nResult of stock: 1\nResult of stock: 2\nAnswer my question" in text


def test_unknown_role_is_rejected() -> None:
    with pytest.raises(TemplateError, match="role"):
        rendered(said("king", "Hello."))
