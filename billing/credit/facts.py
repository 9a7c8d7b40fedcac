"""The facts of an account that its credit policy decides by, and their canonical JSON."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class GuaranteeFact:
    """A guarantee that counts now, in minor units."""

    id: UUID
    guarantor: str
    minor: int
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideFact:
    """The operator's override that applies until `expires_at`, in minor units."""

    id: UUID
    minor: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditFacts:
    """What is known of an account at the time of a decision; amounts in minor units.

    `paid` is money received less chargebacks, `highest_invoice` the highest invoice that was not
    voided, `days_overdue` the age of the oldest overdue invoice (0 if none). Chargebacks and failed
    payments are counted within the policy's window. `earned_before` is the earned limit of the
    decision before, None for the first. Raises ValueError for negative values.
    """

    currency: str
    opened_at: datetime
    paid_on_time: int
    paid: int
    highest_invoice: int
    days_overdue: int
    overdue: int
    disputed: int
    chargebacks: int
    failed_payments: int
    deposit: int
    guarantees: tuple[GuaranteeFact, ...] = ()
    override: OverrideFact | None = None
    earned_before: int | None = None

    def __post_init__(self) -> None:
        amounts = [value for name in self.__slots__ if type(value := getattr(self, name)) is int]
        amounts += [guarantee.minor for guarantee in self.guarantees]
        amounts += [] if self.override is None else [self.override.minor]
        if any(amount < 0 for amount in amounts):
            raise ValueError("the facts of a credit decision are never negative")

    def canonical_json(self) -> str:
        """Return the canonical JSON: sorted keys, no spaces, all fields."""
        return msgspec.json.encode(self, order="sorted").decode()


def parse_facts(text: str) -> CreditFacts:
    """Parse `CreditFacts.canonical_json`."""
    return msgspec.json.decode(text, type=CreditFacts)
