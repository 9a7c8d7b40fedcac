"""The composition root: settings -> objects -> the Litestar application of one process.

Owns building every part once and handing it to those that need it, and starting and stopping
them in order. Nothing is built anywhere else.
"""

import gc
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

from billing.collecting.payments import Payments
from gateway.adapting.offering import Offers
from gateway.adapting.running import AdaptationRunner, Tools
from gateway.admission import Admission
from gateway.auth import Authenticator
from gateway.choosing import Chooser
from gateway.contracts import Contracts
from gateway.dashboard.router import dashboard_router
from gateway.describing import Describing
from gateway.dispatch import Dispatcher
from gateway.errors import (
    BadRequest,
    BodyTooLarge,
    EndpointUnsupported,
    InternalError,
    MethodNotAllowed,
    ParameterInvalid,
    envelope,
)
from gateway.figures import Figures
from gateway.leasing import Lender
from gateway.membership import Membership
from gateway.metering import UsageWriter
from gateway.openapi import assets_router, document_route, openapi_config
from gateway.outward import payments_of
from gateway.parsing import Parser
from gateway.pipeline import Pipeline, Stages
from gateway.quoting import Quoting
from gateway.relay import Relay
from gateway.replay import Replayer
from gateway.routes import ops, specialists
from gateway.routes.account import AccountRoutes, QuoteRoutes, provide_principal
from gateway.routes.alerts import AlertRoutes
from gateway.routes.auto import AutoRoutes
from gateway.routes.claims import OutcomeRoutes
from gateway.routes.evidence import AttesterRoutes, EvidenceRoutes
from gateway.routes.feedback import FeedbackRoutes
from gateway.routes.files import FileRoutes
from gateway.routes.fine_tuning import FineTuningRoutes
from gateway.routes.inference import inference_routes
from gateway.routes.invoices import InvoiceRoutes
from gateway.routes.models import ModelRoutes
from gateway.routes.organization import OrganizationRoutes, provide_asked
from gateway.routes.outcomes import OutcomeContractRoutes
from gateway.routes.payment_pages import payment_page
from gateway.routes.settlements import DisputeRoutes, SettlementRoutes
from gateway.routes.stripe import stripe_webhook
from gateway.routes.subscription import SubscriptionRoutes
from gateway.routing import Router, ServerSpec, parse_upstreams
from gateway.scheduling import Schedulers
from gateway.tokens import PromptCounter
from gateway.upstream import Upstream
from gateway.variant_loading import VariantLoader
from infra.clock import Clock, SystemClock
from infra.db import Database
from infra.direct import DirectConnection
from infra.errors import AppError
from infra.log import configure_logging
from infra.metrics import Metrics, declare_metrics
from infra.secret import secret_key
from infra.settings import Settings, SettingsInvalid, load_settings
from models.catalog import Catalog, load_catalog
from models.routing.classifier import RouteClassifier

# Calls that wait for one model in one process, at most.
_WAITING = 1000
# Whoever calls is told sooner than its own patience ends that the database does not answer.
_DATABASE_S = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What one gateway process consists of."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    catalog: Catalog
    database: Database
    quotas: Database
    records: DirectConnection
    reading: DirectConnection
    membership: Membership
    lender: Lender
    writer: UsageWriter
    authenticator: Authenticator
    admission: Admission
    figures: Figures
    quoting: Quoting
    payments: Payments | None
    router: Router
    upstream: Upstream
    parser: Parser
    chooser: Chooser
    describing: Describing
    loader: VariantLoader
    adaptations: AdaptationRunner
    offers: Offers
    pipeline: Pipeline


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
    router = Router(_upstreams(settings.serving_url, catalog), clock)
    url = settings.database_url.get_secret_value()
    metrics = declare_metrics()
    database = Database(url, pool_size=4, timeout_s=_DATABASE_S)
    # Of their own, so that a burst of key look-ups does not hold up what settles calls.
    quotas = Database(url, pool_size=1, timeout_s=_DATABASE_S)
    records = DirectConnection(url, settings.settle_timeout_s)
    reading = DirectConnection(url, _DATABASE_S)
    membership = Membership(quotas, reading, clock, metrics)
    lender = Lender(quotas, reading, membership, clock, metrics)
    counter = PromptCounter(settings.data_dir)
    upstream = Upstream(settings.connect_timeout_s)
    loader = VariantLoader(database, upstream)
    contracts = Contracts(catalog, clock)
    chooser = Chooser(catalog, RouteClassifier.load())
    stages = Stages(
        authenticator=Authenticator(database, reading, contracts, clock, secret_key(settings)),
        parser=Parser(catalog, chooser),
        replayer=Replayer(database, membership),
        admission=Admission(lender, counter, settings.credit_wait_s),
        dispatcher=_dispatcher(catalog, settings, clock, router, upstream, loader),
        writer=UsageWriter(records, membership, lender, clock, metrics, settings.settle_timeout_s),
        figures=Figures(lender, metrics),
    )
    return Parts(
        settings=settings,
        clock=clock,
        metrics=metrics,
        catalog=catalog,
        database=database,
        quotas=quotas,
        records=records,
        reading=reading,
        membership=membership,
        lender=lender,
        writer=stages.writer,
        authenticator=stages.authenticator,
        admission=stages.admission,
        figures=stages.figures,
        quoting=Quoting(stages.parser, stages.admission, database, clock, settings.max_body_bytes),
        payments=payments_of(settings),
        router=router,
        upstream=upstream,
        parser=stages.parser,
        chooser=chooser,
        describing=Describing(router, upstream, loader),
        loader=loader,
        adaptations=AdaptationRunner(
            Tools(catalog, clock, database, contracts, stages, membership, router, upstream)
        ),
        offers=Offers(catalog, clock, database, stages.admission, lender, settings.profile),
        pipeline=Pipeline(stages, clock, settings),
    )


