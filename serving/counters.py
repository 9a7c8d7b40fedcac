"""What the engines of the text models have counted, collected from their servers.

Owns asking every replica of them, and that none is left out. Does not own what a server answers
(text_server.py), what those left that have ended (ended_counts.py), the form (exposition.py), nor
the address (operations_app.py).
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve
from ray.llm._internal.serve.utils.broadcast import broadcast
from ray.serve.handle import DeploymentHandle

from serving.ended_counts import EndedCounts
from serving.errors import CountsIncomplete
from serving.exposition import joined
from serving.readiness import Where

# The replica answers from memory; a busy event loop may take a while.
_PATIENCE_S = 5.0
# An engine that hangs keeps the thread that asks it; others, as whether models are ready, have
# threads of their own.
_THREADS = 4


class Counters:
    """Every replica of each text model is asked."""

    def __init__(self, models: Mapping[str, Where], ended: EndedCounts) -> None:
        self._models = {model: where for model, where in models.items() if where.counts_tokens}
        self._ended = ended
        self._threads = ThreadPoolExecutor(_THREADS, "counters")
        self._handles: dict[str, DeploymentHandle[Any]] = {}

    async def text(self, running: Mapping[str, bool]) -> str:
        """The counters of the models that run, and of engines of theirs that have ended, as
        Prometheus text. Raises CountsIncomplete, TimeoutError."""
        run, own = asyncio.get_running_loop().run_in_executor, self._threads
        asked = [run(own, self._ask, model) for model in self._models if running[model]]
        async with asyncio.timeout(_PATIENCE_S):
            told = await asyncio.gather(*asked)
            ended = await run(own, self._ended.texts)
        return joined([text for texts in told for text in texts] + ended)

    def _ask(self, model: str) -> list[str]:
        """Blocks: for the controller, and for the replicas."""
        where = self._models[model]
        handle = self._handles.get(model)
        if handle is None:
            # For good: it follows the replicas.
            handle = self._handles[model] = serve.get_deployment_handle(
                where.deployment, where.application
            )
        texts: list[str] = broadcast(handle, "counters")
        states = serve.status().applications[where.application].deployments[where.deployment]
        # One that ends has counted, and answers no more. One that starts may be in the place of one
        # that fell, whose count is lost, and is not asked for once the new one counts.
        if len(texts) < sum(states.replica_states.values()):
            raise CountsIncomplete(
                "An engine of this model is ending or starting. Ask again in a while."
            )
        return texts
