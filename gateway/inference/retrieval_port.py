"""What the request path needs of retrieval: passages for a chat that asks for `file_search`."""

from typing import Protocol

from gateway.call.values import Ask, Call, Principal
from gateway.inference.internal_calls import Making


class Grounder(Protocol):
    """Retrieval-augmented generation, implemented by gateway/retrieval/rag.py."""

    async def searches(self, principal: Principal, ask: Ask) -> list[Ask]:
        """The search calls of this request. Empty if the request does not ask for `file_search`."""
        ...

    async def ground(
        self, call: Call, body: bytes, principal: Principal, ask: Ask, making: Making
    ) -> tuple[bytes, Ask]:
        """The request with passages before its question, as body and as parsed request."""
        ...

    def search_of(self, ask: Ask) -> Ask:
        """The search call of this request, for its price. Raises ModelNotServed."""
        ...
