"""The GPU profile's engine settings as Ray and vLLM read them, without a GPU and an engine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.lazy_import import LazyModule
from models.catalog import Task, load_catalog
from serving.scaling import Scaling
from serving.text.engine import (
    EXACT_REASONING_PARSER,
    SharedEngineSettings,
    engine_models,
    engine_settings,
)
from tests.support.heavy import NEEDS_VLLM

if TYPE_CHECKING:
    from ray.llm._internal.serve.engines.vllm import vllm_models
    from ray.serve import llm
    from vllm import reasoning, tool_parsers

    from serving.text import engine_plugin, engine_server
else:
    llm = LazyModule("ray.serve.llm")
    vllm_models = LazyModule("ray.llm._internal.serve.engines.vllm.vllm_models")
    reasoning = LazyModule("vllm.reasoning")
    tool_parsers = LazyModule("vllm.tool_parsers")
    engine_plugin = LazyModule("serving.text.engine_plugin")
    engine_server = LazyModule("serving.text.engine_server")

pytestmark = NEEDS_VLLM
ONE = Scaling(1, 1, 16.0, 600.0)


def config_of(engine_gpus: float = 1.0) -> Any:
    """Ray's configuration of the engine of the GPU profile's catalog."""
    texts = load_catalog("gpu").with_task(Task.TEXT_GENERATION)
    (engine,) = [model for model in texts if model.base is None]
    sources = {model.id: model.weights.source for model in texts}
    shared = SharedEngineSettings(
        "gpu", Path("/adapters"), Path("/counts"), ONE, engine_gpus=engine_gpus
    )
    models = engine_models(engine, texts, sources)
    return llm.LLMConfig(**engine_settings(engine, sources[engine.id], shared, models))


def engine_of(config: Any) -> Any:
    return vllm_models.VLLMEngineConfig.from_llm_config(config)


def test_every_setting_is_an_argument_of_vllm() -> None:
    """Ray rejects unknown ones; those of the OpenAI server are told apart."""
    engine = engine_of(config_of())
    assert engine.hf_model_id == "Qwen/Qwen3.5-9B"
    assert engine.frontend_kwargs["default_chat_template_kwargs"] == {"enable_thinking": False}
    assert engine.engine_kwargs["reasoning_parser"] == EXACT_REASONING_PARSER
    assert engine.engine_kwargs["enable_lora"] is True


def test_parsers_are_known_to_vllm() -> None:
    engine_plugin.register()
    engine = engine_of(config_of())
    names = {**engine.engine_kwargs, **engine.frontend_kwargs}
    assert names["tool_call_parser"] in tool_parsers.ToolParserManager.list_registered()
    found = reasoning.ReasoningParserManager.get_reasoning_parser(names["reasoning_parser"])
    assert found.__name__ == "ExactReasoningParser"


def test_engine_asks_ray_for_a_whole_gpu_by_default() -> None:
    bundles = engine_of(config_of()).placement_bundles
    assert [bundle["GPU"] for bundle in bundles] == [1]


def test_engine_that_leaves_a_share_to_training_asks_for_the_rest() -> None:
    engine = engine_of(config_of(0.6))
    assert [bundle["GPU"] for bundle in engine.placement_bundles] == [0.6]
    variables = engine.get_runtime_env_with_local_env_vars()["env_vars"]
    assert variables["VLLM_RAY_PER_WORKER_GPUS"] == "0.6"
    assert engine.engine_kwargs["gpu_memory_utilization"] == pytest.approx(0.6)


def test_settings_of_requests_are_fields_of_vllm() -> None:
    """`thinking_token_budget` and `reasoning_effort`, which the gateway sends."""
    protocol = LazyModule("vllm.entrypoints.openai.chat_completion.protocol")
    fields = protocol.ChatCompletionRequest.model_fields
    assert {"thinking_token_budget", "reasoning_effort"} <= set(fields)
    details = LazyModule("vllm.entrypoints.serve.engine.protocol").CompletionTokenUsageInfo
    assert "reasoning_tokens" in details.model_fields


class TestChatTemplate:
    def test_template_beside_the_weights_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
        config = llm.LLMConfig(
            model_loading_config={"model_id": "m", "model_source": str(tmp_path)}
        )
        engine_server.name_chat_template(config)
        named = config.get_engine_config().frontend_kwargs
        assert named == {"chat_template": str(tmp_path / "chat_template.jinja")}

    def test_weights_without_one_leave_it_to_vllm(self, tmp_path: Path) -> None:
        config = llm.LLMConfig(
            model_loading_config={"model_id": "m", "model_source": str(tmp_path)}
        )
        engine_server.name_chat_template(config)
        assert config.get_engine_config().frontend_kwargs == {}

    def test_template_of_the_catalog_entry_is_kept(self, tmp_path: Path) -> None:
        (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
        config = llm.LLMConfig(
            model_loading_config={"model_id": "m", "model_source": str(tmp_path)},
            engine_kwargs={"chat_template": "other.jinja"},
        )
        engine_server.name_chat_template(config)
        assert config.get_engine_config().frontend_kwargs["chat_template"] == "other.jinja"
