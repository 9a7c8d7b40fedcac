"""The HTTP application of a node: a plain ASGI handler, as resolutions take microseconds.

A cached resolution is one look-up by the raw query, without parsing, verification or JSON. Only
verified answers are in that cache. Everything else goes through `NodeService`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec
import structlog

from gateway.plant.identifiers.cache import ExpiringCache
from gateway.plant.identifiers.codes import GS1_BASE, parse_identifier
from gateway.plant.identifiers.errors import IdentifierInvalid, RecordInvalid, ResolutionRateLimited
from gateway.plant.identifiers.node.activity import NodeActivity
from gateway.plant.identifiers.node.answers import NodeResponse, error_response
from gateway.plant.identifiers.node.counts import ResolutionCounts
from gateway.plant.identifiers.node.service import NodeService, Query
from gateway.plant.identifiers.registration import LineResult
from infra.client_rate_limiter import RateLimiter
from infra.clock import Clock
from infra.errors import AppError, error_object

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
RESOLVE, RECORDS, STATUS, METRICS = "/v1/resolve", "/v1/node/records", "/v1/node", "/metrics"
_SHORT, _GTIN = "/id/", "/01/"
_MAX_QUERY = 4096
_MAX_BODY = 8 << 20
_JSON = (b"content-type", b"application/json")
_MODES = {"recursive": True, "iterative": False}
_Handler = Callable[[Scope, Receive], Awaitable[NodeResponse]]


class NodeApp:
    """The ASGI application of a node."""

    def __init__(
        self,
        service: NodeService,
        limiter: RateLimiter,
        counts: ResolutionCounts,
        clock: Clock,
        status: Callable[[], Awaitable[Mapping[str, Any]]],
        activity: NodeActivity,
        max_entries: int = 100_000,
    ) -> None:
        self._service = service
        self._limiter = limiter
        self._counts = counts
        self._status = status
        self._activity = activity
        self._hot: ExpiringCache[bytes, tuple[Mapping[str, Any], Mapping[str, Any], str]] = (
            ExpiringCache(max_entries, clock.monotonic)
        )
        self._routes: Mapping[tuple[str, str], _Handler] = {
            ("POST", RECORDS): self._register,
            ("GET", STATUS): self._show_status,
            ("GET", METRICS): self._show_metrics,
            ("GET", "/health/live"): self._show_health,
            ("GET", "/health/ready"): self._show_status,
        }

    def forget(self) -> None:
        """Drop cached responses, as after a revocation."""
        self._hot.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if scope["path"] == RESOLVE and scope["method"] in ("GET", "HEAD"):
            await self._resolve(scope, scope["query_string"], send)
        elif scope["path"].startswith((_SHORT, _GTIN)) and scope["method"] in ("GET", "HEAD"):
            await self._resolve(scope, _short_query(scope), send)
        else:
            await _send(send, await self._route(scope, receive))

    async def _resolve(self, scope: Scope, query: bytes, send: Send) -> None:
        """Answer a resolution from the cache of responses, or through the service."""
        client = scope["client"]
        if not self._limiter.allow(client[0] if client else ""):
            self._counts.count("rate_limited")
            await _send(send, self._rate_limited())
            return
        authorization = _header(scope, b"authorization")
        cached = None if authorization else self._hot.get(query)
        if cached is not None:
            start, body, outcome = cached
            self._counts.count_cached(outcome)
            await send(start)
            await send(body)
            return
        response = await self._answer(query, authorization)
        self._counts.count(response.outcome)
        if authorization is None and response.ttl_s > 0:
            messages = _messages(response)
            self._hot.put(query, (*messages, response.outcome), response.ttl_s)
        await _send(send, response)

    async def _answer(self, query: bytes, authorization: str | None) -> NodeResponse:
        """Parse a query and return its response, also of an error."""
        try:
            return await self._service.resolve(_parse_query(query, authorization))
        except AppError as error:
            if error.status >= 500:
                self._activity.error(error.code or "error")
            return error_response(error)
        except Exception:
            structlog.get_logger().exception("a resolution failed unexpectedly")
            return error_response(AppError("Internal error."))

    def _rate_limited(self) -> NodeResponse:
        """Return the response to a client over the limit."""
        seconds = self._limiter.retry_after_s
        return error_response(
            ResolutionRateLimited(
                "Too many resolutions from this address. Retry later.",
                headers={"retry-after": str(seconds)},
            )
        )

    async def _route(self, scope: Scope, receive: Receive) -> NodeResponse:
        """Return the response of any other path."""
        handler = self._routes.get((scope["method"], scope["path"]))
        if handler is None:
            body = {"error": {"message": "Not found.", "type": "invalid_request_error"}}
            return NodeResponse(404, msgspec.json.encode(body), "unknown_path")
        try:
            return await handler(scope, receive)
        except AppError as error:
            return error_response(error)

    async def _register(self, scope: Scope, receive: Receive) -> NodeResponse:
        """Register JSON lines and return one result per line."""
        body = await _read_body(receive)
        authorization = _header(scope, b"authorization") or ""
        results = await self._service.register(authorization, body)
        self._hot.clear()
        return NodeResponse(200, msgspec.json.encode(results_json(results)), "registered")

    async def _show_status(self, scope: Scope, receive: Receive) -> NodeResponse:
        """Return role, prefixes, keys and counters."""
        shown = {**await self._status(), "cached_responses": len(self._hot)}
        return NodeResponse(200, msgspec.json.encode(shown), "status")

    async def _show_metrics(self, scope: Scope, receive: Receive) -> NodeResponse:
        """Return the counters for Prometheus."""
        headers = ((b"content-type", b"text/plain; version=0.0.4"),)
        return NodeResponse(200, self._counts.exposition(), "metrics", headers=headers)

    async def _show_health(self, scope: Scope, receive: Receive) -> NodeResponse:
        """Return that the process is alive."""
        return NodeResponse(200, b'{"status":"ok"}', "health")


def results_json(results: Sequence[LineResult]) -> Mapping[str, Any]:
    """Return the results of a bulk registration with their counts."""
    data = [
        {
            "line": one.number,
            "status": one.status,
            "id": one.id or None,
            "version": one.version,
            "error": None if one.error is None else error_object(one.error),
        }
        for one in results
    ]
    counts = {status: 0 for status in ("created", "updated", "unchanged", "error")}
    for one in results:
        counts[one.status] += 1
    return {"object": "identifier_registration", "counts": counts, "data": data}


def _short_query(scope: Scope) -> bytes:
    """Return the query of an address on a label: `/id/<identifier>`, or a GS1 Digital Link."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if scope["path"].startswith(_GTIN):
        return f"id={quote(GS1_BASE + raw.decode('latin-1'), safe='')}".encode()
    text = raw.removeprefix(_SHORT.encode())
    return b"id=" + text.replace(b"+", b"%2B").replace(b"&", b"%26").replace(b";", b"%3B")


