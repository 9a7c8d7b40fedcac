"""The price of a call at its service tier, and the check that the key may use that tier."""

from collections.abc import Mapping

from billing.rating.products import product_name
from gateway.call.errors import ServiceTierNotAvailable
from gateway.call.values import ModelPrices, Principal, ServiceTier


def prices_at_tier(
    principal: Principal, tier: ServiceTier, model: str, prices: Mapping[str, ModelPrices]
) -> ModelPrices:
    """Return a model's prices at a service tier; `prices` are those of all products, by name.

    Flex and batch fall back to the default prices; priority requires its own. Raises
    ServiceTierNotAvailable.
    """
    _require_allowed_tier(principal, tier)
    if tier is ServiceTier.DEFAULT:
        return prices[model]
    tier_prices = prices.get(product_name(model, tier.value))
    if tier_prices is None and tier is ServiceTier.PRIORITY:
        raise ServiceTierNotAvailable(
            f"The service tier `{tier}` is not available for the model {model!r} under your plan.",
            param="service_tier",
        )
    return prices[model] if tier_prices is None else tier_prices


def _require_allowed_tier(principal: Principal, tier: ServiceTier) -> None:
    """Raise ServiceTierNotAvailable if the key may not use the tier."""
    allowed = principal.allowed_service_tiers
    if allowed is not None and tier.value not in allowed:
        raise ServiceTierNotAvailable(
            f"This API key is not allowed to use the service tier `{tier}`. Allowed "
            f"service tiers: {', '.join(sorted(allowed))}.",
            param="service_tier",
        )
