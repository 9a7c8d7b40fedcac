"""The server of one text model: Ray's own, which also has adapters and tells its engine's counts.

It runs in the process that talks to the engine, where vLLM keeps its counters. Which of those it
knows are in the engine's memory is the engine's affair.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY
from ray.llm._internal.serve.core.configs.llm_config import DiskMultiplexConfig
from ray.llm._internal.serve.core.configs.openai_api_models import ErrorInfo, ErrorResponse
from ray.llm._internal.serve.core.protocol import RawRequestInfo
from ray.serve.llm.deployment import LLMServer
from vllm.entrypoints.serve.lora.protocol import UnloadLoRAAdapterRequest

from serving.errors import VariantUnknown
from serving.text.adapter_store import Adapter, AdapterFolder
from serving.text.engine import ADAPTERS, COUNTS, CUSTOMERS, ENUM_ANSWERS, adapter_of
from serving.text.enum_requests import as_json, held_to_values
from serving.text.replica_counters import Counting
from serving.text.tool_call_parser import register

# The engine numbers adapters itself; Ray's form wants a number.
_UNUSED = 0
# Of customers, by their names; the engine keeps a few of them in memory, by use.
_MOST_KNOWN = 1_000


class TextServer(LLMServer):
    """Nothing of ours is in a token's path, except where an answer is one value of a list
    (enum_answers.py): the engine finds an adapter by the request's model."""

    async def start(self) -> None:
        """With the adapters that the catalog sells: the first call of one waits for none."""
        register()
        settings: Mapping[str, Any] = self._llm_config.experimental_configs
        self._counting = Counting(REGISTRY, Path(settings[COUNTS]))
        self._holds_enums = bool(settings.get(ENUM_ANSWERS))
        await super().start()  # type: ignore[no-untyped-call]
        self._folder = AdapterFolder(Path(settings.get(CUSTOMERS, "")))
        self._known: OrderedDict[str, str] = OrderedDict()
        self._changing = asyncio.Lock()
        for name, folder in settings.get(ADAPTERS, {}).items():
            await self._load(Adapter(name, Path(folder)))

    async def counters(self) -> str:
        """Tokens read and generated since the engine started, as Prometheus text."""
        return self._counting.text()

    async def __del__(self) -> None:
        """Ray waits for it, when the last answer has ended."""
        if hasattr(self, "_counting"):
            self._counting.leave()
        await super().__del__()

    async def _run_request(
        self,
        request: Any,
        *,
        engine_method: str,
        batch_output_stream: bool = False,
        raw_request_info: RawRequestInfo | None = None,
    ) -> AsyncGenerator[Any, None]:
        """With the customer's adapter that the request's model names by its id, which is then
        called what the customer calls it."""
        adapter_id = adapter_of(request.model)
        if adapter_id is not None:
            adapter = await asyncio.to_thread(self._folder.find, adapter_id)
            if adapter is None:
                return _refused()
            await self._have(adapter_id, adapter)
            request.model = adapter.name
        enum = held_to_values(request) if self._holds_enums and engine_method == "chat" else None
        answers = await super()._run_request(
            request,
            engine_method=engine_method,
            batch_output_stream=batch_output_stream,
            raw_request_info=raw_request_info,
        )
        return answers if enum is None else as_json(answers, enum)

    async def _have(self, adapter_id: str, adapter: Adapter) -> None:
        """A name stands for one version at a time. A call that has begun keeps its own."""
        if self._known.get(adapter.name) == adapter_id:
            self._known.move_to_end(adapter.name)
            return
        async with self._changing:
            if self._known.get(adapter.name) == adapter_id:
                return
            if adapter.name in self._known:
                await self._forget(adapter.name)
            elif len(self._known) >= _MOST_KNOWN:
                await self._forget(next(iter(self._known)))
            await self._load(adapter)
            self._known[adapter.name] = adapter_id

    async def _load(self, adapter: Adapter) -> None:
        engine: Any = self.engine
        await engine.resolve_lora(
            DiskMultiplexConfig(
                model_id=adapter.name,
                local_path=str(adapter.folder),
                lora_assigned_int_id=_UNUSED,
                max_total_tokens=None,
            )
        )

    async def _forget(self, name: str) -> None:
        engine: Any = self.engine
        del self._known[name]
        await engine._oai_models.unload_lora_adapter(UnloadLoRAAdapterRequest(lora_name=name))


async def _refused() -> AsyncGenerator[Any, None]:
    # Ray keeps the text and gives the rest words of its own.
    told = ErrorInfo(message=VariantUnknown.code, type="", code=VariantUnknown.status)
    yield ErrorResponse(error=told)
