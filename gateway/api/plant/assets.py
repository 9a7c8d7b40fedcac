"""`/v1/plant/assets`: list, create, change, move and retire assets."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.api.idempotency import IdempotencyKey
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.plant.bodies import PATH, AssetChangeRequest, AssetRequest, changes_of
from gateway.api.plant.editing import PlantChange, provide_plant_change
from gateway.call.values import Principal
from gateway.plant.assets.ids import ASSET
from gateway.plant.assets.values import AssetLevel
from gateway.plant.store.asset_editing import create_asset, retire_asset, update_asset
from gateway.plant.store.editing import Editing
from gateway.plant.store.queries import AssetFilter, find_asset, list_assets
from gateway.plant.store.views import asset_json
from gateway.wire.body import decode_body_strict
from infra.database.database import Database

_NEW, _CHANGE = (
    msgspec.json.Decoder(AssetRequest),
    msgspec.json.Decoder(AssetChangeRequest),
)


class PlantAssetRoutes(Controller):
    """The account's assets, by id `ast_…` or code."""

    path = f"{PATH}/assets"
    dependencies = {"plant_change": Provide(provide_plant_change)}  # noqa: RUF012  # Litestar's

    @get("/", summary="List assets in the order of their creation")
    async def assets(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
        parent: FromQuery[str | None] = None,
        level: FromQuery[AssetLevel | None] = None,
        asset_type: FromQuery[str | None] = None,
        text: FromQuery[str | None] = None,
        include_retired: FromQuery[bool] = False,
    ) -> dict[str, Any]:
        """Return a page of assets; `parent` empty lists those at the top of the hierarchy."""
        wanted = AssetFilter(parent, level and level.value, asset_type, text, include_retired)
        cursor = parse_cursor(ASSET, after)
        async with database.transaction() as session:
            rows = await list_assets(session, principal.account_id, wanted, limit + 1, cursor)
        return bidirectional_page_json(rows, limit, asset_json, backwards=False)

    @post("/", status_code=200, summary="Create an asset")
    async def create(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[bytes]:
        """Create an asset and return it."""
        asset = decode_body_strict(_NEW, await request.body()).to_value()

        async def edit(editing: Editing) -> dict[str, Any]:
            """Create the asset."""
            return asset_json(await create_asset(editing, asset))

        return await plant_change.apply_once(idempotency_key, edit)

    @get("/{asset:str}", summary="Retrieve an asset")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        asset: FromPath[str],
    ) -> dict[str, Any]:
        """Return an asset."""
        async with database.transaction() as session:
            return asset_json(await find_asset(session, principal.account_id, asset))

    @post("/{asset:str}", status_code=200, summary="Change or move an asset")
    async def change(
        self,
        plant_change: NamedDependency[PlantChange],
        request: Request[Any, Any, Any],
        asset: FromPath[str],
    ) -> dict[str, Any]:
        """Change fields of an asset, or its place in the hierarchy, and return it."""
        changes = changes_of(decode_body_strict(_CHANGE, await request.body()))

        async def edit(editing: Editing) -> dict[str, Any]:
            """Change the asset."""
            return asset_json(await update_asset(editing, asset, changes))

        return await plant_change.apply(edit)

    @delete("/{asset:str}", status_code=200, summary="Retire an asset without parts and points")
    async def retire(
        self, plant_change: NamedDependency[PlantChange], asset: FromPath[str]
    ) -> dict[str, Any]:
        """Retire an asset and return it; its row stays for history."""

        async def edit(editing: Editing) -> dict[str, Any]:
            """Retire the asset."""
            return asset_json(await retire_asset(editing, asset))

        return await plant_change.apply(edit)
