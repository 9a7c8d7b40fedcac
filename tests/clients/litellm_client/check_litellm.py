"""litellm as a client of a running gateway: chat, stream, tools, embeddings, errors."""

import os
from typing import Any

import litellm
import pytest

HELLO = [{"role": "user", "content": "Reply with one word: ready"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "read_temperature",
        "description": "Read the temperature of a bearing in degC",
        "parameters": {
            "type": "object",
            "properties": {"bearing": {"type": "string"}},
            "required": ["bearing"],
        },
    },
}


@pytest.fixture
def gateway() -> dict[str, Any]:
    return {
        "api_base": os.environ["MAAS_CLIENT_URL"] + "/v1",
        "api_key": os.environ["MAAS_CLIENT_KEY"],
        "num_retries": 0,
    }


@pytest.fixture
def model() -> str:
    return "openai/" + os.environ["MAAS_CLIENT_MODEL"]


def test_chat_has_text_and_usage(gateway: dict[str, Any], model: str) -> None:
    answer = litellm.completion(model=model, messages=HELLO, max_tokens=8, **gateway)
    assert answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_has_the_text_of_the_whole_answer(gateway: dict[str, Any], model: str) -> None:
    options = {"max_tokens": 8, "temperature": 0, "seed": 1}
    whole = litellm.completion(model=model, messages=HELLO, **options, **gateway)
    chunks = list(
        litellm.completion(model=model, messages=HELLO, stream=True, **options, **gateway)
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content


def test_forced_tool_is_called(gateway: dict[str, Any], model: str) -> None:
    choice = {"type": "function", "function": {"name": "read_temperature"}}
    asked = [{"role": "user", "content": "What is the temperature of bearing B7?"}]
    answer = litellm.completion(
        model=model, messages=asked, tools=[TOOL], tool_choice=choice, max_tokens=64, **gateway
    )
    assert answer.choices[0].message.tool_calls[0].function.name == "read_temperature"


def test_responses_api_has_text(gateway: dict[str, Any], model: str) -> None:
    answer = litellm.responses(
        model=model, input="Reply with one word: ready", max_output_tokens=16, **gateway
    )
    assert answer.output


def test_unknown_model_is_a_not_found_error(gateway: dict[str, Any]) -> None:
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(model="openai/no-such-model", messages=HELLO, **gateway)


def test_wrong_key_is_an_authentication_error(gateway: dict[str, Any], model: str) -> None:
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(model=model, messages=HELLO, **{**gateway, "api_key": "maas_wrong"})
