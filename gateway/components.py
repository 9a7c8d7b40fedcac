"""The components of one gateway process, and Litestar's dependency injection of them."""

from dataclasses import dataclass, field
from types import MappingProxyType

from litestar.di import Provide

from billing.collection.collector import Collector
from billing.collection.payments.checkout import Checkout
from gateway.access.authenticator import Authenticator
from gateway.access.propagation import Propagation
from gateway.agents.replay.replaying import AgentReplayer
from gateway.agents.running.runner import AgentRunner
from gateway.agents.skills.parts import SkillParts
from gateway.api.agents.round_readings import RoundReadings
from gateway.api.audit import provide_audit
from gateway.api.billing.organization_usage import provide_usage_parameters
from gateway.api.billing.usage import provide_principal
from gateway.api.plant.ingestion import ReadingIngestion
from gateway.batches.creation import BatchCreation
from gateway.batches.offers import BatchOffers
from gateway.batches.runner import BatchRunner
from gateway.call.stream_slots import StreamSlots
from gateway.drift.counter import InputCounter
from gateway.evaluations.offers import EvaluationOffers
from gateway.evaluations.runner import EvaluationRunner
from gateway.fine_tuning.offers import JobOffers
from gateway.fine_tuning.removal import VariantRemoval
from gateway.fine_tuning.runner import FineTuningRunner
from gateway.identity.services import IdentityServices
from gateway.incidents.board import StatusBoard
from gateway.inference.admission import Admission
from gateway.inference.asset_inputs import AssetInputs
from gateway.inference.call_metrics import CallMetrics
from gateway.inference.model_selection import ModelSelector
from gateway.inference.parsing import Parser
from gateway.inference.pipeline import Pipeline
from gateway.inference.prompt_counts import PromptCounts
from gateway.inference.quotes import Quotes
from gateway.inference.stages import Stages
from gateway.inference.usage.writer import UsageWriter
from gateway.mcp.toolbox import Toolbox
from gateway.operations.identifiers import IdentifierService
from gateway.operations.notifications import NotificationService
from gateway.process.agents import AgentParts
from gateway.process.background_responses import BackgroundResponses
from gateway.process.batch_processing import BatchProcessing
from gateway.process.catalog_reloader import CatalogReloader
from gateway.process.database_pools import DatabaseConnections
from gateway.process.document_queue import DocumentQueue
from gateway.process.gauges import Gauges
from gateway.process.own_models import OwnModelParts
from gateway.process.plant import PlantParts
from gateway.quota.leaser import QuotaLeaser
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.quota.request_limits import RequestLimits
from gateway.responses.runner import BackgroundRunner
from gateway.responses.store import ResponseStore
from gateway.retrieval.ingestion import IngestionRunner
from gateway.retrieval.search import VectorStoreSearcher
from gateway.signups.service import SignupService
from gateway.upstream.availability import Availability
from gateway.upstream.client import UpstreamClient
from gateway.upstream.load_balancer import Router
from gateway.upstream.model_metadata import ModelMetadata
from gateway.upstream.upstream_monitor import UpstreamMonitor
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.webhook_post import SignedPoster
from infra.settings import Settings
from infra.telemetry.metrics import Metrics
from infra.telemetry.tracing import Tracer
from models.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Components:
    """All components of one gateway process, built once in gateway/app.py."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    catalog: Catalog
    availability: Availability
    connections: DatabaseConnections
    heartbeat: ProcessHeartbeat
    quota_leaser: QuotaLeaser
    stages: Stages
    gauges: Gauges
    quotes: Quotes
    collector: Collector | None
    checkout: Checkout
    webhook_poster: SignedPoster
    notifications: NotificationService
    router: Router
    upstream: UpstreamClient
    model_selector: ModelSelector
    model_metadata: ModelMetadata
    request_limits: RequestLimits
    variant_removal: VariantRemoval
    propagation: Propagation
    searcher: VectorStoreSearcher
    ingestion_runner: IngestionRunner
    evaluation_runner: EvaluationRunner
    evaluation_offers: EvaluationOffers
    background_responses: BackgroundResponses
    batch_processing: BatchProcessing
    own_models: OwnModelParts
    agents: AgentParts
    pipeline: Pipeline
    prompt_counts: PromptCounts
    toolbox: Toolbox
    identity: IdentityServices
    pepper: bytes
    upstream_monitor: UpstreamMonitor
    catalog_reloader: CatalogReloader
    signups: SignupService
    plant: PlantParts
    reading_ingestion: ReadingIngestion
    identifiers: IdentifierService
    status_board: StatusBoard
    document_queue: DocumentQueue = field(default_factory=DocumentQueue)

    @property
    def agent_runner(self) -> AgentRunner:
        """The background runner of agents."""
        return self.agents.runner

    @property
    def agent_replayer(self) -> AgentReplayer:
        """What replays agents on stored readings."""
        return self.agents.replayer

    @property
    def agent_skills(self) -> SkillParts:
        """What programs can ask of agents."""
        return self.agents.skills

    @property
    def agent_streams(self) -> StreamSlots:
        """Bounds the streams of A2A."""
        return self.agents.streams

    @property
    def round_readings(self) -> RoundReadings:
        """What stores the numbers of inspection rounds as readings."""
        return RoundReadings(self.reading_ingestion, self.database, self.clock)

    @property
    def fine_tuning_runner(self) -> FineTuningRunner:
        """The background runner of fine-tuning jobs."""
        return self.own_models.fine_tuning_runner

    @property
    def offers(self) -> JobOffers:
        """What checks and prices fine-tuning jobs."""
        return self.own_models.offers

    @property
    def batch_runner(self) -> BatchRunner:
        """The background runner of batches."""
        return self.batch_processing.runner

    @property
    def batch_offers(self) -> BatchOffers:
        """What checks and prices batches."""
        return self.batch_processing.offers

    @property
    def batch_creation(self) -> BatchCreation:
        """What creates batches."""
        return self.batch_processing.creation

    @property
    def database(self) -> Database:
        """The connection pool of the HTTP handlers."""
        return self.connections.handlers

    @property
    def writer(self) -> UsageWriter:
        """The stage that writes usage rows."""
        return self.stages.writer

    @property
    def input_counter(self) -> InputCounter:
        """The counter of the inputs of fine-tuned models."""
        return self.stages.input_counter

    @property
    def authenticator(self) -> Authenticator:
        """The stage that identifies callers by their keys."""
        return self.stages.authenticator

    @property
    def admission(self) -> Admission:
        """The stage that reserves quota and money."""
        return self.stages.admission

    @property
    def call_metrics(self) -> CallMetrics:
        """The metrics and cost headers of calls."""
        return self.stages.call_metrics

    @property
    def parser(self) -> Parser:
        """The stage that parses requests and resolves their models."""
        return self.stages.parser

    @property
    def asset_inputs(self) -> AssetInputs:
        """The component that reads inputs of specialists from assets."""
        return self.stages.asset_inputs

    @property
    def tracer(self) -> Tracer:
        """The tracer of calls."""
        return self.stages.tracer

    @property
    def response_store(self) -> ResponseStore:
        """The stored responses of the Responses API."""
        return self.background_runner.store

    @property
    def background_runner(self) -> BackgroundRunner:
        """The runner of background responses."""
        return self.background_responses.runner

    @property
    def response_streams(self) -> StreamSlots:
        """Bounds the streams of background responses."""
        return self.background_responses.streams

    @property
    def secure(self) -> bool:
        """Whether the dashboard's URL is HTTPS; its cookies then have the Secure attribute."""
        return self.identity.links.base.startswith("https://")


