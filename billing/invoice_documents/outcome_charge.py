"""Outcome charges as shown on invoice documents: settlement, attester and quantity."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.money import PPM
from infra import ids

SETTLEMENT_PREFIX = "oset"


@dataclass(frozen=True, slots=True)
class OutcomeCharge:
    """A charge of an outcome contract.

    `digest` is the SHA-256 of the settlement's evidence bundle, from which the amount can be
    recomputed. `micro` is the quantity in millionths of a unit; `words` are descriptions by locale.
    """

    settlement_id: UUID
    digest: str
    attested_by: str
    micro: int
    words: Mapping[str, str]

    @property
    def quantity(self) -> str:
        """The quantity as an exact decimal."""
        return format_units(self.micro)

    def to_json(self) -> dict[str, Any]:
        """Return the charge as part of the invoice document's JSON."""
        return {
            "settlement": ids.format_id(SETTLEMENT_PREFIX, self.settlement_id),
            "digest": self.digest,
            "attested_by": self.attested_by,
            "quantity": self.quantity,
        }


def format_units(micro: int) -> str:
    """Format millionths of a unit as an exact decimal: 1,500,000 gives `1.5`, 0 gives `0`."""
    whole, rest = divmod(micro, PPM)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
