"""The server of one text model: Ray's own, which also tells what its engine has counted.

Owns that one question. It runs in the process that talks to the engine, where vLLM keeps its
counters. Does not own counting (vLLM's), nor asking all servers (counters.py).
"""

from prometheus_client import REGISTRY, generate_latest
from ray.serve.llm.deployment import LLMServer

from serving.exposition import COUNTERS


class TextServer(LLMServer):
    """Nothing of ours is in a token's path: the counters are read when somebody asks."""

    async def counters(self) -> str:
        """Tokens read and generated since the engine started, as Prometheus text."""
        return generate_latest(REGISTRY.restricted_registry(COUNTERS)).decode()
