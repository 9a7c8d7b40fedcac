"""Verification of a bundle's evidence: signatures, outcomes and measurement inputs.

    each body has a valid signature -> each outcome is claimed and confirmed by signed evidence
    -> each measurement used exactly these readings and terms

No database: only the bundle is needed.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.evidence.signatures import is_valid_signature, signing_message
from billing.outcomes.settlement.bundle import BundleEvidence, BundleOutcome, EvidenceBundle
from billing.outcomes.settlement.measurement_inputs import parse_measurement_inputs
from billing.outcomes.settlement.prediction_assessment import prediction_faults


@dataclass(frozen=True, slots=True)
class BundleDifference:
    """A figure whose stated value differs from the recomputed one."""

    figure: str
    stated: Any
    computed: Any


def verify_evidence(bundle: EvidenceBundle) -> Iterator[BundleDifference]:
    """Yield a difference for every fact in the bundle that its signed evidence does not support."""
    for one in bundle.evidence:
        yield from _verify_signature(bundle, one)
    evidence = {one.id: one for one in bundle.evidence}
    for outcome in bundle.outcomes:
        yield from _verify_outcome(outcome, evidence)
    yield from _verify_measurements(bundle)
    for fault in prediction_faults(bundle):
        yield BundleDifference(*fault)


def _verify_signature(
    bundle: EvidenceBundle, evidence: BundleEvidence
) -> Iterator[BundleDifference]:
    """Yield a difference if a body does not match its digest or its signature."""
    digest = hashlib.sha256(evidence.said.encode()).hexdigest()
    if digest != evidence.digest:
        yield BundleDifference(f"evidence {evidence.id}", evidence.digest, digest)
    if not _is_signed(bundle, evidence):
        yield BundleDifference(
            f"signature of evidence {evidence.id}", "by " + evidence.attester, "by nobody"
        )


def _is_signed(bundle: EvidenceBundle, evidence: BundleEvidence) -> bool:
    """Return whether the evidence has a valid signature of its attester's key."""
    message = signing_message(bundle.contract, evidence.kind, evidence.said.encode())
    try:
        return is_valid_signature(
            bytes.fromhex(evidence.public_key), message, bytes.fromhex(evidence.signature)
        )
    except ValueError:  # the key or signature is not valid hexadecimal
        return False


def _verify_outcome(
    outcome: BundleOutcome, evidence: Mapping[str, BundleEvidence]
) -> Iterator[BundleDifference]:
    """Yield a difference if an outcome does not match its signed claim or confirmation."""
    claim = _parse_if_kind(evidence.get(outcome.claim), "claim")
    stated: tuple[Any, ...] = (outcome.business_key, outcome.subject, outcome.happened_at)
    signed: tuple[Any, ...] = (
        claim.get("outcome"),
        claim.get("subject"),
        _parse_datetime(claim.get("happened_at")),
    )
    if outcome.prediction is not None:
        stated, signed = (*stated, outcome.prediction), (*signed, claim.get("prediction"))
    if signed != stated:
        yield BundleDifference(f"claim of {outcome.id}", stated, signed)
    if outcome.attested_by == SILENCE:
        return
    confirmation = evidence.get(outcome.confirmation or outcome.claim)
    confirmed = _parse_if_kind(
        confirmation, "claim" if outcome.confirmation == outcome.claim else "confirmation"
    )
    attested = (
        confirmation.attester_kind
        if confirmation and confirmed.get("outcome") == outcome.business_key
        else None
    )
    if attested != outcome.attested_by:
        yield BundleDifference(f"confirmation of {outcome.id}", outcome.attested_by, attested)


def _verify_measurements(bundle: EvidenceBundle) -> Iterator[BundleDifference]:
    """Yield a difference if measurement inputs do not match the bundle's terms and readings."""
    signed = {one.id: (one.kind, one.attester_kind, one.said) for one in bundle.evidence}
    terms = {one.id: one.terms for one in bundle.versions}
    used_ids: set[str] = set()
    for measured in bundle.measured:
        inputs = parse_measurement_inputs(measured.measured.inputs)
        if inputs.terms != terms.get(measured.version):
            yield BundleDifference(
                "terms of the measurement", inputs.terms, terms.get(measured.version)
            )
        for one in inputs.readings:
            used_ids.add(one.id)
            if signed.get(one.id) != (one.kind, one.attester_kind, one.said):
                yield BundleDifference(
                    f"readings of evidence {one.id}", "signed", "not signed by anyone"
                )
    if bundle.measured and signed.keys() - used_ids:
        yield BundleDifference("readings of the measurement", len(used_ids), len(signed))


def _parse_if_kind(evidence: BundleEvidence | None, kind: str) -> Mapping[str, Any]:
    """Return the JSON content of evidence if it is of this kind, else an empty mapping."""
    return (
        _parse_json_object(evidence.said) if evidence is not None and evidence.kind == kind else {}
    )


def _parse_json_object(text: str) -> Mapping[str, Any]:
    """Parse a JSON object, or return an empty mapping if it is none."""
    try:
        payload = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return payload if isinstance(payload, dict) else {}


def _parse_datetime(value: Any) -> datetime | None:
    """Parse an ISO 8601 time, or return None if it is none."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
