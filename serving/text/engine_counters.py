"""Collect the token counters of all text engines from their replicas."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve
from ray.llm._internal.serve.utils.broadcast import broadcast
from ray.serve.handle import DeploymentHandle

from serving.readiness import ModelDeployment
from serving.text.ended_counters import EndedCounters
from serving.text.prometheus import merge_texts, render_uncounted_engines

log = logging.getLogger("ray.serve")
# A replica answers from memory, but its event loop may be busy.
_TIMEOUT_S = 5.0
# A hanging engine blocks the thread that queries it, so these queries have a thread pool of their
# own.
_THREADS = 4


class EngineCounters:
    """The counters of all replicas of each text model."""

    def __init__(self, models: Mapping[str, ModelDeployment], ended: EndedCounters) -> None:
        self._models = {model: where for model, where in models.items() if where.counts_tokens}
        self._ended = ended
        self._threads = ThreadPoolExecutor(_THREADS, "counters")
        self._handles: dict[str, DeploymentHandle[Any]] = {}
        self._first_query = threading.Lock()

    async def render(self, running: Mapping[str, bool]) -> str:
        """Render the counters of running and stopped engines as Prometheus text.

        `running` tells which models have a running replica. For each model the text includes the
        number of engines whose counters are missing.
        """
        by_model = await asyncio.gather(
            *(self._model_counters(model, running[model]) for model in self._models)
        )
        ended = await asyncio.get_running_loop().run_in_executor(None, self._ended.read_all)
        return merge_texts([text for texts in by_model for text in texts] + ended)

    async def _model_counters(self, model: str, is_running: bool) -> list[str]:
        """Return Prometheus texts: running engines' counters, and how many engines lack them."""
        texts, engines = list[str](), 1
        if is_running:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    run = asyncio.get_running_loop().run_in_executor
                    texts, engines = await run(self._threads, self._query_replicas, model)
            # Whatever Ray raises while replicas change, the other models' counters are reported.
            except Exception as error:
                log.warning("The counters of the engines of %s could not be read: %r", model, error)
        return [*texts, render_uncounted_engines(model, max(0, engines - len(texts)))]

    def _query_replicas(self, model: str) -> tuple[list[str], int]:
        """Return the counters of the running replicas and the number of all replicas (blocking).

        A stopping replica has counted but no longer answers. A starting replica may replace one
        that crashed, whose counters are lost.
        """
        location = self._models[model]
        texts = self._broadcast(model, location)
        states = serve.status().applications[location.application].deployments[location.deployment]
        return texts, sum(states.replica_states.values())

    def _broadcast(self, model: str, location: ModelDeployment) -> list[str]:
        """Return the counters of all replicas that answer (blocking).

        The handle is created once: it tracks changes of the replicas. The first query connects it,
        which fails if two threads do so at the same time.
        """
        handle = self._handles.get(model)
        if handle is None:
            with self._first_query:
                handle = serve.get_deployment_handle(location.deployment, location.application)
                texts: list[str] = broadcast(handle, "counters")
                self._handles[model] = handle
                return texts
        texts = broadcast(handle, "counters")
        return texts
