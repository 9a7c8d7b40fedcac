"""Series of readings from several files: one value per time, corrected only by its attester."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from billing.outcomes.contracts.contract_file import parse_contract_toml
from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.evidence.series import CORRECTION, READINGS, ReadingsEvidence, build_series
from tests.support.outcomes.contract_texts import MEASURE

TERMS = parse_contract_toml(MEASURE)
SENSOR, SYSTEM = AttesterKind.NEUTRAL_SENSOR, AttesterKind.CUSTOMER_SYSTEM
NUMBERS = count()


def told(
    day: int = 1,
    value: str = "412.5",
    *,
    by: str = "one",
    of: AttesterKind = SENSOR,
    kind: str = READINGS,
    unit: str = "kWh",
) -> ReadingsEvidence:
    """A piece of evidence with one reading of a day in October."""
    said = f"at,value,unit,parts\n2026-10-{day:02d},{value},{unit},1180\n"
    at = datetime(2026, 10, 20, tzinfo=UTC)
    return ReadingsEvidence(f"evd_{next(NUMBERS)}", kind, by, of.value, at, said)


def values(*evidence: ReadingsEvidence) -> list[Decimal]:
    return [one.reading.value for one in build_series(evidence, TERMS).readings]


class TestSeriesOfOneAttester:
    def test_readings_are_sorted_by_time(self) -> None:
        last, first = told(2, "7"), told(1)
        found = build_series((last, first), TERMS)
        assert [one.reading.value for one in found.readings] == [Decimal("412.5"), 7]
        assert [one.evidence for one in found.readings] == [first, last]
        assert (found.contested, found.unreadable) == (0, ())

    def test_first_value_is_used_and_a_conflict_is_counted(self) -> None:
        found = build_series((told(), told(1, "400"), told(), told(2)), TERMS)
        assert [one.reading.value for one in found.readings] == [Decimal("412.5"), Decimal("412.5")]
        assert found.contested == 1

    def test_latest_correction_replaces_the_value(self) -> None:
        better = [told(1, value, kind=CORRECTION) for value in ("400", "401")]
        assert values(told(), *better) == [401]
        assert build_series((told(), *better), TERMS).contested == 0

    def test_series_without_evidence_is_empty(self) -> None:
        assert values() == []


class TestSeriesOfSeveralAttesters:
    def test_correction_by_another_attester_is_ignored(self) -> None:
        assert values(told(), told(1, "400", by="other", kind=CORRECTION)) == [Decimal("412.5")]

    def test_value_of_the_more_independent_attester_is_used(self) -> None:
        """Whichever statement is first."""
        system, sensor = told(1, "400", by="mes", of=SYSTEM), told()
        assert values(system, sensor) == values(sensor, system) == [Decimal("412.5")]

    def test_second_attester_supplies_missing_times(self) -> None:
        assert values(told(1), told(1, "3", by="mes", of=SYSTEM), told(2, "4", by="mes")) == [
            Decimal("412.5"),
            4,
        ]

    def test_first_of_two_attesters_of_the_same_kind_is_used(self) -> None:
        assert values(told(1, "1", by="z"), told(1, "2", by="a")) == [1]


def test_series_reports_evidence_in_an_incompatible_unit_as_unreadable() -> None:
    odd = told(unit="kg")
    found = build_series((odd, told(2)), TERMS)
    assert [one.reading.value for one in found.readings] == [Decimal("412.5")]
    assert [one.id for one in found.unreadable] == [odd.id]
    assert "cannot be converted to kWh" in found.unreadable[0].why
