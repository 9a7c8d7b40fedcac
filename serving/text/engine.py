"""Build the Ray Serve and vLLM settings of a text model from its catalog entry."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.catalog import Model
from models.catalog.profiles import Hardware
from serving.health import DRAIN_POLL_S, HEALTH_PERIOD_S
from serving.scaling import Scaling

# Keys of `experimental_configs`, by which settings reach EngineServer. The folders of the catalog's
# adapters, by model name:
ADAPTERS_KEY = "adapters"
# The names of models that answer with the engine's own weights, beside the engine's own name:
BASE_NAMES_KEY = "base_names"
# The folder of customers' adapters, which requests name as `engine:id`:
CUSTOMER_ADAPTERS_KEY = "customers_adapters"
# The folder for the final counters of a stopping engine:
COUNTERS_KEY = "counts"
# The text before the value in an enum answer of a model that writes the bare value, as in the
# catalog's table `engine` (enum_answers.py). Without it, enum answers are JSON as all others:
ENUM_PREFIX_KEY = "enum_prefix"
# Name of the tool call parser for models whose tool calls are constrained by a JSON schema.
CHOICE_PARSER = "choice"
# Name of the tool call parser for models that write calls as bare JSON (json_call_parser.py).
JSON_PARSER = "json"
# Name of the reasoning parser that counts tokens exactly (reasoning_parser.py).
EXACT_REASONING_PARSER = "qwen3_exact"
_SEPARATOR = ":"
# `max_loras` in one batch take GPU memory beside the base weights, `max_cpu_loras` CPU memory. All
# adapters have this rank (models/industrial_llm/recipes.py).
_LORA_ARGUMENTS = {"enable_lora": True, "max_loras": 8, "max_cpu_loras": 32, "max_lora_rank": 16}
# Memory for the contexts of running calls: 37,000 tokens of the model with 1.5 billion parameters.
# The operator's VLLM_CPU_KVCACHE_SPACE, in GiB, replaces it.
_CPU_KV_CACHE_BYTES = 1 << 30
# Time for a replica that is scaled down to finish its responses. A full shutdown allows less
# (serving/cluster/cluster.py).
_DRAIN_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class SharedEngineSettings:
    """Settings that all engines share.

    `customer_adapters` is the folder of customers' adapters, `counts` that of stopped engines'
    counters, `traces` the base URL of the OTLP collector, if any. `engine_gpus` is the share of
    each of its GPUs that an engine gets; below 1 fine-tuning gets the rest.
    """

    hardware: Hardware
    customer_adapters: Path
    counts: Path
    scaling: Scaling
    traces: str | None = None
    engine_gpus: float = 1.0


@dataclass(frozen=True, slots=True)
class EngineModels:
    """The models that an engine serves beside its own.

    `adapters` are the folders of the catalog's adapters by model name, `base_names` the models
    that answer with the engine's own weights. With `takes_customer_adapters`, customers fine-tune
    one of them.
    """

    adapters: Mapping[str, str] = field(default_factory=dict)
    base_names: tuple[str, ...] = ()
    takes_customer_adapters: bool = False

    @property
    def needs_lora(self) -> bool:
        """Whether the engine has to apply LoRA adapters."""
        return bool(self.adapters) or self.takes_customer_adapters


_NO_MODELS = EngineModels()


def engine_settings(
    model: Model, source: str, shared: SharedEngineSettings, models: EngineModels = _NO_MODELS
) -> dict[str, Any]:
    """Return the arguments of `ray.serve.llm.LLMConfig` for one model.

    `source` is the path or hub id of its weights, `models` what its engine serves beside it.
    """
    hardware, traces = shared.hardware, shared.traces
    customers = {
        ADAPTERS_KEY: dict(models.adapters),
        CUSTOMER_ADAPTERS_KEY: str(shared.customer_adapters),
    }
    settings: dict[str, Any] = {
        "model_loading_config": {"model_id": model.id, "model_source": source},
        "engine_kwargs": (_LORA_ARGUMENTS if models.needs_lora else {})
        | _engine_arguments(model, shared)
        | ({} if traces is None else {"otlp_traces_endpoint": f"{traces}/v1/traces"}),
        "deployment_config": {
            "name": deployment_name(model.id),
            **shared.scaling.deployment_options(),
            "graceful_shutdown_wait_loop_s": DRAIN_POLL_S,
            "graceful_shutdown_timeout_s": _DRAIN_TIMEOUT_S,
            **_HEALTH_CHECKS,
        },
        # By default a stream waits 50 ms to send several tokens together.
        "experimental_configs": {
            "stream_batching_interval_ms": 0,
            COUNTERS_KEY: str(shared.counts),
            ENUM_PREFIX_KEY: model.engine.get(ENUM_PREFIX_KEY),
        }
        | ({BASE_NAMES_KEY: list(models.base_names)} if models.base_names else {})
        | (customers if models.needs_lora else {}),
        # vLLM's metrics stay in the process; Ray would export them on a port of its own.
        "log_engine_metrics": False,
    }
    if hardware is Hardware.CPU:
        settings["placement_group_config"] = {"bundles": [{"CPU": 1}] * _worker_count(model.engine)}
        # No CPU for the replica besides its worker: two cores have to suffice for everything.
        settings["deployment_config"]["ray_actor_options"] = {"num_cpus": 0}
    elif shared.engine_gpus < 1:
        bundle = {"CPU": 1, "GPU": shared.engine_gpus}
        settings["placement_group_config"] = {"bundles": [bundle] * _worker_count(model.engine)}
    return settings


def placement_bundles(settings: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return the resources of an engine with the given settings, a bundle for each worker.

    The first one also has the processor cores of the replica, which starts the workers. Without a
    `placement_group_config` each worker has a GPU.
    """
    arguments = settings["engine_kwargs"]
    given = settings.get("placement_group_config", {}).get("bundles")
    workers = _worker_count(arguments)
    first, *others = [dict(one) for one in given] if given else [{"GPU": 1.0}] * workers
    actor = settings["deployment_config"].get("ray_actor_options", {})
    first = {**first, "CPU": first.get("CPU", 0) + actor.get("num_cpus", 1)}
    return [first, *others]


