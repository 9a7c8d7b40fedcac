"""Assessment of prediction periods from an evidence bundle alone, and verification of their inputs.

No database, no clock: anybody who has the bundle gets the same figures.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from billing.outcomes.contracts.prediction_rules import PredictionRules
from billing.outcomes.contracts.terms import EventEffect, OutcomeTerms, parse_outcome_terms
from billing.outcomes.evidence.statements import StatementInvalid, parse_event_fields
from billing.outcomes.evidence.statements import parse_statement as parse_text
from billing.outcomes.predictions.alarms import ObservedEvent, Period
from billing.outcomes.predictions.assessment import Assessment, policy_of, requirements_of
from billing.outcomes.predictions.errors import LedgerFileInvalid
from billing.outcomes.predictions.scores import Scores, score
from billing.outcomes.predictions.support import (
    forecast_of,
    is_revoked,
    relevance_fault,
    support_fault,
)
from billing.outcomes.predictions.tokens import ParsedRecord, is_signed_by, parse_record
from billing.outcomes.settlement.bundle import (
    BundleOutcome,
    BundlePredictionPeriod,
    EvidenceBundle,
)


@dataclass(frozen=True, slots=True)
class AssessedPeriod:
    """A period of a bundle with its rules, its records by id, and its scores."""

    period: BundlePredictionPeriod
    rules: PredictionRules
    effect: EventEffect
    records: Mapping[str, ParsedRecord]
    scores: Scores

    @property
    def assessment(self) -> Assessment:
        """The figures that decide on payment."""
        return self.scores.assessment

    def contains(self, version: str, at: datetime) -> bool:
        """Return whether a time lies in the period of this version."""
        return version == self.period.version and (
            self.period.starts_at <= at < self.period.ends_at
        )


def assess_periods(
    bundle: EvidenceBundle, removed: frozenset[str] = frozenset()
) -> list[AssessedPeriod]:
    """Assess a bundle's periods; events of the effects in `removed` did not happen."""
    terms = {one.id: parse_outcome_terms(one.terms.encode()) for one in bundle.versions}
    return [_assess_period(one, terms[one.version], removed) for one in bundle.predictions]


def is_predicted(
    periods: Iterable[AssessedPeriod], outcome: BundleOutcome, cited: Mapping[str, int]
) -> bool:
    """Return whether an outcome is paid as a predicted one.

    Its period must be paid, and its record must support it and no other outcome. `cited` is the
    number of outcomes that cite each record.
    """
    name = outcome.prediction
    if name is None or cited.get(name, 0) != 1:
        return False
    for one in periods:
        record = one.records.get(name)
        if record is not None and one.contains(outcome.version, outcome.happened_at):
            invalid_from = _invalid_from(one.period).get(record.kid)
            fault = support_fault(
                one.rules, one.effect, record.payload, outcome.subject, outcome.happened_at
            )
            paid = one.assessment.is_paid and not is_revoked(record, invalid_from)
            return paid and fault is None
    return False


def prediction_faults(bundle: EvidenceBundle) -> Iterator[tuple[str, str, str]]:
    """Yield (figure, stated, computed) for every input of the periods that nobody signed."""
    said = {one.id: (one.kind, one.said) for one in bundle.evidence}
    for period in bundle.predictions:
        keys = {one.kid: (one.model, bytes.fromhex(one.public_key)) for one in period.keys}
        for token in period.records:
            record = _parse(token)
            if record is None or not _is_signed(record, keys, bundle.account):
                yield "signature of a prediction record", "by a model key", "by nobody"
        for event in period.events:
            if _signed_event(*said.get(event.evidence, ("", ""))) != (
                event.subject,
                event.happened_at,
            ):
                yield f"event {event.id}", "signed", "not signed by anyone"


def _assess_period(
    period: BundlePredictionPeriod, terms: OutcomeTerms, removed: frozenset[str]
) -> AssessedPeriod:
    """Assess one period under its version's terms."""
    rules, effect = terms.predictions, terms.kind
    assert rules is not None  # noqa: S101  # only versions with rules have periods
    assert isinstance(effect, EventEffect)  # noqa: S101  # as the rules require
    invalid_from = _invalid_from(period)
    parsed = [record for token in period.records if (record := _parse(token)) is not None]
    records = {one.payload.id: one for one in parsed if relevance_fault(rules, one.payload) is None}
    scores = score(
        policy_of(rules, effect),
        requirements_of(rules),
        rules.subjects,
        Period(period.starts_at, period.ends_at),
        [
            forecast_of(one.payload, supports=not is_revoked(one, invalid_from.get(one.kid)))
            for one in records.values()
        ],
        [
            ObservedEvent(one.id, one.subject, one.happened_at)
            for one in period.events
            if one.id not in removed
        ],
        period.ends_at,
    )
    return AssessedPeriod(period, rules, effect, records, scores)


def _invalid_from(period: BundlePredictionPeriod) -> Mapping[str, datetime | None]:
    """Return from when on each key of a period is invalid."""
    return {one.kid: one.invalid_from for one in period.keys}


def _is_signed(record: ParsedRecord, keys: Mapping[str, tuple[str, bytes]], account: str) -> bool:
    """Return whether a record is the account's and signed by a key of its model."""
    model, public_key = keys.get(record.kid, ("", b""))
    payload = record.payload
    return (
        payload.account == account
        and payload.basis.model == model
        and is_signed_by(record, public_key)
    )


def _signed_event(kind: str, text: str) -> tuple[str, datetime] | None:
    """Return subject and time of a signed claim or event, None if it is none."""
    if kind not in ("claim", "event"):
        return None
    try:
        _, subject, happened_at = parse_event_fields(parse_text(text))
    except StatementInvalid:
        return None
    return subject, happened_at


@lru_cache(maxsize=4096)
def _parse(token: str) -> ParsedRecord | None:
    """Parse a token (cached: a bundle is read several times); None if it is malformed."""
    try:
        return parse_record(token)
    except LedgerFileInvalid:
        return None
