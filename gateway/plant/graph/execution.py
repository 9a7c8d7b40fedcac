"""Execute SPARQL queries on a graph in memory (pyoxigraph)."""

import io
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import pyoxigraph
from pyoxigraph import QueryResultsFormat, RdfFormat

from gateway.plant.graph.errors import QueryInvalid, QueryLimitExceeded
from gateway.plant.graph.messages import ResultFormat, WorkerReply
from gateway.plant.graph.vocabulary import PREFIXES

_TABLES = MappingProxyType(
    {
        ResultFormat.JSON: QueryResultsFormat.JSON,
        ResultFormat.XML: QueryResultsFormat.XML,
        ResultFormat.CSV: QueryResultsFormat.CSV,
        ResultFormat.TSV: QueryResultsFormat.TSV,
    }
)
_GRAPHS = MappingProxyType(
    {ResultFormat.TURTLE: RdfFormat.TURTLE, ResultFormat.N_TRIPLES: RdfFormat.N_TRIPLES}
)
# ASK has one value, which CSV and TSV cannot express.
_BOOLEANS = MappingProxyType({key: _TABLES[key] for key in (ResultFormat.JSON, ResultFormat.XML)})


class _BoundedBuffer(io.BytesIO):
    """A buffer that refuses more than `maximum` bytes."""

    def __init__(self, maximum: int) -> None:
        super().__init__()
        self._maximum = maximum

    def write(self, content: Any) -> int:
        """Append bytes. Raises QueryLimitExceeded."""
        if self.tell() + len(content) > self._maximum:
            message = f"The result has more than {self._maximum} bytes. Add LIMIT or select less."
            raise QueryLimitExceeded(message, param="query")
        return super().write(content)


def load_graph(triples: bytes) -> pyoxigraph.Store:
    """Return a graph in memory with these N-Triples."""
    store = pyoxigraph.Store()
    store.bulk_load(triples, RdfFormat.N_TRIPLES)
    return store


def add_triples(store: pyoxigraph.Store, triples: bytes) -> None:
    """Add N-Triples to a graph; those that it has change nothing."""
    store.load(triples, RdfFormat.N_TRIPLES)


def execute_query(
    store: pyoxigraph.Store, text: str, formats: Sequence[ResultFormat], max_result_bytes: int
) -> WorkerReply:
    """Execute a query and return its result in the first format that fits its form.

    Raises QueryInvalid for a syntax error or an evaluation error, QueryLimitExceeded for a result
    that is too large.
    """
    buffer = _BoundedBuffer(max_result_bytes)
    try:
        results = store.query(text, prefixes=dict(PREFIXES))
        media_type, chosen = _choose_format(results, formats)
        results.serialize(buffer, chosen)
    except (SyntaxError, ValueError, OSError, RuntimeError) as error:
        raise QueryInvalid(f"The query cannot be executed: {error}"[:500], param="query") from None
    return WorkerReply(content=buffer.getvalue(), media_type=media_type.value)


def _choose_format(results: Any, formats: Sequence[ResultFormat]) -> tuple[ResultFormat, Any]:
    """Return the accepted format for this form of a query, or the form's default format."""
    known: Any = _TABLES
    if isinstance(results, pyoxigraph.QueryTriples):
        known = _GRAPHS
    elif isinstance(results, pyoxigraph.QueryBoolean):
        known = _BOOLEANS
    chosen = next((name for name in formats if name in known), next(iter(known)))
    return chosen, known[chosen]
