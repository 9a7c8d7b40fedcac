"""Package price: units are sold in packages, and a started package is charged in full."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from billing.money import nano_from_text
from billing.rating.price_kinds.price import Price, PriceFormatter, PriceInvalid, require_amount
from billing.rating.price_kinds.price_fields import PriceFields
from infra.sentences import sentence
from infra.translations import gettext_noop

_MAX_SIZE = 10**12


@dataclass(frozen=True, slots=True)
class Package(Price):
    """A price per package of `size` units, `package_amount` nano-units each."""

    kind: ClassVar[str] = "package"
    text: ClassVar[str] = gettext_noop("{price} per {units}, rounded up")
    required_fields: ClassVar[frozenset[str]] = frozenset({"price", "size"})

    size: int
    package_amount: int

    def __post_init__(self) -> None:
        require_amount(self.package_amount)
        if not 0 < self.size <= _MAX_SIZE:
            raise PriceInvalid(sentence("A package must have 1 to 10^12 units."))

    def amount(self, quantity: int) -> int:
        """Return the cost of the packages that a quantity starts, in nano-units."""
        return -(-quantity // self.size) * self.package_amount

    @property
    def slope(self) -> int:
        """The price of one unit of a full package in nano-units, rounded up."""
        return -(-self.package_amount // self.size)

    def reserve(self, quantity: int) -> int:
        """Return the price of one package, which the next unit may start, in nano-units."""
        return self.package_amount

    def scale(self, scale_amount: Callable[[int], int]) -> Self:
        """Return the price with `scale_amount` applied to the package amount; the size stays."""
        return type(self)(self.size, scale_amount(self.package_amount))

    def to_json(self, amount_to_json: Callable[[int], object] = int) -> dict[str, Any]:
        """Return kind, size and package amount as JSON; `amount_to_json` converts the amount."""
        amount = amount_to_json(self.package_amount)
        return {"kind": self.kind, "size": self.size, "amount": amount}

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Parse the JSON of `to_json`. Raises PriceInvalid if amount or size is out of range."""
        return cls(payload["size"], payload["amount"])

    @classmethod
    def from_fields(cls, fields: PriceFields) -> Self:
        """Build the price from the fields `price` and `size`. Raises ValueError, PriceInvalid."""
        return cls(fields.size or 0, nano_from_text(fields.price or ""))

    def as_text(self, formatter: PriceFormatter) -> str:
        """Return the package amount and size as a price-list text."""
        price, units = formatter.amount(self.package_amount), formatter.units(self.size)
        return formatter.phrase(self.kind, price=price, units=units)
