"""HTTP client for the model servers; its failures are raised as application errors."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.errors import (
    ANSWER_INTERRUPTED,
    REJECTION_STATUSES,
    UpstreamCredentialsRejected,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.call.values import ParsedRequest, UpstreamRequest
from gateway.upstream.error_mapping import UpstreamErrorResponse, map_upstream_error
from gateway.upstream.external_requests import (
    external_body,
    external_headers,
    external_path,
)
from gateway.upstream.http1 import (
    ConnectFailed,
    Connection,
    ConnectionBroken,
    ConnectionPool,
    Origin,
    encode_request,
)
from infra import ids
from infra.errors import AppError

_MAX_ERROR_BYTES = 64 << 10
# Shorter than the five seconds after which uvicorn closes an idle connection: a call sent on a
# connection that is being closed would fail, and must not be sent twice.
_IDLE_S = 4.0
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class UpstreamClient:
    """HTTP client for the model servers, with the connection pool of one process.

    `start` it within the event loop; `stop` closes the connections.
    """

    def __init__(self, connect_timeout_s: float) -> None:
        self._pool = ConnectionPool(connect_timeout_s, _IDLE_S)
        self._origins: dict[str, Origin] = {}

    async def start(self) -> None:
        """Do nothing: connections are opened on demand."""

    async def stop(self) -> None:
        """Close all idle connections."""
        self._pool.close()

    def open(self, upstream_request: UpstreamRequest) -> "UpstreamExchange":
        """Return a context manager that sends a call and yields its connection."""
        request = upstream_request.request
        headers = {
            **request.headers,
            "x-request-id": ids.format_id(REQUEST_ID_PREFIX, upstream_request.request_id),
        }
        path, body, is_external = request.path, request.body, False
        if upstream_request.upstream.model_name is None:
            headers |= upstream_request.trace_headers
        else:
            is_external = True
            path, body = external_path(path), external_body(upstream_request)
            headers |= external_headers(upstream_request.upstream)
        origin = self._origin(upstream_request.server)
        encoded = encode_request(b"POST", origin, path, headers, body)
        return UpstreamExchange(self._pool, origin, encoded, request, is_external)

    async def get(
        self, server: str, path: str, timeout_s: float, headers: Mapping[str, str] = _NO_HEADERS
    ) -> tuple[int, bytes]:
        """Send a GET request. Returns status and body (at most 64 KiB).

        Raises UpstreamUnreachable, UpstreamFailed, UpstreamTimeout.
        """
        return await self._send_request(b"GET", server, path, headers, b"", timeout_s)

    async def put(
        self, server: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> tuple[int, bytes]:
        """Send a PUT request. Returns status and body of the response. Raises like `get`."""
        return await self._send_request(b"PUT", server, path, headers, body, timeout_s)

    async def delete(self, server: str, path: str, timeout_s: float) -> int:
        """Send a DELETE request. Returns the status of the response. Raises like `get`."""
        return (await self._send_request(b"DELETE", server, path, {}, b"", timeout_s))[0]

    async def _send_request(
        self,
        method: bytes,
        server: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        """Return status and body. Raises UpstreamTimeout, UpstreamUnreachable, UpstreamFailed."""
        origin = self._origin(server)
        request = encode_request(method, origin, path, headers, body)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(origin, request)
        except TimeoutError:
            raise UpstreamTimeout("The model did not respond in time.") from None
        except (ConnectFailed, ConnectionBroken) as error:
            raise _as_app_error(error) from error

    async def get_from_any(
        self, servers: Sequence[str], path: str, timeout_s: float
    ) -> tuple[int, bytes]:
        """Send a GET request to the servers in order until one answers with status 200.

        Returns status and body of that response, or of the last server's. Raises like `get`.
        """
        for server in servers[:-1]:
            with suppress(AppError):
                status, body = await self.get(server, path, timeout_s)
                if status == 200:
                    return status, body
        return await self.get(servers[-1], path, timeout_s)

    async def _exchange(self, origin: Origin, request: bytes) -> tuple[int, bytes]:
        """Return status and body. Raises ConnectFailed; ConnectionBroken also above 64 KiB."""
        connection = await self._pool.acquire(origin)
        try:
            await connection.send(request)
            body = await connection.read_all(_MAX_ERROR_BYTES)
            if body is None:
                raise ConnectionBroken
            return connection.status, body
        finally:
            self._pool.release(origin, connection)

    def _origin(self, server: str) -> Origin:
        """Return the parsed base URL of a server, cached."""
        origin = self._origins.get(server)
        if origin is None:
            origin = self._origins[server] = Origin.from_url(server)
        return origin


class UpstreamExchange:
    """A context manager that sends one call and gives the connection to read its response from.

    Leaving the block early closes the connection, which ends the generation. Raises
    UpstreamUnreachable, UpstreamFailed, or the error that the upstream's error response maps to.
    """

    __slots__ = (
        *("_connection", "_encoded_request", "_is_external", "_origin", "_pool", "_request"),
    )

    def __init__(
        self,
        pool: ConnectionPool,
        origin: Origin,
        encoded_request: bytes,
        request: ParsedRequest,
        is_external: bool = False,
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._encoded_request = encoded_request
        self._request = request
        self._is_external = is_external
        self._connection: Connection | None = None

    async def __aenter__(self) -> Connection:
        try:
            self._connection = connection = await self._pool.acquire(self._origin)
            await connection.send(self._encoded_request)
            if connection.status != 200:
                response = await _read_error_response(connection)
                if self._is_external and response.status in REJECTION_STATUSES:
                    raise UpstreamCredentialsRejected(response.status)
                raise map_upstream_error(response, self._request)
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return connection

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if self._connection is not None:
            self._pool.release(self._origin, self._connection)
        if isinstance(error, ConnectFailed | ConnectionBroken):
            raise _as_app_error(error) from error


def _as_app_error(error: ConnectFailed | ConnectionBroken) -> AppError:
    """Return UpstreamUnreachable if no connection was made, UpstreamFailed if it broke later."""
    if isinstance(error, ConnectFailed):
        return UpstreamUnreachable(
            "The model cannot be reached at the moment. The call is not billed."
        )
    return UpstreamFailed(ANSWER_INTERRUPTED)


async def _read_error_response(connection: Connection) -> UpstreamErrorResponse:
    """Read the error response of a model server; a body over 64 KiB becomes empty."""
    body = await connection.read_all(_MAX_ERROR_BYTES)
    return UpstreamErrorResponse(
        connection.status,
        body or b"",
        is_specialist_error=b"x-maas-error" in connection.headers,
    )
