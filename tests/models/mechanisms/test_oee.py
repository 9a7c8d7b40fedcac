"""OEE: a published example, the range of results, and input validation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mechanisms import MECHANISMS
from models.signature import InputInvalid

OEE = MECHANISMS["oee"]
NAMES = [field.name for field in OEE.inputs]


def oee(*row: float, **units: str) -> dict[str, float]:
    given = {name: [value] for name, value in zip(NAMES, row, strict=True)}
    return {name: float(column[0]) for name, column in OEE.evaluate(given, units).items()}


class TestOee:
    def test_published_shift_example_is_reproduced(self) -> None:
        """373 of 420 planned minutes; 19,271 pieces at 1 s each, 18,848 of them good.

        373/420 = .88810; 19271/60/373 = .86108; 18848/19271 = .97805; the product
        18848/60/420 = .74794. The figures are those of the example on oee.com.
        """
        answer = oee(420, 373, 1, 19_271, 18_848, planned_run_time="s/pcs")
        assert answer["availability"] == pytest.approx(0.88810, abs=5e-6)
        assert answer["effectiveness"] == pytest.approx(0.86108, abs=5e-6)
        assert answer["quality_ratio"] == pytest.approx(0.97805, abs=5e-6)
        assert answer["oee"] == pytest.approx(0.74794, abs=5e-6)

    def test_effectiveness_above_1_is_not_capped(self) -> None:
        """100 pieces at 2 min in 150 min: 200/150, although a ratio above 1 is implausible."""
        assert oee(200, 150, 2, 100, 100)["effectiveness"] == pytest.approx(4 / 3)


share = st.floats(0.01, 1)


class TestOeeProperties:
    @given(st.floats(100, 1e6), share, share, share, st.floats(1, 100))
    def test_results_are_between_0_and_1(
        self, planned: float, ran: float, speed: float, good: float, pieces: float
    ) -> None:
        time = planned * ran
        answer = oee(planned, time, time * speed / pieces, pieces, pieces * good)
        assert all(0 <= value <= 1 + 1e-12 for value in answer.values())
        assert answer["oee"] == pytest.approx(ran * speed * good)


class TestOeeInputValidation:
    def test_production_time_over_planned_time_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="'actual_production_time' in row 0 is longer"):
            oee(420, 421, 1, 1, 1)

    def test_good_quantity_over_produced_quantity_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match="'good_quantity' in row 0 is more than"):
            oee(420, 400, 1, 10, 11)

    def test_zero_production_time_is_rejected(self) -> None:
        with pytest.raises(InputInvalid, match=r"'actual_production_time' in row 0 \(0\) is below"):
            oee(420, 0, 1, 10, 10)

    def test_time_unit_for_quantity_is_rejected(self) -> None:
        with pytest.raises(
            InputInvalid, match="'min', which is not a unit of this quantity; the model expects pcs"
        ):
            oee(420, 400, 1, 10, 10, produced_quantity="min")
