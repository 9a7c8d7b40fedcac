"""Tax: what is added to, or contained in, the net amount of an invoice.

One rate an account and invoice, rounded once. Owns the treatments and the sum; which of them an
account has is in its billing profile. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from billing.money import PPM, rounded


class TaxTreatment(StrEnum):
    """Who owes the tax."""

    STANDARD = "standard"
    REVERSE_CHARGE = "reverse_charge"  # the customer accounts for it; the invoice says so
    EXEMPT = "exempt"


@dataclass(frozen=True, slots=True)
class Tax:
    """An account's tax: a rate in parts per million, applied as the treatment says."""

    treatment: TaxTreatment = TaxTreatment.STANDARD
    ppm: int = 0

    @property
    def applied_ppm(self) -> int:
        return self.ppm if self.treatment is TaxTreatment.STANDARD else 0


@dataclass(frozen=True, slots=True)
class Taxed:
    """Amounts in minor units. Raises ValueError where they do not add up."""

    net: int
    tax: int
    total: int

    def __post_init__(self) -> None:
        if self.net + self.tax != self.total:
            raise ValueError("net and tax are not the total")


def taxed(amount: int, inclusive: bool, tax: Tax) -> Taxed:
    """Tax on the sum of the lines.

    Where prices include tax and this account pays none, it pays the net price: what is contained
    at the rate is taken off.
    """
    if not inclusive:
        added = rounded(Fraction(amount * tax.applied_ppm, PPM))
        return Taxed(amount, added, amount + added)
    contained = rounded(Fraction(amount * tax.ppm, PPM + tax.ppm))
    if tax.applied_ppm == 0:
        return Taxed(amount - contained, 0, amount - contained)
    return Taxed(amount - contained, contained, amount)
