"""Retrieval-augmented generation: insert passages before the question of a `file_search` chat.

    remove the tool -> search -> drop passages that do not fit -> insert before the question

The prompt and the answer must fit into the model's context together.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from gateway.call.values import Call, ParsedRequest, Principal, RetrievalRequest
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.inference.internal_calls import InternalCallExecutor
from gateway.inference.parsing import Parser
from gateway.inference.token_count import PromptTokenCounter
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.retrieval.hybrid_search import Passage, SearchOptions
from gateway.retrieval.search import VectorStoreQuery, VectorStoreSearcher
from gateway.retrieval.token_length import estimate_tokens
from gateway.wire.citations import RetrievedPassage
from gateway.wire.file_search import insert_passages
from gateway.wire.grounding import AnswerCitations, answer_format, conversation_text
from gateway.wire.vector_stores import parse_filter
from infra import ids

# Reserved for an answer without `max_tokens`: a quarter of the context, at most 1024 tokens.
_ANSWER_DIVISOR, _MAX_RESERVED_TOKENS = 4, 1024


class Grounder:
    """Retrieval-augmented generation for chat requests; one per gateway process."""

    def __init__(
        self, parser: Parser, searcher: VectorStoreSearcher, counter: PromptTokenCounter
    ) -> None:
        self._parser = parser
        self._searcher = searcher
        self._counter = counter

    async def list_search_requests(
        self, principal: Principal, request: ParsedRequest
    ) -> list[ParsedRequest]:
        """Return the embedding calls that the request's search makes; none without `file_search`.

        Raises the errors of a search that cannot be made.
        """
        if request.retrieval is None:
            return []
        return await self._searcher.embedding_requests(
            principal, _vector_store_query(request.retrieval, request.tags)
        )

    async def ground(
        self,
        call: Call,
        body: bytes,
        principal: Principal,
        request: ParsedRequest,
        caller: InternalCallExecutor,
    ) -> tuple[bytes, ParsedRequest]:
        """Insert retrieved passages into a chat; return its new body and the parsed new request.

        Returns both unchanged if the request does not use `file_search`. Raises the errors of a
        search and of parsing.
        """
        retrieval = request.retrieval
        if retrieval is None:
            return body, request
        passages = await self._searcher.search(
            principal, _vector_store_query(retrieval, request.tags), caller
        )
        sources = tuple(_citation_source(passage) for passage in passages)
        context = conversation_text(bytes(request.request_fields["messages"]))
        max_tokens = await self._prompt_tokens(call, request) + retrieval.max_added_tokens
        while True:
            grounded_body = insert_passages(body, retrieval.query, sources)
            grounded_request = self._parser.parse(call, grounded_body, principal)
            if not sources or await self._fits(call, grounded_request, max_tokens):
                # In a thread: preparing many passages would delay other calls.
                citations = await asyncio.to_thread(
                    AnswerCitations.prepare,
                    retrieval.query,
                    context,
                    sources,
                    answer_format(grounded_request.request_fields),
                )
                return grounded_body, replace(grounded_request, citations=citations)
            sources = sources[:-1]

    def build_search_request(self, request: ParsedRequest) -> ParsedRequest:
        """Build the embedding call of a request's `file_search`, to price it.

        Raises ModelServerNotFound if no server has the embedding model.
        """
        question = "" if request.retrieval is None else request.retrieval.query
        return replace(self._searcher.price_request([question]), tags=request.tags)

    async def _fits(self, call: Call, request: ParsedRequest, max_tokens: int) -> bool:
        """Return whether the prompt has at most `max_tokens` and leaves room for an answer."""
        context, prompt = request.model.context_length, await self._prompt_tokens(call, request)
        if prompt > max_tokens or context is None:
            return prompt <= max_tokens
        default_reserve = min(context // _ANSWER_DIVISOR, _MAX_RESERVED_TOKENS)
        reserve = (
            request.output_bounds.max_tokens_per_choice
            if request.output_bounds.is_client_limited
            else default_reserve
        )
        return prompt + min(reserve, context // 2) <= context

    async def _prompt_tokens(self, call: Call, request: ParsedRequest) -> int:
        """Return the prompt's token count, or an estimate if its tokenizer is not installed."""
        prompt = ENDPOINTS[call.operation].prompt
        count = await self._counter.count(request.model, prompt, request.request_fields)
        if count is not None:
            return count
        return estimate_tokens(bytes(request.request_fields["messages"]).decode(errors="replace"))


def _vector_store_query(
    retrieval: RetrievalRequest, tags: Mapping[str, str] | None
) -> VectorStoreQuery:
    """Return the vector store query that the request's `file_search` tool makes."""
    options = SearchOptions(
        retrieval.max_results,
        retrieval.min_score,
        retrieval.embedding_weight,
        retrieval.text_weight,
    )
    attribute_filter = None if retrieval.filter is None else dict(retrieval.filter)
    return VectorStoreQuery(
        retrieval.store_ids, [retrieval.query], options, parse_filter(attribute_filter), tags
    )


def _citation_source(passage: Passage) -> RetrievedPassage:
    """Return the passage as a source that the answer can cite."""
    return RetrievedPassage(
        file_id=ids.format_id(FILE_PREFIX, passage.file_id),
        filename=passage.filename,
        score=passage.score,
        attributes=passage.attributes,
        text=passage.text,
    )
