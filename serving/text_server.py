"""The server of one text model: Ray's own, which also has adapters and tells its engine's counts.

Owns which adapters the engine has, and that one question. It runs in the process that talks to the
engine, where vLLM keeps its counters. Does not own counting (vLLM's), nor asking all servers
(counters.py), nor which engine a name stands for (text_ingress.py).
"""

from collections.abc import Mapping
from typing import Any

from prometheus_client import REGISTRY, generate_latest
from ray.llm._internal.serve.core.configs.llm_config import DiskMultiplexConfig
from ray.serve.llm.deployment import LLMServer

from serving.engine import ADAPTERS
from serving.exposition import COUNTERS

# The engine numbers adapters itself; Ray's form wants a number.
_UNUSED = 0


class TextServer(LLMServer):
    """Nothing of ours is in a token's path: the engine finds an adapter by the request's model."""

    async def start(self) -> None:
        """With the adapters that the catalog sells: the first call of one waits for none."""
        await super().start()  # type: ignore[no-untyped-call]
        engine: Any = self.engine
        folders: Mapping[str, str] = self._llm_config.experimental_configs.get(ADAPTERS, {})
        for name, folder in folders.items():
            await engine.resolve_lora(
                DiskMultiplexConfig(
                    model_id=name,
                    local_path=folder,
                    lora_assigned_int_id=_UNUSED,
                    max_total_tokens=None,
                )
            )

    async def counters(self) -> str:
        """Tokens read and generated since the engine started, as Prometheus text."""
        return generate_latest(REGISTRY.restricted_registry(COUNTERS)).decode()
