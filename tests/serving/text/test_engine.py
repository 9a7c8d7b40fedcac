"""A catalog entry as engine settings, for one processor and for several GPUs."""

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


class TestProcessor:
    def test_runs_on_two_cores(self) -> None:
        settings = engine_settings(model(dtype="bfloat16"), "/weights", CPU)
        assert settings["placement_group_config"] == {"bundles": [{"CPU": 1}]}
        assert settings["deployment_config"]["ray_actor_options"] == {"num_cpus": 0}
        assert settings["deployment_config"]["num_replicas"] == 1

    def test_id_and_source(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        assert settings["model_loading_config"] == {
            "model_id": "maker/model-1.5",
            "model_source": "/weights",
        }

    def test_tokens_are_not_held_back(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        told = settings["experimental_configs"]
        assert told == {
            "stream_batching_interval_ms": 0,
            COUNTERS_KEY: "/counts",
            ENUM_ANSWERS_KEY: False,
        }

    def test_spans_go_to_the_collector_where_there_is_one(self) -> None:
        name = "otlp_traces_endpoint"
        assert name not in engine_settings(model(), "/weights", CPU)["engine_kwargs"]
        settings = engine_settings(model(), "/weights", replace(CPU, traces="http://c:4318"))
        assert settings["engine_kwargs"][name] == "http://c:4318/v1/traces"

    def test_cached_tokens_are_reported(self) -> None:
        engine = engine_settings(model(), "/weights", CPU)["engine_kwargs"]
        assert engine["enable_prompt_tokens_details"] is True
        assert engine["max_model_len"] == 2048

    def test_the_engine_counts_and_its_server_tells(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        assert settings["engine_kwargs"]["disable_log_stats"] is False
        assert settings["log_engine_metrics"] is False  # Ray's own metrics would be a port more
        assert settings["server_cls"] == "serving.text.server:TextServer"

    def test_starts_fast_unless_the_catalog_prefers_speed(self) -> None:
        quick = engine_settings(model(), "/weights", CPU)["engine_kwargs"]
        fast = engine_settings(model(enforce_eager=False), "/weights", CPU)["engine_kwargs"]
        assert (quick["enforce_eager"], fast["enforce_eager"]) == (True, False)


class TestGpu:
    def test_ray_places_the_workers(self) -> None:
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
    def test_the_catalogs_settings_pass_through(self, given: dict[str, Any]) -> None:
        engine = engine_settings(model(**given), "maker/model", GPU)["engine_kwargs"]
        assert {key: engine[key] for key in given} == given


class TestReplicas:
    def test_a_fixed_number(self) -> None:
        shared = replace(GPU, scaling=replace(ONE, min_replicas=3, max_replicas=3))
        deployment = engine_settings(model(), "maker/model", shared)["deployment_config"]
        assert (deployment["num_replicas"], "autoscaling_config" in deployment) == (3, False)

    def test_by_load(self) -> None:
        shared = replace(GPU, scaling=replace(ONE, max_replicas=4))
        deployment = engine_settings(model(), "maker/model", shared)["deployment_config"]
        assert "num_replicas" not in deployment  # Ray takes one or the other
        scaled = deployment["autoscaling_config"]
        assert (scaled["min_replicas"], scaled["max_replicas"]) == (1, 4)

    def test_an_answer_ends_before_its_engine(self) -> None:
        """Ray's 20 seconds would cut off long ones wherever an engine is one too many."""
        deployment = engine_settings(model(), "maker/model", GPU)["deployment_config"]
        assert deployment["graceful_shutdown_timeout_s"] == 600.0


class TestAdapters:
    def test_an_engine_without_any_takes_none(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        assert "enable_lora" not in settings["engine_kwargs"]
        assert ADAPTERS_KEY not in settings["experimental_configs"]

    def test_an_engine_is_told_where_its_own_are(self) -> None:
        settings = engine_settings(model(), "/weights", CPU, {"plant": "/adapters/plant"})
        assert settings["engine_kwargs"]["enable_lora"] is True
        assert settings["engine_kwargs"]["max_lora_rank"] == RANK
        assert settings["experimental_configs"][ADAPTERS_KEY] == {"plant": "/adapters/plant"}


def test_a_name_that_serve_accepts() -> None:
    assert deployment_name(model().id) == "maker--model-1_5"
