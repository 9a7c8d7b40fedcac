"""The `[payment]` table of a plan file: credit policy, dunning days, late fee, instalments."""

import msgspec

from billing.money import minor_from_text, ppm_from_percent
from billing.rating.payment_terms import (
    DunningPolicy,
    InstalmentTerms,
    LateFeeTerms,
    PaymentTerms,
)
from infra.sentences import sentence


class _DunningFile(msgspec.Struct, forbid_unknown_fields=True):
    """A `[payment.dunning]` table: days after the due date."""

    reminder_days: list[int]
    suspend_day: int
    write_off_day: int | None = None


class _LateFeeFile(msgspec.Struct, forbid_unknown_fields=True):
    """A `[payment.late_fee]` table: a monthly percentage or a fixed amount."""

    monthly_percent: str | None = None
    fixed: str | None = None
    grace_days: int = 0
    cap: str | None = None


class _InstalmentFile(msgspec.Struct, forbid_unknown_fields=True):
    """A `[payment.instalments]` table."""

    parts: int
    days_between: int = 30


class PaymentFile(msgspec.Struct, forbid_unknown_fields=True):
    """The `[payment]` table of a plan file."""

    credit_policy: str | None = None
    dunning: _DunningFile | None = None
    late_fee: _LateFeeFile | None = None
    instalments: _InstalmentFile | None = None


def build_payment_terms(file: PaymentFile | None, currency: str) -> PaymentTerms | None:
    """Build the payment terms; None if the plan has none. Raises ValueError."""
    if file is None:
        return None
    if file.credit_policy is not None and not file.credit_policy.isidentifier():
        raise ValueError(sentence("credit_policy must be the name of a policy"))
    dunning, instalments = file.dunning, file.instalments
    return PaymentTerms(
        credit_policy=file.credit_policy,
        dunning=None
        if dunning is None
        else DunningPolicy(
            tuple(dunning.reminder_days), dunning.suspend_day, dunning.write_off_day
        ),
        late_fee=None if file.late_fee is None else _build_late_fee(file.late_fee, currency),
        instalments=None
        if instalments is None
        else InstalmentTerms(instalments.parts, instalments.days_between),
    )


def _build_late_fee(file: _LateFeeFile, currency: str) -> LateFeeTerms:
    """Build the terms of late fees. Raises ValueError."""
    percent, fixed = file.monthly_percent, file.fixed
    return LateFeeTerms(
        monthly_ppm=0 if percent is None else ppm_from_percent(percent),
        fixed=0 if fixed is None else minor_from_text(fixed, currency),
        grace_days=file.grace_days,
        cap=None if file.cap is None else minor_from_text(file.cap, currency),
    )
