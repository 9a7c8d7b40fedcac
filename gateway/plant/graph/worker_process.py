"""The gateway's end of one worker process: start it, load a graph, execute queries, kill it."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from gateway.plant.graph.errors import GraphTooLarge, QueryInvalid, QueryLimitExceeded
from gateway.plant.graph.messages import (
    LENGTH,
    AddRequest,
    LoadRequest,
    QueryRequest,
    ResultFormat,
    WorkerReply,
    frame,
)

_WORKER_MODULE = "gateway.plant.graph.worker"


@dataclass(frozen=True)
class GraphLimits:
    """Limits of a graph and of each query on it."""

    max_triples: int = 2_000_000
    query_timeout_s: float = 5.0
    load_timeout_s: float = 60.0
    max_result_bytes: int = 10_000_000
    max_query_memory_bytes: int = 256 << 20


class WorkerProcess:
    """One child process with one graph. Queries take turns."""

    def __init__(self, limits: GraphLimits) -> None:
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def load(self, triples: bytes) -> int:
        """Start the process with a graph of N-Triples. Returns the number of triples.

        Raises GraphTooLarge.
        """
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", _WORKER_MODULE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        request = LoadRequest(triples, self._limits.max_query_memory_bytes)
        reply = await self._exchange(request, self._limits.load_timeout_s)
        if reply is None:
            raise GraphTooLarge("The plant model could not be loaded in time.")
        return reply.triples

    async def add(self, triples: bytes) -> int:
        """Add N-Triples to the graph. Returns the number of triples. Raises GraphTooLarge."""
        request = AddRequest(triples, self._limits.max_query_memory_bytes)
        async with self._turn:
            reply = await self._exchange(request, self._limits.load_timeout_s)
        if reply is None:
            raise GraphTooLarge("The plant model could not be updated in time.")
        return reply.triples

    async def query(self, text: str, formats: Sequence[ResultFormat]) -> WorkerReply:
        """Execute a checked query. Raises QueryInvalid, QueryLimitExceeded."""
        request = QueryRequest(text, list(formats), self._limits.max_result_bytes)
        async with self._turn:
            reply = await self._exchange(request, self._limits.query_timeout_s)
        if reply is None:
            message = (
                f"The query exceeded {self._limits.query_timeout_s:g} s or its memory. "
                "Select fewer nodes, or add conditions."
            )
            raise QueryLimitExceeded(message, param="query")
        if reply.error is not None:
            exceeded = reply.code == QueryLimitExceeded.code
            raise (QueryLimitExceeded if exceeded else QueryInvalid)(reply.error, param="query")
        return reply

    @property
    def is_running(self) -> bool:
        """Whether the process can execute queries."""
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> None:
        """Kill the process and wait for its end."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _exchange(self, request: msgspec.Struct, timeout_s: float) -> WorkerReply | None:
        """Send a request and return the reply.

        Returns None after killing the process if it ended, or did not reply in time. A cancelled
        caller also kills it, because its reply would be taken for the next one.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._send_and_receive(request)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            await self.stop()
            return None
        except asyncio.CancelledError:
            await asyncio.shield(self.stop())
            raise

    async def _send_and_receive(self, request: msgspec.Struct) -> WorkerReply:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ConnectionError
        process.stdin.write(frame(request))
        await process.stdin.drain()
        length = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
        content = await process.stdout.readexactly(length)
        return msgspec.msgpack.decode(content, type=WorkerReply)
