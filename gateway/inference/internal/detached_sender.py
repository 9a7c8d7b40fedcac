"""Send upstream requests that have no client of their own: parts of decisions, guards' questions.

Each has a slot of its model like any other call. None of them watches the client: what sends them
ends them with a deadline of its own.
"""

import asyncio
from typing import Any

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.values import AdmittedCall, Call, CallResult
from gateway.inference.dispatch import Dispatcher


class DetachedSender:
    """Sends single requests of one gateway process; bound to one event loop."""

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


async def _receive_nothing() -> Any:
    """Wait until the request ends: there is no client of its own."""
    return await asyncio.get_running_loop().create_future()


async def _send_nothing(_message: Any) -> None:
    """Refuse to send. Raises RuntimeError: answers are read whole."""
    raise RuntimeError("A detached request sends nothing to a client.")
