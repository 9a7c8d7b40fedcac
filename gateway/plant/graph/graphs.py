"""Graphs of accounts in memory, rebuilt from the database when the plant model has changed.

At most `max_graphs` worker processes run; the graph unused for longest makes room for the next.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from gateway.plant.graph.errors import GraphBusy
from gateway.plant.graph.loading import read_triples
from gateway.plant.graph.messages import ResultFormat
from gateway.plant.graph.query_text import check_query
from gateway.plant.graph.worker_process import GraphLimits, WorkerProcess
from gateway.plant.store.revisions import read_revision
from infra.database.database import Database
from infra.single_flight import SingleFlight

_MAX_WAITING = 8


@dataclass
class _Graph:
    """A loaded graph: its process, the revision it was read at, its size and its callers."""

    worker: WorkerProcess
    revision: int
    triples: int
    callers: int = 0
    replaced: bool = False

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
        self, database: Database, *, max_graphs: int, limits: GraphLimits | None = None
    ) -> None:
        self._database = database
        self._limits = limits or GraphLimits()
        self._max_graphs = max_graphs
        self._graphs: OrderedDict[UUID, _Graph] = OrderedDict()
        # One at a time: a large graph takes seconds of processor time.
        self._load_turn = asyncio.Lock()
        self._loading: SingleFlight[tuple[UUID, int], _Graph] = SingleFlight()

    async def query(
        self, account_id: UUID, text: str, formats: Sequence[ResultFormat] = ()
    ) -> QueryResult:
        """Execute a read-only query on the account's graph.

        Raises QueryInvalid, QueryLimitExceeded, GraphTooLarge, GraphBusy.
        """
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
        return QueryResult(reply.content, reply.media_type, graph.revision, graph.triples)

    async def close(self) -> None:
        """Stop all worker processes."""
        graphs = list(self._graphs.values())
        self._graphs.clear()
        for graph in graphs:
            await graph.worker.stop()

    async def _current(self, account_id: UUID) -> _Graph:
        """Return the account's graph at its present revision, loading it if necessary."""
        async with self._database.transaction() as session:
            revision = await read_revision(session, account_id)
        graph = self._graphs.get(account_id)
        if graph is not None and graph.revision >= revision and graph.worker.is_running:
            self._graphs.move_to_end(account_id)
            return graph
        return await self._loading.run((account_id, revision), lambda: self._load(account_id))

    async def _load(self, account_id: UUID) -> _Graph:
        """Read the graph, start its process, and stop the process that it replaces."""
        async with self._load_turn:
            return await self._load_in_turn(account_id)

    async def _load_in_turn(self, account_id: UUID) -> _Graph:
        async with self._database.transaction() as session:
            revision = await read_revision(session, account_id)
            triples = await read_triples(session, account_id, self._limits.max_triples)
        await self._make_room(account_id)
        worker = WorkerProcess(self._limits)
        try:
            graph = _Graph(worker, revision, await worker.load(triples))
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
