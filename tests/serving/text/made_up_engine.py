"""vLLM with a tiny random model of the GPU profile's architecture, on the CPU.

The engine's settings are those that the catalog gives to the GPU profile, but for what a GPU would
be needed for. Ray is left out.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from infra.processes import stop_process
from models.catalog import Catalog, Model, Task, load_catalog
from models.catalog.profiles import Hardware
from serving.cluster.environment import reserve_port
from serving.scaling import Scaling
from serving.text.engine import SharedEngineSettings, engine_models, engine_settings
from tests.support.engine.process import CACHE, START_S

BUDGETS = {"low": 12, "medium": 24, "high": 48}
_POLL_S = 0.5
_CONTEXT = 1024
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_CACHE_ROOT": str(CACHE),
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "2",
}
# The share is of main memory here, and the random model has no pictures.
_CHANGED = {"gpu_memory_utilization": 0.1, "language_model_only": True, "dtype": "bfloat16"}


def small_catalog() -> Catalog:
    """The GPU profile's catalog with budgets and context that suit the tiny model."""
    models = load_catalog("gpu").models
    return Catalog(
        {
            name: replace(model, reasoning=BUDGETS, context_length=_CONTEXT)
            if model.task is Task.TEXT_GENERATION
            else model
            for name, model in models.items()
        }
    )


def industrial(catalog: Catalog) -> Model:
    """The model that answers with the weights of its base, and that customers adapt."""
    return next(model for model in catalog.models.values() if model.weights.kind == "base")


@contextmanager
def run_made_up_engine(weights: Path, adapters: Mapping[str, Path], log: Path) -> Iterator[str]:
    """Serve the language models of the GPU profile from these weights; yields the URL."""
    with reserve_port() as held:
        port = held.getsockname()[1]
    with log.open("wb") as output:
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
                *("--host", "127.0.0.1", "--port", str(port), "--model", str(weights)),
                *_options(_arguments(weights)),
                *("--served-model-name", *_names()),
                "--lora-modules",
                *(f"{name}={folder}" for name, folder in adapters.items()),
            ],
            env={**os.environ, **ENVIRONMENT},
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(child, url, log)
        yield url
    finally:
        stop_process(child, 30)


def _names() -> list[str]:
    """The engine's own name, and the names of models that answer with its weights."""
    model = industrial(small_catalog())
    return [model.engine_id, model.id]


def _arguments(weights: Path) -> dict[str, Any]:
    """The engine's arguments as serving passes them to vLLM."""
    arguments: dict[str, Any] = made_up_settings(weights, weights)["engine_kwargs"]
    return arguments


def made_up_settings(weights: Path, adapters: Path) -> dict[str, Any]:
    """The settings of the engine, with customers' adapters in a folder."""
    catalog = small_catalog()
    models = list(catalog.with_task(Task.TEXT_GENERATION))
    engine = catalog.models[industrial(catalog).engine_id]
    changed = replace(engine, engine=MappingProxyType({**engine.engine, **_CHANGED}))
    one = Scaling(1, 1, 16.0, 600.0)
    shared = SharedEngineSettings(Hardware.CPU, adapters, weights, one)
    sources = dict.fromkeys((model.id for model in models), "")
    return engine_settings(changed, str(weights), shared, engine_models(engine, models, sources))


def _options(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Arguments of the engine as options of vLLM's command."""
    for name, value in arguments.items():
        if value is False:
            continue  # the command's default
        yield f"--{name.replace('_', '-')}"
        if value is not True:
            yield json.dumps(value) if isinstance(value, dict) else str(value)


def _wait_until_healthy(child: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"vLLM ended: {log.read_text(errors='replace')[-3000:]}")
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(_POLL_S)
    raise TimeoutError(f"vLLM is not ready after {START_S:.0f} s.")
