"""The status of a running identifier node, asked over HTTP for operators."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.upstream.http1 import (
    ConnectFailed,
    ConnectionBroken,
    ConnectionPool,
    Origin,
    encode_request,
)
from infra.settings import Settings

_TIMEOUT_S = 1.0
_MAX_BYTES = 1 << 20


async def fetch_node_status(settings: Settings) -> Mapping[str, Any] | None:
    """Return what `GET /v1/node` of this installation's node says, None if it does not answer."""
    address = settings.node_public_url or f"http://{settings.node_host}:{settings.node_port}"
    pool = ConnectionPool(_TIMEOUT_S, idle_s=1)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            origin = Origin.from_url(address)
            connection = await pool.acquire(origin)
            try:
                await connection.send(encode_request(b"GET", origin, "/v1/node", {}, b""))
                body = await connection.read_all(_MAX_BYTES)
                is_answer = connection.status == 200 and body is not None
                return msgspec.json.decode(body or b"", type=dict[str, Any]) if is_answer else None
            finally:
                connection.close()
    except (ConnectFailed, ConnectionBroken, TimeoutError, ValueError, msgspec.DecodeError):
        return None
    finally:
        pool.close()
