"""Selection of the signed readings and the days for a month's measurement.

A reading counts for the month of its timestamp if it was received by that month's cutoff; later
readings count for no settlement. A version is measured on the full local days on which it was in
force.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import local_day, local_midnight, parse_time_zone
from billing.outcomes.contracts.contracts import VersionPeriod
from billing.outcomes.contracts.effect_definitions import MeasuredEffect, MeasurementDesign
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.readings_file import MAX_CLOCK_SKEW
from billing.outcomes.evidence.series import CORRECTION, READINGS, ReadingsEvidence
from billing.outcomes.settlement.measurement_inputs import MeasurementInputs
from billing.tables import Attester, Evidence
from infra import ids

SignedReadings = Sequence[tuple[Evidence, Attester]]


@dataclass(frozen=True, slots=True)
class SettlementMonth:
    """A settlement month; evidence received after `cutoff` does not count for it."""

    starts_at: datetime
    ends_at: datetime
    cutoff: datetime
    zone: ZoneInfo


def full_days_in_force(period: VersionPeriod, month: SettlementMonth) -> tuple[date, date] | None:
    """Return the full days of a month on which a version is in force, as (first, until).

    `until` is exclusive. Returns None if there are none. The bounds of the month are calendar days
    in its own time zone, also if the plant is in another.
    """
    zone = parse_time_zone(period.terms.time_zone)
    first = max(local_day(month.starts_at, month.zone), _first_full_day(period.starts_at, zone))
    until = local_day(month.ends_at, month.zone)
    if period.ends_at is not None:
        until = min(until, local_day(period.ends_at, zone))
    return (first, until) if first < until else None


async def list_month_readings(
    session: AsyncSession, period: VersionPeriod, month: SettlementMonth
) -> SignedReadings:
    """List the readings received in time for a month's measurement.

    A switchback needs all readings since the start of the version; otherwise readings received
    before the month began cannot be of the month.
    """
    effect = period.terms.kind
    is_switchback = (
        isinstance(effect, MeasuredEffect) and effect.design is MeasurementDesign.SWITCHBACK
    )
    since = period.starts_at if is_switchback else month.starts_at
    return await list_readings_received(
        session,
        period.version.account_id,
        period.version.contract_id,
        period.terms.attesters,
        since - MAX_CLOCK_SKEW,
        month.cutoff,
    )


async def list_readings_received(
    session: AsyncSession,
    account_id: UUID,
    contract_id: UUID,
    kinds: Iterable[AttesterKind],
    since: datetime,
    until: datetime,
) -> SignedReadings:
    """List readings by attesters of these kinds, received in (since, until], in log order."""
    query = (
        select(Evidence, Attester)
        .join(Attester, col(Attester.id) == col(Evidence.attester_id))
        .where(
            col(Evidence.account_id) == account_id,
            col(Evidence.contract_id) == contract_id,
            col(Evidence.kind).in_((READINGS, CORRECTION)),
            col(Attester.kind).in_(kinds),
            col(Evidence.received_at) > since,
            col(Evidence.received_at) <= until,
        )
        .order_by(col(Evidence.position))
    )
    return [(row[0], row[1]) for row in (await session.execute(query)).all()]


def build_measurement_inputs(
    period: VersionPeriod, days: tuple[date, date], readings: SignedReadings
) -> MeasurementInputs:
    """Build the inputs of a measurement: terms, baseline, readings and days (first, until)."""
    return MeasurementInputs(
        period.version.terms, period.version.baseline, *days, to_readings_evidence(readings)
    )


def to_readings_evidence(readings: SignedReadings) -> tuple[ReadingsEvidence, ...]:
    """Convert evidence rows to the form stored in measurement inputs."""
    return tuple(
        ReadingsEvidence(
            ids.format_id(EVIDENCE_PREFIX, evidence.id),
            evidence.kind,
            attester.id.hex,
            attester.kind,
            evidence.received_at,
            evidence.said,
        )
        for evidence, attester in readings
    )


def _first_full_day(at: datetime, zone: ZoneInfo) -> date:
    """Return the first local day that begins at or after `at`."""
    day = local_day(at, zone)
    return day if local_midnight(day, zone) == at else day + timedelta(days=1)
