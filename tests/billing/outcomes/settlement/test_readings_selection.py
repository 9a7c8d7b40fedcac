"""Readings selection: the days and readings from which a month is measured."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.contracts import VersionPeriod
from billing.outcomes.evidence.log import EvidenceKind
from billing.outcomes.evidence.series import build_series
from billing.outcomes.settlement.readings_selection import (
    SettlementMonth,
    build_measurement_inputs,
    full_days_in_force,
    list_month_readings,
)
from billing.tables import OutcomeVersion
from tests.support.outcomes.contract_texts import MEASURE
from tests.support.outcomes.deals import READINGS, Deal, Signer

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
WEEKS = MEASURE.replace('"kWh"', '"kWh"\ndesign = "switchback"\nturns = {}')
NOVEMBER = SettlementMonth(
    datetime(2026, 11, 1, tzinfo=SHANGHAI),
    datetime(2026, 12, 1, tzinfo=SHANGHAI),
    datetime(2026, 12, 4, tzinfo=SHANGHAI),
    SHANGHAI,
)


def span(
    starts_at: datetime, ends_at: datetime | None = None, text: str = MEASURE
) -> VersionPeriod:
    return VersionPeriod(OutcomeVersion(), parse_contract_toml(text), starts_at, ends_at)


def local(month: int, day: int, hour: int = 0, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=zone)


class TestMeasuredDays:
    @pytest.mark.parametrize(
        ("version", "days"),
        [
            (span(local(10, 1)), (1, 30)),
            (span(local(11, 1)), (1, 30)),
            (span(local(11, 10)), (10, 30)),
            (span(local(11, 10, 8)), (11, 30)),  # the 10th is not a full day
            (span(local(10, 1), local(11, 20)), (1, 19)),
            (span(local(10, 1), local(11, 20, 8)), (1, 19)),
            (span(local(11, 10), local(11, 11)), (10, 10)),
        ],
    )
    def test_only_full_days_in_force_are_measured(
        self, version: VersionPeriod, days: tuple[int, int]
    ) -> None:
        found = full_days_in_force(version, NOVEMBER)
        assert found is not None
        assert (found[0], found[1] - timedelta(days=1)) == (
            date(2026, 11, days[0]),
            date(2026, 11, days[1]),
        )

    @pytest.mark.parametrize(
        "version",
        [
            span(local(12, 1)),
            span(local(10, 1), local(11, 1)),
            span(local(11, 10, 8), local(11, 11, 8)),
        ],
    )
    def test_version_without_a_full_day_in_the_month_has_no_days(
        self, version: VersionPeriod
    ) -> None:
        assert full_days_in_force(version, NOVEMBER) is None

    def test_days_follow_the_calendar_of_the_plant_time_zone(self) -> None:
        """In Berlin, November begins seven hours later than in the account's time zone."""
        text = f'time_zone = "Europe/Berlin"{MEASURE}'
        for starts_at in (local(11, 1, 0, BERLIN), local(10, 31, 16, BERLIN)):
            version = span(starts_at, text=text.replace("[measure]", "[measure]\nlooks = 13"))
            assert full_days_in_force(version, NOVEMBER) == (date(2026, 11, 1), date(2026, 12, 1))


def of(day: str, value: str = "412.5") -> bytes:
    return READINGS.replace(b"2026-10-01", day.encode()).replace(b"412.5", value.encode())


@dataclass
class Plant:
    """A proposed contract with a sensor."""

    deal: Deal
    version: OutcomeVersion
    sensor: Signer

    async def says(
        self, at: datetime, body: bytes, kind: EvidenceKind = EvidenceKind.READINGS
    ) -> None:
        self.deal.firm.story.clock._now = at.astimezone(UTC)
        await self.deal.says(self.sensor, body, kind)

    async def counts(self, text: str = MEASURE, starts_at: datetime | None = None) -> list[str]:
        """The readings that count for November, by day and value."""
        terms = parse_contract_toml(text)
        version = VersionPeriod(self.version, terms, starts_at or terms.starts_at, None)
        async with self.deal.firm.story.database.transaction() as session:
            readings = await list_month_readings(session, version, NOVEMBER)
        inputs = build_measurement_inputs(version, (date(2026, 11, 1), date(2026, 12, 1)), readings)
        rows = build_series(inputs.readings, terms).readings
        return [f"{one.reading.at.astimezone(SHANGHAI):%m-%d} {one.reading.value}" for one in rows]


@pytest.fixture
async def plant(deal: Deal) -> Plant:
    deal.firm.story.clock.set(2026, 10, 20)
    version = await deal.proposed(MEASURE)
    return Plant(deal, version, await deal.attester(version))


class TestReadingsCutoff:
    """A reading counts for the month of its days if it is received by that month's cut-off."""

    async def test_reading_received_at_the_cutoff_counts(self, plant: Plant) -> None:
        await plant.says(NOVEMBER.cutoff, of("2026-11-30"))
        assert await plant.counts() == ["11-30 412.5"]

    async def test_reading_or_correction_after_the_cutoff_is_ignored(self, plant: Plant) -> None:
        """Both remain as evidence."""
        late = NOVEMBER.cutoff + timedelta(microseconds=1)
        await plant.says(local(12, 3), of("2026-11-29"))
        await plant.says(late, of("2026-11-30"))
        await plant.says(late, of("2026-11-29", "1"), EvidenceKind.CORRECTION)
        assert await plant.counts() == ["11-29 412.5"]
        assert (await plant.deal.verified(plant.version)).entries == 3

    async def test_reading_received_before_the_month_is_ignored(self, plant: Plant) -> None:
        """Except from a meter whose clock is a few minutes ahead."""
        await plant.says(local(10, 31), of("2026-10-30"))
        await plant.says(local(11, 1) - timedelta(minutes=4), of("2026-11-01"))
        assert await plant.counts() == ["11-01 412.5"]

    async def test_switchback_uses_readings_since_the_contract_start(self, plant: Plant) -> None:
        await plant.says(local(10, 25), of("2026-10-20"))
        await plant.says(local(11, 2), of("2026-11-01"))
        assert await plant.counts() == ["11-01 412.5"]
        assert await plant.counts(WEEKS, local(10, 20)) == ["10-20 412.5", "11-01 412.5"]


class TestReadingsSource:
    async def test_reading_of_an_attester_kind_not_accepted_is_ignored(self, plant: Plant) -> None:
        await plant.says(local(11, 2), of("2026-11-01"))
        assert await plant.counts(MEASURE.replace("neutral_sensor", "customer_system")) == []

    async def test_reading_of_another_account_is_ignored(self, plant: Plant) -> None:
        await plant.says(local(11, 2), of("2026-11-01"))
        plant.deal.firm.story.clock.set(2026, 10, 20)
        other = Deal(await plant.deal.firm.story.firm(name="Other"))
        version = await other.proposed(MEASURE)
        assert await Plant(other, version, plant.sensor).counts() == []
