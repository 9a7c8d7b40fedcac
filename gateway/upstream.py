"""The upstream's side of a call: pooled connections to the servers that run the models.

Owns connecting, sending and telling apart the ways in which a server fails. Does not own which
server is asked (gateway/routing.py), nor reading the answer (gateway/relay.py).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp

from billing.usage import REQUEST_PREFIX
from gateway.errors import BROKEN_OFF, UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from gateway.flow import Target
from gateway.translation import Refusal, translate
from infra import ids
from infra.errors import AppError

_REFUSAL_BYTES = 64 << 10


class Upstream:
    """One process's connections. `start` it within the event loop, `stop` it at the end."""

    def __init__(self, connect_timeout_s: float) -> None:
        # Silence is timed by the caller, who knows whether the client is still there.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            # Shorter than the five seconds after which uvicorn drops an idle connection: a call
            # sent into one that is just being closed would fail, and may not be sent twice.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the call; the block reads the answer. Leaving it early ends the generation.

        Raises UpstreamUnreachable, UpstreamFailed, UpstreamTimeout, and what the upstream's
        refusal means in our words.
        """
        headers = {
            **target.ask.headers,
            "accept-encoding": "identity",
            "x-request-id": ids.show(REQUEST_PREFIX, target.request_id),
        }
        with _failures():
            async with self._pool().post(
                target.url, data=target.ask.body, headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    raise translate(await _refusal(response), target.ask)
                yield response

    async def get(self, url: str, seconds: float) -> tuple[int, bytes]:
        """Fetch a small document: status and body. Raises as `open` does."""
        with _failures():
            timeout = aiohttp.ClientTimeout(total=seconds)
            async with self._pool().get(url, timeout=timeout, allow_redirects=False) as response:
                return response.status, await response.content.read(_REFUSAL_BYTES)

    async def ask(self, servers: Sequence[str], path: str, seconds: float) -> tuple[int, bytes]:
        """The same of the first server that answers well; else what the last one said."""
        for server in servers[:-1]:
            with suppress(AppError):
                status, body = await self.get(server + path, seconds)
                if status == 200:
                    return status, body
        return await self.get(servers[-1] + path, seconds)

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the upstream was not started")
        return self._session


class _failures:
    """Translate the client library's exceptions into facts."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
            raise UpstreamUnreachable(
                "The model cannot be reached just now. The call is not billed."
            ) from error
        if isinstance(error, TimeoutError):
            raise UpstreamTimeout("The model did not answer in time.") from error
        if isinstance(error, aiohttp.ClientError | ConnectionError):
            raise UpstreamFailed(BROKEN_OFF) from error


async def _refusal(response: aiohttp.ClientResponse) -> Refusal:
    body = await response.content.read(_REFUSAL_BYTES)
    return Refusal(response.status, body, ours="x-maas-error" in response.headers)
