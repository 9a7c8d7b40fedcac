"""Payment terms of a plan: credit policy, dunning days, late fee and instalments.

They are the `[payment]` table of a plan file. An invoice keeps the payment terms that applied when
it became final, so later terms never change the dunning of an open invoice.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from infra.sentences import sentence

_MAX_DAYS = 730
_MAX_MINOR = 10**13
_MAX_MONTHLY_PPM = 100_000
_MAX_PARTS = 24


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """Days after the due date on which reminders are sent and calls are suspended.

    On `write_off` the invoice is written off as uncollectible; None leaves that to the operator.
    Raises ValueError.
    """

    reminders: tuple[int, ...] = (1, 5, 10)
    suspend: int = 15
    write_off: int | None = None

    def __post_init__(self) -> None:
        days = [*self.reminders, self.suspend]
        days += [] if self.write_off is None else [self.write_off]
        if days != sorted(set(days)) or days[0] < 0 or days[-1] > _MAX_DAYS:
            raise ValueError(
                sentence(
                    "dunning days must rise from the first reminder to the write-off, 0 to {most}",
                    most=_MAX_DAYS,
                )
            )

    @property
    def days(self) -> tuple[int, ...]:
        """When steps are due, in days after the due date: reminders, then the suspension."""
        return (*self.reminders, self.suspend)


DEFAULT_DUNNING_POLICY = DunningPolicy()


@dataclass(frozen=True, slots=True)
class LateFeeTerms:
    """The late fee of an overdue invoice: a monthly rate in parts per million, or a fixed amount.

    The rate is simple interest: a thirtieth of it for each day overdue after `grace_days`. Fixed
    amount and `cap` (the most for one invoice) are minor units. Raises ValueError.
    """

    monthly_ppm: int = 0
    fixed: int = 0
    grace_days: int = 0
    cap: int | None = None

    def __post_init__(self) -> None:
        if (self.monthly_ppm > 0) == (self.fixed > 0):
            raise ValueError(sentence("a late fee has either a monthly rate or a fixed amount"))
        if not 0 <= self.monthly_ppm <= _MAX_MONTHLY_PPM or not 0 <= self.fixed <= _MAX_MINOR:
            raise ValueError(sentence("a late fee is at most 10 % a month and never negative"))
        if not 0 <= self.grace_days <= _MAX_DAYS:
            raise ValueError(sentence("the days of grace are 0 to {most}", most=_MAX_DAYS))
        if self.cap is not None and not 0 < self.cap <= _MAX_MINOR:
            raise ValueError(sentence("the cap of a late fee must be greater than zero"))


@dataclass(frozen=True, slots=True)
class InstalmentTerms:
    """Instalments of each invoice: `parts` of equal size, `days_between` apart. Raises ValueError.

    The first part is due on the due date of the invoice.
    """

    parts: int
    days_between: int = 30

    def __post_init__(self) -> None:
        if not 2 <= self.parts <= _MAX_PARTS or not 1 <= self.days_between <= 92:
            raise ValueError(
                sentence(
                    "an invoice has 2 to {most} instalments, 1 to 92 days apart", most=_MAX_PARTS
                )
            )


@dataclass(frozen=True, slots=True)
class PaymentTerms:
    """The payment terms of a plan; None means the default: no policy, fee or instalments."""

    credit_policy: str | None = None
    dunning: DunningPolicy | None = None
    late_fee: LateFeeTerms | None = None
    instalments: InstalmentTerms | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the terms as a JSON object, with all fields."""
        builtins: dict[str, Any] = msgspec.to_builtins(self)
        return builtins


def parse_payment_terms(value: Any) -> PaymentTerms:
    """Read the terms from `PaymentTerms.to_json`."""
    return msgspec.convert(value, PaymentTerms)


def parse_dunning(value: Any) -> DunningPolicy:
    """Read a dunning policy from its JSON object."""
    return msgspec.convert(value, DunningPolicy)
