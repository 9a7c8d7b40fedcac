"""The composition root: settings -> objects -> the Litestar application of one process.

Owns building every part once and handing it to those that need it, and starting and stopping
them in order. Nothing is built anywhere else.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)

from gateway.auth import Authenticator
from gateway.errors import (
    BadRequest,
    EndpointUnsupported,
    InternalError,
    MethodNotAllowed,
    ParameterInvalid,
    envelope,
)
from gateway.metering import UsageWriter
from gateway.openapi import assets_router, document_route, openapi_config
from gateway.parsing import Parser
from gateway.pipeline import Pipeline
from gateway.relay import Relay
from gateway.routes import ops, specialists
from gateway.routes.account import AccountRoutes, provide_principal
from gateway.routes.inference import inference_routes
from gateway.routing import Router
from gateway.upstream import Upstream
from infra.clock import Clock, SystemClock
from infra.db import Database
from infra.errors import AppError
from infra.log import configure_logging
from infra.metrics import Metrics, declare_metrics
from infra.secret import secret_key
from infra.settings import Settings, SettingsInvalid, load_settings
from models.catalog import Catalog, load_catalog


@dataclass(frozen=True, slots=True)
class Parts:
    """What one gateway process consists of."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    catalog: Catalog
    database: Database
    writer: UsageWriter
    writer_database: Database
    authenticator: Authenticator
    upstream: Upstream
    pipeline: Pipeline
    serving_url: str


def create_app() -> Litestar:
    """The application of a real process, from its environment."""
    settings = load_settings()
    configure_logging(settings.log_level)
    return build_app(build_parts(settings, SystemClock(), load_catalog(settings.profile)))


def build_parts(settings: Settings, clock: Clock, catalog: Catalog) -> Parts:
    """Build everything; nothing is connected yet. Raises SettingsInvalid."""
    if settings.database_url is None or settings.serving_url is None:
        raise SettingsInvalid(
            "A gateway process needs MAAS_DATABASE_URL and MAAS_SERVING_URL; `maas up` sets both."
        )
    url = settings.database_url.get_secret_value()
    serving_url = settings.serving_url.rstrip("/")  # paths are put behind it as they are
    metrics = declare_metrics()
    database = Database(url)
    # Its own connection: a burst of key look-ups must not hold up what settles calls.
    writer_database = Database(url, pool_size=1)
    writer = UsageWriter(writer_database, metrics, settings.settle_timeout_s)
    authenticator = Authenticator(database, clock, secret_key(settings))
    upstream = Upstream(settings.connect_timeout_s)
    pipeline = Pipeline(
        authenticator=authenticator,
        parser=Parser(catalog),
        router=Router(serving_url),
        relay=Relay(upstream, clock, settings),
        writer=writer,
        clock=clock,
        metrics=metrics,
        settings=settings,
    )
    return Parts(
        settings=settings,
        clock=clock,
        metrics=metrics,
        catalog=catalog,
        database=database,
        writer=writer,
        writer_database=writer_database,
        authenticator=authenticator,
        upstream=upstream,
        pipeline=pipeline,
        serving_url=serving_url,
    )


def build_app(parts: Parts) -> Litestar:
    """The addresses, and what their handlers may ask for."""
    return Litestar(
        route_handlers=[
            *inference_routes(parts.pipeline, parts.clock),
            AccountRoutes,
            specialists.server_live,
            specialists.server_ready,
            specialists.model_ready,
            specialists.model_metadata,
            ops.live,
            ops.ready,
            ops.metrics,
            document_route(),
            assets_router(),
        ],
        dependencies={
            "authenticator": _provide(parts.authenticator),
            "catalog": _provide(parts.catalog),
            "database": _provide(parts.database),
            "metrics": _provide(parts.metrics),
            "serving_url": _provide(parts.serving_url),
            "upstream": _provide(parts.upstream),
            "principal": Provide(provide_principal),
        },
        exception_handlers={
            AppError: _show_fact,
            HTTPException: _show_http,
            Exception: _show_fault,
        },
        lifespan=[_lifespan(parts)],
        openapi_config=openapi_config(),
        logging_config=None,
    )


def _provide(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _lifespan(parts: Parts) -> Any:
    @asynccontextmanager
    async def run(_app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(parts.database.close)
            stack.push_async_callback(parts.writer_database.close)
            for part in (parts.upstream, parts.writer, parts.authenticator):
                await part.start()
                stack.push_async_callback(part.stop)
            yield

    return run


def _show_fact(request: Request[Any, Any, Any], error: AppError) -> Response[bytes]:
    return Response(
        envelope(error, request.url.path.startswith("/v2")),
        status_code=error.status,
        media_type="application/json",
    )


def _show_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return _show_fact(request, _fact(error))


def _show_fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    structlog.get_logger().error("a request failed", path=request.url.path, exc_info=error)
    return _show_fact(request, InternalError("Something went wrong on our side."))


def _fact(error: HTTPException) -> AppError:
    match error:
        case NotFoundException():
            return EndpointUnsupported("This service has no such address. /docs lists what it has.")
        case MethodNotAllowedException():
            return MethodNotAllowed("This address does not take that method.")
        case ValidationException():
            extra = error.extra if isinstance(error.extra, list) and error.extra else [{}]
            name = extra[0].get("key") if isinstance(extra[0], dict) else None
            return ParameterInvalid(f"`{name or 'request'}` has a wrong value.", param=name)
        case _ if error.status_code < 500:
            return BadRequest("The request cannot be served as it is.")
        case _:
            return InternalError("Something went wrong on our side.")
