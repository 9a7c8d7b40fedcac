"""The decision on an account's credit limit: a pure function of policy, facts and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from billing.credit.facts import CreditFacts
from billing.credit.policy import CreditPolicy, RaiseStep
from billing.money import PPM


class ReasonCode(StrEnum):
    """Why a limit is what it is."""

    OVERRIDE = "override"  # an operator set it
    STARTING = "starting"
    STEP = "step"  # a raise step was reached
    LOWERED = "lowered"  # an invoice is overdue
    FROZEN = "frozen"  # no raise at present
    DEPOSIT = "deposit"
    GUARANTEE = "guarantee"
    MAXIMUM = "maximum"  # the policy's maximum was reached


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason of a decision, with its values: amounts in minor units, days, counts, names."""

    code: ReasonCode
    values: Mapping[str, int | str]

    def to_json(self) -> dict[str, Any]:
        """Return the reason as a JSON object."""
        return {"code": self.code.value, **self.values}


@dataclass(frozen=True, slots=True)
class DecidedLimit:
    """A decided limit in minor units, its earned part, and its reasons in order of use."""

    limit: int
    earned: int
    reasons: tuple[Reason, ...]

    def reasons_json(self) -> list[dict[str, Any]]:
        """Return the reasons as JSON objects."""
        return [reason.to_json() for reason in self.reasons]


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next raise step: its limit, and what is missing of each condition not met."""

    limit: int
    missing: Mapping[str, int]


def decide(policy: CreditPolicy, facts: CreditFacts, now: datetime) -> DecidedLimit:
    """Decide an account's credit limit.

    An override in force is the limit. Otherwise: the highest raise step reached, less what days
    overdue take off, not above the earned limit before while frozen, plus deposit and guarantees,
    at most the maximum. Raises ValueError if the facts are of another currency.
    """
    if facts.currency != policy.currency:
        raise ValueError(f"a policy in {policy.currency} decides no limit in {facts.currency}")
    earned, reasons = _earn(policy, facts, now)
    override = facts.override
    if override is not None and override.expires_at > now:
        values: dict[str, int | str] = {
            "limit": override.minor,
            "until": override.expires_at.isoformat(),
        }
        return DecidedLimit(override.minor, earned, (Reason(ReasonCode.OVERRIDE, values),))
    secured, securities = _secure(policy, facts, now)
    limit = min(earned + secured, policy.maximum)
    if earned + secured > policy.maximum:
        securities.append(Reason(ReasonCode.MAXIMUM, {"limit": policy.maximum}))
    return DecidedLimit(limit, earned, (*reasons, *securities))


def find_next_step(policy: CreditPolicy, facts: CreditFacts, now: datetime) -> NextStep | None:
    """Return the first raise step that is not reached; None if all are."""
    before = policy.starting
    for step in policy.steps:
        missing = _missing(step, before, facts, now)
        if missing:
            return NextStep(step.limit, missing)
        before = step.limit
    return None


def list_freezes(policy: CreditPolicy, facts: CreditFacts) -> list[Reason]:
    """Return the freeze rules that apply: while there is one, the earned limit does not rise."""
    rules = policy.freeze
    checks: Sequence[tuple[str, int | None, int]] = (
        ("days_overdue", rules.days_overdue, facts.days_overdue),
        ("disputed", rules.disputed, facts.disputed),
        ("chargebacks", rules.chargebacks, facts.chargebacks),
        ("failed_payments", rules.failed_payments, facts.failed_payments),
    )
    return [
        Reason(ReasonCode.FROZEN, {"rule": name, "value": value})
        for name, least, value in checks
        if least is not None and value >= least
    ]


def _earn(policy: CreditPolicy, facts: CreditFacts, now: datetime) -> tuple[int, list[Reason]]:
    """Return the earned limit and its reasons."""
    earned = policy.starting
    reasons = [Reason(ReasonCode.STARTING, {"limit": earned})]
    for number, step in enumerate(policy.steps, 1):
        if _missing(step, earned, facts, now):
            break
        earned = step.limit
        reasons = [Reason(ReasonCode.STEP, {"step": number, "limit": earned})]
    for lowering in reversed(policy.lowerings):
        if facts.days_overdue >= lowering.days_overdue:
            earned = earned * (PPM - lowering.ppm) // PPM
            values: dict[str, int | str] = {
                "days_overdue": facts.days_overdue,
                "ppm": lowering.ppm,
                "limit": earned,
            }
            reasons.append(Reason(ReasonCode.LOWERED, values))
            break
    freezes = list_freezes(policy, facts)
    before = policy.starting if facts.earned_before is None else facts.earned_before
    return (min(earned, before) if freezes else earned), reasons + freezes


def _secure(policy: CreditPolicy, facts: CreditFacts, now: datetime) -> tuple[int, list[Reason]]:
    """Return what deposit and valid guarantees add, and their reasons."""
    total, reasons = 0, []
    if deposit := facts.deposit * policy.deposit_ppm // PPM:
        total += deposit
        reasons.append(Reason(ReasonCode.DEPOSIT, {"amount": deposit}))
    for guarantee in facts.guarantees:
        amount = guarantee.minor * policy.guarantee_ppm // PPM
        if amount and guarantee.valid_until > now:
            total += amount
            values: dict[str, int | str] = {
                "guarantor": guarantee.guarantor,
                "amount": amount,
                "until": guarantee.valid_until.isoformat(),
            }
            reasons.append(Reason(ReasonCode.GUARANTEE, values))
    return total, reasons


def _missing(step: RaiseStep, before: int, facts: CreditFacts, now: datetime) -> dict[str, int]:
    """Return what is missing of each condition of a step that is not met; `used` is an amount."""
    used = -(-before * step.used_ppm // PPM)
    gaps = {
        "paid_on_time": step.paid_on_time - facts.paid_on_time,
        "paid": step.paid - facts.paid,
        "age_days": step.age_days - (now - facts.opened_at).days,
        "highest_invoice": used - facts.highest_invoice,
    }
    return {name: gap for name, gap in gaps.items() if gap > 0}
