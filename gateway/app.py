"""The composition root of a gateway process: settings -> components -> the Litestar application.

Every component is built once, here and nowhere else, and passed to the components that use it.
gateway/started.py starts and stops them in order.
"""

from collections.abc import Callable

from litestar import Litestar
from litestar.exceptions import HTTPException

from gateway.access.propagation import Propagation
from gateway.api.admin.router import admin_routers
from gateway.api.exception_handlers import (
    handle_app_error,
    handle_http_exception,
    handle_unexpected_error,
)
from gateway.api.inference import CallAdapter, direct_applications, inference_routes
from gateway.api.mcp import mcp_route
from gateway.api.openapi.document import assets_router, document_route, openapi_config
from gateway.api.plant.ingestion import ReadingIngestion
from gateway.api.routes import API_ROUTES
from gateway.asgi.application import DirectApplication
from gateway.asgi.log_context import bind_request
from gateway.components import Components, dependencies
from gateway.dashboard.router import dashboard_routers
from gateway.evaluations.offers import EvaluationOffers
from gateway.evaluations.runner import EvaluationDependencies, EvaluationRunner
from gateway.fine_tuning.offers import JobOffers
from gateway.fine_tuning.ready_made import ReadyMadeModels
from gateway.fine_tuning.removal import VariantRemoval
from gateway.fine_tuning.runner import FineTuningDependencies, FineTuningRunner
from gateway.identity.links import Links
from gateway.identity.passwords import Passwords
from gateway.identity.services import IdentityServices, build_identity
from gateway.identity.sso.configuration import load_providers
from gateway.incidents.board import StatusBoard
from gateway.inference.admission import Admission
from gateway.inference.model_selection import ModelSelector
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.inference.prompt_counts import PromptCounts
from gateway.inference.quotes import Quotes
from gateway.inference.stages import Stages
from gateway.inference.usage.writer import UsageWriter
from gateway.mcp.factory import ToolDependencies, build_toolbox
from gateway.mcp.toolbox import Toolbox
from gateway.operations.identifiers import IdentifierService
from gateway.operations.notifications import NotificationService
from gateway.process.agents import AgentParts, build_agents
from gateway.process.background_responses import build_background_responses
from gateway.process.batch_processing import build_batch_processing
from gateway.process.catalog_reloader import CatalogReloader
from gateway.process.catalog_updates import CatalogUpdates
from gateway.process.database_pools import (
    ConnectionFactory,
    create_connections,
)
from gateway.process.gauges import Gauges
from gateway.process.integrations import (
    create_address_rules,
    create_checkout,
    create_collector,
    create_endpoint_sender,
    create_webhook_poster,
)
from gateway.process.lifespan import Lifespan, freeze_loaded_objects
from gateway.process.own_models import OwnModelParts, build_own_models
from gateway.process.plant import build_plant
from gateway.process.shared_components import SharedComponents, build_shared
from gateway.process.stage_factory import build_stages
from gateway.quota.request_limits import RequestLimits
from gateway.retrieval.embedder import Embedder
from gateway.retrieval.ingestion import IngestionDependencies, IngestionRunner
from gateway.retrieval.search import VectorStoreSearcher
from gateway.signups.factory import build_signups
from gateway.started import lifespan_of
from infra.clock import Clock, SystemClock
from infra.database.database import Database
from infra.errors import AppError
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings, load_settings
from infra.telemetry.log import configure_logging
from models.catalog import Catalog, load_configured_catalog
from models.catalog.reloading import CatalogSource
from models.routing.classifier import RouteClassifier


def create_app() -> Litestar:
    """Build the application of a gateway process from its environment (uvicorn's app factory)."""
    settings = load_settings()
    configure_logging(settings.log_level)
    components = build_components(settings, SystemClock(), load_configured_catalog(settings))
    app = build_app(components, lifespan_of(components))
    app.on_startup.append(freeze_loaded_objects)
    return app


