"""The interface of the request path to retrieval: passages for a chat with `file_search`."""

from typing import Protocol

from gateway.call.values import Call, ParsedRequest, Principal
from gateway.inference.internal.calls import InternalCallExecutor


class Grounder(Protocol):
    """Adds retrieved passages to chats; implemented by gateway/retrieval/rag.py."""

    async def list_search_requests(
        self, principal: Principal, request: ParsedRequest
    ) -> list[ParsedRequest]:
        """Return the embedding calls that the request's `file_search` makes; empty without it."""
        ...

    async def ground(
        self,
        call: Call,
        body: bytes,
        principal: Principal,
        request: ParsedRequest,
        caller: InternalCallExecutor,
    ) -> tuple[bytes, ParsedRequest]:
        """Insert retrieved passages into a chat; return its new body and the parsed new request."""
        ...

    def build_search_request(
        self, principal: Principal, request: ParsedRequest
    ) -> ParsedRequest | None:
        """Build the embedding call of a request's search, to price it; None if it makes none.

        Raises ModelServerNotFound if no server has the embedding model.
        """
        ...
