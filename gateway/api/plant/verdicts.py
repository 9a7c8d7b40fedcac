"""`/v1/plant/assets/{asset}/verdicts`: what specialists predicted for an asset."""

from typing import Any

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.plant.bodies import PATH
from gateway.call.values import Principal
from gateway.plant.predictions.verdicts import VERDICT, list_verdicts, verdict_json
from gateway.plant.store.queries import find_asset
from infra.database.database import Database


class PlantVerdictRoutes(Controller):
    """The verdicts on an asset, by its id `ast_…` or code."""

    path = f"{PATH}/assets/{{asset:str}}/verdicts"

    @get("/", summary="List the verdicts on an asset, the newest first")
    async def verdicts(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        asset: FromPath[str],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of predictions that named the asset, with their inputs."""
        cursor, account_id = parse_cursor(VERDICT, after), principal.account_id
        async with database.transaction() as session:
            row = await find_asset(session, account_id, asset)
            rows = await list_verdicts(session, account_id, row.id, limit + 1, cursor)
        return bidirectional_page_json(rows, limit, verdict_json, backwards=False)
