"""The errors of the knowledge graph."""

from infra.errors import AppError


class QueryInvalid(AppError):
    """The SPARQL query has a syntax error, or uses what is not supported."""

    status = 400
    type = "invalid_request_error"
    code = "sparql_query_invalid"


class QueryLimitExceeded(AppError):
    """The SPARQL query exceeded its time, memory or result size."""

    status = 400
    type = "invalid_request_error"
    code = "sparql_limit_exceeded"


class GraphTooLarge(AppError):
    """The account's plant model has more triples than are held in memory."""

    status = 400
    type = "invalid_request_error"
    code = "graph_too_large"


class GraphBusy(AppError):
    """Too many graphs are in use at this moment."""

    status = 503
    type = "server_error"
    code = "graph_busy"
