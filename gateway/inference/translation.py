"""The interface of the request path to formats other than chat, such as the Responses API.

A request is converted into a chat before it is parsed, and the chat's answer is converted into the
client's format last, after verification, corrections and cost. Implemented in gateway/responses/.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.asgi.exchange import ClientExchange
from gateway.call.values import Call, CallResult, ParsedRequest, Principal


class TranslatedCall(Protocol):
    """One call whose client uses another format than chat."""

    @property
    def chat_body(self) -> bytes:
        """Return the request in the form of a chat."""
        ...

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Queue a valid request that is answered later, and return the acknowledgement.

        Returns None for a request that is answered now. Raises an AppError, ClientDisconnected.
        """
        ...

    async def before_first_byte(self, flush_intent: Callable[[], Awaitable[None]]) -> None:
        """Await `flush_intent`, and what else must be durable before a stream starts."""
        ...

    def translate(self, events: bytes) -> bytes:
        """Convert complete events of the chat's stream. Raises UpstreamFailed."""
        ...

    def convert(self, result: CallResult) -> CallResult:
        """Convert an answer that is not streamed; others are unchanged. Raises UpstreamFailed."""
        ...

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Convert the end of a started stream, also of one that failed. Other tails are kept."""
        ...

    async def ended(self, result: CallResult) -> None:
        """Store how the call ended, after its usage row; its last byte is sent after that."""
        ...


class RequestTranslator(Protocol):
    """Converts requests in another format than chat."""

    async def open(self, call: Call, principal: Principal, body: bytes) -> TranslatedCall:
        """Validate and convert a request, with what was stored of earlier ones.

        Raises the errors of validation, and DatabaseUnavailable.
        """
        ...


def convert_result(translated: TranslatedCall | None, result: CallResult) -> CallResult:
    """Convert an answer for a client of another format than chat. Raises UpstreamFailed."""
    return result if translated is None else translated.convert(result)
