"""JSON representations of contracts, attesters and evidence for the API and the CLI.

Times are in UTC, hashes and bytes are hexadecimal; the terms are the exact text that is hashed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing.outcomes.contracts.contracts import (
    PREFIX,
    VersionPeriod,
    is_agreed,
    version_hash,
    version_periods,
    version_terms,
)
from billing.outcomes.contracts.terms import EventEffect, OutcomeTerms
from billing.outcomes.evidence.attesters import PREFIX as ATTESTER_PREFIX
from billing.outcomes.evidence.attesters import is_active
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.signatures import public_pem
from billing.tables import Attester, Evidence, OutcomeContract, OutcomeVersion
from infra import ids


def contract_json(
    contract: OutcomeContract, versions: Sequence[OutcomeVersion], at: datetime
) -> dict[str, Any]:
    """Render a contract with all versions and their status at a given time."""
    periods = {period.version.id: period for period in version_periods(versions)}
    numbers_in_force = [
        period.version.number for period in periods.values() if period.is_in_force(at)
    ]
    return {
        "object": "outcome_contract",
        "id": ids.format_id(PREFIX, contract.id),
        "contract": contract.tag,
        "created_at": contract.created_at.isoformat(),
        "in_force": numbers_in_force[0] if numbers_in_force else None,
        "versions": [_version_json(one, periods.get(one.id), at) for one in versions],
    }


def attester_json(attester: Attester) -> dict[str, Any]:
    """Render an attester; `heard` tells whether new evidence by it is accepted now."""
    return {
        "object": "outcome_attester",
        "id": ids.format_id(ATTESTER_PREFIX, attester.id),
        "contract": ids.format_id(PREFIX, attester.contract_id),
        "kind": attester.kind,
        "name": attester.name,
        "public_key": public_pem(attester.public_key),
        "heard": is_active(attester),
        "added": _signed_off_json(attester.added_by, attester.added_at),
        "accepted": _signed_off_json(attester.accepted_by, attester.accepted_at),
        "revoked": _signed_off_json(attester.revoked_by, attester.revoked_at),
    }


def evidence_json(evidence: Evidence, *, include_body: bool) -> dict[str, Any]:
    """Render a piece of evidence; `include_body` adds the signed text as `said`."""
    payload = {
        "object": "outcome_evidence",
        "id": ids.format_id(EVIDENCE_PREFIX, evidence.id),
        "contract": ids.format_id(PREFIX, evidence.contract_id),
        "position": evidence.position,
        "kind": evidence.kind,
        "attester": ids.format_id(ATTESTER_PREFIX, evidence.attester_id),
        "digest": evidence.digest.hex(),
        "signature": evidence.signature.hex(),
        "chained": evidence.chained.hex(),
        "received_at": evidence.received_at.isoformat(),
    }
    return {**payload, "said": evidence.said} if include_body else payload


def version_status(version: OutcomeVersion, period: VersionPeriod | None, at: datetime) -> str:
    """Return the status of a version at a time, given its period (`version_periods`) or None."""
    if not is_agreed(version):
        return "proposed" if version.ends_at is None else "withdrawn"
    if period is None:
        return "never_in_force"  # replaced or ended before its start
    if at < period.starts_at:
        return "agreed"
    return "in_force" if period.is_in_force(at) else "over"


def _version_json(
    version: OutcomeVersion, period: VersionPeriod | None, at: datetime
) -> dict[str, Any]:
    """Render a version with its status at `at`, agreements, terms and baseline."""
    plan, terms = version.plan_version_id, version_terms(version)
    ends_at = period.ends_at if period else version.ends_at
    return {
        "object": "outcome_contract.version",
        "number": version.number,
        "hash": version_hash(version),
        "status": version_status(version, period, at),
        "starts_at": terms.starts_at.isoformat(),
        "ends_at": ends_at and ends_at.isoformat(),
        "proposed": _signed_off_json(version.proposed_by, version.proposed_at),
        "agreed_by_customer": _signed_off_json(
            version.customer_agreed_by, version.customer_agreed_at
        ),
        "agreed_by_operator": _signed_off_json(
            version.operator_agreed_by, version.operator_agreed_at
        ),
        "ended": _signed_off_json(version.ended_by, version.ended_at),
        "plan_version": plan and plan.hex,
        "attribution": _attribution_json(terms),
        "terms": version.terms,
        "baseline": version.baseline,
    }


def _attribution_json(terms: OutcomeTerms) -> dict[str, Any] | None:
    """Render the attribution rules; `declared` is false for the default rules.

    Returns None for a measured effect, which has no claims.
    """
    if not isinstance(terms.kind, EventEffect):
        return None
    supporting = terms.supporting
    return {
        "models": list(supporting.models),
        "operations": list(supporting.operations),
        "declared": terms.attribution is not None,
    }


def _signed_off_json(by: str | None, at: datetime | None) -> dict[str, Any] | None:
    """Render who did a step and when, or None if it has not been done."""
    return None if at is None else {"by": by, "at": at.isoformat()}
