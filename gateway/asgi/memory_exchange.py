"""ASGI `receive` and `send` of one request in memory, for the gateway's own requests."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

_OK = 200


class StreamListener(Protocol):
    """Gets the response of a request that succeeded, as it is produced."""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Take the headers, before the body."""
        ...

    def add(self, data: bytes) -> None:
        """Take a part of the body."""
        ...


class MemoryExchange:
    """Sends a body and collects the response; the sender never disconnects.

    A `listener` gets the body of a response with status 200 in place of collecting it.
    """

    def __init__(self, body: bytes, listener: StreamListener | None = None) -> None:
        self._pending: list[dict[str, Any]] = [
            {"type": "http.request", "body": body, "more_body": False}
        ]
        self.status = 0
        self._headers: dict[str, str] = {}
        self._parts: list[bytes] = []
        self._listener = listener

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
            if self._listener is not None and self.status == _OK:
                self._listener.begin(self._headers)
        elif self._listener is not None and self.status == _OK:
            self._listener.add(message["body"])
        else:
            self._parts.append(message["body"])
