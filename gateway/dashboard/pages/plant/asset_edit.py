"""Change an asset: its values and place, parts and points below it, its objects and relations."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.plant.asset_common import load_head
from gateway.dashboard.pages.plant.common import PLANT_URL, PlantPage, provide_plant
from gateway.dashboard.pages.plant.point_edit import EDIT_ERRORS, point_values, stripped
from gateway.identity.roles import Permission
from gateway.plant.assets.errors import (
    AssetNotEmpty,
    PlantNodeNotFound,
)
from gateway.plant.assets.ids import ASSET
from gateway.plant.assets.values import (
    Asset,
    AssetLevel,
    DataType,
    Entity,
    EntityKind,
    Node,
    NodeKind,
    Point,
)
from gateway.plant.store.asset_editing import create_asset, retire_asset, update_asset
from gateway.plant.store.editing import Editing
from gateway.plant.store.entity_editing import (
    NewRelation,
    create_entity,
    end_relation,
    state_relation,
)
from gateway.plant.store.node_names import load_names
from gateway.plant.store.point_editing import (
    create_point,
)
from gateway.plant.store.queries import find_asset, list_relations
from infra import ids
from infra.errors import AppError

_ERRORS = (*EDIT_ERRORS, AssetNotEmpty)
_RELATIONS = 100
# How an entity of a kind is related to an asset when it is added on the asset's page.
_PREDICATES: Mapping[EntityKind, str] = {
    EntityKind.DOCUMENT: "documents",
    EntityKind.WORK_ORDER: "performed_on",
    EntityKind.FAILURE_MODE: "failure_mode_of",
    EntityKind.MATERIAL: "used_by",
    EntityKind.ORDER: "produced_on",
}
_Edit = Callable[[Editing], Awaitable[object]]


class AssetEditPages(Controller):
    """Handlers of `/dashboard/plant/new` and of the changes of an asset."""

    path = "/plant"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/new", name="dashboard:plant-new-asset", permission=Permission.PLANT)
    async def show_new(
        self, plant: NamedDependency[PlantPage], parent: FromQuery[str] = ""
    ) -> Response[str]:
        """Show the form of a new asset, below another one or at the top."""
        return _render_new(plant, FormState({"parent": parent, "level": "equipment"}))

    @post("/new", permission=Permission.PLANT)
    async def create(
        self, plant: NamedDependency[PlantPage], request: Request[Any, Any, Any]
    ) -> Response[Any]:
        """Create an asset."""
        fields = stripped(await read_form_fields(request))
        asset = Asset(
            fields.get("code", ""),
            fields.get("name", "") or fields.get("code", ""),
            _level(fields),
            fields.get("parent") or None,
            global_id=fields.get("global_id") or None,
        )
        try:
            async with plant.database.transaction() as session:
                row = await create_asset(plant.editing(session), asset)
        except _ERRORS as error:
            form = with_errors(plant.page, fields, _about(error, "parent"))
            return _render_new(plant, form)
        return plant.page.redirect(f"{PLANT_URL}/assets/{ids.format_id(ASSET, row.id)}")

    @get("/assets/{asset:str}/edit", name="dashboard:asset-edit", permission=Permission.PLANT)
    async def show(self, plant: NamedDependency[PlantPage], asset: FromPath[str]) -> Response[str]:
        """Show the forms that change an asset."""
        return await _render(plant, asset, "", EMPTY_FORM)

    @post("/assets/{asset:str}/edit", permission=Permission.PLANT)
    async def change(
        self,
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
        asset: FromPath[str],
    ) -> Response[Any]:
        """Change name, level, place and global id of an asset."""
        fields = stripped(await read_form_fields(request))
        changes = {
            "name": fields.get("name") or asset,
            "level": _level(fields),
            "parent": fields.get("parent") or None,
            "global_id": fields.get("global_id") or None,
        }

        async def edit(editing: Editing) -> object:
            """Change the asset."""
            return await update_asset(editing, asset, changes)

        return await _apply(plant, asset, "change", fields, edit, "parent")

    @post("/assets/{asset:str}/retire", permission=Permission.PLANT)
    async def retire(
        self, plant: NamedDependency[PlantPage], asset: FromPath[str]
    ) -> Response[Any]:
        """Retire an asset without parts and points."""
        try:
            async with plant.database.transaction() as session:
                await retire_asset(plant.editing(session), asset)
        except AssetNotEmpty as error:
            return await _render(plant, asset, "retire", with_errors(plant.page, {}, error))
        return plant.page.redirect(PLANT_URL)

    @post("/assets/{asset:str}/points", permission=Permission.PLANT)
    async def add_point(
        self,
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
        asset: FromPath[str],
    ) -> Response[Any]:
        """Add a point to an asset."""
        fields = stripped(await read_form_fields(request))

        async def edit(editing: Editing) -> object:
            """Create the point."""
            values = point_values(fields)
            return await create_point(editing, Point(fields.get("tag", ""), asset=asset, **values))

        return await _apply(plant, asset, "point", fields, edit, "tag")

    @post("/assets/{asset:str}/objects", permission=Permission.PLANT)
    async def add_object(
        self,
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
        asset: FromPath[str],
    ) -> Response[Any]:
        """Add a document, work order or other object with its relation to an asset."""
        fields = stripped(await read_form_fields(request))
        text = fields.get("kind", "")
        kind = EntityKind(text) if text in tuple(EntityKind) else EntityKind.DOCUMENT

        async def edit(editing: Editing) -> object:
            """Create the object and state its relation."""
            entity = Entity(kind, fields.get("code", ""), fields.get("name", ""))
            await create_entity(editing, entity)
            predicate = _PREDICATES.get(kind, "relates_to")
            subject, target = Node(NodeKind(kind), entity.code), Node(NodeKind.ASSET, asset)
            return await state_relation(editing, NewRelation(subject, predicate, target))

        return await _apply(plant, asset, "object", fields, edit, "code")

    @post("/assets/{asset:str}/relations", permission=Permission.PLANT)
    async def add_relation(
        self,
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
        asset: FromPath[str],
    ) -> Response[Any]:
        """State a relation of an asset with another node."""
        fields = stripped(await read_form_fields(request))
        text = fields.get("target_kind", "")
        kind = NodeKind(text) if text in tuple(NodeKind) else NodeKind.ASSET

        async def edit(editing: Editing) -> object:
            """State the relation."""
            target = Node(kind, fields.get("target", ""))
            subject, predicate = Node(NodeKind.ASSET, asset), fields.get("predicate", "")
            return await state_relation(editing, NewRelation(subject, predicate, target))

        return await _apply(plant, asset, "relation", fields, edit, "target")

    @post("/assets/{asset:str}/relations/{relation:str}/end", permission=Permission.PLANT)
    async def end(
        self, plant: NamedDependency[PlantPage], asset: FromPath[str], relation: FromPath[str]
    ) -> Response[Any]:
        """End a relation."""

        async def edit(editing: Editing) -> object:
            """End the relation."""
            return await end_relation(editing, relation)

        return await _apply(plant, asset, "relation", {}, edit)


async def _apply(
    plant: PlantPage,
    asset: str,
    form_name: str,
    fields: Mapping[str, str],
    edit: _Edit,
    found_by: str = "",
) -> Response[Any]:
    """Apply a change and show the asset, or the form with its error.

    `found_by` is the field that names another node, which may not exist.
    """
    try:
        async with plant.database.transaction() as session:
            await find_asset(session, plant.page.account_id, asset)
            await edit(plant.editing(session))
    except _ERRORS as error:
        form = with_errors(plant.page, fields, _about(error, found_by))
        return await _render(plant, asset, form_name, form)
    return plant.page.redirect(f"{PLANT_URL}/assets/{asset}")


async def _render(plant: PlantPage, asset: str, form_name: str, form: FormState) -> Response[str]:
    """Render the forms of an asset; `form_name` is the one that was sent."""
    account_id = plant.page.account_id
    async with plant.database.transaction() as session:
        head = await load_head(plant, session, asset)
        relations = await list_relations(session, account_id, head.row.id, None, _RELATIONS, None)
        nodes = [one for each in relations for one in (each.subject_id, each.object_id)]
        names = await load_names(session, account_id, nodes)
    parent = head.way[-2].code if len(head.way) > 1 else ""
    row = head.row
    stored = {
        "name": row.name,
        "level": row.level,
        "parent": parent,
        "global_id": row.global_id or "",
    }
    return plant.page.render(
        "plant/asset_edit.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        **head.context(plant),
        change=form if form_name == "change" else FormState(stored),
        sent=form_name,
        form=form,
        relations=relations,
        names=names,
        levels=list(AssetLevel),
        kinds=list(EntityKind),
        nodes=list(NodeKind),
        data_types=list(DataType),
    )


def _render_new(plant: PlantPage, form: FormState) -> Response[str]:
    """Render the form of a new asset."""
    status = UNPROCESSABLE if form.error or form.errors else 200
    return plant.page.render(
        "plant/asset_new.html", status=status, form=form, levels=list(AssetLevel)
    )


def _about(error: AppError, field: str) -> AppError:
    """Return an error about a node that does not exist as one of the field that names it."""
    if field and isinstance(error, PlantNodeNotFound):
        return PlantNodeNotFound(error.message, param=field)
    return error


def _level(fields: Mapping[str, str]) -> AssetLevel:
    """Return the level of a form's choices; equipment for anything else."""
    text = fields.get("level", "")
    return AssetLevel(text) if text in tuple(AssetLevel) else AssetLevel.EQUIPMENT
