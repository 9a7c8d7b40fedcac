"""What one gateway process consists of, and what of it handlers may ask for."""

from dataclasses import dataclass

from litestar.di import Provide

from billing.collecting.payments import Payments
from gateway.adapting.offering import Offers
from gateway.adapting.running import AdaptationRunner
from gateway.admission import Admission
from gateway.auth import Authenticator
from gateway.availability import Availability
from gateway.choosing import Chooser
from gateway.connections import Connections
from gateway.describing import Describing
from gateway.document_queue import DocumentQueue
from gateway.figures import Figures
from gateway.gauges import Gauges
from gateway.identity.assembly import Identity
from gateway.knowledge.ingesting import KnowledgeRunner
from gateway.knowledge.searching import Searcher
from gateway.leasing import Lender
from gateway.membership import Membership
from gateway.metering import UsageWriter
from gateway.parsing import Parser
from gateway.pipeline import Pipeline
from gateway.propagation import Propagation
from gateway.quoting import Quoting
from gateway.request_limits import RequestLimits
from gateway.routes.account import provide_principal
from gateway.routes.organization import provide_asked
from gateway.routing import Router
from gateway.upstream import Upstream
from gateway.variant_loading import VariantLoader
from infra.clock import Clock
from infra.db import Database
from infra.metrics import Metrics
from infra.settings import Settings
from infra.signed_post import SignedPoster
from infra.tracing import Tracer
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
