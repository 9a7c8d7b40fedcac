"""The interface of the request path to retrieval: passages for a chat with `file_search`."""

from typing import Protocol

from gateway.call.values import Call, ParsedRequest, Principal
from gateway.inference.internal_calls import InternalCallExecutor


class Grounder(Protocol):
    """Adds retrieved passages to chats; implemented by gateway/retrieval/rag.py."""

    async def list_search_requests(
        self, principal: Principal, request: ParsedRequest
    ) -> list[ParsedRequest]:
        """Return the search calls of a request; an empty list without `file_search`."""
        ...

    async def ground(
        self,
        call: Call,
        body: bytes,
        principal: Principal,
        request: ParsedRequest,
        caller: InternalCallExecutor,
    ) -> tuple[bytes, ParsedRequest]:
        """Return the body with passages before its question, and its parsed request."""
        ...

    def build_search_request(self, request: ParsedRequest) -> ParsedRequest:
        """Build the embedding call of a request's `file_search`, to price it.

        Raises ModelServerNotFound if no server has the embedding model.
        """
        ...
