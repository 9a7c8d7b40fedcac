"""A stream of a handler that holds a slot (gateway/call/stream_slots.py) until it has ended."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from litestar import Request
from litestar.response import Stream
from litestar.response.base import ASGIResponse

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.types import Receive, Scope, Send


class SlottedStream(Stream):
    """Streams events and closes `slot` at the end of the response, however it ends.

    The events cannot do it themselves: if the client is gone before the first of them, none is
    asked for, and the code of their generator never runs.
    """

    def __init__(
        self, events: AsyncIterator[bytes], slot: ExitStack, headers: Mapping[str, str]
    ) -> None:
        super().__init__(events, headers=headers)
        self._slot = slot

    def to_asgi_response(
        self, app: "Litestar | None", request: Request[Any, Any, Any], **values: Any
    ) -> ASGIResponse:
        """Return the response that streams the events; its end frees the slot."""
        return _SlottedResponse(super().to_asgi_response(app, request, **values), self._slot)


class _SlottedResponse(ASGIResponse):
    """Sends another response, then closes a slot."""

    def __init__(self, response: ASGIResponse, slot: ExitStack) -> None:
        super().__init__(status_code=response.status_code)
        self._response = response
        self._slot = slot

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Send the response."""
        with self._slot:
            await self._response(scope, receive, send)
