"""The exchange with a client of `/v1/messages`: chat responses are sent as messages.

The pipeline answers every call in the form of a chat. Only here, at the last step before the
client, the answer becomes a message, so that metering, checks of answers from passages and replays
by Idempotency-Key need to know one form.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway.asgi.exchange import ClientExchange
from gateway.asgi.timeouts import TimeoutWheel
from gateway.wire.messages.answer import MESSAGE_ID_PREFIX, convert_completion
from gateway.wire.messages.errors import convert_error
from gateway.wire.messages.stream import MessageStream

if TYPE_CHECKING:  # the CLI imports this module indirectly and must not load the web framework
    from litestar.types import Receive, Send

_EVENT_STREAM = b"text/event-stream"
_LENGTH = b"content-length"


class MessagesExchange(ClientExchange):
    """One HTTP request to `/v1/messages` and its response."""

    def __init__(
        self, headers: Mapping[bytes, bytes], receive: "Receive", send: "Send", wheel: TimeoutWheel
    ) -> None:
        super().__init__(headers, receive, _MessageSender(send), wheel)


class _MessageSender:
    """ASGI `send` that converts a chat response: a stream event by event, else the whole body."""

    def __init__(self, send: Callable[[Any], Awaitable[None]]) -> None:
        self._send = send
        self._start: dict[str, Any] = {}
        self._request_id: str | None = None
        self._stream: MessageStream | None = None
        self._parts: list[bytes] = []

    async def __call__(self, event: Any) -> None:
        """Send an ASGI event, converted."""
        if event["type"] == "http.response.start":
            await self._begin(event)
        elif self._stream is not None:
            converted = self._stream.feed(event["body"])
            if converted or not event["more_body"]:
                await self._send({**event, "body": converted})
        else:
            self._parts.append(event["body"])
            if not event["more_body"]:
                await self._send_whole(b"".join(self._parts))

    async def _begin(self, event: dict[str, Any]) -> None:
        """Send the start of a stream; keep another start until the body's length is known."""
        headers = dict(event["headers"])
        request_id = headers.get(b"x-request-id")
        pairs = [pair for pair in event["headers"] if pair[0] != _LENGTH]
        if request_id is not None:
            self._request_id = request_id.decode("latin-1")
            pairs.append((b"request-id", request_id))
        self._start = {**event, "headers": pairs}
        if headers.get(b"content-type", b"").startswith(_EVENT_STREAM):
            self._stream = MessageStream(self._message_id, self._request_id)
            await self._send(self._start)

    async def _send_whole(self, body: bytes) -> None:
        """Send a message or an error with its status and length."""
        status = self._start["status"]
        if status == 200:
            body = convert_completion(body, self._message_id)
        else:
            status, body = convert_error(body, status, self._request_id)
        headers = [*self._start["headers"], (_LENGTH, str(len(body)).encode())]
        await self._send({**self._start, "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    @property
    def _message_id(self) -> str:
        """Return the id of the message: that of the request with another prefix."""
        return MESSAGE_ID_PREFIX + (self._request_id or "").partition("_")[2]
