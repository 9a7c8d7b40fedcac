"""The plant as a tree whose branches are loaded when they are opened, and its search."""

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.dashboard.pages.plant.common import PlantPage, provide_plant
from gateway.plant.predictions.health import VERDICT_DAYS
from gateway.plant.store.queries import (
    AssetFilter,
    PointFilter,
    find_asset,
    list_assets,
    list_points,
)
from gateway.plant.store.tree import list_parts

_FOUND = 50


class PlantTreePages(Controller):
    """Handlers of `/dashboard/plant` and of the branches of its tree."""

    path = "/plant"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/", name="dashboard:plant")
    async def show_tree(
        self,
        plant: NamedDependency[PlantPage],
        q: FromQuery[str] = "",
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the top of the hierarchy, or the assets and points that match a search."""
        page, account_id = plant.page, plant.page.account_id
        async with plant.database.transaction() as session:
            counts = await plant.counts.of_account(session, account_id)
            healths = await plant.healths.of_account(session, account_id, plant.clock.now())
            rows, more = await list_parts(session, account_id, None, after)
            assets: list[Any] = []
            points: list[Any] = []
            if text := q.strip():
                wanted = AssetFilter(text=text)
                assets = await list_assets(session, account_id, wanted, _FOUND, None)
                found = PointFilter(text=text)
                points = await list_points(session, account_id, found, _FOUND, None)
        return page.render(
            "plant/tree.html",
            rows=rows,
            counts=counts,
            healths=healths,
            days=VERDICT_DAYS,
            more=more,
            q=q.strip(),
            assets=assets,
            points=points,
            may=plant.may_change,
        )

    @get("/parts/{asset:str}")
    async def show_parts(
        self,
        plant: NamedDependency[PlantPage],
        asset: FromPath[str],
        after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show the branches of an asset, as a part of the page with the tree."""
        account_id = plant.page.account_id
        async with plant.database.transaction() as session:
            parent = await find_asset(session, account_id, asset)
            counts = await plant.counts.of_account(session, account_id)
            healths = await plant.healths.of_account(session, account_id, plant.clock.now())
            rows, more = await list_parts(session, account_id, parent.id, after)
        return plant.page.render(
            "plant/parts.html",
            rows=rows,
            counts=counts,
            healths=healths,
            more=more,
            parent=parent,
        )
