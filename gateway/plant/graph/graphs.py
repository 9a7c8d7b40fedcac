"""Graphs of accounts in memory, rebuilt from the database when the plant model has changed.

At most `max_graphs` worker processes run; the graph unused for longest makes room for the next.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.plant.graph.activity import OVERLAP, read_activity, read_document_mark
from gateway.plant.graph.errors import GraphBusy, GraphTooLarge
from gateway.plant.graph.loading import read_triples
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.query_text import check_query
from gateway.plant.graph.worker_process import GraphLimits, WorkerProcess
from gateway.plant.store.revisions import read_revision
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.single_flight import SingleFlight

_MAX_WAITING = 8


@dataclass(frozen=True, slots=True)
class GraphState:
    """What a graph was built from: revision of the plant model, mark of the linked documents."""

    revision: int
    documents: tuple[int, int]


@dataclass
class _Graph:
    """A loaded graph: its process, the state that it was read at, its size and its callers."""

    worker: WorkerProcess
    state: GraphState
    triples: int
    # Verdicts and decisions that were committed before are in the graph.
    read_at: datetime
    callers: int = 0
    replaced: bool = False
    # Triples of the latest reading, which the next one repeats.
    recent: frozenset[str] = frozenset()

    def is_current(self, state: GraphState) -> bool:
        """Return whether the graph can answer queries on a state of the account."""
        is_same = self.state.documents == state.documents
        return self.state.revision >= state.revision and is_same and self.worker.is_running

    async def leave(self) -> None:
        """End one caller's use. The last caller stops the process of a graph that was replaced."""
        self.callers -= 1
        if self.replaced and not self.callers:
            await self.worker.stop()

    async def replace(self) -> None:
        """Stop the process as soon as no caller uses it."""
        self.replaced = True
        if not self.callers:
            await self.worker.stop()


@dataclass(frozen=True)
class QueryResult:
    """The result of a query, with the graph's revision and number of triples."""

    content: bytes
    media_type: str
    revision: int
    triples: int


class PlantGraphs:
    """Executes SPARQL queries on the graphs of accounts. One per gateway process."""

    def __init__(
        self,
        database: Database,
        *,
        max_graphs: int,
        limits: GraphLimits | None = None,
        clock: Clock | None = None,
        queries: Counter | None = None,
    ) -> None:
        self._database = database
        self.limits = limits or GraphLimits()
        self._max_graphs = max_graphs
        self._clock = clock or SystemClock()
        self._queries = queries
        self._graphs: OrderedDict[UUID, _Graph] = OrderedDict()
        # One at a time: a large graph takes seconds of processor time.
        self._load_turn = asyncio.Lock()
        self._loading: SingleFlight[tuple[UUID, GraphState], _Graph] = SingleFlight()
        self._updating: SingleFlight[UUID, None] = SingleFlight()

    async def query(
        self, account_id: UUID, text: str, formats: Sequence[ResultFormat] = ()
    ) -> QueryResult:
        """Execute a read-only query on the account's graph.

        Raises QueryInvalid, QueryLimitExceeded, GraphTooLarge, GraphBusy.
        """
        try:
            result = await self._query(account_id, text, formats)
        except AppError as error:
            self._count(error.code or "error")
            raise
        self._count("ok")
        return result

    async def _query(
        self, account_id: UUID, text: str, formats: Sequence[ResultFormat]
    ) -> QueryResult:
        """Execute a query. Raises as `query`."""
        check_query(text)
        graph = await self._current(account_id)
        if graph.callers >= _MAX_WAITING:
            raise GraphBusy(
                "Too many queries are waiting. Try again.", headers={"retry-after": "1"}
            )
        graph.callers += 1
        try:
            reply = await graph.worker.query(text, formats)
        finally:
            await graph.leave()
        return QueryResult(reply.content, reply.media_type, graph.state.revision, graph.triples)

    async def close(self) -> None:
        """Stop all worker processes."""
        graphs = list(self._graphs.values())
        self._graphs.clear()
        for graph in graphs:
            await graph.worker.stop()

    def _count(self, outcome: str) -> None:
        """Count a query by its outcome."""
        if self._queries is not None:
            self._queries.labels(outcome).inc()

    async def _current(self, account_id: UUID) -> _Graph:
        """Return the account's graph in its present state, loading or updating it if necessary."""
        async with self._database.transaction() as session:
            state = await _read_state(session, account_id)
        graph = self._graphs.get(account_id)
        if graph is not None and graph.is_current(state):
            self._graphs.move_to_end(account_id)
            await self._updating.run(account_id, lambda: self._update(account_id, graph))
            if graph.triples <= self.limits.max_triples and graph.worker.is_running:
                return graph
        return await self._loading.run((account_id, state), lambda: self._load(account_id))

    async def _update(self, account_id: UUID, graph: _Graph) -> None:
        """Add the verdicts and decisions that the graph lacks; those that it has change nothing."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            found = await read_activity(session, account_id, graph.read_at - OVERLAP)
        triples = await asyncio.to_thread(lambda: frozenset(found.triples()))
        new = triples - graph.recent
        if new:
            graph.triples = await graph.worker.add("".join(new).encode())
        graph.recent, graph.read_at = triples, now

    async def _load(self, account_id: UUID) -> _Graph:
        """Read the graph, start its process, and stop the process that it replaces."""
        async with self._load_turn:
            return await self._load_in_turn(account_id)

    async def _load_in_turn(self, account_id: UUID) -> _Graph:
        now = self._clock.now()
        async with self._database.transaction() as session:
            state = await _read_state(session, account_id)
            triples = await read_triples(session, account_id, self.limits.max_triples)
        if triples.count(b"\n") > self.limits.max_triples:
            raise GraphTooLarge(f"The graph has more than {self.limits.max_triples} triples.")
        await self._make_room(account_id)
        worker = WorkerProcess(self.limits)
        try:
            graph = _Graph(worker, state, await worker.load(triples), now)
        except BaseException:
            await worker.stop()
            raise
        self._graphs[account_id] = graph
        return graph

    async def _make_room(self, account_id: UUID) -> None:
        """Stop the account's previous process and, at the limit, the idle one unused for longest.

        Raises GraphBusy if all are in use.
        """
        previous = self._graphs.pop(account_id, None)
        if previous is not None:
            await previous.replace()
        while len(self._graphs) >= self._max_graphs:
            idle = next((key for key, graph in self._graphs.items() if not graph.callers), None)
            if idle is None:
                message = "Too many graphs are in use. Try again."
                raise GraphBusy(message, headers={"retry-after": "2"})
            await self._graphs.pop(idle).worker.stop()


async def _read_state(session: AsyncSession, account_id: UUID) -> GraphState:
    """Return the present state of an account."""
    revision = await read_revision(session, account_id)
    return GraphState(revision, await read_document_mark(session, account_id))
