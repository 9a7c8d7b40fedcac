"""The composition root: settings -> objects -> the Litestar application of one process.

Owns building every part once and handing it to those that need it, and starting and stopping
them in order. Nothing is built anywhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from gateway.adapting.offering import Offers
from gateway.adapting.running import AdaptationRunner, Tools
from gateway.admission import Admission
from gateway.auth import Authenticator
from gateway.availability import Availability
from gateway.causes import begin_cause
from gateway.choosing import Chooser
from gateway.connections import Connect, Connections, connect_all
from gateway.contracts import Contracts
from gateway.dashboard.router import dashboard_router
from gateway.describing import Describing
from gateway.dispatch import Dispatcher
from gateway.document_queue import DocumentQueue
from gateway.faults import show_fact, show_fault, show_http
from gateway.figures import Figures
from gateway.gauges import Gauges
from gateway.identity.assembly import build_identity
from gateway.identity.links import Links
from gateway.identity.passwords import Passwords
from gateway.inner import InnerCalls
from gateway.knowledge import ingesting as knowledge
from gateway.knowledge.embedding import Embedder
from gateway.knowledge.grounding import Grounder
from gateway.knowledge.ingesting import KnowledgeRunner
from gateway.knowledge.searching import Searcher
from gateway.leasing import Lender
from gateway.lifespan import Lifespan, lifespan, settle_memory
from gateway.membership import Membership
from gateway.metering import UsageWriter
from gateway.openapi import assets_router, document_route, openapi_config
from gateway.outward import payments_of, poster_of
from gateway.parsing import Parser
from gateway.parts import Parts, dependencies
from gateway.pipeline import Pipeline, Stages
from gateway.propagation import Propagation
from gateway.quoting import Quoting
from gateway.relay import Relay
from gateway.replay import Replayer
from gateway.request_limits import RequestLimits
from gateway.routes import ops, specialists
from gateway.routes.account import AccountRoutes, LimitRoutes, QuoteRoutes
from gateway.routes.alerts import AlertRoutes
from gateway.routes.auto import AutoRoutes
from gateway.routes.claims import OutcomeRoutes
from gateway.routes.evidence import AttesterRoutes, EvidenceRoutes
from gateway.routes.feedback import FeedbackRoutes
from gateway.routes.files import FileRoutes
from gateway.routes.fine_tuning import FineTuningRoutes
from gateway.routes.front import front
from gateway.routes.inference import inference_routes
from gateway.routes.invoices import InvoiceRoutes
from gateway.routes.line_disputes import LineDisputeRoutes
from gateway.routes.models import ModelRoutes
from gateway.routes.organization import OrganizationRoutes
from gateway.routes.outcomes import OutcomeContractRoutes
from gateway.routes.payment_pages import payment_page
from gateway.routes.settlements import DisputeRoutes, SettlementRoutes
from gateway.routes.stripe import stripe_webhook
from gateway.routes.subscription import SubscriptionRoutes
from gateway.routes.vector_store_files import VectorStoreBatchRoutes, VectorStoreFileRoutes
from gateway.routes.vector_stores import VectorStoreRoutes
from gateway.routing import Router, ServerSpec, parse_upstreams
from gateway.scheduling import Schedulers, slots_of
from gateway.tokens import PromptCounter
from gateway.upstream import Upstream
from gateway.variant_loading import VariantLoader
from infra.clock import Clock, SystemClock
from infra.errors import AppError
from infra.log import configure_logging
from infra.metrics import Metrics, declare_metrics
from infra.secret import secret_key
from infra.settings import Settings, SettingsInvalid, load_settings
from infra.timing import Timing
from infra.tracers import tracer_of
from models.catalog import Catalog, load_catalog
from models.routing.classifier import RouteClassifier

# Calls that wait for one model in one process, at most.
_WAITING = 1000


def create_app() -> Litestar:
    """The application of a real process, from its environment."""
    settings = load_settings()
    configure_logging(settings.log_level)
    parts = build_parts(settings, SystemClock(), load_catalog(settings.profile))
    app = build_app(parts, lifespan_of(parts))
    app.on_startup.append(settle_memory)
    return app


def build_parts(
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    connect: Connect = connect_all,
    classifier: Callable[[], RouteClassifier] = RouteClassifier.load,
) -> Parts:
    """Build everything; nothing is connected yet. Raises SettingsInvalid, ClassifierBroken."""
    links, most = _links(settings, clock, catalog, connect), settings.max_body_bytes
    chooser = Chooser(catalog, classifier(), links.availability.serves)
    database, router, upstream = links.connections.handlers, links.router, links.upstream
    stages, embedder, searcher = _stages(links, settings, clock, catalog, chooser)
    taking_in = _knowledge_tools(links, settings, clock, catalog, stages, embedder)
    propagation = Propagation(database, clock, settings.timing)
    learning = _learning_tools(links, clock, catalog, stages, propagation)
    pepper = secret_key(settings)
    return Parts(
        settings=settings,
        clock=clock,
        metrics=links.metrics,
        catalog=catalog,
        availability=links.availability,
        connections=links.connections,
        membership=links.membership,
        lender=links.lender,
        writer=stages.writer,
        authenticator=stages.authenticator,
        admission=stages.admission,
        figures=stages.figures,
        gauges=_gauges(links, clock, catalog, stages.writer),
        quoting=Quoting(stages.parser, stages.grounder, stages.admission, database, clock, most),
        payments=payments_of(settings),
        poster=poster_of(settings),
        router=router,
        upstream=upstream,
        parser=stages.parser,
        chooser=chooser,
        describing=Describing(router, upstream, links.loader),
        adaptations=AdaptationRunner(learning),
        propagation=propagation,
        searcher=searcher,
        knowledge=KnowledgeRunner(taking_in),
        documents=DocumentQueue(),
        request_limits=RequestLimits(links.lender),
        loader=links.loader,
        offers=_offers(links, settings, clock, catalog, stages.admission),
        pipeline=Pipeline(stages, clock, settings),
        tracer=stages.tracer,
        identity=build_identity(database, clock, pepper, Links.of(settings), Passwords()),
        pepper=pepper,
    )


def _knowledge_tools(
    links: "_Links",
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    stages: Stages,
    embedder: Embedder,
) -> knowledge.Tools:
    return knowledge.Tools(
        catalog=catalog,
        profile=settings.profile,
        clock=clock,
        database=links.connections.handlers,
        contracts=links.contracts,
        authenticator=stages.authenticator,
        membership=links.membership,
        embedder=embedder,
        timing=settings.timing,
    )


def _learning_tools(
    links: "_Links", clock: Clock, catalog: Catalog, stages: Stages, propagation: Propagation
) -> Tools:
    return Tools(
        catalog=catalog,
        clock=clock,
        database=links.connections.handlers,
        contracts=links.contracts,
        stages=stages,
        membership=links.membership,
        router=links.router,
        upstream=links.upstream,
        propagation=propagation,
        timing=links.timing,
    )


def _offers(
    links: "_Links", settings: Settings, clock: Clock, catalog: Catalog, admission: Admission
) -> Offers:
    database, profile = links.connections.handlers, settings.profile
    return Offers(catalog, links.availability, clock, database, admission, links.lender, profile)


def _gauges(links: "_Links", clock: Clock, catalog: Catalog, writer: UsageWriter) -> Gauges:
    inside = links.router, links.schedulers, writer
    return Gauges(links.metrics, clock, catalog, *inside, links.connections, links.timing)


@dataclass(frozen=True, slots=True)
class _Links:
    """What reaches beyond the process, what is known of others through it, and how often."""

    timing: Timing
    metrics: Metrics
    connections: Connections
    membership: Membership
    lender: Lender
    contracts: Contracts
    router: Router
    upstream: Upstream
    availability: Availability
    loader: VariantLoader
    schedulers: Schedulers


def _links(settings: Settings, clock: Clock, catalog: Catalog, connect: Connect) -> _Links:
    """Raises SettingsInvalid."""
    if settings.database_url is None or settings.serving_url is None:
        raise SettingsInvalid(
            "A gateway process needs MAAS_DATABASE_URL and MAAS_SERVING_URL; `maas up` sets both."
        )
    url, metrics = settings.database_url.get_secret_value(), declare_metrics()
    connections = connect(url, settings.settle_timeout_s, metrics)
    quotas, reading = connections.quotas, connections.reading
    timing = settings.timing
    membership = Membership(quotas, reading, clock, metrics, timing)
    upstream = Upstream(settings.connect_timeout_s)
    router = Router(_upstreams(settings.serving_url, catalog), clock, timing)
    return _Links(
        timing=timing,
        metrics=metrics,
        connections=connections,
        membership=membership,
        lender=Lender(quotas, reading, membership, clock, metrics, timing),
        contracts=Contracts(catalog, clock),
        router=router,
        upstream=upstream,
        availability=Availability(catalog, router, upstream, timing),
        loader=VariantLoader(connections.calls, upstream),
        schedulers=Schedulers(slots_of(catalog, settings), _WAITING),
    )


def _stages(
    links: _Links, settings: Settings, clock: Clock, catalog: Catalog, chooser: Chooser
) -> tuple[Stages, Embedder, Searcher]:
    """The stages of a call, and what some of them work with that others use too."""
    connections, lender, membership = links.connections, links.lender, links.membership
    calls, keys = connections.calls, secret_key(settings)
    counter = PromptCounter(settings.data_dir)
    admission = Admission(lender, counter, settings.credit_wait_s)
    patience_s, timing, metrics = settings.settle_timeout_s, links.timing, links.metrics
    kept = connections.records, membership, lender, clock, metrics
    writer = UsageWriter(*kept, patience_s, timing)
    inner, figures = InnerCalls(admission, writer, clock), Figures(lender, metrics, timing)
    embedder = Embedder(inner, links.router, links.upstream, settings.first_byte_timeout_s)
    searcher = Searcher(catalog, links.availability, connections.handlers, clock, embedder)
    parser = Parser(catalog, chooser, links.availability)
    stages = Stages(
        authenticator=Authenticator(
            calls, connections.reading, membership, links.contracts, clock, keys, timing=timing
        ),
        parser=parser,
        replayer=Replayer(calls, membership, RequestLimits(lender)),
        grounder=Grounder(parser, searcher, counter),
        admission=admission,
        dispatcher=_dispatcher(settings, clock, links, figures),
        writer=writer,
        figures=figures,
        inner=inner,
        tracer=tracer_of(settings.otlp_endpoint, "maas-gateway"),
    )
    return stages, embedder, searcher


def _dispatcher(settings: Settings, clock: Clock, links: _Links, figures: Figures) -> Dispatcher:
    relay, patience_s = Relay(links.upstream, clock, settings), settings.queue_timeout_s
    links_of = (links.schedulers, links.router, relay, links.loader)
    return Dispatcher(*links_of, figures, clock, patience_s)


def build_app(parts: Parts, *lifespans: Lifespan) -> Litestar:
    """The addresses, and what their handlers may ask for; `lifespans` run around all of it."""
    return Litestar(
        route_handlers=[
            *inference_routes(parts),
            AccountRoutes,
            LimitRoutes,
            ModelRoutes,
            FileRoutes,
            VectorStoreRoutes,
            VectorStoreFileRoutes,
            VectorStoreBatchRoutes,
            FineTuningRoutes,
            FeedbackRoutes,
            QuoteRoutes,
            AutoRoutes,
            InvoiceRoutes,
            LineDisputeRoutes,
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
            front,
            ops.live,
            ops.ready,
            ops.metrics,
            document_route(parts.catalog),
            assets_router(),
            *_dashboard(parts),
        ],
        dependencies=dependencies(parts),
        exception_handlers={
            AppError: show_fact,
            HTTPException: show_http,
            Exception: show_fault,
        },
        before_request=begin_cause,
        lifespan=list(lifespans),
        openapi_config=openapi_config(parts.catalog),
        logging_config=None,
    )


def _dashboard(parts: Parts) -> list[ControllerRouterHandler]:
    if not parts.settings.dashboard:
        return []
    return [dashboard_router(parts)]


def _upstreams(text: str, catalog: Catalog) -> tuple[ServerSpec, ...]:
    specs = parse_upstreams(text)
    for spec in specs:
        if spec.model is not None and catalog.find(spec.model) is None:
            raise SettingsInvalid(f"MAAS_SERVING_URL names {spec.model!r}, which is not sold here.")
    return specs


def lifespan_of(parts: Parts) -> Lifespan:
    """Starts the parts of a process in order, and ends them."""
    closing = [one.close for one in parts.connections.all]
    if parts.payments is not None:
        closing.append(parts.payments.close)
    started = (
        parts.tracer,
        parts.upstream,
        parts.availability,
        parts.lender,
        parts.writer,
        parts.authenticator,
        parts.figures,
        parts.gauges,
        parts.adaptations,
        parts.knowledge,
    )
    return lifespan(closing, started)
