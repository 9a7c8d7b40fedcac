"""Models as a key sees them: OpenAI's model objects with task, limits and prices."""

from collections.abc import Iterator, Mapping
from typing import Any

from billing.rating.products import TIERS, product_name
from gateway.call.values import AccountVariant, Principal
from models.catalog import Catalog, Model

# OpenAI's clients require the field, and the catalog has no creation dates (2026-01-01 UTC).
_CREATED = 1_767_225_600


def list_models(catalog: Catalog, principal: Principal) -> list[dict[str, Any]]:
    """Return the model objects of all models, aliases and fine-tuned models of the key."""
    return [
        render_model(catalog, name, principal) for name, _ in callable_models(catalog, principal)
    ]


def callable_models(catalog: Catalog, principal: Principal) -> Iterator[tuple[str, Model]]:
    """Yield public name and catalog model of what the key may call: models, aliases, own ones."""
    for model in catalog.models.values():
        if may_call(principal, model):
            yield model.id, model
    for name, target in catalog.aliases.items():
        if may_call(principal, catalog.models[target]):
            yield name, catalog.models[target]
    for name, variant in principal.variants.items():
        base = catalog.find(variant.base_model_id)
        if base is not None and may_call(principal, base):
            yield name, base


def render_model(catalog: Catalog, name: str, principal: Principal) -> dict[str, Any]:
    """Return the model object of a model, an alias or a fine-tuned model of the account.

    Raises KeyError if there is none of this name.
    """
    variant = principal.variants.get(name)
    if variant is not None:
        base = catalog.find(variant.base_model_id)
        if base is None:
            raise KeyError(name)
        return variant_json(name, variant, base, principal)
    model = catalog.find(name)
    if model is None:
        raise KeyError(name)
    alias = {} if name == model.id else {"id": name, "alias_of": model.id}
    return {**model_json(model, principal), **alias}


def may_call(principal: Principal, model: Model) -> bool:
    """Return whether the key may call the model."""
    return principal.allowed_models is None or model.id in principal.allowed_models


def model_json(model: Model, principal: Principal) -> dict[str, Any]:
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


def variant_json(
    name: str, variant: AccountVariant, model: Model, principal: Principal
) -> dict[str, Any]:
    """Return the model object of a fine-tuned variant."""
    return {
        **model_json(model, principal),
        "id": name,
        "owned_by": "you",
        "parent": model.id,
        "adaptable": False,
        "version": variant.current_version,
        "versions": sorted(variant.versions),
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
