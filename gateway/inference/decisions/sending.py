"""Send the upstream requests of a decision, each in a slot of its model like any other call.

Many requests share one client. None of them watches the client: one deadline around all of them
ends them together when the client leaves or when nothing is answered for too long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.values import AdmittedCall, Call, CallResult
from gateway.inference.dispatch import Dispatcher

# Requests of one decision that are sent at once. An engine's own batch is twice this on a CPU, so
# that calls of others are answered meanwhile.
MAX_AT_ONCE = 8


class PartSender:
    """Sends single requests of decisions; one per gateway process, bound to one event loop."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._deadlines = TimeoutWheel()

    async def send(self, call: Call, admitted: AdmittedCall) -> CallResult:
        """Wait for a slot, send one request and return its result.

        Raises the AppErrors of the upstream.
        """
        client = ClientExchange({}, _receive_nothing, _send_nothing, self._deadlines)
        client.detached = True  # its deadlines expire by time only
        slot = await self._dispatcher.acquire_slot(admitted, client)
        try:
            return await self._dispatcher.send(call, admitted, client)
        finally:
            slot.release()


async def run_all(works: Iterator[Callable[[], Awaitable[None]]]) -> None:
    """Run all works, the first one alone, then a few at a time.

    The first one lets an engine compute the shared start of the prompts once. The first error ends
    the others.
    """
    for first in works:
        await first()
        break

    async def run_next() -> None:
        """Run one work after another until none is left."""
        for work in works:
            await work()

    tasks = [asyncio.create_task(run_next()) for _ in range(MAX_AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _receive_nothing() -> Any:
    """Wait until the request ends: there is no client of its own."""
    return await asyncio.get_running_loop().create_future()


async def _send_nothing(_message: Any) -> None:
    """Refuse to send. Raises RuntimeError: parts of a decision are read whole."""
    raise RuntimeError("A request of a decision sends nothing to a client.")
