"""A call around which checks are put: what passes on to the other format, if it has one."""

from collections.abc import Awaitable, Callable

from gateway.asgi.exchange import ClientExchange
from gateway.call.values import CallResult, ParsedRequest
from gateway.inference.translation import TranslatedCall


class WrappedCall:
    """A chat, or `inner`, which converts it into another format; passes everything on.

    Subclasses check a request in `defer`, and an answer in `translate`, `convert` and `end`, before
    they pass it on.
    """

    def __init__(self, chat_body: bytes, inner: TranslatedCall | None) -> None:
        self._chat_body = chat_body
        self._inner = inner

    @property
    def chat_body(self) -> bytes:
        """Return the checked request in the form of a chat."""
        return self._chat_body

    async def defer(self, request: ParsedRequest, client: ClientExchange) -> CallResult | None:
        """Queue a request that is answered later; see TranslatedCall."""
        return None if self._inner is None else await self._inner.defer(request, client)

    async def before_first_byte(self, flush_intent: Callable[[], Awaitable[None]]) -> None:
        """Await `flush_intent`, and what the other format needs."""
        if self._inner is None:
            await flush_intent()
        else:
            await self._inner.before_first_byte(flush_intent)

    def translate(self, events: bytes) -> bytes:
        """Convert checked events, which may be none, into the other format."""
        return events if self._inner is None or not events else self._inner.translate(events)

    async def convert(self, result: CallResult) -> CallResult:
        """Convert a checked answer into the other format."""
        return result if self._inner is None else await self._inner.convert(result)

    def end(self, result: CallResult, tail: bytes) -> bytes:
        """Convert the end of a started stream into the other format."""
        return tail if self._inner is None else self._inner.end(result, tail)

    async def ended(self, result: CallResult) -> None:
        """Let the other format store how the call ended."""
        if self._inner is not None:
            await self._inner.ended(result)
