"""Engine settings from a catalog entry, for the CPU and the GPU profile."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from models.catalog import Model, Task, Weights
from models.industrial_llm.recipes import RANK
from serving.scaling import Scaling
from serving.text.engine import (
    ADAPTERS_KEY,
    COUNTERS_KEY,
    ENUM_ANSWERS_KEY,
    SharedEngineSettings,
    deployment_name,
    engine_settings,
)

ONE = Scaling(min_replicas=1, max_replicas=1, target_requests=16.0, idle_s=600.0)
CPU = SharedEngineSettings("cpu", Path("/adapters"), Path("/counts"), ONE)
GPU = replace(CPU, profile="gpu")


def model(**engine: Any) -> Model:
    return Model(
        id="maker/model-1.5",
        task=Task.TEXT_GENERATION,
        profiles=("cpu", "gpu"),
        description="",
        licence="",
        weights=Weights("hub", "maker/model"),
        prices=MappingProxyType({}),
        context_length=2048,
        engine=MappingProxyType(engine),
    )


class TestCpuEngineSettings:
    def test_engine_has_single_cpu_bundle_and_single_replica(self) -> None:
        settings = engine_settings(model(dtype="bfloat16"), "/weights", CPU)
        assert settings["placement_group_config"] == {"bundles": [{"CPU": 1}]}
        assert settings["deployment_config"]["ray_actor_options"] == {"num_cpus": 0}
        assert settings["deployment_config"]["num_replicas"] == 1

    def test_model_id_and_source_are_set(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        assert settings["model_loading_config"] == {
            "model_id": "maker/model-1.5",
            "model_source": "/weights",
        }

    def test_stream_batching_is_disabled(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        told = settings["experimental_configs"]
        assert told == {
            "stream_batching_interval_ms": 0,
            COUNTERS_KEY: "/counts",
            ENUM_ANSWERS_KEY: False,
        }

    def test_traces_endpoint_is_set_if_configured(self) -> None:
        name = "otlp_traces_endpoint"
        assert name not in engine_settings(model(), "/weights", CPU)["engine_kwargs"]
        settings = engine_settings(model(), "/weights", replace(CPU, traces="http://c:4318"))
        assert settings["engine_kwargs"][name] == "http://c:4318/v1/traces"

    def test_cached_tokens_are_reported(self) -> None:
        engine = engine_settings(model(), "/weights", CPU)["engine_kwargs"]
        assert engine["enable_prompt_tokens_details"] is True
        assert engine["max_model_len"] == 2048

    def test_engine_counters_are_served_by_text_server(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        assert settings["engine_kwargs"]["disable_log_stats"] is False
        assert settings["log_engine_metrics"] is False  # Ray's own metrics would need another port
        assert settings["server_cls"] == "serving.text.server:TextServer"

    def test_eager_mode_is_default_unless_catalog_disables_it(self) -> None:
        quick = engine_settings(model(), "/weights", CPU)["engine_kwargs"]
        fast = engine_settings(model(enforce_eager=False), "/weights", CPU)["engine_kwargs"]
        assert (quick["enforce_eager"], fast["enforce_eager"]) == (True, False)


class TestGpuEngineSettings:
    def test_worker_placement_is_left_to_ray(self) -> None:
        settings = engine_settings(model(tensor_parallel_size=4), "maker/model", GPU)
        assert "placement_group_config" not in settings
        assert "ray_actor_options" not in settings["deployment_config"]
        assert settings["engine_kwargs"]["enforce_eager"] is False

    @pytest.mark.parametrize(
        "given",
        [
            {"tensor_parallel_size": 4, "quantization": "awq"},
            {"enable_lora": True, "max_lora_rank": 16, "max_loras": 8},
            {"max_model_len": 100},
            {"enable_auto_tool_choice": True, "tool_call_parser": "hermes"},
        ],
    )
    def test_catalog_settings_pass_through(self, given: dict[str, Any]) -> None:
        engine = engine_settings(model(**given), "maker/model", GPU)["engine_kwargs"]
        assert {key: engine[key] for key in given} == given


class TestEngineReplicas:
    def test_equal_bounds_set_fixed_replica_number(self) -> None:
        shared = replace(GPU, scaling=replace(ONE, min_replicas=3, max_replicas=3))
        deployment = engine_settings(model(), "maker/model", shared)["deployment_config"]
        assert (deployment["num_replicas"], "autoscaling_config" in deployment) == (3, False)

    def test_different_bounds_set_autoscaling(self) -> None:
        shared = replace(GPU, scaling=replace(ONE, max_replicas=4))
        deployment = engine_settings(model(), "maker/model", shared)["deployment_config"]
        assert "num_replicas" not in deployment  # Ray accepts only one of the two
        scaled = deployment["autoscaling_config"]
        assert (scaled["min_replicas"], scaled["max_replicas"]) == (1, 4)

    def test_shutdown_waits_for_running_responses(self) -> None:
        """Ray's default of 20 seconds would cut off long responses when engines are scaled down."""
        deployment = engine_settings(model(), "maker/model", GPU)["deployment_config"]
        assert deployment["graceful_shutdown_timeout_s"] == 600.0


class TestEngineAdapters:
    def test_engine_without_adapters_disables_lora(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        assert "enable_lora" not in settings["engine_kwargs"]
        assert ADAPTERS_KEY not in settings["experimental_configs"]

    def test_engine_with_adapters_enables_lora_and_sets_paths(self) -> None:
        settings = engine_settings(model(), "/weights", CPU, {"plant": "/adapters/plant"})
        assert settings["engine_kwargs"]["enable_lora"] is True
        assert settings["engine_kwargs"]["max_lora_rank"] == RANK
        assert settings["experimental_configs"][ADAPTERS_KEY] == {"plant": "/adapters/plant"}


def test_deployment_name_has_only_characters_valid_in_serve() -> None:
    assert deployment_name(model().id) == "maker--model-1_5"
