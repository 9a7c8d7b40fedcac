"""`/v1/models`: the models a key may call, the fine-tuned variants of its account included."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, Response, delete, get, put
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from billing.metering.key_epoch import read_epoch
from billing.rating.products import TIERS, product_name
from gateway.access.propagation import Propagation
from gateway.call.values import AccountVariant, Principal
from gateway.registry.variants import delete_variant, set_current_version
from gateway.upstream.availability import Availability, find_catalog_model
from gateway.upstream.load_balancer import Router
from gateway.upstream.variant_loader import VariantLoader
from gateway.wire.body import decode_body_strict
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model

# OpenAI's clients require the field, and the catalog has no creation dates (2026-01-01 UTC).
_CREATED = 1_767_225_600
_MAX_BODY_BYTES = 64 << 10


class CurrentVersionRequest(msgspec.Struct):
    """The version that serves calls without a version."""

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]


_DECODER = msgspec.json.Decoder(CurrentVersionRequest)


class ModelRoutes(Controller):
    """Models and variants; a variant of another account is reported as not found."""

    path = "/v1/models"
    request_max_body_size = _MAX_BODY_BYTES

    @get("/", summary="List models with their prices")
    async def models(
        self, principal: NamedDependency[Principal], availability: NamedDependency[Availability]
    ) -> dict[str, Any]:
        """Return the model objects of all models, aliases and variants that the key may call."""
        catalog = availability.catalog
        data = [
            _model_json(model, principal)
            for model in catalog.models.values()
            if _may_call(principal, model)
        ]
        own = [
            _variant_json(name, variant, model, principal)
            for name, variant in principal.variants.items()
            if (model := catalog.find(variant.base_model_id)) is not None
            and _may_call(principal, model)
        ]
        aliases = [
            {**_model_json(catalog.models[target], principal), "id": name, "alias_of": target}
            for name, target in catalog.aliases.items()
            if _may_call(principal, catalog.models[target])
        ]
        return {"object": "list", "data": [*data, *aliases, *own]}

    @get("/{name:str}", summary="One model")
    async def model(
        self,
        principal: NamedDependency[Principal],
        catalog: NamedDependency[Catalog],
        availability: NamedDependency[Availability],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Return OpenAI's object of a model or variant. Raises ModelNotFound, ModelNotInstalled."""
        variant = principal.variants.get(name)
        model = find_catalog_model(catalog, name if variant is None else variant.base_model_id)
        availability.require_served(model)
        if variant is None:
            alias = {} if name == model.id else {"id": name, "alias_of": model.id}
            return {**_model_json(model, principal), **alias}
        return _variant_json(name, variant, model, principal)

    @delete("/{name:str}", status_code=200, summary="Delete a variant, all its versions")
    async def erase(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        clock: NamedDependency[Clock],
        catalog: NamedDependency[Catalog],
        router: NamedDependency[Router],
        variant_loader: NamedDependency[VariantLoader],
        propagation: NamedDependency[Propagation],
        name: FromPath[str],
    ) -> Response[dict[str, Any]]:
        """Delete a fine-tuned variant on all gateways, then unload it from the model servers."""
        async with database.transaction() as session:
            base, deleted_versions = await delete_variant(
                session, clock, principal.account_id, name
            )
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        model = catalog.find(base)
        servers = () if model is None else router.server_urls(base)
        removal = (
            None
            if model is None
            else BackgroundTask(variant_loader.unload, servers, model, deleted_versions)
        )
        return Response({"id": name, "object": "model", "deleted": True}, background=removal)

    @put("/{name:str}/current", summary="Set the version of a fine-tuned model that serves calls")
    async def current(
        self,
        principal: NamedDependency[Principal],
        database: NamedDependency[Database],
        propagation: NamedDependency[Propagation],
        request: Request[Any, Any, Any],
        name: FromPath[str],
    ) -> dict[str, Any]:
        """Set which version of a fine-tuned variant answers calls, and wait for all gateways."""
        version_request = decode_body_strict(_DECODER, await request.body())
        async with database.transaction() as session:
            await set_current_version(session, principal.account_id, name, version_request.version)
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        return {"id": name, "object": "model", "version": version_request.version}


def _may_call(principal: Principal, model: Model) -> bool:
    """Return whether the key may call the model."""
    return principal.allowed_models is None or model.id in principal.allowed_models


def _model_json(model: Model, principal: Principal) -> dict[str, Any]:
    """Return OpenAI's model object, extended by task, prices and limits."""
    priced = principal.model_prices.get(model.id)
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
        "reasoning_efforts": list(model.reasoning),
        "currency": principal.currency,
        "price_nano_per_unit": prices,
        "service_tier_price_nano_per_unit": _tier_prices(model, principal),
    }


def _tier_prices(model: Model, principal: Principal) -> dict[str, Mapping[str, int]]:
    """Return the prices of each service tier that the key may use and that has its own prices."""
    allowed = TIERS if principal.allowed_service_tiers is None else principal.allowed_service_tiers
    tier_products = {
        tier: principal.model_prices.get(product_name(model.id, tier)) for tier in TIERS
    }
    return {
        tier: dict(priced.prices)
        for tier, priced in tier_products.items()
        if priced is not None and tier in allowed
    }


def _variant_json(
    name: str, variant: AccountVariant, model: Model, principal: Principal
) -> dict[str, Any]:
    """Return the model object of a fine-tuned variant."""
    return {
        **_model_json(model, principal),
        "id": name,
        "owned_by": "you",
        "parent": model.id,
        "adaptable": False,
        "version": variant.current_version,
        "versions": sorted(variant.versions),
    }
