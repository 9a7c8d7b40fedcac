"""What a document says of a charge: which settlement it is of, who attested, and how many units.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from billing.money import PPM
from infra import ids

SETTLEMENT_PREFIX = "oset"


@dataclass(frozen=True, slots=True)
class ChargeShown:
    """A charge of an outcome contract. `digest` is the SHA-256 of the settlement's evidence bundle,
    by which the amount can be computed again; `micro` are millionths of a unit."""

    settlement_id: UUID
    digest: str
    attested_by: str
    micro: int
    words: Mapping[str, str]

    @property
    def quantity(self) -> str:
        return units_text(self.micro)

    def to_json(self) -> dict[str, Any]:
        return {
            "settlement": ids.show(SETTLEMENT_PREFIX, self.settlement_id),
            "digest": self.digest,
            "attested_by": self.attested_by,
            "quantity": self.quantity,
        }


def units_text(micro: int) -> str:
    """Millionths as an exact decimal: 1,500,000 gives `1.5`, and nothing `0`."""
    whole, rest = divmod(micro, PPM)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
