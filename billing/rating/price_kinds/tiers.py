"""Price tiers, and the common base class of the graduated and the volume price.

Tiers divide the quantity of a billing period: each covers the units from above the one before up to
and including its `up_to`; the last one has no limit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from billing.money import nano_from_text
from billing.rating.price_kinds.price import Price, PriceFormatter, PriceInvalid, require_amount
from billing.rating.price_kinds.price_fields import PriceFields, TierFields, parse_unit_price
from infra.sentences import sentence

_MAX_TIERS = 50
_MAX_FLAT = 10**18


@dataclass(frozen=True, slots=True)
class Tier:
    """A price tier: units up to and including `up_to` (None: unlimited) cost `unit` nano-units.

    `flat` nano-units are charged once per period, with the first unit in the tier.
    """

    up_to: int | None
    unit: int
    flat: int = 0

    def __post_init__(self) -> None:
        require_amount(self.unit)
        require_amount(self.flat, _MAX_FLAT)

    def scale(self, scale_amount: Callable[[int], int]) -> "Tier":
        """Return the tier with `scale_amount` applied to the unit price and the flat amount."""
        return Tier(self.up_to, scale_amount(self.unit), scale_amount(self.flat))

    def to_json(self, amount_to_json: Callable[[int], object]) -> dict[str, Any]:
        """Return the tier as JSON; `amount_to_json` converts its two amounts (nano-units)."""
        unit, flat = amount_to_json(self.unit), amount_to_json(self.flat)
        return {"up_to": self.up_to, "unit": unit, "flat": flat}

    @classmethod
    def from_fields(cls, fields: TierFields, per: int) -> "Tier":
        """Build the tier from file fields: `price` is for `per` units, `flat` is charged once."""
        unit = parse_unit_price(fields.price, per)
        return cls(fields.up_to, unit, nano_from_text(fields.flat))

    def as_text(self, formatter: PriceFormatter) -> str:
        """Return the tier as price-list text, such as `0.01 and 5.00 once up to 1,000; `."""
        price = formatter.listed_amount(self.unit)
        if self.flat:
            price += formatter.phrase("flat", flat=formatter.amount(self.flat))
        if self.up_to is None:
            return formatter.phrase("last_tier", price=price)
        return formatter.phrase("tier", up_to=formatter.units(self.up_to), price=price)


@dataclass(frozen=True, slots=True)
class TieredPrice(Price):
    """A price that depends on the tier. Raises PriceInvalid unless the tiers ascend."""

    required_fields: ClassVar[frozenset[str]] = frozenset({"tiers"})
    optional_fields: ClassVar[frozenset[str]] = frozenset({"per"})

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        require_ascending_tiers(self.tiers)

    @property
    def slope(self) -> int:
        """The unit price of the most expensive tier, in nano-units."""
        return max(tier.unit for tier in self.tiers)

    def scale(self, scale_amount: Callable[[int], int]) -> Self:
        """Return the price with `scale_amount` applied to all amounts; tier limits stay."""
        return type(self)(tuple(tier.scale(scale_amount) for tier in self.tiers))

    def to_json(self, amount_to_json: Callable[[int], object] = int) -> dict[str, Any]:
        """Return kind and tiers as JSON; `amount_to_json` converts each amount."""
        return {"kind": self.kind, "tiers": [tier.to_json(amount_to_json) for tier in self.tiers]}

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Parse the JSON of `to_json`. Raises PriceInvalid if the tiers are invalid."""
        return cls(tuple(Tier(**tier) for tier in payload["tiers"]))

    @classmethod
    def from_fields(cls, fields: PriceFields) -> Self:
        """Build the price from the fields `tiers` and `per`. Raises ValueError, PriceInvalid."""
        return cls(tuple(Tier.from_fields(tier, fields.per) for tier in fields.tiers))

    def as_text(self, formatter: PriceFormatter) -> str:
        """Return all tiers, for the listed number of units, as a price-list text."""
        tiers = "".join(tier.as_text(formatter) for tier in self.tiers)
        return formatter.phrase(self.kind, tiers=tiers, units=formatter.listed_units)


def require_ascending_tiers(tiers: Sequence[Tier]) -> None:
    """Require 1 to 50 tiers, each ending above the one before, the last without a limit.

    Raises PriceInvalid.
    """
    bounds = [tier.up_to for tier in tiers]
    if not 0 < len(tiers) <= _MAX_TIERS or bounds[-1] is not None or None in bounds[:-1]:
        raise PriceInvalid(
            sentence(
                "There must be 1 to {most} tiers, and only the last tier has no `up_to`.",
                most=_MAX_TIERS,
            )
        )
    ends = [bound for bound in bounds if bound is not None]
    if any(end <= start for start, end in zip([0, *ends], ends, strict=False)):
        raise PriceInvalid(
            sentence("Each tier's `up_to` must be greater than that of the previous tier.")
        )