def build_components(
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    connect: ConnectionFactory = create_connections,
    classifier: Callable[[], RouteClassifier] = RouteClassifier.load,
) -> Components:
    """Build a process's components without connecting. Raises SettingsInvalid, ClassifierBroken."""
    shared = build_shared(settings, clock, catalog, connect)
    selector = ModelSelector(catalog, classifier(), shared.availability.is_served)
    database, plant = shared.connections.handlers, build_plant(shared, settings, clock)
    stages, embedder, searcher = build_stages(shared, settings, clock, catalog, selector, plant)
    propagation, pepper = Propagation(database, clock, settings.timing), secret_key(settings)
    pipeline, passwords = Pipeline(stages, clock, settings), Passwords()
    quotes = _build_quotes(settings, clock, stages, database)
    own = _build_own_models(shared, settings, clock, catalog, stages, pipeline, quotes, propagation)
    return Components(
        settings=settings,
        clock=clock,
        metrics=shared.metrics,
        catalog=catalog,
        availability=shared.availability,
        connections=shared.connections,
        heartbeat=shared.heartbeat,
        quota_leaser=shared.quota_leaser,
        stages=stages,
        gauges=_build_gauges(shared, clock, catalog, stages.writer),
        quotes=quotes,
        collector=create_collector(settings),
        checkout=create_checkout(settings, clock, database),
        webhook_poster=create_webhook_poster(settings),
        notifications=_notification_service(settings, clock, database),
        router=shared.router,
        upstream=shared.upstream,
        model_selector=selector,
        model_metadata=shared.model_metadata,
        propagation=propagation,
        searcher=searcher,
        ingestion_runner=_ingestion_runner(shared, clock, catalog, stages, embedder),
        evaluation_runner=_build_evaluation_runner(shared, clock, stages, pipeline),
        evaluation_offers=EvaluationOffers(database, quotes),
        background_responses=build_background_responses(shared, pipeline),
        batch_processing=build_batch_processing(shared, settings, clock, stages, pipeline),
        own_models=own,
        agents=(agents := build_agents(shared, settings, clock, pipeline)),
        request_limits=RequestLimits(shared.quota_leaser),
        variant_removal=VariantRemoval(catalog, shared.router, shared.variant_loader, database),
        pipeline=pipeline,
        prompt_counts=PromptCounts(stages.parser, stages.admission, stages.counter, clock),
        toolbox=_build_toolbox(shared, clock, stages, pipeline, quotes, searcher, agents),
        identity=_build_identity(settings, clock, database, pepper, passwords),
        signups=build_signups(settings, clock, database, passwords),
        plant=plant,
        reading_ingestion=_reading_ingestion(shared, settings, clock, catalog, stages),
        identifiers=_build_identifiers(settings, clock, database, pepper),
        status_board=StatusBoard(database, clock),
        pepper=pepper,
        upstream_monitor=shared.monitor,
        catalog_reloader=_build_reloader(shared, settings, clock, catalog, stages, selector),
    )


def _build_identity(
    settings: Settings, clock: Clock, database: Database, pepper: bytes, passwords: Passwords
) -> IdentityServices:
    """Build the sign-in of people. Raises SettingsInvalid for unusable identity providers."""
    links, providers = Links.from_settings(settings), load_providers(settings, clock)
    return build_identity(database, clock, pepper, links, passwords, providers)


def _build_identifiers(
    settings: Settings, clock: Clock, database: Database, pepper: bytes
) -> IdentifierService:
    """Build the service of accounts' identifiers."""
    return IdentifierService(database, clock, Sealer(pepper), settings.node_public_url)


def _build_reloader(
    shared: SharedComponents,
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    stages: Stages,
    selector: ModelSelector,
) -> CatalogReloader:
    """Build the task that applies changed catalog files."""
    authenticator, schedulers = stages.authenticator, shared.schedulers
    updates = CatalogUpdates(
        catalog, settings, shared.upstream_updates, schedulers, authenticator, selector
    )
    source = CatalogSource(settings, shared.secrets, updates.validate)
    metrics, timing = shared.metrics, shared.timing
    return CatalogReloader(source, catalog, clock, metrics, timing, [updates.apply])


def _ingestion_runner(
    shared: SharedComponents, clock: Clock, catalog: Catalog, stages: Stages, embedder: Embedder
) -> IngestionRunner:
    """Build the runner that ingests files of vector stores."""
    dependencies = IngestionDependencies(
        catalog=catalog,
        clock=clock,
        database=shared.connections.handlers,
        price_book=shared.price_book,
        authenticator=stages.authenticator,
        heartbeat=shared.heartbeat,
        embedder=embedder,
        timing=shared.timing,
    )
    return IngestionRunner(dependencies)


def _reading_ingestion(
    shared: SharedComponents, settings: Settings, clock: Clock, catalog: Catalog, stages: Stages
) -> ReadingIngestion:
    """Build the component that stores readings of plant points."""
    database, metrics = shared.connections.handlers, shared.metrics.readings
    calls, call_metrics = stages.internal_calls, stages.call_metrics
    return ReadingIngestion(database, clock, settings, catalog, calls, call_metrics, metrics)


