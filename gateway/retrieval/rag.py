"""Retrieval-augmented generation: insert passages before the question of a chat.

    remove the tool -> search stores, handbook -> quote the handbook or a line of the stores, or
    drop passages that do not fit -> insert the rest

The prompt and the answer must fit into the model's context together.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import zip_longest

from gateway.call.grounding import Citations, Quotation
from gateway.call.values import Call, ParsedRequest, Principal, RetrievalRequest
from gateway.collaboration.helpers import FoundPassage
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.inference.internal.calls import InternalCallExecutor
from gateway.inference.internal.linked_calls import LinkedCalls
from gateway.inference.parsing import Parser
from gateway.inference.retrieval_port import FoundMore
from gateway.inference.token_count import PromptTokenCounter
from gateway.registry.files import PREFIX as FILE_PREFIX
from gateway.retrieval.handbook import HandbookSearcher
from gateway.retrieval.hybrid_search import Passage, SearchOptions
from gateway.retrieval.quoting import HandbookQuoter
from gateway.retrieval.reading import DocumentReader
from gateway.retrieval.search import FoundPassages, VectorStoreQuery, VectorStoreSearcher
from gateway.retrieval.token_length import estimate_tokens
from gateway.wire.file_search.citations import RetrievedPassage
from gateway.wire.file_search.grounding import AnswerCitations, answer_format, conversation_text
from gateway.wire.file_search.request import insert_passages
from gateway.wire.vector_stores import parse_filter
from infra import ids
from infra.errors import AppError

# Reserved for an answer without `max_tokens`: a quarter of the context, at most 1024 tokens.
_ANSWER_DIVISOR, _MAX_RESERVED_TOKENS = 4, 1024


class Grounder:
    """Retrieval-augmented generation for chat requests; one per gateway process."""

    def __init__(
        self,
        parser: Parser,
        searcher: VectorStoreSearcher,
        handbook: HandbookSearcher,
        counter: PromptTokenCounter,
        quoter: HandbookQuoter,
        reader: DocumentReader,
    ) -> None:
        self._parser = parser
        self._searcher = searcher
        self._handbook = handbook
        self._counter = counter
        self._quoter = quoter
        self._reader = reader

    async def list_search_requests(
        self, principal: Principal, request: ParsedRequest
    ) -> list[ParsedRequest]:
        """Return the embedding calls that the request's search makes; none without `file_search`.

        Raises the errors of a search that cannot be made.
        """
        if request.retrieval is None:
            return []
        query = await self._build_query(principal, request.retrieval, request.tags)
        return await self._searcher.embedding_requests(principal, query)

    async def ground(
        self,
        call: Call,
        body: bytes,
        principal: Principal,
        request: ParsedRequest,
        caller: LinkedCalls,
    ) -> tuple[bytes, ParsedRequest]:
        """Insert retrieved passages into a chat; return its new body and the parsed new request.

        Returns both unchanged if the request does not use `file_search`. Raises the errors of a
        search and of parsing.
        """
        retrieval = request.retrieval
        if retrieval is None:
            return body, request
        searched = self._reader.widen(request, retrieval)
        query = await self._build_query(principal, searched, request.tags)
        sources = await self._find_sources(principal, searched, query, caller)
        context = conversation_text(bytes(request.request_fields["messages"]))
        quotation = None
        if request.hosted_tools is None:  # specialists may be asked too
            quotation, sources = await self._quote(call, principal, request, sources, caller)
        if quotation is not None:
            citations = await _prepare_citations(retrieval, context, sources, request)
            return body, replace(request, retrieval=None, citations=citations, quotation=quotation)
        max_tokens = await self._prompt_tokens(call, request) + retrieval.max_added_tokens
        while True:
            grounded_body = insert_passages(body, retrieval.query, sources)
            grounded_request = self._parser.parse(call, grounded_body, principal)
            if not sources or await self._fits(call, grounded_request, max_tokens):
                citations = await _prepare_citations(retrieval, context, sources, grounded_request)
                # Parsed again, a question for `auto` may have been offered a specialist.
                grounded_request = replace(grounded_request, hosted_tools=None)
                return grounded_body, replace(grounded_request, retrieval=None, citations=citations)
            sources = sources[:-1]

    async def _quote(
        self,
        call: Call,
        principal: Principal,
        request: ParsedRequest,
        sources: tuple[RetrievedPassage, ...],
        linked: LinkedCalls,
    ) -> tuple[Quotation | None, tuple[RetrievedPassage, ...]]:
        """Return the answer in place of the model, None if it must answer, and the passages."""
        read = await self._reader.quote(call, principal, request, sources, linked)
        if read is not None or request.retrieval is None:
            return (None, sources) if read is None else (read.quotation, read.sources)
        sources = sources[: request.retrieval.max_results]
        return await self._quoter.quote(call, request, request.retrieval, sources), sources

    def build_search_request(
        self, principal: Principal, request: ParsedRequest
    ) -> ParsedRequest | None:
        """Build the embedding call of a request's search, to price it.

        Returns None if the search makes no such call: of the handbook by keywords, where the
        account can call no embedding model. Raises ModelServerNotFound if no server has the model.
        """
        retrieval = request.retrieval
        if retrieval is None:
            return None
        try:
            priced = self._searcher.price_request([retrieval.query])
        except AppError:
            if retrieval.store_ids:
                raise
            return None
        if not retrieval.store_ids and priced.model.id not in principal.model_prices:
            return None
        return replace(priced, tags=request.tags)

    async def search_more(
        self,
        principal: Principal,
        retrieval: RetrievalRequest,
        tags: Mapping[str, str] | None,
        citations: Citations,
        caller: InternalCallExecutor,
    ) -> FoundMore:
        """Search again for an answer that has passages already, which are numbered on.

        Raises the errors of a search.
        """
        if not isinstance(citations, AnswerCitations):
            raise TypeError("The answer has no passages of vector stores or the handbook.")
        query = await self._build_query(principal, retrieval, tags)
        sources = await self._find_sources(principal, retrieval, query, caller)
        # In a thread: preparing many passages would delay other calls.
        more = await asyncio.to_thread(citations.extended, retrieval.query, sources)
        numbered = ((more.passages.number_of(source), source) for source in sources)
        passages = (FoundPassage(number, one.filename, one.text) for number, one in numbered)
        return FoundMore(more, tuple(passages))

    async def _build_query(
        self, principal: Principal, retrieval: RetrievalRequest, tags: Mapping[str, str] | None
    ) -> VectorStoreQuery:
        """Return the search of the account's stores, and of the handbook by its embeddings."""
        query = _vector_store_query(retrieval, tags)
        if not retrieval.searches_handbook:
            return query
        model = await self._handbook.find_embedding_model(principal)
        return replace(query, handbook_model=model)

    async def _find_sources(
        self,
        principal: Principal,
        retrieval: RetrievalRequest,
        query: VectorStoreQuery,
        caller: InternalCallExecutor,
    ) -> tuple[RetrievedPassage, ...]:
        """Return the best passages of stores and handbook, at most `max_results`.

        If only the handbook is searched, a failure of the embedding model is no failure: keywords
        find passages too.
        """
        found = FoundPassages()
        if retrieval.store_ids or query.handbook_model is not None:
            try:
                found = await self._searcher.find(principal, query, caller)
            except AppError as error:
                if retrieval.store_ids or error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
        sources = [_citation_source(passage) for passage in found.passages]
        if retrieval.searches_handbook:
            model, limit = query.handbook_model, retrieval.max_results
            vectors = () if model is None else found.vectors.get(model.id, ())
            handbook = await self._handbook.search(
                retrieval.query, next(iter(vectors), None), limit
            )
            sources = _alternate(sources, handbook)
        return tuple(sources[: retrieval.max_results])

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


