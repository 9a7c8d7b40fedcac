"""The GPU profile's language models on the CPU: a random model of the architecture, real vLLM, a
gateway. Reasoning within its budget, schemas and tools after it, and adapters of all layers."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from infra.lazy_import import LazyModule
from models.industrial_llm.recipes import Recipe
from tests.serving.text.made_up_engine import (
    BUDGETS,
    industrial,
    run_made_up_engine,
    small_catalog,
)
from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.heavy import NEEDS_PEFT, NEEDS_VLLM
from tests.support.models.made_up_qwen import made_up_qwen
from tests.support.nightly import nightly

if TYPE_CHECKING:
    import safetensors.torch as tensors
    import torch

    from models.industrial_llm import lora
else:
    tensors = LazyModule("safetensors.torch")
    torch = LazyModule("torch")
    lora = LazyModule("models.industrial_llm.lora")

# A second engine: with it `make test` would take more than its twelve minutes.
pytestmark = [*NEEDS_PEFT, *NEEDS_VLLM, nightly]
MODEL = industrial(small_catalog())
RECIPE = Recipe("made-up/qwen", {}, learning_rate=0.01)
ORDER: Mapping[str, Any] = {
    "type": "object",
    "properties": {"part": {"enum": ["bolt", "nut"]}, "urgent": {"type": "boolean"}},
    "required": ["part", "urgent"],
    "additionalProperties": False,
}
TOOL: Mapping[str, Any] = {
    "type": "function",
    "function": {"name": "order", "description": "Order a part.", "parameters": ORDER},
}


@dataclass(frozen=True)
class Engine:
    """A running vLLM with two adapters: `good`, and `misnamed`, without the text part's name."""

    url: str


@pytest.fixture(scope="module")
def made_up_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    weights = made_up_qwen(folder / "weights")
    adapters = {"good": folder / "good", "misnamed": folder / "misnamed"}
    model = lora.load_model(weights, RECIPE, "cpu")
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.3)
    text_part = lora.text_part_name(weights)
    lora.save_adapter(model, adapters["good"], RECIPE.base, text_part)
    shutil.copytree(adapters["good"], adapters["misnamed"])
    file = adapters["misnamed"] / lora.WEIGHTS
    saved = tensors.load(file.read_bytes())
    tensors.save_file({name.replace(text_part, ""): saved[name] for name in saved}, file)
    with run_made_up_engine(weights, adapters, folder / "log") as url:
        yield Engine(url)


@pytest.fixture
async def gateway(
    made_up_engine: Engine, database_url: str, tmp_path: Path
) -> AsyncIterator[Gateway]:
    configured = builders.settings(database_url, tmp_path, made_up_engine.url)
    async with run_gateway(configured, catalog=small_catalog()) as running:
        yield running


def question(effort: str | None, **values: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": MODEL.id,
        "messages": [{"role": "user", "content": "Which part?"}],
        "max_tokens": 60,
        "temperature": 0,
        **values,
    }
    return body if effort is None else {**body, "reasoning_effort": effort}


async def asked(gateway: Gateway, effort: str | None, **values: Any) -> dict[str, Any]:
    answer = await gateway.http.post(
        "/v1/chat/completions", json=question(effort, **values), timeout=120
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def reasoning_tokens(usage: Mapping[str, Any]) -> int:
    tokens: int = usage["completion_tokens_details"]["reasoning_tokens"]
    return tokens


@pytest.mark.parametrize("effort", [None, "none", "minimal"])
async def test_model_does_not_reason_unless_asked(gateway: Gateway, effort: str | None) -> None:
    # On some processors the random weights end the answer before its first word.
    answer = await asked(gateway, effort, ignore_eos=True)
    message = answer["choices"][0]["message"]
    assert (answer["model"], message["reasoning"]) == (MODEL.id, None)
    assert message["content"]
    assert reasoning_tokens(answer["usage"]) == 0
    row = await gateway.row()
    assert (row["model"], row["reasoning_tokens"]) == (MODEL.id, 0)


@pytest.mark.parametrize("effort", ["low", "medium"])
async def test_reasoning_ends_within_its_budget_and_the_answer_follows(
    gateway: Gateway, effort: str
) -> None:
    answer = await asked(gateway, effort, ignore_eos=True)
    message = answer["choices"][0]["message"]
    tokens = reasoning_tokens(answer["usage"])
    assert 0 < tokens <= BUDGETS[effort]
    assert message["reasoning"] == message["reasoning_content"] != ""
    assert message["content"]
    assert "<think>" not in message["content"] + message["reasoning"]
    row = await gateway.row()
    assert (row["reasoning_tokens"], row["output_tokens"]) == (tokens, 60)


async def test_streamed_reasoning_equals_the_plain_response(gateway: Gateway) -> None:
    plain = await asked(gateway, "low", ignore_eos=True)
    body = question("low", ignore_eos=True, stream=True, stream_options={"include_usage": True})
    answer = await gateway.http.post("/v1/chat/completions", json=body, timeout=120)
    events = [json.loads(one[6:]) for one in answer.text.split("\n\n")[:-2]]
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
    message = plain["choices"][0]["message"]
    for name in ("reasoning", "reasoning_content", "content"):
        assert "".join(delta.get(name) or "" for delta in deltas).strip() == message[name].strip()
    assert reasoning_tokens(events[-1]["usage"]) == reasoning_tokens(plain["usage"])
    streamed, first = await gateway.rows(2)
    assert streamed["reasoning_tokens"] == first["reasoning_tokens"]


async def test_json_schema_applies_to_the_answer_after_the_reasoning(gateway: Gateway) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "order", "schema": ORDER}}
    answer = await asked(gateway, "low", max_tokens=200, response_format=schema)
    order = json.loads(answer["choices"][0]["message"]["content"])
    assert order["part"] in ("bolt", "nut")
    assert isinstance(order["urgent"], bool)
    assert reasoning_tokens(answer["usage"]) > 0


async def test_tool_is_called_after_the_reasoning(gateway: Gateway) -> None:
    answer = await asked(gateway, "low", max_tokens=200, tools=[TOOL], tool_choice="required")
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "order"
    # White space around a value is free in the model's format of calls.
    assert json.loads(call["function"]["arguments"])["part"].strip() in ("bolt", "nut")
    assert reasoning_tokens(answer["usage"]) > 0


async def test_max_tokens_leaves_room_for_an_answer(gateway: Gateway) -> None:
    answer = await asked(gateway, "high", max_tokens=16, ignore_eos=True)
    assert reasoning_tokens(answer["usage"]) <= 12
    assert answer["choices"][0]["message"]["content"]


def test_adapter_of_all_linear_layers_changes_answers(made_up_engine: Engine) -> None:
    """An adapter whose names lack the text part is loaded and ignored, without an error."""
    names = (MODEL.engine_id, "good", "misnamed")
    texts = {name: generated(made_up_engine, name) for name in names}
    assert texts["good"] != texts[MODEL.engine_id]
    assert texts["misnamed"] == texts[MODEL.engine_id]


def generated(engine: Engine, model: str) -> str:
    body = {"model": model, "prompt": "Which part?", "max_tokens": 24, "temperature": 0}
    answer = httpx.post(f"{engine.url}/v1/completions", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["text"]
    return text
