"""Measurement study: one canonical text whatever the order, and detection of changes."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from billing.outcomes.measurement.errors import MeasurementPlanInvalid, ReadingsInvalid
from billing.outcomes.measurement.evidence import MeasurementStudy, parse_study
from billing.outcomes.measurement.plan import NonRoutineAdjustment
from billing.outcomes.measurement.readings import Quantity
from billing.outcomes.measurement.savings_measurement import fit_baseline_of_study
from tests.billing.outcomes.measurement.making import TURN, agreeing, changed, study

STUDY = study(saving=0.1)


def edited(one: MeasurementStudy, at: int) -> MeasurementStudy:
    """The study with one reading a thousandth of a kWh higher."""
    return changed(
        one, at, lambda was: replace(was, amount=Quantity(was.amount.value + 0.001, "kWh"))
    )


class TestStudyText:
    def test_canonical_json_parses_to_the_same_study(self) -> None:
        full = agreeing(
            STUDY,
            adjustments=(NonRoutineAdjustment(TURN, 5.0, "新车间", ("plant", "us")),),
            resolution=Decimal("0.01"),
        )
        for one in (full, replace(full, kept=fit_baseline_of_study(full))):
            assert parse_study(one.canonical_json()) == one
            assert parse_study(one.canonical_json()).canonical_json() == one.canonical_json()

    def test_canonical_json_of_adjustments_is_stable(self) -> None:
        full = agreeing(
            STUDY, adjustments=(NonRoutineAdjustment(TURN, 5.0, "新车间", ("plant", "us")),)
        )
        assert parse_study(full.canonical_json()).canonical_json() == full.canonical_json()

    def test_canonical_json_does_not_depend_on_reading_order(self) -> None:
        mixed = list(STUDY.readings)
        random.Random(1).shuffle(mixed)
        other = replace(STUDY, readings=tuple(mixed))
        assert other.canonical_json() == STUDY.canonical_json()
        assert other.digest() == STUDY.digest()

    def test_digest_changes_with_a_reading(self) -> None:
        assert edited(STUDY, 170).digest() != STUDY.digest()

    def test_canonical_json_is_sorted_and_compact(self) -> None:
        text = STUDY.canonical_json()
        assert text.startswith(b'{"agreed":{"adjustments":[],"baseline":{"first":"2026-01-01"')
        assert b": " not in text

    @pytest.mark.parametrize(
        "text", [b"", b"{", b"{}", b'{"agreed":1,"readings":[]}', b'{"readings":[],"agreed":null}']
    )
    def test_invalid_study_text_is_rejected(self, text: bytes) -> None:
        with pytest.raises(ReadingsInvalid, match="The study is not valid"):
            parse_study(text)

    def test_null_value_is_rejected(self) -> None:
        text = STUDY.canonical_json().replace(b'"value":', b'"value":null,"was":', 1)
        with pytest.raises(ReadingsInvalid, match="not valid"):
            parse_study(text)

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            (b'T16:00:00Z"', b'T16:00:00"', "has no time zone"),
            (b'"looks":1', b'"looks":0', "looks: must be 1 to 1200"),
        ],
    )
    def test_parsed_study_is_validated_like_a_built_one(
        self, old: bytes, new: bytes, told: str
    ) -> None:
        with pytest.raises((ReadingsInvalid, MeasurementPlanInvalid), match=told):
            parse_study(STUDY.canonical_json().replace(old, new, 1))
