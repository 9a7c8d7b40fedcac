"""The parts of a gateway process that serve the plant model."""

from dataclasses import dataclass, field

from gateway.identity.links import Links
from gateway.plant.aas_repositories import AasRepositories
from gateway.plant.epcis.delivery import EventDelivery
from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.imports.importing import PlantImporter
from gateway.plant.predictions.health import PlantHealth
from gateway.plant.questions.service import PlantQuestions
from gateway.plant.store.counts import PlantCounts
from gateway.process.integrations import create_webhook_poster
from gateway.process.shared_components import SharedComponents
from infra.clock import Clock
from infra.poller import Poller
from infra.secrets.sealer import Sealer
from infra.secrets.secret_key import secret_key
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class PlantParts:
    """What `build_plant` builds."""

    graphs: PlantGraphs
    questions: PlantQuestions
    importer: PlantImporter
    aas: AasRepositories
    deliveries: Poller
    counts: PlantCounts = field(default_factory=PlantCounts)
    healths: PlantHealth = field(default_factory=PlantHealth)


def build_plant(shared: SharedComponents, settings: Settings, clock: Clock) -> PlantParts:
    """Build the parts without starting processes or connecting."""
    connections, poster = shared.connections, create_webhook_poster(settings)
    metrics = shared.metrics.readings.graph
    graphs = PlantGraphs(
        connections.handlers,
        max_graphs=settings.plant_graphs,
        clock=clock,
        queries=metrics.queries,
    )
    return PlantParts(
        graphs=graphs,
        questions=PlantQuestions(graphs, connections.handlers, clock, metrics.questions),
        importer=PlantImporter.from_settings(settings, connections.imports, clock),
        aas=AasRepositories(connections.handlers, Links.from_settings(settings).base),
        deliveries=EventDelivery(
            connections.handlers, clock, Sealer(secret_key(settings)), poster
        ).poller(shared.timing),
    )
