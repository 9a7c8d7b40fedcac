"""Proving: whether a bundle's evidence is genuine, and says what the bundle counts.

    each text is the one that its attester signed -> each outcome is claimed and confirmed by such
    texts -> a measurement was given these readings and terms, and no others

Pure.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from billing.outcomes.contracts.pricing import SILENCE
from billing.outcomes.evidence.signatures import fits, message_of
from billing.outcomes.settlement.bundle import Bundle, EvidenceShown, OutcomeShown
from billing.outcomes.settlement.measurement_inputs import read_inputs


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that the bundle states otherwise than it computes to."""

    figure: str
    stated: Any
    computed: Any


def unproven(bundle: Bundle) -> Iterator[Difference]:
    """What is stated, and that no genuine evidence says."""
    for one in bundle.evidence:
        yield from _forged(bundle, one)
    evidence = {one.id: one for one in bundle.evidence}
    for outcome in bundle.outcomes:
        yield from _unsaid(outcome, evidence)
    yield from _unmeasured(bundle)


def _forged(bundle: Bundle, one: EvidenceShown) -> Iterator[Difference]:
    """A text that is not the one that was digested, or that its attester did not sign."""
    digest = hashlib.sha256(one.said.encode()).hexdigest()
    if digest != one.digest:
        yield Difference(f"evidence {one.id}", one.digest, digest)
    if not _is_signed(bundle, one):
        yield Difference(f"signature of evidence {one.id}", "by " + one.attester, "by nobody")


def _is_signed(bundle: Bundle, one: EvidenceShown) -> bool:
    message = message_of(bundle.contract, one.kind, one.said.encode())
    try:
        return fits(bytes.fromhex(one.public_key), message, bytes.fromhex(one.signature))
    except ValueError:  # no key, or no signature
        return False


def _unsaid(outcome: OutcomeShown, evidence: Mapping[str, EvidenceShown]) -> Iterator[Difference]:
    """An outcome that its claim tells otherwise, or that nobody confirmed as is said."""
    said = _text_of(evidence.get(outcome.claim), "claim")
    stated = (outcome.business_key, outcome.subject, outcome.happened_at)
    told = (said.get("outcome"), said.get("subject"), _moment(said.get("happened_at")))
    if told != stated:
        yield Difference(f"claim of {outcome.id}", stated, told)
    if outcome.attested_by == SILENCE:
        return
    by = evidence.get(outcome.confirmation or outcome.claim)
    about = _text_of(by, "claim" if outcome.confirmation == outcome.claim else "confirmation")
    attested = by.attester_kind if by and about.get("outcome") == outcome.business_key else None
    if attested != outcome.attested_by:
        yield Difference(f"confirmation of {outcome.id}", outcome.attested_by, attested)


def _unmeasured(bundle: Bundle) -> Iterator[Difference]:
    """Terms or readings of a measurement that are not those of the bundle, or that it left out."""
    signed = {one.id: (one.kind, one.attester_kind, one.said) for one in bundle.evidence}
    terms = {one.id: one.terms for one in bundle.versions}
    told: set[str] = set()
    for measured in bundle.measured:
        inputs = read_inputs(measured.measured.inputs)
        if inputs.terms != terms.get(measured.version):
            yield Difference("terms of the measurement", inputs.terms, terms.get(measured.version))
        for one in inputs.readings:
            told.add(one.id)
            if signed.get(one.id) != (one.kind, one.attester_kind, one.said):
                yield Difference(f"readings of evidence {one.id}", "signed", "as nobody signed")
    if bundle.measured and signed.keys() - told:
        yield Difference("readings of the measurement", len(told), len(signed))


def _text_of(one: EvidenceShown | None, kind: str) -> Mapping[str, Any]:
    """What evidence of a kind says; nothing where it is none of that kind."""
    return _object(one.said) if one is not None and one.kind == kind else {}


def _object(text: str) -> Mapping[str, Any]:
    try:
        said = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _moment(said: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(said)
    except (TypeError, ValueError):
        return None
