"""`/v1/plant/sparql`: read-only SPARQL 1.1 queries on the account's knowledge graph.

Follows the W3C's SPARQL 1.1 Protocol: the query is in the URL, in a form, or is the whole body.
"""

from typing import Annotated, Any
from urllib.parse import parse_qs

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from gateway.call.values import Principal
from gateway.plant.graph.errors import QueryInvalid
from gateway.plant.graph.graphs import PlantGraphs, QueryResult
from gateway.plant.graph.messages import ResultFormat
from gateway.quota.request_limits import RequestLimits

_PATH = "/v1/plant/sparql"
_FORM = "application/x-www-form-urlencoded"
_QUERY = "application/sparql-query"
_ALIASES = {"application/json": ResultFormat.JSON, "application/xml": ResultFormat.XML}

QueryText = Annotated[str, QueryParameter(name="query", description="the SPARQL query")]


class SparqlRoutes(Controller):
    """Queries on the knowledge graph. They count as requests and cost nothing."""

    path = _PATH

    @get("/", summary="Query the knowledge graph")
    async def query(
        self,
        principal: NamedDependency[Principal],
        plant_graphs: NamedDependency[PlantGraphs],
        request_limits: NamedDependency[RequestLimits],
        request: Request[Any, Any, Any],
        text: QueryText,
    ) -> Response[bytes]:
        """Execute the query of the URL.

        Raises QueryInvalid, QueryLimitExceeded, GraphTooLarge, GraphBusy, RateLimited.
        """
        await request_limits.count_request(principal.quotas)
        formats = accepted_formats(request.headers.get("accept", ""))
        return _response(await plant_graphs.query(principal.account_id, text, formats))

    @post("/", status_code=200, summary="Query the knowledge graph with a query in the body")
    async def query_body(
        self,
        principal: NamedDependency[Principal],
        plant_graphs: NamedDependency[PlantGraphs],
        request_limits: NamedDependency[RequestLimits],
        request: Request[Any, Any, Any],
    ) -> Response[bytes]:
        """Execute the query of a form or of the whole body.

        Raises QueryInvalid, QueryLimitExceeded, GraphTooLarge, GraphBusy, RateLimited.
        """
        await request_limits.count_request(principal.quotas)
        text = query_of_body(request.headers.get("content-type", ""), await request.body())
        formats = accepted_formats(request.headers.get("accept", ""))
        return _response(await plant_graphs.query(principal.account_id, text, formats))


def query_of_body(content_type: str, body: bytes) -> str:
    """Return the query of a body: a form with `query`, or the query itself. Raises QueryInvalid."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in {_FORM, _QUERY}:
        raise QueryInvalid(f"The content type must be {_QUERY} or {_FORM}.", param="content-type")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise QueryInvalid("The query must be UTF-8.", param="query") from None
    if media_type == _QUERY:
        return text
    queries = parse_qs(text).get("query", [])
    if len(queries) != 1:
        raise QueryInvalid("The form must have the field 'query' once.", param="query")
    return queries[0]


def accepted_formats(accept: str) -> list[ResultFormat]:
    """Return the result formats of an Accept header by quality, best first; others are ignored."""
    ranked = []
    for position, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        known = _ALIASES.get(name)
        if known is None and name in _NAMES:
            known = ResultFormat(name)
        if known is not None:
            ranked.append((-_quality(parameters), position, known))
    return [known for negated, _, known in sorted(ranked) if negated]


_NAMES = frozenset(known.value for known in ResultFormat)


def _quality(parameters: list[str]) -> float:
    """Return the quality `q` of a media type; 1 without, 0 if it is not a number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _response(result: QueryResult) -> Response[bytes]:
    """Return a result with the revision of the plant model that it was computed from."""
    headers = {
        "x-maas-plant-revision": str(result.revision),
        "x-maas-graph-triples": str(result.triples),
    }
    return Response(result.content, media_type=result.media_type, headers=headers)