def _dispatcher(
    catalog: Catalog,
    settings: Settings,
    clock: Clock,
    router: Router,
    upstream: Upstream,
    loader: VariantLoader,
) -> Dispatcher:
    schedulers = Schedulers(_slots(catalog, settings), _WAITING)
    relay = Relay(upstream, clock, settings)
    return Dispatcher(schedulers, router, relay, loader, settings.queue_timeout_s)


def build_app(parts: Parts) -> Litestar:
    """The addresses, and what their handlers may ask for."""
    return Litestar(
        route_handlers=[
            *inference_routes(parts.pipeline, parts.clock),
            AccountRoutes,
            ModelRoutes,
            FileRoutes,
            FineTuningRoutes,
            FeedbackRoutes,
            QuoteRoutes,
            AutoRoutes,
            InvoiceRoutes,
            SubscriptionRoutes,
            OutcomeRoutes,
            SettlementRoutes,
            DisputeRoutes,
            AlertRoutes,
            OrganizationRoutes,
            OutcomeContractRoutes,
            AttesterRoutes,
            EvidenceRoutes,
            stripe_webhook,
            payment_page,
            specialists.server_live,
            specialists.server_ready,
            specialists.model_ready,
            specialists.model_metadata,
            ops.live,
            ops.ready,
            ops.metrics,
            document_route(),
            assets_router(),
            dashboard_router(parts.settings, parts.database, parts.clock),
        ],
        dependencies=_dependencies(parts),
        exception_handlers={
            AppError: _show_fact,
            HTTPException: _show_http,
            Exception: _show_fault,
        },
        lifespan=[_lifespan(parts)],
        openapi_config=openapi_config(),
        logging_config=None,
    )


def _dependencies(parts: Parts) -> dict[str, Provide]:
    """What handlers may ask for, by the name that they ask by."""
    return {
        "adaptations": _provide(parts.adaptations),
        "authenticator": _provide(parts.authenticator),
        "catalog": _provide(parts.catalog),
        "chooser": _provide(parts.chooser),
        "clock": _provide(parts.clock),
        "database": _provide(parts.database),
        "describing": _provide(parts.describing),
        "figures": _provide(parts.figures),
        "loader": _provide(parts.loader),
        "metrics": _provide(parts.metrics),
        "offers": _provide(parts.offers),
        "parser": _provide(parts.parser),
        "quoting": _provide(parts.quoting),
        "payments": _provide(parts.payments),
        "router": _provide(parts.router),
        "settings": _provide(parts.settings),
        "upstream": _provide(parts.upstream),
        "principal": Provide(provide_principal),
        "asked": Provide(provide_asked),
    }


def _upstreams(text: str, catalog: Catalog) -> tuple[ServerSpec, ...]:
    specs = parse_upstreams(text)
    for spec in specs:
        if spec.model is not None and catalog.find(spec.model) is None:
            raise SettingsInvalid(f"MAAS_SERVING_URL names {spec.model!r}, which is not sold here.")
    return specs


def _slots(catalog: Catalog, settings: Settings) -> dict[str, int | None]:
    """This process's part of what each engine can do at once."""
    slots: dict[str, int | None] = {}
    for model in catalog.models.values():
        if model.base is not None:
            continue
        concurrency = settings.model_concurrency or model.concurrency
        slots[model.id] = None if concurrency is None else -(-concurrency // settings.workers)
    return slots


def _provide(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


def _lifespan(parts: Parts) -> Any:
    @asynccontextmanager
    async def run(_app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(parts.database.close)
            stack.push_async_callback(parts.quotas.close)
            stack.push_async_callback(parts.records.close)
            stack.push_async_callback(parts.reading.close)
            if parts.payments is not None:
                stack.push_async_callback(parts.payments.close)
            for part in (
                parts.upstream,
                parts.lender,
                parts.writer,
                parts.authenticator,
                parts.figures,
                parts.adaptations,
            ):
                await part.start()
                stack.push_async_callback(part.stop)
            _settle_memory()
            yield

    return run


def _settle_memory() -> None:
    """What is loaded by now stays for good: the collector need not look through it again.

    Its full passes took 40 ms each, in which no call went on.
    """
    gc.collect()
    gc.freeze()


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
        case _ if error.status_code == 413:
            return BodyTooLarge("The body is larger than this address takes.")
        case _ if error.status_code < 500:
            return BadRequest("The request cannot be served as it is.")
        case _:
            return InternalError("Something went wrong on our side.")
