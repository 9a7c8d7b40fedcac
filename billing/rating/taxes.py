"""Tax on an invoice, exclusive or inclusive.

One rate per invoice, rounded once. The account's treatment and rate are in its billing profile.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from billing.money import PPM, rounded


class TaxTreatment(StrEnum):
    """Tax treatment of an account: who accounts for the tax."""

    STANDARD = "standard"
    REVERSE_CHARGE = "reverse_charge"  # the customer accounts for it; the invoice says so
    EXEMPT = "exempt"


@dataclass(frozen=True, slots=True)
class Tax:
    """An account's tax treatment and rate in parts per million."""

    treatment: TaxTreatment = TaxTreatment.STANDARD
    ppm: int = 0

    @property
    def applied_ppm(self) -> int:
        """The charged rate in parts per million; 0 unless the treatment is standard."""
        return self.ppm if self.treatment is TaxTreatment.STANDARD else 0


@dataclass(frozen=True, slots=True)
class TaxedAmount:
    """Net, tax and total in minor units. Raises ValueError if they do not add up."""

    net: int
    tax: int
    total: int

    def __post_init__(self) -> None:
        if self.net + self.tax != self.total:
            raise ValueError("net and tax are not the total")


def apply_tax(amount: int, inclusive: bool, tax: Tax) -> TaxedAmount:
    """Return net, tax and total (minor units) of `amount`; `inclusive` if it contains tax.

    If prices are tax-inclusive and the account pays no tax, the contained tax is deducted.
    """
    if not inclusive:
        added = rounded(Fraction(amount * tax.applied_ppm, PPM))
        return TaxedAmount(amount, added, amount + added)
    contained = rounded(Fraction(amount * tax.ppm, PPM + tax.ppm))
    if tax.applied_ppm == 0:
        return TaxedAmount(amount - contained, 0, amount - contained)
    return TaxedAmount(amount - contained, contained, amount)