def _parse_query(query: bytes, authorization: str | None) -> Query:
    """Parse a query string. Raises IdentifierInvalid."""
    if len(query) > _MAX_QUERY:
        raise IdentifierInvalid("The query is too long.", param="id")
    try:
        values = dict(parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=4))
    except (UnicodeDecodeError, ValueError):
        raise IdentifierInvalid("The query is malformed.", param="id") from None
    mode = values.get("mode", "recursive")
    if mode not in _MODES:
        raise IdentifierInvalid("`mode` is `recursive` or `iterative`.", param="mode")
    return Query(parse_identifier(values.get("id", "")), _MODES[mode], authorization)


def _header(scope: Scope, name: bytes) -> str | None:
    """Return a request header, None if it is missing."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


async def _read_body(receive: Receive) -> bytes:
    """Read the request body. Raises RecordInvalid if it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _MAX_BODY:
            raise RecordInvalid(f"The body has at most {_MAX_BODY} bytes.", param="body")
        if not message.get("more_body"):
            return bytes(body)


def _messages(response: NodeResponse) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the ASGI messages of a response."""
    names = {name for name, _ in response.headers}
    headers = [*response.headers, (b"content-length", str(len(response.body)).encode())]
    if b"content-type" not in names:
        headers.append(_JSON)
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    return start, {"type": "http.response.body", "body": response.body}


async def _send(send: Send, response: NodeResponse) -> None:
    """Send a response."""
    for message in _messages(response):
        await send(message)
