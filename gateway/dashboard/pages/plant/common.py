"""What the pages of the plant model share."""

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_profile
from billing.dates import parse_time_zone
from gateway.dashboard.page_request import PageRequest
from gateway.identity.roles import Permission
from gateway.plant.alignment.machine_concepts import MACHINE, machine_concepts
from gateway.plant.imports.exchange_formats import PlantFile
from gateway.plant.imports.exchange_process import StoredFile, opened_file
from gateway.plant.imports.importing import PlantImporter
from gateway.plant.predictions.health import PlantHealth
from gateway.plant.store.counts import PlantCounts
from gateway.plant.store.editing import Editing
from infra.clock import Clock
from infra.database.database import Database
from models.tag_align.aligner import ARTEFACT
from models.tag_align.vocabulary import Concept, Scheme, read

PLANT_URL = "/dashboard/plant"


@dataclass(frozen=True, slots=True)
class PlantPage:
    """A request for a page of the plant model, and the parts of the gateway that it needs."""

    page: PageRequest
    database: Database
    clock: Clock
    importer: PlantImporter
    counts: PlantCounts
    healths: PlantHealth

    @property
    def may_change(self) -> bool:
        """Whether the viewer may change the plant model."""
        return self.page.viewer.has_permission(Permission.PLANT)

    @property
    def may_predict(self) -> bool:
        """Whether the viewer may call models."""
        return self.page.viewer.has_permission(Permission.CALL)

    def editing(self, session: AsyncSession) -> Editing:
        """Return the context of changes by the viewer in a transaction."""
        page = self.page
        return Editing(session, self.clock, page.actor, page.account_id, self.importer.limits)


async def provide_plant(
    page: NamedDependency[PageRequest],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    plant_importer: NamedDependency[PlantImporter],
    plant_counts: NamedDependency[PlantCounts],
    plant_health: NamedDependency[PlantHealth],
) -> PlantPage:
    """Return the request of a page of the plant model."""
    return PlantPage(page, database, clock, plant_importer, plant_counts, plant_health)


async def read_plant_file(request: Request[Any, Any, Any]) -> PlantFile | StoredFile:
    """Return the file of the form's field `upload`, an empty one if none was chosen."""
    upload = (await request.form()).get("upload")
    if not isinstance(upload, UploadFile) or not upload.filename:
        return PlantFile("", b"")
    return opened_file(upload.filename, upload.file, on_disk=upload.rolled_to_disk)


async def load_zone(session: AsyncSession, account_id: UUID) -> ZoneInfo:
    """Return the time zone of an account, in which times are displayed."""
    return parse_time_zone((await get_profile(session, account_id)).time_zone)


def version_name(model: str) -> str:
    """Return a short name of a model version: `plant v3` for `ft:tag-align:acct_…:plant:3`."""
    parts = model.split(":")
    return f"{parts[3]} v{parts[4]}" if len(parts) == 5 else model


@cache
def concepts_to_choose() -> tuple[Concept, ...]:
    """Return the concepts of the built-in vocabularies for points, read once in a process."""
    machine = (
        Concept(MACHINE, one.id, one.names["en"], (one.names["zh"],))
        for one in machine_concepts().values()
    )
    return (*machine, *read(ARTEFACT).concepts_in([Scheme.BRICK]))
