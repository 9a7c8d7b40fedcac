"""The price of a call at its service tier, and whether the key may use that tier.

Pure.
"""

from collections.abc import Mapping

from billing.rating.products import product
from gateway.call.errors import ServiceTierNotAvailable
from gateway.call.values import Priced, Principal, Tier


def price_at_tier(
    principal: Principal, tier: Tier, model: str, prices: Mapping[str, Priced]
) -> Priced:
    """The price of a model, which has a default price, at a tier.

    Flex costs as much as the default where the terms do not price it; priority is sold only at a
    price of its own. Raises ServiceTierNotAvailable.
    """
    _require_tier(principal, tier)
    if tier is Tier.DEFAULT:
        return prices[model]
    priced = prices.get(product(model, tier.value))
    if priced is None and tier is Tier.PRIORITY:
        raise ServiceTierNotAvailable(
            f"The service tier `{tier}` is not available for the model {model!r} under your plan.",
            param="service_tier",
        )
    return prices[model] if priced is None else priced


def _require_tier(principal: Principal, tier: Tier) -> None:
    allowed = principal.service_tiers
    if allowed is not None and tier.value not in allowed:
        raise ServiceTierNotAvailable(
            f"This API key may not use the service tier `{tier}`. "
            f"Its service tiers: {', '.join(sorted(allowed))}.",
            param="service_tier",
        )
