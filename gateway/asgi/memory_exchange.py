"""ASGI `receive` and `send` of one request in memory, for the gateway's own requests."""

import asyncio
from collections.abc import Mapping
from typing import Any


class MemoryExchange:
    """Sends a body and collects the response; the sender never disconnects."""

    def __init__(self, body: bytes) -> None:
        self._pending: list[dict[str, Any]] = [
            {"type": "http.request", "body": body, "more_body": False}
        ]
        self.status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response."""
        return self._headers

    @property
    def body(self) -> bytes:
        """The body of the response so far."""
        return b"".join(self._parts)

    async def receive(self) -> Any:
        """Return the request body, then wait."""
        if self._pending:
            return self._pending.pop()
        return await asyncio.get_running_loop().create_future()

    async def send(self, message: Any) -> None:
        """Collect the status, the headers and the parts of the body."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            pairs = message["headers"]
            self._headers = {name.decode(): value.decode("latin-1") for name, value in pairs}
        else:
            self._parts.append(message["body"])
