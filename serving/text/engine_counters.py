"""What the engines of the text models have counted, collected from their servers.

Owns asking every replica of them, and telling how many say nothing.
"""

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.llm._internal.serve.utils.broadcast import broadcast
from ray.serve.handle import DeploymentHandle

from serving.readiness import Where
from serving.text.ended_counters import EndedCounts
from serving.text.prometheus import joined, uncounted

log = logging.getLogger("ray.serve")
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
        """The counters of the models that run, those of engines that have ended, and of how many
        there are none, as Prometheus text."""
        told = await asyncio.gather(*(self._told(model, running[model]) for model in self._models))
        ended = await asyncio.get_running_loop().run_in_executor(None, self._ended.texts)
        return joined([text for texts in told for text in texts] + ended)

    async def _told(self, model: str, runs: bool) -> list[str]:
        """Of each engine, where one runs at all, and at last how many say nothing."""
        texts, engines = list[str](), 1
        if runs:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    run = asyncio.get_running_loop().run_in_executor
                    texts, engines = await run(self._threads, self._ask, model)
            except (TimeoutError, RayError) as error:
                log.warning("The engines of %s are not counted: %r", model, error)
        return [*texts, uncounted(model, max(0, engines - len(texts)))]

    def _ask(self, model: str) -> tuple[list[str], int]:
        """What engines tell, and how many there are. Blocks: for the controller and the replicas.

        One that ends has counted, and answers no more. One that starts may be in the place of one
        that fell, whose count is lost, and is not asked for once the new one counts.
        """
        where = self._models[model]
        handle = self._handles.get(model)
        if handle is None:
            # For good: it follows the replicas.
            handle = self._handles[model] = serve.get_deployment_handle(
                where.deployment, where.application
            )
        texts: list[str] = broadcast(handle, "counters")
        states = serve.status().applications[where.application].deployments[where.deployment]
        return texts, sum(states.replica_states.values())
