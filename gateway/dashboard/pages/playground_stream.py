"""Sending: a call's answer to the browser that asked for it by a form, byte by byte as it comes.

The form was read already, so the call gets the body that was made of it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from gateway.asgi.exchange import Client
from gateway.asgi.timeouts import Deadlines
from gateway.dashboard.security import HEADERS

_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def answering(
    body: bytes, serve: Callable[[Client], Awaitable[None]], deadlines: Deadlines
) -> ASGIApp:
    """What answers the request in the place of a page."""

    async def application(_scope: Scope, receive: Receive, send: Send) -> None:
        said: list[HTTPReceiveMessage] = [
            {"type": "http.request", "body": body, "more_body": False}
        ]

        async def read() -> Any:
            # After the body whoever waits hears that the browser has left.
            return said.pop() if said else await receive()

        async def write(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        await serve(Client({}, read, write, deadlines))

    return application