def _fine_tuning_runner(
    shared: SharedComponents,
    clock: Clock,
    catalog: Catalog,
    stages: Stages,
    propagation: Propagation,
) -> FineTuningRunner:
    """Build the runner of fine-tuning jobs."""
    dependencies = FineTuningDependencies(
        catalog=catalog,
        clock=clock,
        database=shared.connections.handlers,
        price_book=shared.price_book,
        stages=stages,
        heartbeat=shared.heartbeat,
        router=shared.router,
        upstream=shared.upstream,
        propagation=propagation,
        metrics=shared.metrics.own_models,
        timing=shared.timing,
    )
    return FineTuningRunner(dependencies)


def _build_evaluation_runner(
    shared: SharedComponents, clock: Clock, stages: Stages, pipeline: Pipeline
) -> EvaluationRunner:
    """Build the runner of evaluation runs, whose calls go through the pipeline."""
    return EvaluationRunner(
        EvaluationDependencies(
            clock=clock,
            database=shared.connections.handlers,
            authenticator=stages.authenticator,
            heartbeat=shared.heartbeat,
            client=PipelineClient(pipeline, clock),
            metrics=shared.metrics,
            timing=shared.timing,
        )
    )


def _build_toolbox(
    shared: SharedComponents,
    clock: Clock,
    stages: Stages,
    pipeline: Pipeline,
    quotes: Quotes,
    searcher: VectorStoreSearcher,
    agents: AgentParts,
) -> Toolbox:
    """Build the tools of the MCP server."""
    dependencies = ToolDependencies(
        availability=shared.availability,
        quotes=quotes,
        searcher=searcher,
        signatures=shared.signatures,
        client=PipelineClient(pipeline, clock),
        database=shared.connections.handlers,
        clock=clock,
        calls=shared.metrics.mcp_tool_calls,
        agents=agents.skills,
    )
    return build_toolbox(stages, dependencies)


def _build_own_models(
    shared: SharedComponents,
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    stages: Stages,
    pipeline: Pipeline,
    quotes: Quotes,
    propagation: Propagation,
) -> OwnModelParts:
    """Build the parts that train, compare and watch models of customers' own."""
    runner = _fine_tuning_runner(shared, clock, catalog, stages, propagation)
    offers = _build_offers(shared, settings, clock, catalog, stages.admission)
    return build_own_models(shared, clock, stages, pipeline, quotes, runner, offers)


def _notification_service(
    settings: Settings, clock: Clock, database: Database
) -> NotificationService:
    """Build the service of notification endpoints."""
    sealer, sender = Sealer(secret_key(settings)), create_endpoint_sender(settings)
    return NotificationService(database, clock, sealer, sender, create_address_rules(settings))


def _build_quotes(settings: Settings, clock: Clock, stages: Stages, database: Database) -> Quotes:
    """Build the component that quotes the maximum cost of calls."""
    parser, grounder, max_bytes = stages.parser, stages.grounder, settings.max_body_bytes
    planner = stages.decisions.planner
    pricer = stages.hosted_tools.pricer
    return Quotes(parser, grounder, stages.admission, database, clock, max_bytes, planner, pricer)


def _build_offers(
    shared: SharedComponents,
    settings: Settings,
    clock: Clock,
    catalog: Catalog,
    admission: Admission,
) -> JobOffers:
    """Build the component that validates and prices fine-tuning jobs."""
    availability, quota_leaser = shared.availability, shared.quota_leaser
    database, profile = shared.connections.handlers, settings.profile
    ready_made = ReadyMadeModels(availability, shared.signatures)
    return JobOffers(
        catalog, availability, clock, database, admission, quota_leaser, ready_made, profile
    )


def _build_gauges(
    shared: SharedComponents, clock: Clock, catalog: Catalog, writer: UsageWriter
) -> Gauges:
    """Build the task that updates the Prometheus gauges."""
    router, schedulers, timing = shared.router, shared.schedulers, shared.timing
    connections = shared.connections
    return Gauges(shared.metrics, clock, catalog, router, schedulers, writer, connections, timing)


def build_app(components: Components, *lifespans: Lifespan) -> Litestar:
    """Build the Litestar application: routes, dependencies and exception handlers.

    `lifespans` are context managers that start and stop the components.
    """
    adapter = CallAdapter(components)
    return DirectApplication(
        direct_applications(adapter),
        route_handlers=[
            *inference_routes(adapter),
            *API_ROUTES,
            *admin_routers(components),
            mcp_route(components),
            document_route(components.catalog),
            assets_router(),
            *(dashboard_routers(components) if components.settings.dashboard else []),
        ],
        dependencies=dependencies(components),
        exception_handlers={
            AppError: handle_app_error,
            HTTPException: handle_http_exception,
            Exception: handle_unexpected_error,
        },
        before_request=bind_request,
        lifespan=list(lifespans),
        openapi_config=openapi_config(components.catalog),
        logging_config=None,
    )
