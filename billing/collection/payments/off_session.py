"""The interface of a provider that charges a saved payment method without the customer present."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from billing.collection.payments.provider import PaymentResult


@dataclass(frozen=True, slots=True)
class SavedMethodCharge:
    """A charge of a customer's saved payment method, named by our order number; minor units."""

    number: str
    customer: str
    minor: int
    currency: str


@runtime_checkable
class OffSessionCharger(Protocol):
    """Charges saved payment methods. Methods raise RetryLater and PermanentFailure."""

    @property
    def collector(self) -> str:
        """The name of the collector with which customers are registered."""

    async def close(self) -> None:
        """Close the connections."""

    async def find(self, charge: SavedMethodCharge) -> PaymentResult | None:
        """Return the result of an earlier charge with this number, None if there is none."""

    async def charge(self, charge: SavedMethodCharge) -> PaymentResult:
        """Charge the default payment method; a repeated number has no effect within a day.

        A declined payment is a result: `failed`.
        """
