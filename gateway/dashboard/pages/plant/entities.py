"""The entities of the plant: materials, orders, failure modes, documents and others."""

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.dashboard.forms import EMPTY_FORM, FormState, read_form_fields, with_errors
from gateway.dashboard.page_request import UNPROCESSABLE
from gateway.dashboard.pages.plant.common import PLANT_URL, PlantPage, load_zone, provide_plant
from gateway.identity.roles import Permission
from gateway.plant.assets.errors import (
    PlantKeyTaken,
    PlantModelInvalid,
    PlantNodeNotFound,
    PlantNodeRetired,
)
from gateway.plant.assets.ids import ENTITY, parse_plant_id
from gateway.plant.assets.values import Entity, EntityKind, Node, NodeKind
from gateway.plant.store.entity_editing import (
    NewRelation,
    create_entity,
    end_relation,
    retire_entity,
    state_relation,
    update_entity,
)
from gateway.plant.store.node_names import load_names
from gateway.plant.store.queries import find_entity, list_entities, list_relations
from infra import ids
from infra.errors import AppError

_PER_PAGE, _RELATIONS = 50, 100
_ERRORS = (PlantModelInvalid, PlantKeyTaken, PlantNodeNotFound, PlantNodeRetired)


class PlantEntityPages(Controller):
    """Handlers of `/dashboard/plant/objects`."""

    path = "/plant/objects"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant-objects")
    async def show_list(
        self,
        plant: NamedDependency[PlantPage],
        kind: FromQuery[str] = "",
        q: FromQuery[str] = "",
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the entities of a kind, or all of them."""
        return await _render_list(plant, kind, q, after)

    @post("/", permission=Permission.PLANT)
    async def create(
        self, plant: NamedDependency[PlantPage], request: Request[Any, Any, Any]
    ) -> Response[Any]:
        """Create an entity."""
        fields = {name: text.strip() for name, text in (await read_form_fields(request)).items()}
        kind = _kind(fields.get("kind", "")) or EntityKind.MATERIAL
        entity = Entity(kind, fields.get("code", ""), fields.get("name", ""))
        try:
            async with plant.database.transaction() as session:
                row = await create_entity(plant.editing(session), entity)
        except _ERRORS as error:
            form = with_errors(plant.page, fields, error)
            return await _render_list(plant, kind.value, "", None, form)
        return plant.page.redirect(f"{PLANT_URL}/objects/{ids.format_id(ENTITY, row.id)}")

    @get("/{entity:str}", name="dashboard:plant-object")
    async def show(self, plant: NamedDependency[PlantPage], entity: FromPath[str]) -> Response[str]:
        """Show an entity with its relations."""
        return await _render(plant, entity)

    @post("/{entity:str}", permission=Permission.PLANT)
    async def change(
        self,
        plant: NamedDependency[PlantPage],
        request: Request[Any, Any, Any],
        entity: FromPath[str],
    ) -> Response[Any]:
        """Change an entity, retire it, or state or end a relation of it."""
        fields = {name: text.strip() for name, text in (await read_form_fields(request)).items()}
        try:
            async with plant.database.transaction() as session:
                editing, step = plant.editing(session), fields.get("step")
                row = await find_entity(session, plant.page.account_id, entity)
                if step == "retire":
                    await retire_entity(editing, entity)
                elif step == "end":
                    await end_relation(editing, fields.get("relation", ""))
                elif step == "relate":
                    subject = Node(NodeKind(row.kind), row.code)
                    target = Node(_node(fields.get("target_kind", "")), fields.get("target", ""))
                    new = NewRelation(subject, fields.get("predicate", ""), target)
                    await state_relation(editing, new)
                else:
                    changes = {name: fields.get(name, "") for name in ("code", "name")}
                    await update_entity(editing, entity, changes)
        except _ERRORS as error:
            return await _render(plant, entity, with_errors(plant.page, fields, _about(error)))
        if fields.get("step") == "retire":
            return plant.page.redirect(f"{PLANT_URL}/objects?kind={row.kind}")
        return plant.page.redirect(f"{PLANT_URL}/objects/{entity}")


def _kind(text: str) -> EntityKind | None:
    """Return a kind by its name, None for another text."""
    return EntityKind(text) if text in tuple(EntityKind) else None


def _node(text: str) -> NodeKind:
    """Return a kind of nodes by its name; an asset for another text."""
    return NodeKind(text) if text in tuple(NodeKind) else NodeKind.ASSET


def _about(error: AppError) -> AppError:
    """Return an error about a node that does not exist as one of the field that names it."""
    is_missing = isinstance(error, PlantNodeNotFound)
    return PlantNodeNotFound(error.message, param="target") if is_missing else error


async def _render_list(
    plant: PlantPage, kind: str, q: str, after: str | None, form: FormState = EMPTY_FORM
) -> Response[str]:
    """Render the list, with the form of a new entity."""
    chosen, text = _kind(kind), q.strip()
    cursor = None if after is None else parse_plant_id(ENTITY, after)
    async with plant.database.transaction() as session:
        account_id = plant.page.account_id
        rows = await list_entities(session, account_id, chosen, text or None, _PER_PAGE + 1, cursor)
    shown = rows[:_PER_PAGE]
    return plant.page.render(
        "plant/objects.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        rows=shown,
        more=ids.format_id(ENTITY, shown[-1].id) if len(rows) > _PER_PAGE else None,
        is_first=cursor is None,
        kind="" if chosen is None else chosen.value,
        q=text,
        kinds=list(EntityKind),
        form=form,
        may=plant.may_change,
    )


async def _render(plant: PlantPage, entity: str, form: FormState = EMPTY_FORM) -> Response[str]:
    """Render an entity, with the form that was sent. Raises PlantNodeNotFound."""
    account_id = plant.page.account_id
    async with plant.database.transaction() as session:
        row = await find_entity(session, account_id, entity)
        relations = await list_relations(session, account_id, row.id, None, _RELATIONS, None)
        nodes = [one for each in relations for one in (each.subject_id, each.object_id)]
        names = await load_names(session, account_id, nodes)
        zone = await load_zone(session, account_id)
    stored = {"code": row.code, "name": row.name}
    return plant.page.render(
        "plant/object.html",
        status=UNPROCESSABLE if form.error or form.errors else 200,
        row=row,
        relations=relations,
        names=names,
        nodes=list(NodeKind),
        form=FormState({**stored, **form.values}, form.error, form.errors),
        zone=zone,
        may=plant.may_change and row.retired_at is None,
    )
