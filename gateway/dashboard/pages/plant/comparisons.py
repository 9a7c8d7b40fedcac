"""Comparisons with another plant: the form, the pairs by concept, and their CSV."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from gateway.access.authenticator import Authenticator
from gateway.alignment.batches import AlignmentCalls
from gateway.alignment.comparisons import AligningModel, PlantComparer
from gateway.alignment.csv_text import csv_content
from gateway.dashboard.forms import (
    EMPTY_FORM,
    FormState,
    read_form_fields,
    with_errors,
)
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.access.active_keys import key_choices, list_active_keys, load_principal
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    load_zone,
    provide_plant,
    read_plant_file,
)
from gateway.identity.roles import Permission
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.plant.assets.errors import PlantModelInvalid
from gateway.plant.assets.ids import COMPARISON
from gateway.plant.store.comparisons import (
    delete_comparison,
    find_comparison,
    list_comparisons,
    unpack_pairs,
)
from gateway.registry.variants import list_live_variants
from infra import ids
from infra.errors import AppError
from models.catalog import Catalog, Task
from models.problems import Problems

_SHOWN_COMPARISONS = 20
_SHOWN_PAIRS = 200
_MAX_BODY_BYTES = 1 << 30


class PlantComparisonPages(Controller):
    """Handlers of `/dashboard/plant/comparisons`."""

    path = "/plant/comparisons"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant-comparisons", permission=Permission.PLANT)
    async def show_form(
        self, plant: NamedDependency[PlantPage], catalog: NamedDependency[Catalog]
    ) -> Response[str]:
        """Show the form and the latest comparisons."""
        return await _render(plant, catalog, EMPTY_FORM)

    @post("/", permission=Permission.PLANT, request_max_body_size=_MAX_BODY_BYTES)
    async def compare(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        catalog: NamedDependency[Catalog],
        authenticator: NamedDependency[Authenticator],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> Response[Any]:
        """Compare with the points of a file, and show the pairs; or the problems of the file."""
        fields = await read_form_fields(request)
        values = {name: fields.get(name, "") for name in ("model", "key")}
        file = await read_plant_file(request)
        try:
            asked = None
            if values["model"]:
                page.require_any_permission(Permission.CALL)
                principal = await load_principal(
                    page, plant.database, plant.clock, authenticator, values["key"]
                )
                calls = AlignmentCalls(PipelineClient(pipeline, plant.clock), plant.database)
                asked = AligningModel(calls, principal, values["model"])
            comparer = PlantComparer(plant.database, plant.clock, plant.importer, asked)
            row = await comparer.compare(page.account_id, page.actor, file)
        except PlantModelInvalid as error:
            return await _render(plant, catalog, FormState(values), error.problems, UNPROCESSABLE)
        except AppError as error:
            if error.status >= 500 or error.status == 404:
                raise
            form = with_errors(page, values, error)
            return await _render(plant, catalog, form, None, UNPROCESSABLE)
        return page.redirect(f"{PLANT_URL}/comparisons/{ids.format_id(COMPARISON, row.id)}")

    @get("/{plant_comparison:str}", name="dashboard:plant-comparison")
    async def show(
        self, plant: NamedDependency[PlantPage], plant_comparison: FromPath[str]
    ) -> Response[str]:
        """Show the counts and the most confident pairs."""
        async with plant.database.transaction() as session:
            row = await find_comparison(session, plant.page.account_id, plant_comparison)
            zone = await load_zone(session, plant.page.account_id)
        pairs = unpack_pairs(row.content)
        conflicts = [one for one in pairs if one["units"]["relation"] == "inconvertible"]
        return plant.page.render(
            "plant/comparison.html",
            row=row,
            summary=row.summary,
            pairs=pairs[:_SHOWN_PAIRS],
            conflicts=conflicts[:_SHOWN_PAIRS],
            address=f"{PLANT_URL}/comparisons/{plant_comparison}",
            zone=zone,
            may=plant.may_change,
        )

    @get("/{plant_comparison:str}/csv", name="dashboard:plant-comparison-csv")
    async def download(
        self, plant: NamedDependency[PlantPage], plant_comparison: FromPath[str]
    ) -> Response[bytes]:
        """Return all pairs as CSV."""
        async with plant.database.transaction() as session:
            row = await find_comparison(session, plant.page.account_id, plant_comparison)
        headers = {"content-disposition": 'attachment; filename="point-pairs.csv"'}
        return Response(csv_content(row.content), media_type="text/csv", headers=headers)

    @post("/{plant_comparison:str}/delete", permission=Permission.PLANT)
    async def erase(
        self, plant: NamedDependency[PlantPage], plant_comparison: FromPath[str]
    ) -> Response[Any]:
        """Delete a comparison."""
        async with plant.database.transaction() as session:
            await delete_comparison(session, plant.page.account_id, plant_comparison)
        return plant.page.redirect(f"{PLANT_URL}/comparisons")


async def _render(
    plant: PlantPage,
    catalog: Catalog,
    form: FormState,
    problems: Problems | None = None,
    status: int = 200,
) -> Response[str]:
    """Render the form with the problems of a file, and the latest comparisons."""
    page, account_id = plant.page, plant.page.account_id
    keys = await list_active_keys(page, plant.database, plant.clock)
    async with plant.database.transaction() as session:
        rows = await list_comparisons(session, account_id, _SHOWN_COMPARISONS)
        zone = await load_zone(session, account_id)
        variants = await list_live_variants(session, account_id)
    bases = [model.id for model in catalog.with_task(Task.ALIGNMENT)]
    own = sorted(name for name, one in variants.items() if one.base_model_id in bases)
    return page.render(
        "plant/comparisons.html",
        status=status,
        form=form,
        problems=problems,
        comparisons=[(row, ids.format_id(COMPARISON, row.id)) for row in rows],
        models=[(name, name) for name in (*own, *bases)],
        keys=key_choices(keys),
        most_bytes=plant.importer.limits.file_bytes,
        zone=zone,
    )