# Components that handlers can declare as parameters, by parameter name.
_INJECTABLE = (
    *(
        "agent_replayer",
        "agent_skills",
        "agent_streams",
        "batch_creation",
        "batch_offers",
        "batch_runner",
    ),
    "asset_inputs",
    *("authenticator", "availability", "call_metrics", "catalog", "checkout", "clock"),
    *("collector", "database"),
    *("document_queue", "evaluation_offers", "evaluation_runner", "fine_tuning_runner"),
    *("identity", "ingestion_runner", "metrics"),
    *("model_metadata", "model_selector", "offers", "parser", "pepper", "pipeline"),
    *("prompt_counts", "reading_ingestion", "round_readings"),
    *("propagation", "quotes", "request_limits", "response_store"),
    *("response_streams", "router", "searcher"),
    *("identifiers", "notifications", "secure", "settings", "signups", "status_board"),
    *("upstream", "upstream_monitor", "variant_removal", "webhook_poster", "catalog_reloader"),
)
# Those of `Components.own_models`.
_INJECTABLE_OF_OWN_MODELS = ("comparison_offers", "comparison_runner")
# Those of `Components.plant`, by parameter name.
_INJECTABLE_OF_PLANT = MappingProxyType(
    {
        "aas_repositories": "aas",
        "plant_counts": "counts",
        "plant_health": "healths",
        "plant_graphs": "graphs",
        "plant_importer": "importer",
        "plant_questions": "questions",
    }
)


def dependencies(components: Components) -> dict[str, Provide]:
    """Return Litestar's dependencies: components, the principal and usage parameters.

    Components are looked up for each request, so that tests can replace those of a running
    application.
    """
    return {
        **{name: _provide(components, name) for name in _INJECTABLE},
        **{name: _provide_of_own_models(components, name) for name in _INJECTABLE_OF_OWN_MODELS},
        **{
            name: _provide_of_plant(components, part) for name, part in _INJECTABLE_OF_PLANT.items()
        },
        "audit": Provide(provide_audit),
        "principal": Provide(provide_principal),
        "usage_parameters": Provide(provide_usage_parameters),
    }


def _provide(components: Components, name: str) -> Provide:
    """Return the dependency that looks up the component `name` for each request."""
    return Provide(lambda: getattr(components, name), sync_to_thread=False)


def _provide_of_own_models(components: Components, name: str) -> Provide:
    """Return the dependency that looks up the part `name` of own models for each request."""
    return Provide(lambda: getattr(components.own_models, name), sync_to_thread=False)


def _provide_of_plant(components: Components, part: str) -> Provide:
    """Return the dependency that looks up a part of the plant model for each request."""
    return Provide(lambda: getattr(components.plant, part), sync_to_thread=False)
