"""What one gateway process consists of, and what of it handlers may ask for.

Owns the list. Does not own building any part (gateway/app.py).
"""

from dataclasses import dataclass
from typing import Any

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

    @property
    def database(self) -> Database:
        """What handlers ask."""
        return self.connections.handlers


def dependencies(parts: Parts) -> dict[str, Provide]:
    """What handlers may ask for, by the name that they ask by."""
    return {
        "adaptations": provide(parts.adaptations),
        "authenticator": provide(parts.authenticator),
        "availability": provide(parts.availability),
        "catalog": provide(parts.catalog),
        "chooser": provide(parts.chooser),
        "clock": provide(parts.clock),
        "database": provide(parts.database),
        "describing": provide(parts.describing),
        "documents": provide(parts.documents),
        "figures": provide(parts.figures),
        "knowledge": provide(parts.knowledge),
        "loader": provide(parts.loader),
        "metrics": provide(parts.metrics),
        "offers": provide(parts.offers),
        "pipeline": provide(parts.pipeline),
        "parser": provide(parts.parser),
        "poster": provide(parts.poster),
        "propagation": provide(parts.propagation),
        "quoting": provide(parts.quoting),
        "payments": provide(parts.payments),
        "request_limits": provide(parts.request_limits),
        "router": provide(parts.router),
        "searcher": provide(parts.searcher),
        "settings": provide(parts.settings),
        "upstream": provide(parts.upstream),
        "principal": Provide(provide_principal),
        "asked": Provide(provide_asked),
    }


def provide(value: Any) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
