"""Progress for a program, the error envelope, and the chat template."""

import io
import json
from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from models.catalog import CATALOG_FILE
from serving.errors import ContextLengthExceeded, ModelFailed, envelope
from serving.progress import JsonLines, Stage

TEMPLATE = CATALOG_FILE.parent / "chat_templates" / "plain_dialogue.jinja"
EXAMPLE = "User: What is the largest planet?\nAssistant: The largest planet is Jupiter.\n\n"


class TestJsonLines:
    def test_one_object_a_line(self) -> None:
        stream = io.StringIO()
        lines = JsonLines(stream)
        lines.report(Stage.WEIGHTS, "Assembling", 0.4213)
        lines.report(Stage.READY, "Serving")
        written = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert written == [
            {"stage": "weights", "message": "Assembling", "fraction": 0.421},
            {"stage": "ready", "message": "Serving", "fraction": None},
        ]

    def test_steps_nobody_would_see_are_left_out(self) -> None:
        stream = io.StringIO()
        lines = JsonLines(stream)
        for step in range(10_000):
            lines.report(Stage.WEIGHTS, "Assembling", step / 10_000)
        assert len(stream.getvalue().splitlines()) == 100


class TestEnvelope:
    def test_all_four_keys(self) -> None:
        assert envelope(ContextLengthExceeded("Too long.", param="input")) == {
            "error": {
                "message": "Too long.",
                "type": "invalid_request_error",
                "param": "input",
                "code": "context_length_exceeded",
            }
        }

    def test_our_own_failure(self) -> None:
        assert envelope(ModelFailed("Failed."))["error"]["type"] == "server_error"


def rendered(*messages: tuple[str, str], prompt: bool = True) -> str:
    """As transformers and vLLM do it: the same sandbox, the same whitespace rules."""

    def refuse(message: str) -> Any:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        messages=[{"role": role, "content": content} for role, content in messages],
        bos_token="<bos>",
        add_generation_prompt=prompt,
    )


class TestChatTemplate:
    def test_begins_with_bos_and_ends_with_the_turn(self) -> None:
        assert rendered(("user", "Hello.")) == f"<bos>{EXAMPLE}User: Hello.\nAssistant:"

    def test_a_longer_dialogue(self) -> None:
        text = rendered(
            ("system", "Be brief."), ("user", " One? "), ("assistant", "1"), ("user", "Two?")
        )
        assert text == (
            f"<bos>Be brief.\n\n{EXAMPLE}User: One?\nAssistant: 1\n\nUser: Two?\nAssistant:"
        )

    def test_without_a_prompt_for_the_model(self) -> None:
        assert rendered(("user", "Hello."), prompt=False).endswith("User: Hello.\n")

    def test_a_role_that_is_none(self) -> None:
        with pytest.raises(TemplateError, match="role"):
            rendered(("king", "Hello."))
