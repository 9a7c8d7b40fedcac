"""An asset at a glance: health, verdicts, points with readings, parts, documents, identifiers."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from gateway.dashboard.pages.plant.asset_common import load_head, load_readings, load_verdicts
from gateway.dashboard.pages.plant.common import (
    PlantPage,
    concepts_to_choose,
    load_zone,
    provide_plant,
)
from gateway.dashboard.qr import qr_svg_path
from gateway.operations.identifiers import IdentifierService
from gateway.plant.assets.ids import ASSET, POINT, parse_plant_id
from gateway.plant.assets.values import EntityKind
from gateway.plant.identifiers.errors import IdentifierInvalid, IdentifierNotFound
from gateway.plant.predictions.health import VERDICT_DAYS
from gateway.plant.store.mappings import list_history
from gateway.plant.store.node_names import load_names
from gateway.plant.store.queries import (
    PointFilter,
    find_point,
    list_points,
    list_relations,
)
from gateway.plant.store.related import Related, list_related
from gateway.plant.store.tree import list_parts, list_way
from infra import ids

_POINTS, _RELATIONS, _VERDICTS = 50, 100, 5
# Kinds that have a card of their own, in this order.
_CARDS = (EntityKind.WORK_ORDER, EntityKind.DOCUMENT, EntityKind.FAILURE_MODE)


class PlantAssetPages(Controller):
    """Handlers of `/dashboard/plant/assets/…` and `/dashboard/plant/points/…`."""

    path = "/plant"
    dependencies = {"plant": Provide(provide_plant)}  # noqa: RUF012  # Litestar's

    @get("/assets/{asset:str}", name="dashboard:plant-asset")
    async def show_asset(
        self,
        plant: NamedDependency[PlantPage],
        identifiers: NamedDependency[IdentifierService],
        asset: FromPath[str],
        after: FromQuery[str | None] = None,
        parts_after: FromQuery[str | None] = None,
    ) -> Response[str]:
        """Show an asset."""
        page, account_id = plant.page, plant.page.account_id
        async with plant.database.transaction() as session:
            head = await load_head(plant, session, asset)
            row = head.row
            verdicts, _ = await load_verdicts(plant, session, row.id, _VERDICTS)
            counts = await plant.counts.of_account(session, account_id)
            parts, more_parts = await list_parts(session, account_id, row.id, parts_after)
            cursor = None if after is None else parse_plant_id(POINT, after)
            wanted = PointFilter(asset=ids.format_id(ASSET, row.id))
            points = await list_points(session, account_id, wanted, _POINTS + 1, cursor)
            readings = await load_readings(plant, session, points[:_POINTS])
            related = await list_related(session, account_id, row.id)
            relations = await list_relations(session, account_id, row.id, None, _RELATIONS, None)
            nodes = [one for each in relations for one in (each.subject_id, each.object_id)]
            names = await load_names(session, account_id, nodes)
            healths = await plant.healths.of_account(session, account_id, plant.clock.now())
        with_entity = {one.relation.id for one in related}
        shown = points[:_POINTS]
        more = ids.format_id(POINT, shown[-1].id) if len(points) > _POINTS else None
        scan_url = f"{str(page.request.base_url).rstrip('/')}/dashboard/plant/scan"
        size, dark = qr_svg_path(f"{scan_url}?code={ids.format_id(ASSET, row.id)}")
        return page.render(
            "plant/asset.html",
            **head.context(plant),
            verdicts=verdicts,
            days=VERDICT_DAYS,
            counts=counts,
            healths=healths,
            parts=parts,
            more_parts=more_parts,
            points=shown,
            more=more,
            readings=readings,
            cards=_cards(related),
            others=[one for one in related if EntityKind(one.entity.kind) not in _CARDS],
            relations=[one for one in relations if one.id not in with_entity],
            names=names,
            is_registered=await _is_registered(identifiers, plant, row.global_id),
            qr_size=size,
            qr_path=dark,
            concept_names={one.id: one.name for one in concepts_to_choose()},
        )

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
            may=plant.may_change and row.retired_at is None,
        )


def _cards(related: Sequence[Related]) -> list[tuple[str, list[Any]]]:
    """Return the entities of each kind that has a card, also without entities."""
    by_kind = {
        kind: list(group)
        for kind, group in groupby(
            sorted(related, key=lambda one: one.entity.kind), key=lambda one: one.entity.kind
        )
    }
    return [(kind.value, by_kind.get(kind.value, [])) for kind in _CARDS]


async def _is_registered(
    identifiers: IdentifierService, plant: PlantPage, global_id: str | None
) -> bool:
    """Return whether the global id of an asset is an identifier that the account registered."""
    if not global_id:
        return False
    try:
        return bool(await identifiers.versions(plant.page.account_id, global_id))
    except (IdentifierInvalid, IdentifierNotFound):
        return False
