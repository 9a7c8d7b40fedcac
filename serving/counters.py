"""What the engines of the text models have counted, collected from their servers.

Owns asking them through Serve's handles. Does not own what a server answers (text_server.py), the
form (exposition.py), nor the address (operations_app.py).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from serving.exposition import joined
from serving.readiness import Where

# The replica answers from memory; a busy event loop may take a while.
_PATIENCE_S = 5.0


class Counters:
    """One replica of each text model is asked, as each has only one (engine.py)."""

    def __init__(self, models: Mapping[str, Where]) -> None:
        self._models = {model: where for model, where in models.items() if where.counts_tokens}
        self._handles: dict[str, DeploymentHandle[Any]] = {}

    async def text(self, running: Mapping[str, bool]) -> str:
        """The counters of the models that run, as Prometheus text. Raises TimeoutError."""
        asked = [self._ask(model) for model in self._models if running[model]]
        async with asyncio.timeout(_PATIENCE_S):
            return joined(await asyncio.gather(*asked))

    async def _ask(self, model: str) -> str:
        handle = self._handles.get(model)
        if handle is None:
            where = self._models[model]
            # A blocking call to the controller, and a handle is for good: it follows the replicas.
            handle = self._handles[model] = await asyncio.to_thread(
                serve.get_deployment_handle, where.deployment, where.application
            )
        answer: str = await handle.counters.remote()
        return answer
