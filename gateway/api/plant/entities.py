"""`/v1/plant/entities` and `/v1/plant/relations`: other nodes, and statements about nodes."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.plant.bodies import (
    PATH,
    EntityChangeRequest,
    EntityRequest,
    RelationRequest,
    changes_of,
)
from gateway.api.plant.editing import PlantChange, provide_plant_change
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from gateway.plant.assets.ids import ASSET, ENTITY, POINT, RELATION
from gateway.plant.assets.values import EntityKind
from gateway.plant.store.editing import Editing
from gateway.plant.store.entity_editing import (
    NewRelation,
    create_entity,
    end_relation,
    retire_entity,
    state_relation,
    update_entity,
)
from gateway.plant.store.queries import (
    find_entity,
    find_relation,
    list_entities,
    list_relations,
)
from gateway.plant.store.views import entity_json, relation_json
from gateway.wire.body import decode_body_strict
from infra import ids
from infra.database.database import Database

_NEW, _CHANGE = (
    msgspec.json.Decoder(EntityRequest),
    msgspec.json.Decoder(EntityChangeRequest),
)
_RELATION = msgspec.json.Decoder(RelationRequest)


class PlantEntityRoutes(Controller):
    """Materials, orders, failure modes, causes, effects, remedies, documents and work orders."""

    path = f"{PATH}/entities"
    dependencies = {"plant_change": Provide(provide_plant_change)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List entities in the order of their creation")
    async def entities(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        kind: FromQuery[EntityKind | None] = None,
        text: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of active entities."""
        cursor, account_id = parse_cursor(ENTITY, after), principal.account_id
        async with database.transaction() as session:
            rows = await list_entities(session, account_id, kind, text, limit + 1, cursor)
        return bidirectional_page_json(rows, limit, entity_json, backwards=False)

    @post("/", status_code=200, summary="Create an entity")
    async def create(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create an entity and return it."""
        entity = decode_body_strict(_NEW, await request.body()).to_value()

        async def edit(editing: Editing) -> dict[str, Any]:
            """Create the entity."""
            return entity_json(await create_entity(editing, entity))

        return await plant_change.apply_once(idempotency_key, edit)

    @get("/{entity:str}", summary="Retrieve an entity")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        entity: FromPath[str],
    ) -> dict[str, Any]:
        """Return an entity."""
        async with database.transaction() as session:
            return entity_json(await find_entity(session, principal.account_id, entity))

    @post("/{entity:str}", status_code=200, summary="Change an entity")
    async def change(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        entity: FromPath[str],
    ) -> dict[str, Any]:
        """Change fields of an entity and return it."""
        changes = changes_of(decode_body_strict(_CHANGE, await request.body()))

        async def edit(editing: Editing) -> dict[str, Any]:
            """Change the entity."""
            return entity_json(await update_entity(editing, entity, changes))

        return await plant_change.apply(edit)

    @delete("/{entity:str}", status_code=200, summary="Retire an entity and end its relations")
    async def retire(
        self, plant_change: NamedDependency[PlantChange], entity: FromPath[str]
    ) -> dict[str, Any]:
        """Retire an entity and return it."""

        async def edit(editing: Editing) -> dict[str, Any]:
            """Retire the entity."""
            return entity_json(await retire_entity(editing, entity))

        return await plant_change.apply(edit)


class PlantRelationRoutes(Controller):
    """Statements about two nodes."""

    path = f"{PATH}/relations"
    dependencies = {"plant_change": Provide(provide_plant_change)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List valid relations in the order of their creation")
    async def relations(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        node: FromQuery[str | None] = None,
        predicate: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of relations, of the node with the id `node` if given."""
        cursor, node_id = parse_cursor(RELATION, after), _parse_node(node)
        account_id = principal.account_id
        async with database.transaction() as session:
            rows = await list_relations(session, account_id, node_id, predicate, limit + 1, cursor)
        return bidirectional_page_json(rows, limit, relation_json, backwards=False)

    @post("/", status_code=200, summary="State a relation")
    async def state(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """State a relation and return it; an equal valid one is returned as it is."""
        body = decode_body_strict(_RELATION, await request.body())
        new = NewRelation(
            body.subject.to_value(), body.predicate, body.target.to_value(), body.confidence
        )

        async def edit(editing: Editing) -> dict[str, Any]:
            """State the relation."""
            return relation_json(await state_relation(editing, new))

        return await plant_change.apply_once(idempotency_key, edit)

    @get("/{relation:str}", summary="Retrieve a relation")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        relation: FromPath[str],
    ) -> dict[str, Any]:
        """Return a relation, valid or ended."""
        async with database.transaction() as session:
            return relation_json(await find_relation(session, principal.account_id, relation))

    @delete("/{relation:str}", status_code=200, summary="End a relation")
    async def end(
        self, plant_change: NamedDependency[PlantChange], relation: FromPath[str]
    ) -> dict[str, Any]:
        """End a relation and return it; its row stays for history."""

        async def edit(editing: Editing) -> dict[str, Any]:
            """End the relation."""
            return relation_json(await end_relation(editing, relation))

        return await plant_change.apply(edit)


def _parse_node(text: str | None) -> Any:
    """Return the id of a node by its public id, None without one. Raises ParameterInvalid."""
    if text is None:
        return None
    found = (ids.parse_id(prefix, text) for prefix in (ASSET, POINT, ENTITY))
    identity = next((one for one in found if one is not None), None)
    if identity is None:
        raise ParameterInvalid("`node` must be an id of an asset, point or entity.", param="node")
    return identity