def engine_models(
    engine: Model, models: Iterable[Model], sources: Mapping[str, str]
) -> EngineModels:
    """Return the models that the engine of a model serves beside it.

    `sources` are the weights by model id, for an adapter its folder. Customers' adapters are taken
    if they adapt one of these models or the engine's own.
    """
    served = [model for model in models if model.base == engine.id]
    return EngineModels(
        adapters={
            model.id: sources[model.id] for model in served if model.weights.kind == "adapter"
        },
        base_names=tuple(model.id for model in served if model.weights.kind == "base"),
        takes_customer_adapters=any(model.adapter is not None for model in (engine, *served)),
    )


def engine_model_id(name: str) -> str:
    """Return the engine's model in a requested name `engine` or `engine:adapter`."""
    return name.partition(_SEPARATOR)[0]


def customer_adapter_id(name: str) -> str | None:
    """Return the customer's adapter id in a requested name `engine:adapter`; None without one."""
    return name.partition(_SEPARATOR)[2] or None


def own_weights_name(name: str, engine_id: str, base_names: Collection[str]) -> str:
    """Return the engine's own name if a requested model answers with its weights, else the name."""
    return engine_id if name in base_names else name


def deployment_name(model_id: str) -> str:
    """Return a model's Ray Serve deployment name, without the prefix `TextServer:`."""
    return model_id.replace("/", "--").replace(".", "_")


def _engine_arguments(model: Model, shared: SharedEngineSettings) -> dict[str, Any]:
    """Return the vLLM engine arguments; the catalog entry overrides the defaults."""
    defaults: dict[str, Any] = {
        "max_model_len": model.context_length,
        # Cached tokens have a price of their own, so the usage must report them.
        "enable_prompt_tokens_details": True,
        # `maas reconcile` needs the engine's token counters.
        "disable_log_stats": False,
        # On a CPU vLLM recompiles at every start because it cannot load its cache: measured 55 s
        # more until the first response, for 10 to 20 % more tokens per second. Without compilation
        # the second start takes 80 s. A catalog entry can enable it.
        "enforce_eager": shared.hardware is Hardware.CPU,
    }
    if shared.hardware is Hardware.CPU:
        defaults["kv_cache_memory_bytes"] = _CPU_KV_CACHE_BYTES
    arguments = {**defaults, **model.engine}
    arguments.pop(ENUM_PREFIX_KEY, None)
    if shared.engine_gpus < 1:
        # vLLM takes a share of the whole card, whatever share Ray gives to the engine.
        share = float(arguments.get("gpu_memory_utilization", shared.engine_gpus))
        arguments["gpu_memory_utilization"] = min(share, shared.engine_gpus)
    return arguments


def _worker_count(arguments: Mapping[str, Any]) -> int:
    """Return the number of vLLM workers: tensor times pipeline parallel size."""
    tensor = int(arguments.get("tensor_parallel_size", 1))
    return tensor * int(arguments.get("pipeline_parallel_size", 1))


# Ray detects a dead engine after three failed checks, with its default period of 10 s after half a
# minute. The long timeout avoids restarting an engine that is only busy.
_HEALTH_CHECKS = {"health_check_period_s": HEALTH_PERIOD_S, "health_check_timeout_s": 60.0}
