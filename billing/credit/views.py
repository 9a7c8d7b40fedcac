"""The credit of an account as the API, the CLI and the pages show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.accounts.profiles import get_account_currency
from billing.credit.decision import NextStep, find_next_step, list_freezes
from billing.credit.deposits import deposit_balance
from billing.credit.evaluation import current_limit, find_last_decision
from billing.credit.fact_queries import gather_facts
from billing.credit.guarantees import GUARANTEE_ID_PREFIX, guarantee_state, list_guarantees
from billing.credit.policies import PolicyInForce, find_policy_in_force, load_policy
from billing.invoices.payment_terms import load_current_terms
from billing.money import PPM, minor_text
from billing.rating.payment_terms import DEFAULT_DUNNING_POLICY, PaymentTerms
from billing.tables import CreditDecision, CreditGuarantee, CreditPolicyVersion, DepositMovement
from infra import ids

DECISION_ID_PREFIX = "cdec"
POLICY_ID_PREFIX = "cpol"
DEPOSIT_ID_PREFIX = "dep"
# Values of reasons, refusals and missing conditions that are amounts in minor units.
AMOUNTS = ("limit", "amount", "paid", "highest_invoice", "exposure")


@dataclass(frozen=True, slots=True)
class CreditStanding:
    """An account's limit in minor units, why it is so, and what raises it next.

    `policy` is None if the operator sets the limit; then there is no reason and no next step. While
    `frozen` the earned limit does not rise, whatever the next step says.
    """

    currency: str
    limit: int
    policy: PolicyInForce | None
    decision: CreditDecision | None
    next_step: NextStep | None
    frozen: bool
    deposit: int
    guarantees: Sequence[CreditGuarantee]
    terms: PaymentTerms
    now: datetime


async def load_standing(session: AsyncSession, account_id: UUID, now: datetime) -> CreditStanding:
    """Load the credit of an account; reads only."""
    currency = await get_account_currency(session, account_id)
    policy = await find_policy_in_force(session, account_id, now)
    next_step, frozen = None, False
    if policy is not None:
        rules = await load_policy(session, policy.version_id)
        facts = await gather_facts(session, account_id, rules, now)
        next_step, frozen = find_next_step(rules, facts, now), bool(list_freezes(rules, facts))
    terms, _ = await load_current_terms(session, account_id, now)
    return CreditStanding(
        currency=currency,
        limit=await current_limit(session, account_id, currency),
        policy=policy,
        decision=None if policy is None else await find_last_decision(session, account_id),
        next_step=next_step,
        frozen=frozen,
        deposit=await deposit_balance(session, account_id),
        guarantees=await list_guarantees(session, account_id),
        terms=terms,
        now=now,
    )


def standing_to_json(standing: CreditStanding) -> dict[str, Any]:
    """Return an account's credit as JSON, amounts as decimal text."""
    currency, decision, step = standing.currency, standing.decision, standing.next_step
    dunning = standing.terms.dunning or DEFAULT_DUNNING_POLICY
    return {
        "object": "credit",
        "currency": currency,
        "limit": minor_text(standing.limit, currency),
        "policy": standing.policy and standing.policy.policy,
        "frozen": standing.frozen,
        "reasons": [] if decision is None else values_to_json(decision.reasons, currency),
        "refusal": decision and _refusal_to_json(decision),
        "decided_at": decision and decision.decided_at.isoformat(),
        "next_raise": None
        if step is None
        else {
            "limit": minor_text(step.limit, currency),
            "missing": _value_to_json(step.missing, currency),
        },
        "deposit": minor_text(standing.deposit, currency),
        "guarantees": [
            guarantee_to_json(row, currency, standing.now) for row in standing.guarantees
        ],
        "reminder_days": list(dunning.reminders),
        "suspend_day": dunning.suspend,
        "write_off_day": dunning.write_off,
    }


def decision_to_json(row: CreditDecision, currency: str) -> dict[str, Any]:
    """Return a decision as JSON, without its inputs."""
    return {
        "object": "credit.decision",
        "id": ids.format_id(DECISION_ID_PREFIX, row.id),
        "event": row.business_key.partition(":")[0],
        "policy_version": ids.format_id(POLICY_ID_PREFIX, row.policy_version_id),
        "decided_at": row.decided_at.isoformat(),
        "currency": currency,
        "previous_limit": minor_text(row.previous, currency),
        "decided_limit": minor_text(row.decided, currency),
        "limit": minor_text(row.granted, currency),
        "reasons": values_to_json(row.reasons, currency),
        "refusal": _refusal_to_json(row),
    }


def policy_to_json(row: CreditPolicyVersion) -> dict[str, Any]:
    """Return a policy version as JSON, without its rules."""
    return {
        "object": "credit.policy",
        "id": ids.format_id(POLICY_ID_PREFIX, row.id),
        "policy": row.policy,
        "currency": row.currency,
        "number": row.number,
        "effective_from": row.effective_from.isoformat(),
    }


def guarantee_to_json(row: CreditGuarantee, currency: str, now: datetime) -> dict[str, Any]:
    """Return a guarantee as JSON."""
    return {
        "id": ids.format_id(GUARANTEE_ID_PREFIX, row.id),
        "guarantor": row.guarantor,
        "amount": minor_text(row.minor, currency),
        "reference": row.reference,
        "valid_until": row.valid_until.isoformat(),
        "status": guarantee_state(row, now),
    }


def deposit_to_json(row: DepositMovement, currency: str) -> dict[str, Any]:
    """Return a movement of a deposit as JSON."""
    return {
        "id": ids.format_id(DEPOSIT_ID_PREFIX, row.id),
        "kind": row.kind,
        "amount": minor_text(row.minor, currency),
        "reference": row.reference,
        "created_at": row.created_at.isoformat(),
    }


def values_to_json(values: Sequence[Mapping[str, Any]], currency: str) -> list[dict[str, Any]]:
    """Return stored reasons as JSON: amounts as decimal text, shares as percentages."""
    return [_value_to_json(value, currency) for value in values]


def _refusal_to_json(row: CreditDecision) -> dict[str, Any] | None:
    """Return why a raise was refused. Customers see no figures of the whole book."""
    return None if row.refusal is None else {"code": row.refusal["code"]}


def _value_to_json(value: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """Return one reason or condition as JSON."""
    shown: dict[str, Any] = {}
    for name, item in value.items():
        if name in AMOUNTS:
            shown[name] = minor_text(item, currency)
        elif name == "ppm":
            shown["percent"] = f"{item * 100 / PPM:g}"
        else:
            shown[name] = item
    return shown
