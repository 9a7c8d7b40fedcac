"""The composition root: settings -> objects -> the Litestar application of one process.

Owns building every part once and handing it to those that need it, and starting and stopping
them in order. Nothing is built anywhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from gateway.access.authenticator import Authenticator
from gateway.access.price_book import Contracts
from gateway.access.propagation import Propagation
from gateway.api import health, open_inference
from gateway.api.alerts import AlertRoutes
from gateway.api.exception_handlers import show_fact, show_fault, show_http
from gateway.api.feedback import FeedbackRoutes
from gateway.api.files import FileRoutes
from gateway.api.fine_tuning import FineTuningRoutes
from gateway.api.inference import inference_routes
from gateway.api.invoices import InvoiceRoutes
from gateway.api.line_disputes import LineDisputeRoutes
from gateway.api.model_selection import AutoRoutes
from gateway.api.models import ModelRoutes
from gateway.api.openapi.document import assets_router, document_route, openapi_config
from gateway.api.organization_usage import OrganizationRoutes
from gateway.api.outcomes.contracts import OutcomeContractRoutes
from gateway.api.outcomes.evidence import AttesterRoutes, EvidenceRoutes
from gateway.api.outcomes.outcomes import OutcomeRoutes
from gateway.api.outcomes.settlements import DisputeRoutes, SettlementRoutes
from gateway.api.payment_pages import payment_page
from gateway.api.root import front
from gateway.api.stripe_webhook import stripe_webhook
from gateway.api.subscription import SubscriptionRoutes
from gateway.api.usage import AccountRoutes, LimitRoutes, QuoteRoutes
from gateway.api.vector_store_files import VectorStoreBatchRoutes, VectorStoreFileRoutes
from gateway.api.vector_stores import VectorStoreRoutes
from gateway.asgi.log_context import begin_cause
from gateway.components import Parts, dependencies
from gateway.dashboard.router import dashboard_router
from gateway.fine_tuning.offers import Offers
from gateway.fine_tuning.runner import AdaptationRunner, Tools
from gateway.identity.links import Links
from gateway.identity.passwords import Passwords
from gateway.identity.services import build_identity
from gateway.inference.admission import Admission
from gateway.inference.call_metrics import Figures
from gateway.inference.dispatch import Dispatcher
from gateway.inference.idempotency import Replayer
from gateway.inference.internal_calls import InnerCalls
from gateway.inference.model_selection import Chooser
from gateway.inference.parsing import Parser
from gateway.inference.pipeline import Pipeline, Stages
from gateway.inference.quotes import Quoting
from gateway.inference.relay import Relay
from gateway.inference.token_count import PromptCounter
from gateway.inference.usage_writer import UsageWriter
from gateway.process.database_pools import Connect, Connections, connect_all
from gateway.process.document_queue import DocumentQueue
from gateway.process.gauges import Gauges
from gateway.process.integrations import payments_of, poster_of
from gateway.process.lifespan import Lifespan, lifespan, settle_memory
from gateway.quota.leaser import Lender
from gateway.quota.process_heartbeat import Membership
from gateway.quota.request_limits import RequestLimits
from gateway.retrieval import ingestion as knowledge
from gateway.retrieval.embedder import Embedder
from gateway.retrieval.ingestion import KnowledgeRunner
from gateway.retrieval.rag import Grounder
from gateway.retrieval.search import Searcher
from gateway.upstream.availability import Availability
from gateway.upstream.client import Upstream
from gateway.upstream.concurrency import Schedulers, slots_of
from gateway.upstream.load_balancer import Router, ServerSpec, parse_upstreams
from gateway.upstream.model_metadata import Describing
from gateway.upstream.variant_loader import VariantLoader
from infra.clock import Clock, SystemClock
from infra.errors import AppError
from infra.secrets.secret_key import secret_key
from infra.settings import Settings, SettingsInvalid, load_settings
from infra.telemetry.log import configure_logging
from infra.telemetry.metrics import Metrics, declare_metrics
from infra.telemetry.tracer_factory import tracer_of
from infra.timing import Timing
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
            open_inference.server_live,
            open_inference.server_ready,
            open_inference.model_ready,
            open_inference.model_metadata,
            front,
            health.live,
            health.ready,
            health.metrics,
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
