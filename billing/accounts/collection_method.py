"""How an account pays its invoices: by hand, or through a collector that charges or sends them.

The text form is stored and part of the API: `manual`, or the collector's name with the method, such
as `stripe_charge`.
"""

from dataclasses import dataclass
from enum import StrEnum

from billing.collection.collector import CollectorInfo
from billing.collection.collectors import COLLECTORS, find_collector_info


class CollectionMethod(StrEnum):
    """Who acts so that an invoice is paid."""

    MANUAL = "manual"  # the customer, by bank transfer, which the operator records
    CHARGE = "charge"  # the collector charges the payment method on file
    INVOICE = "invoice"  # the collector sends the invoice and waits


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection method and the name of its collector, empty if manual."""

    method: CollectionMethod
    collector: str = ""

    def __str__(self) -> str:
        """The text form."""
        return f"{self.collector}_{self.method}" if self.collector else str(self.method)

    @classmethod
    def parse(cls, text: str) -> "Collection":
        """Parse a text such as `manual` or `stripe_charge`. Raises ValueError if it is invalid."""
        collector, _, method = text.rpartition("_")
        parsed = CollectionMethod(method)
        if bool(collector) == (parsed == CollectionMethod.MANUAL):
            raise ValueError(f"{text!r} is not a collection method")
        return cls(parsed, collector)

    @property
    def is_manual(self) -> bool:
        """Whether the customer pays by bank transfer, without a collector."""
        return self.method == CollectionMethod.MANUAL

    @property
    def is_charged(self) -> bool:
        """Whether the payment method on file is charged, so that invoices are due at once."""
        return self.method == CollectionMethod.CHARGE

    @property
    def collector_info(self) -> CollectorInfo | None:
        """The properties of the collector; None if manual or if the collector is unknown."""
        return find_collector_info(self.collector)

    def minimum_amount(self, currency: str) -> int:
        """Return the smallest amount that can be collected, in minor units; 1 if unknown."""
        info = self.collector_info
        return 1 if info is None else info.minimum_charge(currency)


MANUAL = Collection(CollectionMethod.MANUAL)


def known_collections() -> tuple[str, ...]:
    """Return all valid collection methods as text, such as `manual` or `stripe_charge`."""
    methods = (CollectionMethod.CHARGE, CollectionMethod.INVOICE)
    collected = (str(Collection(method, name)) for name in COLLECTORS for method in methods)
    return (str(MANUAL), *collected)
