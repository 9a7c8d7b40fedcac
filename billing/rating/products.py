"""Names of priced products: a model at a service tier (default, priority, flex, batch).

The product of the default tier has the model's name; other tiers are `model@tier`. Terms, usage
totals and invoice lines use product names, so the same rating code prices every tier.
"""

# The price of calls in batches (gateway/batches/), which no request can choose.
BATCH_TIER = "batch"
TIERS = ("priority", "flex", BATCH_TIER)
_TIER_SEPARATOR = "@"
# SQL expression for the product name of a usage row `u`.
PRODUCT_SQL = "coalesce(u.model, '') || coalesce('@' || u.service_tier, '')"


def product_name(model: str, tier: str | None) -> str:
    """Return the product name for a model at a service tier; None is the default tier."""
    return model if tier is None else f"{model}{_TIER_SEPARATOR}{tier}"


def model_of_product(name: str) -> str:
    """Return the model of a product name."""
    return name.partition(_TIER_SEPARATOR)[0]


def tier_of_product(name: str) -> str | None:
    """Return the service tier of a product name, or None for the default tier."""
    return name.partition(_TIER_SEPARATOR)[2] or None
