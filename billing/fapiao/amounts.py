"""How much of an invoice can have a fapiao, and how much of its fapiao needs a red letter.

    base     = paid - paid from promotional credit - returned by credit notes
    rest     = base - fapiao that stand or are under way + red letters that were issued
    shortfall = issued fapiao - red letters that stand or are under way - base

Amounts are minor units with tax. A red letter that is only under way frees nothing, and a fapiao
that is only under way needs no red letter: each counts when it lowers the amount, so that fapiao
never exceed what was paid. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Colour(StrEnum):
    """Blue fapiao are the ordinary ones; a red letter reduces or cancels a blue one."""

    BLUE = "blue"
    RED = "red"


class FapiaoStatus(StrEnum):
    """Status of a fapiao: requested, in an exported batch, issued or rejected."""

    REQUESTED = "requested"
    ISSUING = "issuing"
    ISSUED = "issued"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class InvoiceFunds:
    """What was paid on an invoice in minor units, as in billing/invoices/balances.py.

    `promotional` is the part paid from promotional wallet credit, for which no money was received.
    `returned` is what credit notes added to the wallet or refunded.
    """

    paid: int
    promotional: int = 0
    returned: int = 0

    @property
    def base(self) -> int:
        """The most that the fapiao of the invoice may add up to."""
        return max(0, self.paid - self.promotional - self.returned)


@dataclass(frozen=True, slots=True)
class FapiaoAmount:
    """Id, colour, status and positive total of a fapiao; a red letter has its original's id."""

    id: UUID
    colour: str
    status: str
    total: int
    original_id: UUID | None = None

    @property
    def stands(self) -> bool:
        """Whether it was not rejected: issued or under way."""
        return self.status != FapiaoStatus.REJECTED


@dataclass(frozen=True, slots=True)
class RedLetterPart:
    """The amount by which a red letter reduces a fapiao."""

    original_id: UUID
    total: int


def requestable_amount(funds: InvoiceFunds, fapiaos: Sequence[FapiaoAmount]) -> int:
    """Return the amount that can still be requested; 0 if there is none."""
    blue = sum(one.total for one in fapiaos if one.colour == Colour.BLUE and one.stands)
    red = _sum_red(fapiaos, issued_only=True)
    return max(0, funds.base - blue + red)


def red_letter_parts(
    funds: InvoiceFunds, fapiaos: Sequence[FapiaoAmount]
) -> tuple[RedLetterPart, ...]:
    """Return the red letters needed so that issued fapiao do not exceed what was paid.

    The newest fapiao is reduced first. `fapiaos` are ordered from oldest to newest.
    """
    issued = [
        one for one in fapiaos if one.colour == Colour.BLUE and one.status == FapiaoStatus.ISSUED
    ]
    shortfall = sum(one.total for one in issued) - _sum_red(fapiaos) - funds.base
    parts: list[RedLetterPart] = []
    for one in reversed(issued):
        part = min(shortfall, remaining_amount(one.id, fapiaos))
        if part > 0:
            parts.append(RedLetterPart(one.id, part))
            shortfall -= part
    return tuple(parts)


def remaining_amount(original_id: UUID, fapiaos: Sequence[FapiaoAmount]) -> int:
    """Return what red letters have left of a fapiao, those under way included."""
    total = sum(one.total for one in fapiaos if one.id == original_id)
    return total - sum(
        one.total for one in fapiaos if one.original_id == original_id and one.stands
    )


def _sum_red(fapiaos: Sequence[FapiaoAmount], *, issued_only: bool = False) -> int:
    """Return the total of the red letters that stand, or only of the issued ones."""
    return sum(
        one.total
        for one in fapiaos
        if one.colour == Colour.RED
        and (one.status == FapiaoStatus.ISSUED if issued_only else one.stands)
    )
