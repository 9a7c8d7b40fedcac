"""`/v1/models`: the models that can be called, the catalog's and the account's own variants."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, put
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from billing.metering.key_epoch import read_epoch
from billing.rating.products import TIERS, product
from gateway.access.propagation import Propagation
from gateway.call.errors import ModelNotFound
from gateway.call.values import OwnVariant, Principal
from gateway.registry.variants import choose, withdraw
from gateway.upstream.availability import Availability
from gateway.upstream.load_balancer import Router
from gateway.upstream.variant_loader import VariantLoader
from gateway.wire.body import read_strictly
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model

# The catalog holds no date of making; OpenAI's clients want the field.
_CREATED = 1_767_225_600
_MOST_BYTES = 64 << 10


class Choice(msgspec.Struct):
    """Which version answers where none is asked for."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]


_CHOICE = msgspec.json.Decoder(Choice)


class ModelRoutes(Controller):
    """A variant of another account does not exist."""

    path = "/v1/models"
    request_max_body_size = _MOST_BYTES

    @get("/", summary="The models that can be called, with their prices")
    async def models(
        self, principal: NamedDependency[Principal], availability: NamedDependency[Availability]
    ) -> dict[str, Any]:
        catalog = availability.catalog
        data = [
            _show_model(model, principal)
            for model in catalog.models.values()
            if _may(principal, model)
        ]
        own = [
            _show_variant(name, variant, model, principal)
            for name, variant in principal.variants.items()
            if (model := catalog.find(variant.base)) is not None and _may(principal, model)
        ]
        return {"object": "list", "data": [*data, *own]}

    @get("/{name:str}", summary="One model")
    async def model(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        availability: NamedDependency[Availability],
        name: FromPath[str],
    ) -> dict[str, Any]:
        variant = principal.variants.get(name)
        model = catalog.find(name if variant is None else variant.base)
        if model is None:
            raise ModelNotFound(f"The model {name[:100]!r} does not exist.", param="model")
        availability.require(model)
        if variant is None:
            return _show_model(model, principal)
        return _show_variant(name, variant, model, principal)

    @delete("/{name:str}", status_code=200, summary="Delete a variant, all its versions")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        router: NamedDependency[Router],
        loader: NamedDependency[VariantLoader],
        propagation: NamedDependency[Propagation],
        name: FromPath[str],
    ) -> Response[dict[str, Any]]:
        async with database.transaction() as session:
            base, gone = await withdraw(session, clock, principal.account_id, name)
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        model = catalog.find(base)
        servers = () if model is None else router.servers(base)
        removal = None if model is None else BackgroundTask(loader.forget, servers, model, gone)
        return Response({"id": name, "object": "model", "deleted": True}, background=removal)

    @put("/{name:str}/current", summary="Which version of a variant answers: back, or forward")
    async def current(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        propagation: NamedDependency[Propagation],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        wanted = read_strictly(_CHOICE, await request.body())
        async with database.transaction() as session:
            await choose(session, principal.account_id, name, wanted.version)
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        return {"id": name, "object": "model", "version": wanted.version}


def _may(principal: Principal, model: Model) -> bool:
    """Whether the key may call it."""
    return principal.models is None or model.id in principal.models


def _show_model(model: Model, principal: Principal) -> dict[str, Any]:
    priced = principal.contract.get(model.id)
    prices: Mapping[str, int] = {} if priced is None else dict(priced.prices)
    return {
        "id": model.id,
        "object": "model",
        "created": _CREATED,
        "owned_by": "maas",
        "parent": model.base,
        "task": model.task.value,
        "description": model.description,
        "context_length": model.context_length,
        "adaptable": model.adapter is not None,
        "currency": principal.currency,
        "price_nano_per_unit": prices,
        "service_tier_price_nano_per_unit": _tier_prices(model, principal),
    }


def _tier_prices(model: Model, principal: Principal) -> dict[str, Mapping[str, int]]:
    """The prices of each tier that the key may use and that has prices of its own."""
    allowed = TIERS if principal.service_tiers is None else principal.service_tiers
    sold = {tier: principal.contract.get(product(model.id, tier)) for tier in TIERS}
    return {
        tier: dict(priced.prices)
        for tier, priced in sold.items()
        if priced is not None and tier in allowed
    }


def _show_variant(
    name: str, variant: OwnVariant, model: Model, principal: Principal
) -> dict[str, Any]:
    return {
        **_show_model(model, principal),
        "id": name,
        "owned_by": "you",
        "parent": model.id,
        "adaptable": False,
        "version": variant.current,
        "versions": sorted(variant.versions),
    }
