"""`/v1/organization/…`: usage and costs in OpenAI's shapes, for tools that read those."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from billing.metering.usage_buckets import Used, counted_until, used_by
from gateway.api.usage_buckets import (
    COMPLETIONS,
    EMBEDDINGS,
    Asked,
    Page,
    completions_json,
    costs_json,
    costs_page,
    embeddings_json,
    images_json,
    images_page,
    usage_page,
)
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Principal
from infra.clock import Clock
from infra.database.database import Database

_ARRAYS = ("group_by", "models", "api_key_ids", "project_ids")
# What OpenAI's API has and there is nothing of here; ignored, it would give other figures.
_NOT_HERE = ("user_ids", "batch", "line_items", "service_tiers", "api_sources", "sizes", "sources")

Start = Annotated[
    int | None,
    QueryParameter(description="Unix seconds, required; its hour or UTC day is taken whole"),
]
End = Annotated[int | None, QueryParameter(description="Unix seconds, exclusive; now unless given")]
List = Annotated[list[str] | None, QueryParameter(description="also as `name[]`")]


async def provide_asked(
    request: Request[Any, Any, Any],
    start_time: Start = None,
    end_time: End = None,
    bucket_width: FromQuery[str] = "1d",
    limit: FromQuery[int | None] = None,
    page: FromQuery[str | None] = None,
    group_by: List = None,
    models: List = None,
    api_key_ids: List = None,
) -> Asked:
    """What each of these addresses may be asked."""
    return Asked(start_time, end_time, bucket_width, limit, page, _arrays(request))


class OrganizationRoutes(Controller):
    """The account as OpenAI's organization. Rows that specialists judged, and adapting them, have
    no page of OpenAI's: they are in `/v1/usage` and on invoices, and their cost in `/costs`."""

    path = "/v1/organization"

    @get("/usage/completions", summary="What text models were used, by hours or days")
    async def completions(
        self,
        asked: NamedDependency[Asked],
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        page = usage_page(asked, principal.account_id, clock.now(), COMPLETIONS)
        used, as_of = await _used(database, principal, page)
        return _json(completions_json(page, used, principal.account_id, as_of))

    @get("/usage/embeddings", summary="What embedding models were used, by hours or days")
    async def embeddings(
        self,
        asked: NamedDependency[Asked],
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        page = usage_page(asked, principal.account_id, clock.now(), EMBEDDINGS)
        used, as_of = await _used(database, principal, page)
        return _json(embeddings_json(page, used, principal.account_id, as_of))

    @get("/usage/images", summary="How many pictures were judged, by hours or days")
    async def images(
        self,
        asked: NamedDependency[Asked],
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        page = images_page(asked, principal.account_id, clock.now())
        used, as_of = await _used(database, principal, page)
        return _json(images_json(page, used, principal.account_id, as_of))

    @get("/costs", summary="What calls cost as they went, by days")
    async def costs(
        self,
        asked: NamedDependency[Asked],
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        page = costs_page(asked, principal.account_id, clock.now())
        used, as_of = await _used(database, principal, page)
        return _json(costs_json(page, used, principal.account_id, as_of, principal.currency))


async def _used(
    database: Database, principal: Principal, page: Page
) -> tuple[list[Used], datetime]:
    async with database.transaction() as session:
        used = await used_by(session, principal.account_id, page.wish)
        return used, await counted_until(session)


def _arrays(request: Request[Any, Any, Any]) -> Mapping[str, Sequence[str]]:
    """Arrays as OpenAI's clients write them, `models[]=a`, and as plain ones do, `models=a`."""
    query = request.query_params
    for name in _NOT_HERE:
        if name in query or f"{name}[]" in query:
            raise ParameterInvalid(f"`{name}` is nothing that is known here.", param=name)
    return {name: [*query.getall(name, []), *query.getall(f"{name}[]", [])] for name in _ARRAYS}


def _json(answer: Any) -> Response[bytes]:
    """An amount is written as a number with the very digits of its decimal, never as a float."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    return Response(encoder.encode(answer), media_type="application/json")
