"""The parties of a contract: a side (customer or operator) and a name."""

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """The two sides of a contract."""

    CUSTOMER = "customer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Party:
    """A person or key of one side: `customer key_0198…`, `operator Li Na`."""

    side: Side
    name: str

    def __str__(self) -> str:
        return f"{self.side} {self.name}"


def parse_side(party: str) -> Side:
    """Return the side of a party stored as text."""
    return Side(party.partition(" ")[0])
