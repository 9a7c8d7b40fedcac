"""Parser for the TOML file from which an operator publishes a credit policy.

Amounts are decimal strings in the policy's currency, shares are percentages.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from billing.credit.errors import CreditPolicyInvalid
from billing.credit.policy import CreditPolicy, FreezeRules, Lowering, RaiseStep
from billing.money import minor_from_text, ppm_from_percent
from billing.rating.toml import parse_toml, read_field, with_line_number
from infra.sentences import sentence

_read = partial(read_field, CreditPolicyInvalid)


class _StepFile(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[step]]` table: the limit, and the conditions to reach it."""

    limit: str
    paid_on_time: int = 0
    paid: str = "0"
    age_days: int = 0
    used_percent: str = "0"


class _LoweringFile(msgspec.Struct, forbid_unknown_fields=True):
    """A `[[lowering]]` table: the percentage taken off from a number of days overdue on."""

    days_overdue: int
    percent: str


class _FreezeFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The `[freeze]` table."""

    days_overdue: int | None = None
    disputed: str | None = None
    chargebacks: int | None = None
    failed_payments: int | None = None
    window_days: int = 180


class _PolicyFile(msgspec.Struct, forbid_unknown_fields=True):
    """The top level of a policy file."""

    policy: str
    currency: str
    starting: str
    maximum: str
    on_time_grace_days: int = 3
    deposit_percent: str = "100"
    guarantee_percent: str = "100"
    step: list[_StepFile] = []
    lowering: list[_LoweringFile] = []
    freeze: _FreezeFile = _FreezeFile()


def parse_policy_file(text: str) -> CreditPolicy:
    """Parse a policy file. Raises CreditPolicyInvalid with the field and, if known, its line."""
    return with_line_number(
        text,
        lambda: _build(parse_toml(text, _PolicyFile, sentence("The policy"), CreditPolicyInvalid)),
    )


def _build(file: _PolicyFile) -> CreditPolicy:
    """Build the policy. Raises CreditPolicyInvalid with the field."""

    def amount(name: str, value: str) -> int:
        """Parse an amount of the file's currency into minor units."""
        return _read(name, lambda: minor_from_text(value, file.currency))

    return CreditPolicy(
        policy=file.policy,
        currency=file.currency,
        starting=amount("starting", file.starting),
        maximum=amount("maximum", file.maximum),
        steps=tuple(_build_step(at, one, amount) for at, one in enumerate(file.step)),
        lowerings=tuple(
            Lowering(
                days_overdue=one.days_overdue,
                ppm=_percent(f"lowering[{at}].percent", one.percent),
            )
            for at, one in enumerate(file.lowering)
        ),
        freeze=_build_freeze(file.freeze, amount),
        on_time_grace_days=file.on_time_grace_days,
        deposit_ppm=_percent("deposit_percent", file.deposit_percent),
        guarantee_ppm=_percent("guarantee_percent", file.guarantee_percent),
    )


def _build_step(at: int, step: _StepFile, amount: Callable[[str, str], int]) -> RaiseStep:
    """Build one raise step."""
    return RaiseStep(
        limit=amount(f"step[{at}].limit", step.limit),
        paid_on_time=step.paid_on_time,
        paid=amount(f"step[{at}].paid", step.paid),
        age_days=step.age_days,
        used_ppm=_percent(f"step[{at}].used_percent", step.used_percent),
    )


def _build_freeze(file: _FreezeFile, amount: Callable[[str, str], int]) -> FreezeRules:
    """Build the freeze rules."""
    return FreezeRules(
        days_overdue=file.days_overdue,
        disputed=None if file.disputed is None else amount("freeze.disputed", file.disputed),
        chargebacks=file.chargebacks,
        failed_payments=file.failed_payments,
        window_days=file.window_days,
    )


def _percent(name: str, value: str) -> int:
    """Parse a percentage into parts per million."""
    return _read(name, partial(ppm_from_percent, value))
