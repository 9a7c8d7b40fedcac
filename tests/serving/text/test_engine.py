"""Engine settings from a catalog entry, for the CPU and the GPU profile."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from models.catalog import Model, Task, Weights
from models.catalog.profiles import Hardware
from models.industrial_llm.recipes import RANK
from serving.scaling import Scaling
from serving.text.engine import (
    ADAPTERS_KEY,
    BASE_NAMES_KEY,
    COUNTERS_KEY,
    CUSTOMER_ADAPTERS_KEY,
    ENUM_PREFIX_KEY,
    EngineModels,
    SharedEngineSettings,
    deployment_name,
    engine_models,
    engine_settings,
    own_weights_name,
    placement_bundles,
)

ONE = Scaling(min_replicas=1, max_replicas=1, target_requests=16.0, idle_s=600.0)
CPU = SharedEngineSettings(Hardware.CPU, Path("/adapters"), Path("/counts"), ONE)
GPU = replace(CPU, hardware=Hardware.GPU)


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
            ENUM_PREFIX_KEY: None,
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

    def test_engine_counters_are_kept_in_the_process(self) -> None:
        settings = engine_settings(model(), "/weights", CPU)
        assert settings["engine_kwargs"]["disable_log_stats"] is False
        assert settings["log_engine_metrics"] is False  # Ray's own metrics would need another port

    def test_eager_mode_is_default_unless_catalog_disables_it(self) -> None:
        quick = engine_settings(model(), "/weights", CPU)["engine_kwargs"]
        fast = engine_settings(model(enforce_eager=False), "/weights", CPU)["engine_kwargs"]
        assert (quick["enforce_eager"], fast["enforce_eager"]) == (True, False)

    @pytest.mark.parametrize(("workers", "bundles"), [(1, [{"CPU": 1}]), (2, [{"CPU": 1}] * 2)])
    def test_workers_have_a_core_each_and_the_replica_none(
        self, workers: int, bundles: list[dict[str, float]]
    ) -> None:
        settings = engine_settings(model(tensor_parallel_size=workers), "/weights", CPU)
        assert placement_bundles(settings) == bundles


class TestGpuEngineSettings:
    def test_workers_have_a_gpu_each_and_the_replica_a_core(self) -> None:
        settings = engine_settings(model(tensor_parallel_size=2), "maker/model", GPU)
        assert placement_bundles(settings) == [{"GPU": 1.0, "CPU": 1}, {"GPU": 1.0}]

    def test_worker_beside_training_has_a_share_of_the_gpu(self) -> None:
        settings = engine_settings(model(), "maker/model", replace(GPU, engine_gpus=0.6))
        assert placement_bundles(settings) == [{"GPU": 0.6, "CPU": 2}]

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
        adapters = EngineModels(adapters={"plant": "/adapters/plant"})
        settings = engine_settings(model(), "/weights", CPU, adapters)
        assert settings["engine_kwargs"]["enable_lora"] is True
        assert settings["engine_kwargs"]["max_lora_rank"] == RANK
        assert settings["experimental_configs"][ADAPTERS_KEY] == {"plant": "/adapters/plant"}

    def test_models_of_an_engine_are_found_by_their_base(self) -> None:
        engine = model()
        plant = replace(engine, id="plant", base=engine.id, weights=Weights("adapter", "x"))
        same = replace(plant, id="same", weights=Weights("base", ""), adapter="industrial_llm")
        other = replace(plant, id="other", base="another")
        sources = {one.id: f"/{one.id}" for one in (engine, plant, same, other)}
        found = engine_models(engine, (engine, plant, same, other), sources)
        assert found == EngineModels({"plant": "/plant"}, ("same",), takes_customer_adapters=True)
        assert found.needs_lora
        assert not engine_models(engine, (engine, other), sources).needs_lora

    def test_engine_takes_customer_adapters_of_its_own_model(self) -> None:
        engine = replace(model(), adapter="industrial_llm")
        found = engine_models(engine, (engine,), {engine.id: "/weights"})
        assert found == EngineModels(takes_customer_adapters=True)

    def test_enum_prefix_reaches_the_server_and_not_the_engine(self) -> None:
        settings = engine_settings(model(enum_prefix=""), "/weights", CPU)
        assert settings["experimental_configs"][ENUM_PREFIX_KEY] == ""
        assert ENUM_PREFIX_KEY not in settings["engine_kwargs"]

    def test_engine_that_customers_adapt_has_lora_without_industry_adapter(self) -> None:
        models = EngineModels(base_names=("same",), takes_customer_adapters=True)
        settings = engine_settings(model(), "maker/model", GPU, models)
        assert settings["engine_kwargs"]["enable_lora"] is True
        told = settings["experimental_configs"]
        assert (told[BASE_NAMES_KEY], told[ADAPTERS_KEY]) == (["same"], {})
        assert told[CUSTOMER_ADAPTERS_KEY] == "/adapters"

    def test_catalog_overrides_lora_settings(self) -> None:
        models = EngineModels(takes_customer_adapters=True)
        settings = engine_settings(model(max_loras=2), "maker/model", GPU, models)
        assert settings["engine_kwargs"]["max_loras"] == 2


class TestGpuSharing:
    """Engines leave a share of their GPUs to fine-tuning."""

    SHARED = replace(GPU, engine_gpus=0.6)

    def test_engine_gets_its_share_of_each_gpu(self) -> None:
        settings = engine_settings(model(tensor_parallel_size=2), "maker/model", self.SHARED)
        assert settings["placement_group_config"] == {"bundles": [{"CPU": 1, "GPU": 0.6}] * 2}

    @pytest.mark.parametrize(
        ("given", "share"),
        [
            ({}, 0.6),
            ({"gpu_memory_utilization": 0.85}, 0.6),
            ({"gpu_memory_utilization": 0.4}, 0.4),
        ],
    )
    def test_engine_takes_no_more_memory_than_its_share(
        self, given: dict[str, Any], share: float
    ) -> None:
        engine = engine_settings(model(**given), "maker/model", self.SHARED)["engine_kwargs"]
        assert engine["gpu_memory_utilization"] == share

    def test_whole_gpu_leaves_memory_setting_to_the_catalog(self) -> None:
        engine = engine_settings(model(gpu_memory_utilization=0.85), "m", GPU)["engine_kwargs"]
        assert engine["gpu_memory_utilization"] == 0.85


@pytest.mark.parametrize(
    ("name", "known"), [("same", "engine"), ("engine", "engine"), ("plant", "plant"), ("", "")]
)
def test_model_with_the_engines_weights_is_known_to_it_by_its_own_name(
    name: str, known: str
) -> None:
    assert own_weights_name(name, "engine", {"same"}) == known


def test_deployment_name_has_only_characters_valid_in_serve() -> None:
    assert deployment_name(model().id) == "maker--model-1_5"
