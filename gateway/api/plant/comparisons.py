"""`/v1/plant/comparisons`: pair the account's points with those of another plant by concept."""

from typing import Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from gateway.alignment.batches import AlignmentCalls
from gateway.alignment.comparisons import AligningModel, PlantComparer
from gateway.alignment.csv_text import csv_content
from gateway.api.actors import key_actor
from gateway.api.pagination import PageLimit, bidirectional_page_json, parse_cursor
from gateway.api.plant.bodies import PATH
from gateway.api.plant.uploads import read_file, read_file_form
from gateway.call.values import Principal
from gateway.inference.pipeline import Pipeline
from gateway.inference.pipeline_client import PipelineClient
from gateway.plant.assets.ids import COMPARISON
from gateway.plant.imports.importing import PlantImporter
from gateway.plant.store.comparisons import (
    comparison_json,
    delete_comparison,
    find_comparison,
    list_comparisons,
    unpack_pairs,
)
from infra.clock import Clock
from infra.database.database import Database

_MAX_BODY_BYTES = 1 << 30


class PlantComparisonRoutes(Controller):
    """Comparisons of the account's points with those of another plant."""

    path = f"{PATH}/comparisons"

    @post(
        "/",
        status_code=200,
        summary="Compare the plant with an export of another one by concept",
        request_max_body_size=_MAX_BODY_BYTES,
    )
    async def compare(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        plant_importer: NamedDependency[PlantImporter],
        pipeline: NamedDependency[Pipeline],
        request: Request[Any, Any, Any],
    ) -> dict[str, Any]:
        """Pair points with the same concept and return the counts; the pairs are stored.

        Fields: `file`, a tag list or an export of the other plant; `model` optionally aligns points
        of the file without a known concept first, each billed like a row of `/v1/tags/align`.
        """
        form = await read_file_form(request, plant_importer.limits.file_bytes)
        file, model = read_file(form), form.get("model") or None
        calls = AlignmentCalls(PipelineClient(pipeline, clock), database)
        asked = None if model is None else AligningModel(calls, principal, str(model))
        comparer = PlantComparer(database, clock, plant_importer, asked)
        actor = key_actor(principal, request)
        return comparison_json(await comparer.compare(principal.account_id, actor, file))

    @get("/", summary="List comparisons with other plants, newest first")
    async def comparisons(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: PageLimit = 20,
        after: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        """Return a page of comparisons with their counts."""
        cursor = parse_cursor(COMPARISON, after)
        async with database.transaction() as session:
            rows = await list_comparisons(session, principal.account_id, limit + 1, cursor)
        return bidirectional_page_json(rows, limit, comparison_json, backwards=False)

    @get("/{plant_comparison:str}", summary="Retrieve a comparison with another plant")
    async def one(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        plant_comparison: FromPath[str],
    ) -> dict[str, Any]:
        """Return the counts of a comparison."""
        async with database.transaction() as session:
            return comparison_json(
                await find_comparison(session, principal.account_id, plant_comparison)
            )

    @get("/{plant_comparison:str}/pairs", summary="List the pairs of a comparison")
    async def pairs(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        plant_comparison: FromPath[str],
        limit: PageLimit = 100,
        offset: FromQuery[int] = 0,
    ) -> dict[str, Any]:
        """Return pairs of points, most confident first, from the place `offset` on."""
        async with database.transaction() as session:
            row = await find_comparison(session, principal.account_id, plant_comparison)
        start = max(0, offset)
        pairs = unpack_pairs(row.content)
        data = pairs[start : start + limit]
        return {"object": "list", "data": data, "has_more": len(pairs) > start + limit}

    @get("/{plant_comparison:str}/csv", summary="Download the pairs of a comparison as CSV")
    async def csv(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        plant_comparison: FromPath[str],
    ) -> Response[bytes]:
        """Return all pairs with their units as CSV."""
        async with database.transaction() as session:
            row = await find_comparison(session, principal.account_id, plant_comparison)
        return csv_response(row.content)

    @delete("/{plant_comparison:str}", status_code=200, summary="Delete a comparison")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        plant_comparison: FromPath[str],
    ) -> dict[str, Any]:
        """Delete a comparison with its pairs."""
        async with database.transaction() as session:
            await delete_comparison(session, principal.account_id, plant_comparison)
        return {"id": plant_comparison, "object": "plant.comparison.deleted", "deleted": True}


def csv_response(content: bytes) -> Response[bytes]:
    """Return stored pairs as a CSV download."""
    headers = {"content-disposition": 'attachment; filename="point-pairs.csv"'}
    return Response(csv_content(content), media_type="text/csv", headers=headers)
