"""The components of a gateway process that most others depend on, built first (gateway/app.py)."""

from dataclasses import dataclass

from gateway.access.price_book import PriceBook
from gateway.call.stream_slots import StreamSlots
from gateway.process.catalog_updates import UpstreamUpdates
from gateway.process.database_pools import ConnectionFactory, DatabaseConnections
from gateway.quota.leaser import QuotaLeaser
from gateway.quota.process_heartbeat import ProcessHeartbeat
from gateway.responses.background import BackgroundQueue
from gateway.responses.call import ResponseServices
from gateway.responses.following import ResponseFollower
from gateway.responses.store import ResponseStore
from gateway.upstream.availability import Availability, parse_model_servers
from gateway.upstream.client import UpstreamClient
from gateway.upstream.concurrency import Schedulers, fair_share_limits, slots_per_model
from gateway.upstream.load_balancer import Router
from gateway.upstream.model_metadata import ModelMetadata
from gateway.upstream.signatures import Signatures
from gateway.upstream.upstream_monitor import UpstreamMonitor
from gateway.upstream.variant_loader import VariantLoader
from infra.clock import Clock
from infra.secrets.named_secrets import NamedSecrets
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings, SettingsInvalid
from infra.telemetry.metrics import Metrics, declare_metrics
from infra.timing import Timing
from models.catalog import Catalog

# Maximum number of calls that wait for one model in one process.
_MAX_WAITING_CALLS = 1000


@dataclass(frozen=True, slots=True)
class SharedComponents:
    """The components that most others depend on: database, model servers, quotas, prices."""

    timing: Timing
    metrics: Metrics
    connections: DatabaseConnections
    heartbeat: ProcessHeartbeat
    quota_leaser: QuotaLeaser
    price_book: PriceBook
    router: Router
    upstream: UpstreamClient
    availability: Availability
    variant_loader: VariantLoader
    model_metadata: ModelMetadata
    signatures: Signatures
    schedulers: Schedulers
    secrets: NamedSecrets
    monitor: UpstreamMonitor
    upstream_updates: UpstreamUpdates
    responses: ResponseServices


def build_shared(
    settings: Settings, clock: Clock, catalog: Catalog, connect: ConnectionFactory
) -> SharedComponents:
    """Build the components that most others depend on. Raises SettingsInvalid."""
    if settings.database_url is None or settings.serving_url is None:
        raise SettingsInvalid(
            "A gateway process needs MAAS_DATABASE_URL and MAAS_SERVING_URL; `maas up` sets both."
        )
    url, metrics = settings.database_url.get_secret_value(), declare_metrics()
    connections = connect(url, settings.settle_timeout_s, metrics)
    quotas, reading = connections.quotas, connections.reading
    timing = settings.timing
    heartbeat = ProcessHeartbeat(quotas, reading, clock, metrics, timing)
    upstream = UpstreamClient(settings.connect_timeout_s)
    router = Router(parse_model_servers(settings.serving_url, catalog), clock, timing)
    secrets = NamedSecrets(settings.secrets_dir)
    monitor = UpstreamMonitor(upstream, clock, metrics, timing)
    upstream_updates = UpstreamUpdates(catalog, secrets, router, monitor)
    upstream_updates.apply()
    variant_loader = VariantLoader(connections.calls, upstream)
    metadata = ModelMetadata(router, upstream, variant_loader)
    return SharedComponents(
        timing=timing,
        metrics=metrics,
        connections=connections,
        heartbeat=heartbeat,
        quota_leaser=QuotaLeaser(quotas, reading, heartbeat, clock, metrics, timing),
        price_book=PriceBook(catalog, clock),
        router=router,
        upstream=upstream,
        availability=Availability(catalog, router, upstream, timing),
        variant_loader=variant_loader,
        model_metadata=metadata,
        signatures=Signatures(metadata, clock),
        schedulers=Schedulers(
            slots_per_model(catalog, settings), _MAX_WAITING_CALLS, fair_share_limits(settings)
        ),
        secrets=secrets,
        monitor=monitor,
        upstream_updates=upstream_updates,
        responses=_build_responses(settings, clock, connections, heartbeat),
    )


def _build_responses(
    settings: Settings, clock: Clock, connections: DatabaseConnections, heartbeat: ProcessHeartbeat
) -> ResponseServices:
    """Build what calls of the Responses API use beside the pipeline's stages."""
    database, days = connections.calls, settings.response_retention_days
    store = ResponseStore(database, heartbeat, Sealer(secret_key(settings)), clock, days)
    return ResponseServices(
        store,
        BackgroundQueue(database, store, clock),
        ResponseFollower(database, store, clock),
        clock,
        StreamSlots(),
    )
