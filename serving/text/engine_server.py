"""Ray's LLM server of one engine, extended by LoRA adapters and by the engine's token counters.

Runs in the process that talks to the engine, where vLLM keeps its counters. The server knows which
adapters are registered; which of them are in memory is managed by the engine.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from ray.llm._internal.serve.core.configs.llm_config import DiskMultiplexConfig, LLMConfig
from ray.llm._internal.serve.core.configs.openai_api_models import ErrorInfo, ErrorResponse
from ray.llm._internal.serve.core.protocol import RawRequestInfo
from ray.serve.llm.deployment import LLMServer
from vllm.entrypoints.serve.lora.protocol import UnloadLoRAAdapterRequest

from serving.errors import VariantNotLoaded
from serving.text.adapter_store import AdapterStore, StoredAdapter
from serving.text.engine import (
    ADAPTERS_KEY,
    BASE_NAMES_KEY,
    COUNTERS_KEY,
    CUSTOMER_ADAPTERS_KEY,
    ENUM_PREFIX_KEY,
    customer_adapter_id,
    own_weights_name,
)
from serving.text.enum_requests import restrict_to_enum, wrap_enum_answers
from serving.text.one_process_engine import OneProcessEngine
from serving.text.replica_counters import ReplicaCounters
from serving.text.tool_call_parser import register_parsers
from serving.weights.conversion import CHAT_TEMPLATE_FILE

# Ray's configuration requires an id, but the engine assigns its own.
_UNUSED_LORA_ID = 0
# Maximum number of registered customers' adapters; the engine keeps a few of them in memory.
_MAX_LOADED_ADAPTERS = 1_000


class EngineServer(LLMServer):
    """Ray's LLM server with adapters and counters.

    The engine selects the adapter by the request's `model`, so no code of this class runs per
    token, except for enum answers (enum_answers.py).
    """

    _default_engine_cls: Any = OneProcessEngine

    async def start(self) -> None:
        """Start the engine and load the catalog's adapters, so that no first call waits for one."""
        register_parsers()
        settings: Mapping[str, Any] = self._llm_config.experimental_configs
        self._replica_counters = ReplicaCounters(REGISTRY, Path(settings[COUNTERS_KEY]))
        self._enum_prefix: str | None = settings.get(ENUM_PREFIX_KEY)
        self._base_names = frozenset(settings.get(BASE_NAMES_KEY, ()))
        _skip_downloads(self._llm_config)
        name_chat_template(self._llm_config)
        await super().start()  # type: ignore[no-untyped-call]
        self._adapter_store = AdapterStore(Path(settings.get(CUSTOMER_ADAPTERS_KEY, "")))
        # Public names of customers' adapters by the engine's names for them, their ids.
        self._loaded_adapters: OrderedDict[str, str] = OrderedDict()
        self._adapter_lock = asyncio.Lock()
        self._answer_with_public_names()
        for name, folder in settings.get(ADAPTERS_KEY, {}).items():
            await self._load_adapter(StoredAdapter(name, Path(folder)))

    async def _start_engine(self) -> None:
        """Start the engine, without Ray's usage report: the actor that takes it has 290 MB."""
        engine: Any = self.engine
        await engine.start()

    async def counters(self) -> str:
        """Return the engine's metrics since its start as Prometheus text."""
        return self._replica_counters.render()

    async def stop(self) -> None:
        """Save the final counters and stop the engine, after the last response has ended."""
        if hasattr(self, "_replica_counters"):
            self._replica_counters.save_final()
        engine: Any = self.engine
        if engine is not None:
            await engine.shutdown()

    def __del__(self) -> None:  # type: ignore[override]
        """Nothing: Ray's class stops the engine here, this one in `stop`."""

    async def _run_request(
        self,
        request: Any,
        *,
        engine_method: str,
        batch_output_stream: bool = False,
        raw_request_info: RawRequestInfo | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Run a request; load the customer's adapter if its model is `engine:adapter_id`.

        The engine knows such an adapter by its id, and the response by its public name. Models
        that answer with the engine's own weights have the engine's own name.
        """
        adapter_id = customer_adapter_id(request.model)
        if adapter_id is not None:
            adapter = await asyncio.to_thread(self._adapter_store.find, adapter_id)
            if adapter is None:
                return _variant_not_loaded()
            await self._ensure_adapter_loaded(adapter_id, adapter)
            request.model = adapter_id
        else:
            request.model = own_weights_name(
                request.model, self._llm_config.model_id, self._base_names
            )
        enum = (
            restrict_to_enum(request, self._enum_prefix)
            if self._enum_prefix is not None and engine_method == "chat"
            else None
        )
        responses = await super()._run_request(
            request,
            engine_method=engine_method,
            batch_output_stream=batch_output_stream,
            raw_request_info=raw_request_info,
        )
        return responses if enum is None else wrap_enum_answers(responses, enum)

    async def _ensure_adapter_loaded(self, adapter_id: str, adapter: StoredAdapter) -> None:
        """Load a customer's adapter unless it is loaded.

        Under its id, not its public name: versions that share a public name may be called at the
        same time, and the engine's prefix cache tells adapters apart by their names alone.
        """
        if adapter_id in self._loaded_adapters:
            self._loaded_adapters.move_to_end(adapter_id)
            return
        async with self._adapter_lock:
            if adapter_id in self._loaded_adapters:
                return
            if len(self._loaded_adapters) >= _MAX_LOADED_ADAPTERS:
                await self._unload_adapter(next(iter(self._loaded_adapters)))
            await self._load_adapter(StoredAdapter(adapter_id, adapter.folder))
            self._loaded_adapters[adapter_id] = adapter.name

    async def _load_adapter(self, adapter: StoredAdapter) -> None:
        """Load an adapter into the engine under its name."""
        engine: Any = self.engine
        await engine.resolve_lora(
            DiskMultiplexConfig(
                model_id=adapter.name,
                local_path=str(adapter.folder),
                lora_assigned_int_id=_UNUSED_LORA_ID,
                max_total_tokens=None,
            )
        )

    async def _unload_adapter(self, adapter_id: str) -> None:
        """Unload a customer's adapter from the engine."""
        engine: Any = self.engine
        del self._loaded_adapters[adapter_id]
        await engine._oai_models.unload_lora_adapter(UnloadLoRAAdapterRequest(lora_name=adapter_id))

    def _answer_with_public_names(self) -> None:
        """Let the engine's responses have the public names of customers' adapters as `model`."""
        engine: Any = self.engine
        models = engine._oai_models
        engine_name = models.model_name

        def model_name(lora_request: Any = None) -> str:
            name: str = engine_name(lora_request)
            return self._loaded_adapters.get(name, name)

        models.model_name = model_name


async def start_engine(settings: Mapping[str, Any]) -> EngineServer:
    """Return a started engine with the given arguments of Ray's LLMConfig."""
    engine: Any = EngineServer.sync_init(LLMConfig(**settings))
    await engine.start()
    started: EngineServer = engine
    return started


def _skip_downloads(config: LLMConfig) -> None:
    """Let the engine start at once if its weights are in a folder of this machine.

    Ray otherwise starts a worker that imports vLLM only to find that nothing is to be downloaded:
    about 20 s of the start on two cores.
    """
    engine: Any = config.get_engine_config()
    if Path(engine.actual_hf_model_id).is_dir():
        callback: Any = config.get_or_create_callback()
        callback.ctx.run_init_node = False


def name_chat_template(config: LLMConfig) -> None:
    """Let the engine take the chat template from the file beside its weights, if there is one.

    vLLM otherwise first looks for it in an image processor, for which it reads the tokenizer again.
    """
    engine: Any = config.get_engine_config()
    template = Path(engine.actual_hf_model_id, CHAT_TEMPLATE_FILE)
    if template.is_file():
        engine.frontend_kwargs.setdefault("chat_template", str(template))


async def _variant_not_loaded() -> AsyncGenerator[Any, None]:
    """Yield the error response by which the gateway knows that it has to upload the adapter."""
    # Ray keeps only the message and replaces the other fields.
    error = ErrorInfo(message=VariantNotLoaded.code, type="", code=VariantNotLoaded.status)
    yield ErrorResponse(error=error)
