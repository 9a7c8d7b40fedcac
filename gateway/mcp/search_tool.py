"""The tool that searches the vector stores of an account."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta
from sqlmodel import col, select

from billing.metering.usage import REQUEST_ID_PREFIX
from billing.money import nano_text
from billing.tables import Usage
from gateway.call.tags import parse_tags
from gateway.call.values import Call, ParsedRequest, Principal
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.internal.calls import InternalCalls, UpstreamWork
from gateway.mcp.account_tools import parse_arguments
from gateway.mcp.tools import Tool, ToolAnswer, ToolCaller, object_schema, result_schema
from gateway.retrieval import vector_stores
from gateway.retrieval.hybrid_search import Passage, SearchOptions
from gateway.retrieval.search import VectorStoreQuery, VectorStoreSearcher
from gateway.retrieval.views import passage_json
from gateway.tables import VectorStore
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

NAME = "search"
_MAX_SEARCHED = 8
_DEFAULT_RESULTS, _MAX_RESULTS = 5, 20
_MAX_NAME_LENGTH = 60


class SearchArguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `search`."""

    query: Annotated[str, Meta(min_length=1, max_length=8_000)]
    vector_store_ids: Annotated[list[str], Meta(max_length=_MAX_SEARCHED)] = []
    max_results: Annotated[int, Meta(ge=1, le=_MAX_RESULTS)] = _DEFAULT_RESULTS


class SearchTool:
    """Search in an account's vector stores; there is no tool without a store."""

    kind = NAME

    def __init__(
        self,
        searcher: VectorStoreSearcher,
        internal_calls: InternalCalls,
        database: Database,
        clock: Clock,
    ) -> None:
        self._searcher = searcher
        self._internal_calls = internal_calls
        self._database = database
        self._clock = clock

    async def list_tools(self, caller: ToolCaller) -> list[Tool]:
        """Return the tool if the account has a store, with the stores in its description."""
        stores = await self._active_stores(caller.principal)
        return [_tool(stores)] if stores else []

    async def call(
        self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]
    ) -> ToolAnswer | None:
        """Search stores, by default the newest ones. Raises the errors of a search."""
        if name != NAME:
            return None
        wanted, principal = parse_arguments(arguments, SearchArguments), caller.principal
        store_ids: Sequence[str] = wanted.vector_store_ids
        if not store_ids:
            store_ids = [_public_id(store) for store in await self._active_stores(principal)]
        if not store_ids:
            return ToolAnswer({"results": [], "request_ids": [], "cost": nano_text(0),
                               "currency": principal.currency})  # fmt: skip
        calls = _RecordedCalls(self._internal_calls)
        options = SearchOptions.of(wanted.max_results, None)
        tags = parse_tags(caller.headers)
        query = VectorStoreQuery(store_ids, [wanted.query], options, None, tags)
        passages = await self._searcher.search(principal, query, calls)
        cost = await self._cost_of(principal, calls.request_ids)
        return ToolAnswer(_result(passages, calls.request_ids, cost, principal.currency))

    async def _active_stores(self, principal: Principal) -> list[VectorStore]:
        """Return the newest stores of the account that have not expired."""
        async with self._database.transaction() as session:
            stores = await vector_stores.list_stores(
                session, principal.account_id, vector_stores.MAX_STORES, False, None
            )
        active = [one for one in stores if not vector_stores.has_expired(one, self._clock)]
        return active[:_MAX_SEARCHED]

    async def _cost_of(self, principal: Principal, request_ids: Sequence[UUID]) -> int:
        """Return what the calls of a search cost, in nano-units; their rows are durable."""
        query = select(col(Usage.cost_nano)).where(
            col(Usage.account_id) == principal.account_id, col(Usage.request_id).in_(request_ids)
        )
        async with self._database.transaction() as session:
            return sum((await session.scalars(query)).all())


class _RecordedCalls:
    """The internal calls of one search, whose ids are recorded."""

    def __init__(self, internal_calls: InternalCalls) -> None:
        self._internal_calls = internal_calls
        self.request_ids: list[UUID] = []

    def new_call(self, request_id: UUID, endpoint: Endpoint) -> Call:
        """Create the internal call that `execute` runs; it starts now."""
        self.request_ids.append(request_id)
        return self._internal_calls.new_call(request_id, endpoint)

    async def execute(
        self, call: Call, principal: Principal, request: ParsedRequest, work: UpstreamWork
    ) -> None:
        """Admit the call, run `work` with it and record its usage."""
        await self._internal_calls.execute(call, principal, request, work)


def _public_id(store: VectorStore) -> str:
    """Return the id of a store in the API."""
    return ids.format_id(vector_stores.PREFIX, store.id)


def _tool(stores: Sequence[VectorStore]) -> Tool:
    """Return the tool with the names of the stores."""
    names = [f"{_public_id(one)} ({(one.name or '')[:_MAX_NAME_LENGTH]})" for one in stores]
    return Tool(
        name=NAME,
        title="Search documents",
        description=(
            "Searches the documents of the account by meaning and by keyword and returns the best "
            f"passages with their files. Vector stores: {', '.join(names)}."
        ),
        input_schema=object_schema(
            {
                "query": {"type": "string", "description": "A question or keywords"},
                "vector_store_ids": {
                    "type": "array",
                    "items": {"type": "string", "enum": [_public_id(one) for one in stores]},
                    "maxItems": _MAX_SEARCHED,
                    "description": "Stores to search; all if omitted",
                },
                "max_results": {"type": "integer", "minimum": 1, "maximum": _MAX_RESULTS},
            },
            ["query"],
        ),
        output_schema=result_schema(
            {
                "results": {"type": "array", "items": {"type": "object"}},
                "request_ids": {"type": "array", "items": {"type": "string"}},
                "cost": {"type": "string"},
                "currency": {"type": "string"},
            },
            ["results", "request_ids", "cost", "currency"],
        ),
        is_billed=True,
    )


def _result(
    passages: Sequence[Passage], request_ids: Sequence[UUID], cost_nano: int, currency: str
) -> dict[str, Any]:
    """Return passages, best first, with the ids and the cost of the calls."""
    return {
        "results": [{**passage_json(passage), "text": passage.text} for passage in passages],
        "request_ids": [ids.format_id(REQUEST_ID_PREFIX, one) for one in request_ids],
        "cost": nano_text(cost_nano),
        "currency": currency,
    }
