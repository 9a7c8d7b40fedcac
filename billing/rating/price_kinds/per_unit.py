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
        """Return 0: nothing falls due besides the units."""
        return 0

    def scale(self, scale_amount: Callable[[int], int]) -> Self:
        return type(self)(scale_amount(self.unit))

    def to_json(self, amount_to_json: Callable[[int], object] = int) -> dict[str, Any]:
        return {"kind": self.kind, "unit": amount_to_json(self.unit)}

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        return cls(payload["unit"])

    @classmethod
    def from_fields(cls, fields: PriceFields) -> Self:
        return cls(parse_unit_price(fields.price, fields.per))

    def as_text(self, formatter: PriceFormatter) -> str:
        price = formatter.listed_amount(self.unit)
        return formatter.phrase(self.kind, price=price, units=formatter.listed_units)
