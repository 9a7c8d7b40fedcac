"""A catalog entry as the settings of a vLLM engine under Ray Serve."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.catalog import Model
from serving.health import DRAIN_POLL_S, HEALTH_PERIOD_S
from serving.scaling import Scaling

CPU = "cpu"
# Where a server finds its adapters' folders, by the name that they are asked for by.
ADAPTERS = "adapters"
# Where the server looks for those of customers, which are asked for as `engine:id`.
CUSTOMERS = "customers_adapters"
# Where it leaves what its engine counted, when it ends.
COUNTS = "counts"
# Whether an answer that is one value of a list is written as the value alone (enum_answers.py).
ENUM_ANSWERS = "enum_answers"
# The tool parser of models that are held to a schema for want of a form of their own.
CHOICE_PARSER = "choice"
_BETWEEN = ":"
_NONE: Mapping[str, str] = MappingProxyType({})
# In one batch; each takes room beside the base, and so do others that wait in the processor's
# memory. All are of this rank (models/industrial_llm/recipes.py).
_LORA = {"enable_lora": True, "max_loras": 8, "max_cpu_loras": 32, "max_lora_rank": 16}
# A replica that is one too many has this long to end its answers. Where all stop they are given
# less (serving/cluster/cluster.py).
_DRAIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Shared:
    """What all engines have in common. Below `customers` lie customers' adapters, in `counts` is
    what engines that have ended counted; `traces` is the base address of a collector."""

    profile: str
    customers: Path
    counts: Path
    scaling: Scaling
    traces: str | None = None


def engine_settings(
    model: Model, source: str, shared: Shared, adapters: Mapping[str, str] = _NONE
) -> dict[str, Any]:
    """The arguments of `ray.serve.llm.LLMConfig` for one model. `adapters` are the folders of those
    that answer on its engine, by model."""
    profile, traces = shared.profile, shared.traces
    customers = {ADAPTERS: dict(adapters), CUSTOMERS: str(shared.customers)}
    settings: dict[str, Any] = {
        "model_loading_config": {"model_id": model.id, "model_source": source},
        "engine_kwargs": _engine(model, profile)
        | (_LORA if adapters else {})
        | ({} if traces is None else {"otlp_traces_endpoint": f"{traces}/v1/traces"}),
        "deployment_config": {
            "name": deployment_name(model.id),
            **shared.scaling.options(),
            "graceful_shutdown_wait_loop_s": DRAIN_POLL_S,
            "graceful_shutdown_timeout_s": _DRAIN_S,
            **_HEALTH,
        },
        # Without it each stream waits 50 ms for more tokens to send together.
        "experimental_configs": {
            "stream_batching_interval_ms": 0,
            COUNTS: str(shared.counts),
            ENUM_ANSWERS: model.engine.get("tool_call_parser") == CHOICE_PARSER,
        }
        | (customers if adapters else {}),
        # vLLM's counters stay in the process: Ray would carry them to a port of its own.
        "log_engine_metrics": False,
        # By name: this module knows neither Ray nor vLLM.
        "server_cls": "serving.text.server:TextServer",
    }
    if profile == CPU:
        settings["placement_group_config"] = {"bundles": [{"CPU": 1}] * _workers(model)}
        # The replica itself takes nothing beside its worker: two cores have to do for all.
        settings["deployment_config"]["ray_actor_options"] = {"num_cpus": 0}
    return settings


def engine_of(name: str) -> str:
    """The model whose engine is asked: all of a name but a customer's adapter."""
    return name.partition(_BETWEEN)[0]


def adapter_of(name: str) -> str | None:
    """The id of the customer's adapter that a name ends with."""
    return name.partition(_BETWEEN)[2] or None


def deployment_name(model_id: str) -> str:
    """The name that Serve's status uses, after the `TextServer:` that Ray puts before it."""
    return model_id.replace("/", "--").replace(".", "_")


def _engine(model: Model, profile: str) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "max_model_len": model.context_length,
        # Cached tokens have a price of their own, so the usage has to tell them.
        "enable_prompt_tokens_details": True,
        # The engine counts what it generates, for `maas reconcile`.
        "disable_log_stats": False,
        # On a processor vLLM compiles anew at every start (it cannot load what it saved): measured
        # 55 s more before the first answer, for 10 to 20 % more tokens. Without it the second
        # start takes 80 s. A catalog entry can ask for it.
        "enforce_eager": profile == CPU,
    }
    return {**defaults, **model.engine}


def _workers(model: Model) -> int:
    tensor = int(model.engine.get("tensor_parallel_size", 1))
    return tensor * int(model.engine.get("pipeline_parallel_size", 1))


# A dead engine is noticed after three failed checks; Ray's 10 s between them would make it half a
# minute. A busy engine answers late, which is no reason to restart it.
_HEALTH = {"health_check_period_s": HEALTH_PERIOD_S, "health_check_timeout_s": 60.0}