async def _prepare_citations(
    retrieval: RetrievalRequest,
    context: str,
    sources: tuple[RetrievedPassage, ...],
    request: ParsedRequest,
) -> AnswerCitations:
    """Prepare the passages, in a thread: preparing many would delay other calls."""
    return await asyncio.to_thread(
        AnswerCitations.prepare,
        retrieval.query,
        context,
        sources,
        answer_format(request.request_fields),
        request.model.file_search.max_statements,
    )


def _alternate(
    documents: Sequence[RetrievedPassage], handbook: Sequence[RetrievedPassage]
) -> list[RetrievedPassage]:
    """Return passages of the account's documents and of the handbook in turn, each by rank.

    Their scores cannot be compared. The account's documents come first.
    """
    pairs = zip_longest(documents, handbook)
    return [passage for pair in pairs for passage in pair if passage is not None]


def _vector_store_query(
    retrieval: RetrievalRequest, tags: Mapping[str, str] | None
) -> VectorStoreQuery:
    """Return the search of the vector stores that the request's `file_search` tool names."""
    options = SearchOptions(
        retrieval.max_results,
        retrieval.min_score,
        retrieval.embedding_weight,
        retrieval.text_weight,
    )
    attribute_filter = None if retrieval.filter is None else dict(retrieval.filter)
    return VectorStoreQuery(
        retrieval.store_ids,
        [retrieval.query],
        options,
        parse_filter(attribute_filter),
        tags,
        uses_plant_graph=retrieval.uses_plant_graph,
    )


def _citation_source(passage: Passage) -> RetrievedPassage:
    """Return the passage as a source that the answer can cite."""
    return RetrievedPassage(
        file_id=ids.format_id(FILE_PREFIX, passage.file_id),
        filename=passage.filename,
        score=passage.score,
        attributes=passage.attributes,
        text=passage.text,
        path=passage.path,
    )
