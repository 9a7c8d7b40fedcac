"""Per unit price: each unit costs the same."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from billing.rating.price_kinds.price import Price, PriceFormatter, require_amount
from billing.rating.price_kinds.price_fields import PriceFields, parse_unit_price
from infra.translations import gettext_noop


@dataclass(frozen=True, slots=True)
class PerUnit(Price):
    """A price per unit: `unit` nano-units for each unit."""

    kind: ClassVar[str] = "per_unit"
    text: ClassVar[str] = gettext_noop("{price} per {units}")
    required_fields: ClassVar[frozenset[str]] = frozenset({"price"})
    optional_fields: ClassVar[frozenset[str]] = frozenset({"per"})

    unit: int

    def __post_init__(self) -> None:
        require_amount(self.unit)

    def amount(self, quantity: int) -> int:
        """Return the quantity times the unit price, in nano-units."""
        return quantity * self.unit

    @property
    def slope(self) -> int:
        """The unit price, in nano-units."""
        return self.unit

    def reserve(self, quantity: int) -> int:
        """Return 0: a per-unit price has no package or flat amounts to reserve."""
        return 0

    def scale(self, scale_amount: Callable[[int], int]) -> Self:
        """Return the price with `scale_amount` applied to the unit price (nano-units)."""
        return type(self)(scale_amount(self.unit))

    def to_json(self, amount_to_json: Callable[[int], object] = int) -> dict[str, Any]:
        """Return kind and unit price as JSON; `amount_to_json` converts the amount."""
        return {"kind": self.kind, "unit": amount_to_json(self.unit)}

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Parse the JSON of `to_json`. Raises PriceInvalid if the amount is out of range."""
        return cls(payload["unit"])

    @classmethod
    def from_fields(cls, fields: PriceFields) -> Self:
        """Build the price from the fields `price` and `per`. Raises ValueError, PriceInvalid."""
        return cls(parse_unit_price(fields.price, fields.per))

    def as_text(self, formatter: PriceFormatter) -> str:
        """Return the price of the listed number of units as a price-list text."""
        price = formatter.listed_amount(self.unit)
        return formatter.phrase(self.kind, price=price, units=formatter.listed_units)
