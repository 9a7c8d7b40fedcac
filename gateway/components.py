"""What one gateway process consists of, and what of it handlers may ask for."""

from dataclasses import dataclass

from litestar.di import Provide

from billing.collection.stripe.client import Payments
from gateway.access.authenticator import Authenticator
from gateway.access.propagation import Propagation
from gateway.api.organization_usage import provide_asked
from gateway.api.usage import provide_principal
from gateway.fine_tuning.offers import Offers
from gateway.fine_tuning.runner import AdaptationRunner
from gateway.identity.services import Identity
from gateway.inference.admission import Admission
from gateway.inference.call_metrics import Figures
from gateway.inference.model_selection import Chooser
from gateway.inference.parsing import Parser
from gateway.inference.pipeline import Pipeline
from gateway.inference.quotes import Quoting
from gateway.inference.usage_writer import UsageWriter
from gateway.process.database_pools import Connections
from gateway.process.document_queue import DocumentQueue
from gateway.process.gauges import Gauges
from gateway.quota.leaser import Lender
from gateway.quota.process_heartbeat import Membership
from gateway.quota.request_limits import RequestLimits
from gateway.retrieval.ingestion import KnowledgeRunner
from gateway.retrieval.search import Searcher
from gateway.upstream.availability import Availability
from gateway.upstream.client import Upstream
from gateway.upstream.load_balancer import Router
from gateway.upstream.model_metadata import Describing
from gateway.upstream.variant_loader import VariantLoader
from infra.clock import Clock
from infra.database.database import Database
from infra.outbound.webhook_post import SignedPoster
from infra.settings import Settings
from infra.telemetry.metrics import Metrics
from infra.telemetry.tracing import Tracer
from models.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Parts:
    """What one gateway process consists of."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    catalog: Catalog
    availability: Availability
    connections: Connections
    membership: Membership
    lender: Lender
    writer: UsageWriter
    authenticator: Authenticator
    admission: Admission
    figures: Figures
    gauges: Gauges
    quoting: Quoting
    payments: Payments | None
    poster: SignedPoster
    router: Router
    upstream: Upstream
    parser: Parser
    chooser: Chooser
    describing: Describing
    documents: DocumentQueue
    request_limits: RequestLimits
    loader: VariantLoader
    adaptations: AdaptationRunner
    propagation: Propagation
    searcher: Searcher
    knowledge: KnowledgeRunner
    offers: Offers
    pipeline: Pipeline
    tracer: Tracer
    identity: Identity
    pepper: bytes

    @property
    def database(self) -> Database:
        """What handlers ask."""
        return self.connections.handlers

    @property
    def secure(self) -> bool:
        """Whether people reach the dashboard by HTTPS, so that cookies are sent only there."""
        return self.identity.links.base.startswith("https://")


# What handlers may ask for, by the name that they ask by.
_GIVEN = (
    *("adaptations", "authenticator", "availability", "catalog", "chooser", "clock", "database"),
    *("describing", "documents", "figures", "identity", "knowledge", "loader", "metrics", "offers"),
    *("parser", "payments", "pepper", "pipeline", "poster", "propagation", "quoting"),
    *("request_limits", "router", "searcher", "secure", "settings", "upstream"),
)


def dependencies(parts: Parts) -> dict[str, Provide]:
    """What handlers get for a request. Parts are looked up then and not before, so that one
    application can serve one process's parts after another's, as it does in tests."""
    return {
        **{name: _part(parts, name) for name in _GIVEN},
        "principal": Provide(provide_principal),
        "asked": Provide(provide_asked),
    }


def _part(parts: Parts, name: str) -> Provide:
    return Provide(lambda: getattr(parts, name), sync_to_thread=False)
