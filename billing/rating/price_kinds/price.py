"""Interface of the price kinds, and the terms that they share.

Each kind is a frozen class. In nano-units, for any quantity in one billing period:

- **amount**: the cost of the quantity, exact and unrounded. billing/money.py rounds once per
  invoice line.
- **slope**: the highest price that one further unit can add. Calls are reserved at the slope.
- **reserve**: package or flat amounts that fall due with the next unit.

Slope and reserve are a linear upper bound of the amount: for any quantity c so far and q more,

    amount(c + q) <= amount(c) + reserve(c) + q * slope

so the reservations of a period's calls plus the reserve are never less than the invoice.

To add a kind: write its module, add the class to registry.py and the translation of its text to
billing/translations/zh/prices.po. If price files need a new field for it, add the field to
price_fields.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, Self

from billing.rating.price_kinds.price_fields import PriceFields
from infra.errors import AppError
from infra.sentences import sentence

MAX_UNIT_PRICE = 10**15  # one million per unit; anything above is a typing error


class PriceInvalid(AppError):
    """The price is negative, out of range, inconsistent or of an unknown kind."""

    status = 400
    type = "invalid_request_error"
    code = "price_invalid"


class PriceFormatter(Protocol):
    """Formats the parts of a price in one language, for one meter.

    Meters are listed per a number of units: per million tokens, per row, per 60 seconds.
    """

    @property
    def listed_units(self) -> str:
        """The number of units that a price list states prices for, as text: `1,000,000`."""

    def listed_amount(self, unit: int) -> str:
        """Format a unit price (nano-units) as the amount for the listed number of units."""

    def amount(self, nano: int) -> str:
        """Format nano-units as an amount in major units, such as `¥0.50`."""

    def units(self, quantity: int) -> str:
        """Format a number of units with its noun, such as `1,000 rows`."""

    def phrase(self, key: str, **values: str) -> str:
        """Return the translated text of a key, with the values inserted."""


class Price(ABC):
    """A price of any kind. Immutable; instances with the same values are equal."""

    __slots__ = ()

    kind: ClassVar[str]  # name in files, JSON and translations; stored, so it never changes
    text: ClassVar[str]  # as in a price list; its translation is in billing/translations/
    required_fields: ClassVar[frozenset[str]]  # of PriceFields
    optional_fields: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def amount(self, quantity: int) -> int:
        """Return the cost of a quantity in one billing period, in nano-units."""

    @property
    @abstractmethod
    def slope(self) -> int:
        """The highest price of one further unit, in nano-units, for reservations."""

    @abstractmethod
    def reserve(self, quantity: int) -> int:
        """Return the nano-units to reserve for package or flat amounts due with the next unit."""

    @abstractmethod
    def scale(self, scale_amount: Callable[[int], int]) -> Self:
        """Return the price with each of its amounts (nano-units) replaced by `scale_amount` of it.

        Quantities such as sizes and tier limits stay.
        """

    @abstractmethod
    def to_json(self, amount_to_json: Callable[[int], object] = int) -> dict[str, Any]:
        """Return the price as JSON; `amount_to_json` converts its amounts (nano-units).

        Plan versions are hashes of this JSON: names and values must never change.
        """

    @classmethod
    @abstractmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Self:
        """Parse the JSON of `to_json` with amounts in nano-units. Raises PriceInvalid."""

    @classmethod
    @abstractmethod
    def from_fields(cls, fields: PriceFields) -> Self:
        """Build the price from the fields of a file. Raises ValueError, PriceInvalid.

        `fields` has the required fields of the kind and none of other kinds.
        """

    @abstractmethod
    def as_text(self, formatter: PriceFormatter) -> str:
        """Return the price as in a price list, such as `0.50 / 1,000,000`."""


def require_amount(nano: int, limit: int = MAX_UNIT_PRICE) -> None:
    """Require a whole number of nano-units from 0 to `limit`. Raises PriceInvalid."""
    # Rejects bool, which is a subclass of int.
    if type(nano) is not int or not 0 <= nano <= limit:
        raise PriceInvalid(
            sentence(
                "A price must be a whole number of nano-units, not negative and not above the "
                "maximum."
            )
        )
