"""An asset with its parts, points, properties, relations and history; and a point's history."""

from dataclasses import dataclass
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.dashboard.forms import FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from gateway.dashboard.pages.plant.common import (
    PLANT_URL,
    PlantPage,
    concepts_to_choose,
    load_zone,
    provide_plant,
)
from gateway.identity.roles import Permission
from gateway.plant.assets.errors import (
    AssetNotEmpty,
    PlantKeyTaken,
    PlantModelInvalid,
    PlantNodeNotFound,
)
from gateway.plant.assets.ids import ASSET, POINT, parse_plant_id
from gateway.plant.assets.values import AssetLevel
from gateway.plant.store.asset_editing import retire_asset, update_asset
from gateway.plant.store.mappings import list_history
from gateway.plant.store.node_names import load_names
from gateway.plant.store.queries import (
    PointFilter,
    find_asset,
    find_point,
    list_points,
    list_relations,
)
from gateway.plant.store.tree import list_parts, list_way
from infra import ids
from infra.errors import AppError

_POINTS, _RELATIONS = 50, 100
_FIELDS = ("name", "level", "parent")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the lists of a page begin."""

    after: str | None = None
    parts_after: str | None = None


class PlantAssetPages(Controller):
    """Handlers of `/dashboard/plant/assets/…` and `/dashboard/plant/points/…`."""

    path = "/plant"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/assets/{asset:str}", name="dashboard:plant-asset")
    async def show_asset(
        self,
        plant: NamedDependency[PlantPage],
        asset: FromPath[str],
        after: FromQuery[str | None] = None,
        parts_after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show an asset."""
        return await _render(plant, asset, _Place(after, parts_after))

    @post("/assets/{asset:str}", permission=Permission.PLANT)
    async def change(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
        asset: FromPath[str],
    ) -> Response[Any]:
        """Change name, level and parent of an asset."""
        fields = await read_form_fields(request)
        values = {name: fields.get(name, "").strip() for name in _FIELDS}
        try:
            async with plant.database.transaction() as session:
                await find_asset(session, page.account_id, asset)
                changes = {
                    "name": values["name"] or asset,
                    "level": _parse_level(values["level"]),
                    "parent": values["parent"] or None,
                }
                await update_asset(plant.editing(session), asset, changes)
        except (PlantModelInvalid, PlantKeyTaken) as error:
            return await _render(plant, asset, _Place(), values, error)
        except PlantNodeNotFound as error:
            if not values["parent"]:
                raise
            shown = PlantNodeNotFound(error.message, param="parent")
            return await _render(plant, asset, _Place(), values, shown)
        return page.redirect(f"{PLANT_URL}/assets/{asset}")

    @post("/assets/{asset:str}/retire", permission=Permission.PLANT)
    async def retire(
        self,
        page: NamedDependency[PageRequest],
        plant: NamedDependency[PlantPage],
        asset: FromPath[str],
    ) -> Response[Any]:
        """Retire an asset without parts and points."""
        try:
            async with plant.database.transaction() as session:
                await retire_asset(plant.editing(session), asset)
        except AssetNotEmpty as error:
            return await _render(plant, asset, _Place(), {}, error)
        return page.redirect(PLANT_URL)

    @get("/points/{point:str}", name="dashboard:plant-point")
    async def show_point(
        self, plant: NamedDependency[PlantPage], point: FromPath[str]
    ) -> Response[str]:
        """Show a point with the history of its mapping."""
        account_id = plant.page.account_id
        async with plant.database.transaction() as session:
            row = await find_point(session, account_id, point)
            way = [] if row.asset_id is None else await list_way(session, account_id, row.asset_id)
            history = await list_history(session, account_id, point)
            names = await load_names(session, account_id, [one.asset_id for one in history])
            zone = await load_zone(session, account_id)
        return plant.page.render(
            "plant/point.html",
            point=row,
            way=way,
            history=history,
            names=names,
            concept_names={one.id: one.name for one in concepts_to_choose()},
            zone=zone,
        )


def _parse_level(text: str) -> AssetLevel:
    """Return a level of the form's choices; equipment for anything else."""
    return AssetLevel(text) if text in tuple(AssetLevel) else AssetLevel.EQUIPMENT


async def _render(
    plant: PlantPage,
    asset: str,
    place: _Place,
    values: dict[str, str] | None = None,
    error: AppError | None = None,
) -> Response[str]:
    """Render the page of an asset, with a form's values and its error. Raises PlantNodeNotFound."""
    page, account_id = plant.page, plant.page.account_id
    async with plant.database.transaction() as session:
        row = await find_asset(session, account_id, asset)
        way = await list_way(session, account_id, row.id)
        counts = await plant.counts.of_account(session, account_id)
        parts, more_parts = await list_parts(session, account_id, row.id, place.parts_after)
        cursor = None if place.after is None else parse_plant_id(POINT, place.after)
        wanted = PointFilter(asset=ids.format_id(ASSET, row.id))
        points = await list_points(session, account_id, wanted, _POINTS + 1, cursor)
        relations = await list_relations(session, account_id, row.id, None, _RELATIONS, None)
        nodes = [one for each in relations for one in (each.subject_id, each.object_id)]
        names = await load_names(session, account_id, nodes)
        zone = await load_zone(session, account_id)
    shown = points[:_POINTS]
    more = ids.format_id(POINT, shown[-1].id) if len(points) > _POINTS else None
    parent = way[-2].code if len(way) > 1 else ""
    defaults = {"name": row.name, "level": row.level, "parent": parent}
    form = FormState(defaults) if error is None else with_errors(page, values or defaults, error)
    return page.render(
        "plant/asset.html",
        status=200 if error is None else UNPROCESSABLE,
        row=row,
        way=way,
        counts=counts,
        parts=parts,
        more_parts=more_parts,
        points=shown,
        more=more,
        relations=relations,
        names=names,
        concept_names={one.id: one.name for one in concepts_to_choose()},
        zone=zone,
        levels=list(AssetLevel),
        form=FormState({**defaults, **form.values}, form.error, form.errors),
        may=plant.may_change and row.retired_at is None,
    )
