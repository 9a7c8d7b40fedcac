"""The parts of a gateway process that serve the plant model."""

from dataclasses import dataclass, field

from gateway.identity.links import Links
from gateway.plant.aas_repositories import AasRepositories
from gateway.plant.graph.graphs import PlantGraphs
from gateway.plant.imports.importing import PlantImporter
from gateway.plant.store.counts import PlantCounts
from gateway.process.shared_components import SharedComponents
from infra.clock import Clock
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class PlantParts:
    """What `build_plant` builds."""

    graphs: PlantGraphs
    importer: PlantImporter
    aas: AasRepositories
    counts: PlantCounts = field(default_factory=PlantCounts)


def build_plant(shared: SharedComponents, settings: Settings, clock: Clock) -> PlantParts:
    """Build the parts without starting processes or connecting."""
    connections = shared.connections
    return PlantParts(
        graphs=PlantGraphs(connections.handlers, max_graphs=settings.plant_graphs),
        importer=PlantImporter.from_settings(settings, connections.imports, clock),
        aas=AasRepositories(connections.handlers, Links.from_settings(settings).base),
    )
