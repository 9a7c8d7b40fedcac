"""Parties: on which side of a contract somebody speaks, and who that is.

Pure.
"""

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


def side_of(said: str) -> Side:
    """The side of a party that was kept as text."""
    return Side(said.partition(" ")[0])
