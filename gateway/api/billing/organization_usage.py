"""`/v1/organization/…`: usage and costs in OpenAI's shapes, for tools that read these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, QueryParameter

from billing.accounts.profiles import get_account_currency
from billing.metering.usage_buckets import UsageBucket, get_aggregation_time, list_usage_buckets
from gateway.access.admin_authentication import is_admin_key
from gateway.access.authenticator import Authenticator
from gateway.access.credentials import AUTHORIZATION
from gateway.access.project_scope import only_project
from gateway.api.admin.context import authenticate
from gateway.api.billing.usage import provide_principal
from gateway.api.billing.usage_buckets import (
    COMPLETIONS,
    DECISIONS,
    EMBEDDINGS,
    UsagePage,
    UsageParameters,
    completions_json,
    costs_json,
    costs_page,
    decisions_json,
    embeddings_json,
    images_json,
    images_page,
    usage_page,
)
from gateway.call.errors import ParameterInvalid
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings

_ARRAY_PARAMETERS = ("group_by", "models", "api_key_ids", "project_ids")
# OpenAI's parameters that are not supported: ignoring one would return wrong figures.
_UNSUPPORTED_PARAMETERS = (
    "user_ids",
    "batch",
    "line_items",
    "service_tiers",
    "api_sources",
    "sizes",
    "sources",
)

StartTime = Annotated[
    int | None,
    QueryParameter(description="Unix seconds, required; its hour or UTC day is taken whole"),
]
EndTime = Annotated[
    int | None, QueryParameter(description="Unix seconds, exclusive; now unless given")
]
ListParameter = Annotated[list[str] | None, QueryParameter(description="also as `name[]`")]


async def provide_usage_parameters(
    request: Request[Any, Any, Any],
    start_time: StartTime = None,
    end_time: EndTime = None,
    bucket_width: FromQuery[str] = "1d",
    limit: FromQuery[int | None] = None,
    page: FromQuery[str | None] = None,
    group_by: ListParameter = None,
    models: ListParameter = None,
    api_key_ids: ListParameter = None,
) -> UsageParameters:
    """Return the query parameters that all usage and cost endpoints share."""
    return UsageParameters(
        start_time, end_time, bucket_width, limit, page, _array_parameters(request)
    )


@dataclass(frozen=True, slots=True)
class UsageReader:
    """The account whose usage is read, and its currency.

    `project_id` is the only project whose usage a key of it may read; None is all.
    """

    account_id: UUID
    currency: str
    project_id: UUID | None = None


async def provide_usage_reader(
    request: Request[Any, Any, Any],
    authenticator: NamedDependency[Authenticator],
    database: NamedDependency[Database],
    clock: NamedDependency[Clock],
    settings: NamedDependency[Settings],
    pepper: NamedDependency[bytes],
) -> UsageReader:
    """Authenticate a request with an API key, or with an admin key of the account.

    Raises the error of a rejected key.
    """
    if not is_admin_key(request.headers.get(AUTHORIZATION)):
        principal = await provide_principal(authenticator, request)
        return UsageReader(principal.account_id, principal.currency, only_project(principal))
    admin = await authenticate(request, database, clock, settings, pepper, platform=False)
    currency = await admin.read(lambda session: get_account_currency(session, admin.account_id))
    return UsageReader(admin.account_id, currency)


class OrganizationRoutes(Controller):
    """The account's usage and costs as OpenAI's organization.

    OpenAI has no page for rows predicted by specialist models and for fine-tuning: these are in
    `/v1/usage`, on invoices, and in `/costs`.
    """

    path = "/v1/organization"
    dependencies = {"reader": Provide(provide_usage_reader)}  # noqa: RUF012  # by Litestar

    @get("/usage/completions", summary="Retrieve usage of text models by hour or day")
    async def completions(
        self,
        usage_parameters: NamedDependency[UsageParameters],
        reader: NamedDependency[UsageReader],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        """Return a page of chat and text completion usage in buckets of an hour or a day."""
        page = usage_page(usage_parameters, reader.account_id, clock.now(), COMPLETIONS)
        rows, as_of = await _load_usage(database, reader, page)
        return _json(completions_json(page, rows, reader.account_id, as_of))

    @get("/usage/embeddings", summary="Retrieve usage of embedding models by hour or day")
    async def embeddings(
        self,
        usage_parameters: NamedDependency[UsageParameters],
        reader: NamedDependency[UsageReader],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        """Return a page of embedding usage in buckets of an hour or a day."""
        page = usage_page(usage_parameters, reader.account_id, clock.now(), EMBEDDINGS)
        rows, as_of = await _load_usage(database, reader, page)
        return _json(embeddings_json(page, rows, reader.account_id, as_of))

    @get("/usage/decisions", summary="Retrieve usage of decisions by hour or day")
    async def decisions(
        self,
        usage_parameters: NamedDependency[UsageParameters],
        reader: NamedDependency[UsageReader],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        """Return a page of usage of `/v1/decisions`, in buckets of an hour or a day.

        Specialists that answer questions beside a language model are not included.
        """
        page = usage_page(usage_parameters, reader.account_id, clock.now(), DECISIONS)
        rows, as_of = await _load_usage(database, reader, page)
        return _json(decisions_json(page, rows, reader.account_id, as_of))

    @get("/usage/images", summary="Retrieve image inference usage by hour or day")
    async def images(
        self,
        usage_parameters: NamedDependency[UsageParameters],
        reader: NamedDependency[UsageReader],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        """Return a page of images that models processed, in buckets of an hour or a day."""
        page = images_page(usage_parameters, reader.account_id, clock.now())
        rows, as_of = await _load_usage(database, reader, page)
        return _json(images_json(page, rows, reader.account_id, as_of))

    @get("/costs", summary="Retrieve costs by day")
    async def costs(
        self,
        usage_parameters: NamedDependency[UsageParameters],
        reader: NamedDependency[UsageReader],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
    ) -> Response[bytes]:
        """Return a page of costs by day, in the account's currency."""
        page = costs_page(usage_parameters, reader.account_id, clock.now())
        rows, as_of = await _load_usage(database, reader, page)
        return _json(costs_json(page, rows, reader.account_id, as_of, reader.currency))


async def _load_usage(
    database: Database, reader: UsageReader, page: UsagePage
) -> tuple[list[UsageBucket], datetime]:
    """Return the usage rows of a page, and the time up to which usage is aggregated."""
    query = page.query
    if reader.project_id is not None:
        wanted = query.project_ids or [reader.project_id]
        query = replace(query, project_ids=[one for one in wanted if one == reader.project_id])
    async with database.transaction() as session:
        rows = await list_usage_buckets(session, reader.account_id, query)
        return rows, await get_aggregation_time(session)


def _array_parameters(request: Request[Any, Any, Any]) -> Mapping[str, Sequence[str]]:
    """Return the array parameters, sent as `models[]=a` (OpenAI's clients) or `models=a`.

    Raises ParameterInvalid for a parameter of OpenAI's that is not supported.
    """
    query = request.query_params
    for name in _UNSUPPORTED_PARAMETERS:
        if name in query or f"{name}[]" in query:
            raise ParameterInvalid(f"Unknown parameter: `{name}`.", param=name)
    return {
        name: [*query.getall(name, []), *query.getall(f"{name}[]", [])]
        for name in _ARRAY_PARAMETERS
    }


def _json(content: Any) -> Response[bytes]:
    """Return a JSON response in which a Decimal is a number with all its digits, never a float."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    return Response(encoder.encode(content), media_type="application/json")
