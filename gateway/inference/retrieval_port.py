"""The interface of the request path to retrieval: passages for a chat with `file_search`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.call.grounding import Citations
from gateway.call.values import Call, ParsedRequest, Principal, RetrievalRequest
from gateway.collaboration.helpers import FoundPassage
from gateway.inference.internal.calls import InternalCallExecutor
from gateway.inference.internal.linked_calls import LinkedCalls


@dataclass(frozen=True, slots=True)
class FoundMore:
    """The passages of a repeated search, and all passages of the answer with them."""

    citations: Citations
    passages: tuple[FoundPassage, ...]


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
        caller: LinkedCalls,
    ) -> tuple[bytes, ParsedRequest]:
        """Insert retrieved passages into a chat; return its new body and the parsed new request."""
        ...

    async def search_more(
        self,
        principal: Principal,
        retrieval: RetrievalRequest,
        tags: Mapping[str, str] | None,
        citations: Citations,
        caller: InternalCallExecutor,
    ) -> FoundMore:
        """Search again for an answer that has passages already, which are numbered on."""
        ...

    def build_search_request(
        self, principal: Principal, request: ParsedRequest
    ) -> ParsedRequest | None:
        """Build the embedding call of a request's search, to price it; None if it makes none.

        Raises ModelServerNotFound if no server has the embedding model.
        """
        ...
