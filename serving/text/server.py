"""The Ray Serve deployment of one text engine; only its replicas import vLLM.

The process that deploys and the ingress refer to this class. An import of vLLM would take each of
them ten seconds of a core and 600 MB.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from infra.lazy_import import LazyModule
from serving.text.freed_memory import return_freed_memory
from serving.text.messages import ResponseStart, TextRequest

if TYPE_CHECKING:
    from serving.text import engine_server, responses
else:
    engine_server = LazyModule("serving.text.engine_server")
    responses = LazyModule("serving.text.responses")


class TextServer:
    """A replica: its engine, and the responses to requests.

    `settings` are the arguments of Ray's LLMConfig (serving/text/engine.py).
    """

    async def __init__(self, settings: Mapping[str, Any]) -> None:  # type: ignore[misc]
        self._engine = await engine_server.start_engine(settings)
        return_freed_memory()

    async def respond(self, request: TextRequest) -> AsyncIterator[ResponseStart | str]:
        """Yield the start of the response, then the further events of a stream."""
        async with aclosing(responses.respond(self._engine, request)) as parts:
            async for part in parts:
                yield part

    async def counters(self) -> str:
        """Return the engine's metrics since its start as Prometheus text."""
        counters: str = await self._engine.counters()
        return counters

    async def check_health(self) -> None:
        """Raise the engine's error if it ended; Ray then restarts the replica."""
        await self._engine.check_health()

    async def __del__(self) -> None:
        """Stop the engine; Ray awaits this after the last response has ended."""
        if hasattr(self, "_engine"):
            await self._engine.stop()
