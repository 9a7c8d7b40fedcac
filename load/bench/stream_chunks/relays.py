"""The relays under test: the bare one, and this gateway's from the parsed request to the last byte.

Admission, keys and usage rows cost the same for any number of chunks and are left out.
"""

from functools import partial
from types import MappingProxyType
from typing import Any, cast

import uvicorn
from litestar import Litestar, asgi
from litestar.types import HTTPScope, Receive, Scope, Send
from uvicorn.config import HTTPProtocolType

from gateway.asgi.exchange import ClientExchange, direct_writer
from gateway.asgi.server_protocol import BoundedHttpProtocol
from gateway.asgi.timeouts import TimeoutWheel
from gateway.call.values import ParsedRequest, UpstreamRequest
from gateway.inference.relay import Relay
from gateway.upstream.client import UpstreamClient
from gateway.wire.sse import StreamTransformer, StreamUsageOption
from gateway.wire.usage import measure_response
from infra import ids
from infra.clock import SystemClock
from infra.settings import Settings
from load.bench.gateways.relay import create_app
from models.catalog import Task, load_configured_catalog

_PATH = "/v1/chat/completions"
_HEADERS = MappingProxyType({"content-type": "application/json"})


def bare_server(upstream: str) -> uvicorn.Server:
    """Return the server of the bare relay."""
    return _server(create_app(upstream + _PATH), "httptools")


def maas_server(upstream: str) -> uvicorn.Server:
    """Return a server with this gateway's protocol, relay and stream reader."""
    settings = Settings()
    relay = Relay(UpstreamClient(1.0), SystemClock(), settings)
    model = load_configured_catalog(settings).with_task(Task.TEXT_GENERATION)[0]
    wheel = TimeoutWheel()
    reader = partial(StreamTransformer, StreamUsageOption.LAST, 1, 1)

    @asgi(_PATH, copy_scope=False)
    async def chat(scope: Scope, receive: Receive, send: Send) -> None:
        headers, writer = dict(scope["headers"]), direct_writer(cast(HTTPScope, scope))
        client = ClientExchange(headers, receive, send, wheel, writer)
        body = await client.read_body(1 << 20, 10.0)
        request = ParsedRequest(
            *(model, _PATH, body, _HEADERS, measure_response), stream=True, stream_reader=reader
        )
        target = UpstreamRequest(upstream + _PATH, request, ids.new_id(), upstream)
        result = await relay.send(target, client, _ignore)
        await client.finish(result, result.tail)

    app = Litestar([chat], openapi_config=None, logging_config=None)
    return _server(app, BoundedHttpProtocol)


def _server(app: Any, http: type[BoundedHttpProtocol] | HTTPProtocolType) -> uvicorn.Server:
    """Return a uvicorn server with the settings of a gateway."""
    return uvicorn.Server(
        uvicorn.Config(app, http=http, log_config=None, access_log=False, server_header=False)
    )


def _ignore() -> None:
    """Ignore that the response has started."""
