"""What both sides see of contracts, attesters and evidence, as JSON.

Owns these forms: times are in UTC, hashes and bytes are hexadecimal, a contract's text is the one
that is hashed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing.outcomes.contracts.contracts import (
    PREFIX,
    Span,
    hash_of,
    is_agreed,
    spans_of,
    terms_of,
)
from billing.outcomes.contracts.terms import Event, OutcomeTerms
from billing.outcomes.evidence.attesters import PREFIX as ATTESTER_PREFIX
from billing.outcomes.evidence.attesters import is_heard
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.signatures import public_pem
from billing.tables import Attester, Evidence, OutcomeContract, OutcomeVersion
from infra import ids


def contract_json(
    contract: OutcomeContract, versions: Sequence[OutcomeVersion], at: datetime
) -> dict[str, Any]:
    """A contract with all its versions, as they stand at a moment."""
    spans = {span.version.id: span for span in spans_of(versions)}
    held = [span.version.number for span in spans.values() if span.holds(at)]
    return {
        "object": "outcome_contract",
        "id": ids.show(PREFIX, contract.id),
        "contract": contract.tag,
        "created_at": contract.created_at.isoformat(),
        "in_force": held[0] if held else None,
        "versions": [_version(one, spans.get(one.id), at) for one in versions],
    }


def attester_json(attester: Attester) -> dict[str, Any]:
    """An attester; `heard` says whether what it signs is taken now."""
    return {
        "object": "outcome_attester",
        "id": ids.show(ATTESTER_PREFIX, attester.id),
        "contract": ids.show(PREFIX, attester.contract_id),
        "kind": attester.kind,
        "name": attester.name,
        "public_key": public_pem(attester.public_key),
        "heard": is_heard(attester),
        "added": _mark(attester.added_by, attester.added_at),
        "accepted": _mark(attester.accepted_by, attester.accepted_at),
        "revoked": _mark(attester.revoked_by, attester.revoked_at),
    }


def evidence_json(evidence: Evidence, *, whole: bool) -> dict[str, Any]:
    """A piece of evidence, with what was said where it is wanted whole."""
    shown = {
        "object": "outcome_evidence",
        "id": ids.show(EVIDENCE_PREFIX, evidence.id),
        "contract": ids.show(PREFIX, evidence.contract_id),
        "position": evidence.position,
        "kind": evidence.kind,
        "attester": ids.show(ATTESTER_PREFIX, evidence.attester_id),
        "digest": evidence.digest.hex(),
        "signature": evidence.signature.hex(),
        "chained": evidence.chained.hex(),
        "received_at": evidence.received_at.isoformat(),
    }
    return {**shown, "said": evidence.said} if whole else shown


def version_status(version: OutcomeVersion, span: Span | None, at: datetime) -> str:
    """Where a version stands, by its span among the contract's (`spans_of`)."""
    if not is_agreed(version):
        return "proposed" if version.ends_at is None else "withdrawn"
    if span is None:
        return "never_in_force"  # it was replaced or ended before its start
    if at < span.starts_at:
        return "agreed"
    return "in_force" if span.holds(at) else "over"


def _version(version: OutcomeVersion, span: Span | None, at: datetime) -> dict[str, Any]:
    plan, terms = version.plan_version_id, terms_of(version)
    ends_at = span.ends_at if span else version.ends_at
    return {
        "object": "outcome_contract.version",
        "number": version.number,
        "hash": hash_of(version),
        "status": version_status(version, span, at),
        "starts_at": terms.starts_at.isoformat(),
        "ends_at": ends_at and ends_at.isoformat(),
        "proposed": _mark(version.proposed_by, version.proposed_at),
        "agreed_by_customer": _mark(version.customer_agreed_by, version.customer_agreed_at),
        "agreed_by_operator": _mark(version.operator_agreed_by, version.operator_agreed_at),
        "ended": _mark(version.ended_by, version.ended_at),
        "plan_version": plan and plan.hex,
        "attribution": _attribution(terms),
        "terms": version.terms,
        "baseline": version.baseline,
    }


def _attribution(terms: OutcomeTerms) -> dict[str, Any] | None:
    """Which calls may support a claim; `declared` is false where the contract leaves it to the
    default. None for a measured effect, which nobody claims."""
    if not isinstance(terms.kind, Event):
        return None
    supporting = terms.supporting
    return {
        "models": list(supporting.models),
        "operations": list(supporting.operations),
        "declared": terms.attribution is not None,
    }


def _mark(by: str | None, at: datetime | None) -> dict[str, Any] | None:
    return None if at is None else {"by": by, "at": at.isoformat()}
