"""Service tiers in plan files: a percentage of the default prices, or their own prices.

    [[tier]]
    name = "priority"
    percent = 150

Tier prices are never rounded: a percentage that does not give a whole number of nano-units is
rejected when the plan is published, so every unit price is an integer.
"""

from collections.abc import Iterable, Sequence

import msgspec

from billing.rating.price_kinds.price import Price
from billing.rating.products import TIERS, model_of_product, product_name, tier_of_product
from billing.rating.terms import ModelPrice, TermsInvalid
from billing.rating.toml import field_message
from infra.sentences import Sentence, sentence

_MAX_PERCENT = 1_000


class TierFile(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[tier]]` table: a percentage of the default prices, for `models` or, if empty, for all
    text generation models."""

    name: str
    percent: int
    models: list[str] = []


def add_tier_prices(
    prices: Sequence[ModelPrice], tiers: Sequence[TierFile]
) -> tuple[ModelPrice, ...]:
    """Return all prices of a plan: those in its file, and those from service tier percentages.

    A price that the file states for a tier takes precedence over the percentage. Raises
    TermsInvalid.
    """
    _require_default_prices(prices)
    stated = {(one.model, one.meter) for one in prices}
    added: dict[tuple[str, str], ModelPrice] = {}
    for at, tier in enumerate(tiers):
        _require_valid_tier(tier, f"tier[{at}]")
        for one in _prices_to_scale(prices, tier, f"tier[{at}]"):
            model_meter = (product_name(one.model, tier.name), one.meter)
            if model_meter in added:
                message = sentence("{entry} occurs twice", entry=model_meter[0])
                raise _tier_error(f"tier[{at}]", message)
            if model_meter not in stated:
                entry = f"{one.model} {one.meter}"
                scaled = _scale_price(one.price, tier.percent, f"tier[{at}]", entry)
                added[model_meter] = ModelPrice(*model_meter, scaled)
    return (*prices, *added.values())


def _require_valid_tier(tier: TierFile, field_path: str) -> None:
    """Raise TermsInvalid if a tier's name is unknown or its percentage is out of range."""
    if tier.name not in TIERS:
        message = sentence("the name must be one of {names}", names=", ".join(TIERS))
        raise _tier_error(field_path, message)
    if not 0 < tier.percent <= _MAX_PERCENT:
        message = sentence("percent must be 1 to {most}", most=_MAX_PERCENT)
        raise _tier_error(field_path, message)


def _require_default_prices(prices: Iterable[ModelPrice]) -> None:
    """Require that each model with tier prices also has default prices. Raises TermsInvalid."""
    default = {one.model for one in prices if tier_of_product(one.model) is None}
    for one in prices:
        if tier_of_product(one.model) is not None and model_of_product(one.model) not in default:
            model = model_of_product(one.model)
            message = sentence("{model} has no price for the default tier", model=model)
            raise _tier_error("price", message)


def _prices_to_scale(
    prices: Sequence[ModelPrice], tier: TierFile, field_path: str
) -> list[ModelPrice]:
    """Return the default prices to scale for a tier. Raises TermsInvalid for other models."""
    text_models = {one.model for one in prices if one.meter == "output_tokens"}
    for model in tier.models:
        if model not in text_models:
            message = sentence("{model} has no price for output tokens", model=model)
            raise _tier_error(field_path, message)
    models = set(tier.models) or {one for one in text_models if tier_of_product(one) is None}
    return [one for one in prices if one.model in models]


def _scale_price(price: Price, percent: int, field_path: str, entry: str) -> Price:
    """Return a percentage of a price. Raises TermsInvalid if a result is not a whole number."""

    def scale_amount(nano: int) -> int:
        """Return `percent` of an amount in nano-units. Raises TermsInvalid if not whole."""
        if nano * percent % 100:
            message = sentence(
                "{percent} % of {nano} nano-units of {entry} is not a whole number of nano-units; "
                "set the tier's price explicitly",
                percent=percent,
                nano=nano,
                entry=entry,
            )
            raise _tier_error(field_path, message)
        return nano * percent // 100

    return price.scale(scale_amount)


def _tier_error(field_path: str, message: Sentence) -> TermsInvalid:
    """Return the error of a `[[tier]]` or `[[price]]` table."""
    return TermsInvalid(field_message(field_path, message), param=field_path)
