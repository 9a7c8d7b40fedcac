"""Streaming of a playground call's response to the browser.

The handler has read the request body already (a form), so the pipeline is given the JSON body that
was built from it.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.dashboard.security import SECURITY_HEADERS

_SECURITY_HEADERS = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


def stream_response(
    body: bytes, serve: Callable[[ClientExchange], Awaitable[None]], deadlines: TimeoutWheel
) -> ASGIApp:
    """Return an ASGI application that serves a call with this body.

    The security headers are added to the response.
    """

    async def application(_scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the call over ASGI, with the dashboard's security headers."""
        pending: list[HTTPReceiveMessage] = [
            {"type": "http.request", "body": body, "more_body": False}
        ]

        async def receive_body() -> Any:
            """Return the request body first, then wait for the browser's disconnect."""
            # After the body, wait for `http.disconnect` from the browser.
            return pending.pop() if pending else await receive()

        async def send_with_headers(message: Message) -> None:
            """Send an ASGI message; add the security headers to the start of the response."""
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_SECURITY_HEADERS]}
            await send(message)

        await serve(ClientExchange({}, receive_body, send_with_headers, deadlines))

    return application
