"""Periods of contracts with prediction rules, and their records and events for the bundle.

A period is `settle_months` calendar months from the month in which the version came into force,
within the time that it was in force. Outcomes of a period are settled with the month in which the
period ends; outcomes that are confirmed later are settled later, after another assessment of their
own period. Read-only.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from billing.dates import billing_month_start, local_day, local_midnight
from billing.outcomes.contracts.contracts import VersionPeriod
from billing.outcomes.contracts.prediction_rules import PredictionRules
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.predictions.alarms import Period
from billing.outcomes.predictions.content import PredictionVerdict
from billing.outcomes.predictions.events import (
    list_confirmed_outcomes,
    list_signed_events,
    observed_outcome,
)
from billing.outcomes.predictions.ledger import RecordFilter, list_records_about
from billing.outcomes.predictions.model_keys import list_keys
from billing.outcomes.predictions.support import relevance_fault
from billing.outcomes.predictions.tokens import parse_record
from billing.outcomes.settlement.bundle import (
    BundleModelKey,
    BundleObserved,
    BundlePredictionPeriod,
)
from billing.outcomes.settlement.readings_selection import SettlementMonth
from billing.tables import Attester, Evidence, Outcome, PredictionKey, PredictionRecord
from infra import ids

_MAX_RECORDS = 50_000


def period_at(version: VersionPeriod, zone: ZoneInfo, at: datetime) -> Period | None:
    """Return the period of a version that contains a time; None without prediction rules."""
    rules = version.terms.predictions
    if rules is None:
        return None
    first = billing_month_start(local_day(version.starts_at, zone), 1)
    day = local_day(at, zone)
    months = (day.year - first.year) * 12 + day.month - first.month
    begin = months // rules.settle_months * rules.settle_months
    starts_at = local_midnight(_add_months(first, begin), zone)
    ends_at = local_midnight(_add_months(first, begin + rules.settle_months), zone)
    end = ends_at if version.ends_at is None else min(ends_at, version.ends_at)
    return Period(max(starts_at, version.starts_at), end)


def settleable_outcomes(
    versions: Sequence[VersionPeriod], month: SettlementMonth, outcomes: Iterable[Outcome]
) -> list[Outcome]:
    """Return the outcomes whose period is over; without prediction rules, all."""
    by_id = {one.version.id: one for one in versions}
    periods = (period_at(by_id[one.version_id], month.zone, one.happened_at) for one in outcomes)
    return [
        one
        for one, period in zip(outcomes, periods, strict=True)
        if period is None or period.ends_at <= month.ends_at
    ]


async def load_prediction_periods(
    session: AsyncSession,
    account_id: UUID,
    contract_id: UUID,
    versions: Sequence[VersionPeriod],
    month: SettlementMonth,
    outcomes: Sequence[Outcome],
) -> tuple[tuple[BundlePredictionPeriod, ...], list[tuple[Evidence, Attester]], list[Outcome]]:
    """Load the periods that end in a month, and those of late outcomes, with records and events.

    Also returns the signed events with their attesters, and all outcomes that count as events.
    """
    found: list[BundlePredictionPeriod] = []
    evidence: dict[UUID, tuple[Evidence, Attester]] = {}
    counted: dict[UUID, Outcome] = {}
    for version in versions:
        for period in _periods_to_assess(version, month, outcomes):
            span = (period.starts_at, period.ends_at)
            confirmed = await list_confirmed_outcomes(
                session, account_id, [contract_id], *span, month.cutoff
            )
            signed = await list_signed_events(
                session, account_id, contract_id, version.terms, *span, month.cutoff
            )
            evidence |= {row.id: (row, attester) for _, row, attester in signed}
            counted |= {one.id: one for one in confirmed}
            events = [_bundle_outcome_event(one) for one in confirmed]
            events += [
                BundleObserved(one.id, one.subject, one.happened_at, one.id) for one, *_ in signed
            ]
            found.append(await _load_period(session, account_id, version, period, events))
    return tuple(found), list(evidence.values()), list(counted.values())


def _periods_to_assess(
    version: VersionPeriod, month: SettlementMonth, outcomes: Iterable[Outcome]
) -> list[Period]:
    """Return the version's periods that end in the month or have outcomes to settle, in order."""
    if version.terms.predictions is None:
        return []
    periods = {
        period
        for one in outcomes
        if one.version_id == version.version.id
        and (period := period_at(version, month.zone, one.happened_at)) is not None
    }
    last = period_at(version, month.zone, max(month.starts_at, version.starts_at))
    if last is not None and month.starts_at < last.ends_at <= month.ends_at:
        if last.starts_at < last.ends_at:
            periods.add(last)
    return sorted(periods, key=lambda one: one.starts_at)


async def _load_period(
    session: AsyncSession,
    account_id: UUID,
    version: VersionPeriod,
    period: Period,
    events: Iterable[BundleObserved],
) -> BundlePredictionPeriod:
    """Load the records that count in a period, with the keys that signed them."""
    rules = version.terms.predictions
    assert rules is not None  # noqa: S101  # _periods_to_assess returns none without rules
    span = (period.starts_at, period.ends_at)
    wanted = RecordFilter(event=rules.event)
    rows = await list_records_about(session, account_id, wanted, *span, _MAX_RECORDS + 1)
    if len(rows) > _MAX_RECORDS:  # warnings decide on payment; the others are scored only
        warnings = RecordFilter(event=rules.event, verdict=PredictionVerdict.YES.value)
        rows = await list_records_about(session, account_id, warnings, *span, None)
    relevant = [one for one in rows if _is_relevant(rules, one)]
    keys = await list_keys(session, {one.kid for one in relevant})
    return BundlePredictionPeriod(
        version=version.version.id.hex,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        records=tuple(one.token for one in relevant),
        keys=tuple(_bundle_key(one) for one in keys),
        events=tuple(events),
    )


def _is_relevant(rules: PredictionRules, row: PredictionRecord) -> bool:
    """Return whether a record counts under a contract, cited by a claim or not."""
    known = row.subject in rules.subjects and row.model in rules.models
    return known and relevance_fault(rules, parse_record(row.token).payload) is None


def _bundle_outcome_event(outcome: Outcome) -> BundleObserved:
    """Return a confirmed outcome as an event of the bundle, with its claim as evidence."""
    event = observed_outcome(outcome)
    claim = ids.format_id(EVIDENCE_PREFIX, outcome.evidence_id)
    return BundleObserved(event.id, event.subject, event.happened_at, claim)


def _bundle_key(key: PredictionKey) -> BundleModelKey:
    """Convert a model key to the bundle's form."""
    return BundleModelKey(key.kid, key.model, key.public_key.hex(), key.invalid_from)


def _add_months(first: date, months: int) -> date:
    """Return the first day of the month that is so many months after `first`."""
    count = first.month - 1 + months
    return date(first.year + count // 12, count % 12 + 1, 1)
