"""Series: readings of several files, each time once, corrected by who said them first."""

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


class TestOfOne:
    def test_by_time(self) -> None:
        last, first = told(2, "7"), told(1)
        found = build_series((last, first), TERMS)
        assert [one.reading.value for one in found.readings] == [Decimal("412.5"), 7]
        assert [one.evidence for one in found.readings] == [first, last]
        assert (found.contested, found.unreadable) == (0, ())

    def test_the_first_stands(self) -> None:
        found = build_series((told(), told(1, "400"), told(), told(2)), TERMS)
        assert [one.reading.value for one in found.readings] == [Decimal("412.5"), Decimal("412.5")]
        assert found.contested == 1

    def test_but_for_a_correction(self) -> None:
        better = [told(1, value, kind=CORRECTION) for value in ("400", "401")]
        assert values(told(), *better) == [401]
        assert build_series((told(), *better), TERMS).contested == 0

    def test_none(self) -> None:
        assert values() == []


class TestOfSeveral:
    def test_another_corrects_nothing(self) -> None:
        assert values(told(), told(1, "400", by="other", kind=CORRECTION)) == [Decimal("412.5")]

    def test_the_more_independent_stands(self) -> None:
        """Whichever of them spoke first."""
        system, sensor = told(1, "400", by="mes", of=SYSTEM), told()
        assert values(system, sensor) == values(sensor, system) == [Decimal("412.5")]

    def test_the_other_tells_of_times_that_it_lacks(self) -> None:
        assert values(told(1), told(1, "3", by="mes", of=SYSTEM), told(2, "4", by="mes")) == [
            Decimal("412.5"),
            4,
        ]

    def test_of_two_of_a_kind_the_first_to_speak(self) -> None:
        assert values(told(1, "1", by="z"), told(1, "2", by="a")) == [1]


def test_what_the_terms_do_not_read_is_told() -> None:
    odd = told(unit="kg")
    found = build_series((odd, told(2)), TERMS)
    assert [one.reading.value for one in found.readings] == [Decimal("412.5")]
    assert [one.id for one in found.unreadable] == [odd.id]
    assert "cannot be converted to kWh" in found.unreadable[0].why
