"""`/v1/models`: the models a key may call, the fine-tuned variants of its account included."""

from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from billing.metering.key_epoch import read_epoch
from billing.rating.products import TIERS, product_name
from gateway.access.propagation import Propagation
from gateway.api.actors import key_actor
from gateway.call.values import AccountVariant, Principal
from gateway.fine_tuning import deletion
from gateway.fine_tuning.removal import VariantRemoval
from gateway.upstream.availability import Availability, find_catalog_model
from infra.clock import Clock
from infra.database.database import Database
from models.catalog import Catalog, Model

# OpenAI's clients require the field, and the catalog has no creation dates (2026-01-01 UTC).
_CREATED = 1_767_225_600
_WithFiles = Annotated[
    bool,
    QueryParameter(description="Also delete the training files that no other model was trained on"),
]


class ModelRoutes(Controller):
    """Models and variants; a variant of another account is reported as not found."""

    path = "/v1/models"

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
        propagation: NamedDependency[Propagation],
        variant_removal: NamedDependency[VariantRemoval],
        request: Request[Any, Any, Any],
        name: FromPath[str],
        training_files: _WithFiles = False,
    ) -> Response[dict[str, Any]]:
        """Delete a fine-tuned variant on all gateways, then unload it from the model servers."""
        actor, account_id = key_actor(principal, request), principal.account_id
        async with database.transaction() as session:
            deleted = await deletion.delete_model(
                session, clock, actor, account_id, name, training_files
            )
            epoch = await read_epoch(session)
        await propagation.wait(epoch)
        answer = {
            "id": name,
            "object": "model",
            "deleted": True,
            "deletion": deletion.render_deletion(deleted.record),
        }
        return Response(answer, background=BackgroundTask(variant_removal.remove, deleted))


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
