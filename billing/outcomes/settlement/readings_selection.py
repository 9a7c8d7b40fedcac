"""Measuring: which readings a month of a contract is measured by, and on which days.

A reading counts for the month in whose days it lies, if it came by that month's cut; what came
later counts for no settlement. A version is measured on the whole days, as the plant has them, on
which it was in force.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from billing.dates import day_of, midnight, zone_of
from billing.outcomes.contracts.contracts import Span
from billing.outcomes.contracts.effect_definitions import Design, Measure
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.log import PREFIX as EVIDENCE_PREFIX
from billing.outcomes.evidence.readings_file import AHEAD
from billing.outcomes.evidence.series import CORRECTION, READINGS, Told
from billing.outcomes.settlement.measurement_inputs import Inputs
from billing.tables import Attester, Evidence
from infra import ids

Readings = Sequence[tuple[Evidence, Attester]]


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a contract. What is said after `cut` is for the next one, or for none."""

    starts_at: datetime
    ends_at: datetime
    cut: datetime
    zone: ZoneInfo


def days_in(version: Span, month: Month) -> tuple[date, date] | None:
    """The whole days of a month on which a version is in force, until the day after the last;
    None where there is none. The month's days are those of its name, wherever the plant is."""
    zone = zone_of(version.terms.time_zone)
    first = max(day_of(month.starts_at, month.zone), _whole_from(version.starts_at, zone))
    until = day_of(month.ends_at, month.zone)
    if version.ends_at is not None:
        until = min(until, day_of(version.ends_at, zone))
    return (first, until) if first < until else None


async def readings_for(session: AsyncSession, version: Span, month: Month) -> Readings:
    """The readings that came in time for a month: of alternating weeks all since the start, else
    those since the month began, as none that came before can be of it."""
    kind = version.terms.kind
    by_turns = isinstance(kind, Measure) and kind.design is Design.SWITCHBACK
    since = version.starts_at if by_turns else month.starts_at
    place = version.version.account_id, version.version.contract_id
    return await readings_between(
        session, *place, version.terms.attesters, since - AHEAD, month.cut
    )


async def readings_between(
    session: AsyncSession,
    account_id: UUID,
    contract_id: UUID,
    kinds: Iterable[AttesterKind],
    since: datetime,
    until: datetime,
) -> Readings:
    """What attesters of these kinds sent after a moment and until another, in order."""
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


def inputs_of(version: Span, days: tuple[date, date], readings: Readings) -> Inputs:
    """All that the measurement of these days is given."""
    return Inputs(version.version.terms, version.version.baseline, *days, tolds(readings))


def tolds(readings: Readings) -> tuple[Told, ...]:
    return tuple(
        Told(
            ids.show(EVIDENCE_PREFIX, evidence.id),
            evidence.kind,
            attester.id.hex,
            attester.kind,
            evidence.received_at,
            evidence.said,
        )
        for evidence, attester in readings
    )


def _whole_from(at: datetime, zone: ZoneInfo) -> date:
    """The first day that begins at a moment or after it."""
    day = day_of(at, zone)
    return day if midnight(day, zone) == at else day + timedelta(days=1)
