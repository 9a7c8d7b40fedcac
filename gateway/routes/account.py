"""What an account may read of itself: the models it can call, and what its calls cost.

Owns the addresses and the shape of the answers; the numbers come from billing.
"""

from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter

from billing.metering.usage import REQUEST_PREFIX, list_usage, show_usage
from gateway.auth import Authenticator
from gateway.errors import ModelNotFound, ParameterInvalid
from gateway.flow import Principal
from gateway.quoting import Quoting
from infra import ids
from infra.db import Database
from models.catalog import Catalog, Model

_Tags = Annotated[
    str | None, HeaderParameter(name="X-Maas-Tags", description="Those that the call will have")
]
# The catalog holds no date of making; OpenAI's clients want the field.
_CREATED = 1_767_225_600


class AccountRoutes(Controller):
    """`/v1/models` and `/v1/usage`."""

    path = "/v1"

    @get("/models", summary="The models that can be called, with their prices")
    async def models(
        self, principal: NamedDependency[Principal], catalog: NamedDependency[Catalog]
    ) -> dict[str, Any]:
        data = [_show_model(model, principal) for model in catalog.models.values()]
        return {"object": "list", "data": data}

    @get("/models/{name:str}", summary="One model")
    async def model(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        name: FromPath[str],
    ) -> dict[str, Any]:
        model = catalog.find(name)
        if model is None:
            raise ModelNotFound(f"The model {name[:100]!r} does not exist.", param="model")
        return _show_model(model, principal)

    @get("/usage", summary="The account's calls, the newest first, each with its cost")
    async def usage(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
        before: FromQuery[str | None] = None,
    ) -> dict[str, Any]:
        mark = None if before is None else ids.parse(REQUEST_PREFIX, before)
        if before is not None and mark is None:
            raise ParameterInvalid("`before` is a request id, `req_…`.", param="before")
        async with database.transaction() as session:
            rows = await list_usage(
                session, account_id=principal.account_id, limit=limit + 1, before=mark
            )
        shown = [show_usage(row) for row in rows[:limit]]
        return {"object": "list", "data": shown, "has_more": len(rows) > limit}


class QuoteRoutes(Controller):
    """`/v1/quote`."""

    path = "/v1"

    @post("/quote", status_code=200, summary="What a call would cost at most, before it is made")
    async def quote(
        self,
        principal: NamedDependency[Principal],
        quoting: NamedDependency[Quoting],
        request: Request[Any, Any, Any],
        tags: _Tags = None,
    ) -> dict[str, Any]:
        return await quoting.quote(principal, await request.body(), tags)


async def provide_principal(
    authenticator: NamedDependency[Authenticator], request: Request[Any, Any, Any]
) -> Principal:
    """Who asks. Raises what the key is refused for."""
    credentials = request.headers.get("authorization")
    return authenticator.require_active(await authenticator.identify(credentials))


def _show_model(model: Model, principal: Principal) -> dict[str, Any]:
    priced = principal.contract.get(model.id)
    return {
        "id": model.id,
        "object": "model",
        "created": _CREATED,
        "owned_by": "maas",
        "task": model.task.value,
        "description": model.description,
        "context_length": model.context_length,
        "currency": principal.currency,
        "price_nano_per_unit": {} if priced is None else dict(priced.prices),
    }
