"""Priced products: a model at a service tier, which has prices of its own.

A product of the default tier is named as its model; that of another tier is `model@tier`. Terms,
totals and invoice lines count products, so the same rating code prices every tier. Pure.
"""

TIERS = ("priority", "flex")
_MARK = "@"
# The product of a usage row `u`.
PRODUCT_SQL = "coalesce(u.model, '') || coalesce('@' || u.service_tier, '')"


def product(model: str, tier: str | None) -> str:
    """What a call of a model is priced as; a tier of None is the default."""
    return model if tier is None else f"{model}{_MARK}{tier}"


def model_of(name: str) -> str:
    """The model of a product."""
    return name.partition(_MARK)[0]


def tier_of(name: str) -> str | None:
    """The tier of a product; None for the default."""
    return name.partition(_MARK)[2] or None
