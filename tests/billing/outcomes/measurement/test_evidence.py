"""The evidence bundle: one text whatever the order, and what was changed after signing."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from billing.outcomes.measurement.agreed import Adjustment
from billing.outcomes.measurement.evidence import Study, read_study
from billing.outcomes.measurement.faults import MeasureInvalid, ReadingsInvalid
from billing.outcomes.measurement.measuring import fit
from billing.outcomes.measurement.readings import Amount
from tests.billing.outcomes.measurement.making import TURN, agreeing, changed, study

STUDY = study(saving=0.1)


def edited(one: Study, at: int) -> Study:
    """One reading a thousandth of a kWh higher."""
    return changed(
        one, at, lambda was: replace(was, amount=Amount(was.amount.value + 0.001, "kWh"))
    )


class TestText:
    def test_there_and_back(self) -> None:
        full = agreeing(
            STUDY,
            adjustments=(Adjustment(TURN, 5.0, "新车间", ("plant", "us")),),
            resolution=Decimal("0.01"),
        )
        for one in (full, replace(full, kept=fit(full))):
            assert read_study(one.text()) == one
            assert read_study(one.text()).text() == one.text()

    def test_of_adjustments(self) -> None:
        full = agreeing(STUDY, adjustments=(Adjustment(TURN, 5.0, "新车间", ("plant", "us")),))
        assert read_study(full.text()).text() == full.text()

    def test_is_the_same_in_whatever_order(self) -> None:
        mixed = list(STUDY.readings)
        random.Random(1).shuffle(mixed)
        other = replace(STUDY, readings=tuple(mixed))
        assert other.text() == STUDY.text()
        assert other.digest() == STUDY.digest()

    def test_is_another_for_other_readings(self) -> None:
        assert edited(STUDY, 170).digest() != STUDY.digest()

    def test_is_sorted_and_plain(self) -> None:
        text = STUDY.text()
        assert text.startswith(b'{"agreed":{"adjustments":[],"baseline":{"first":"2026-01-01"')
        assert b": " not in text

    @pytest.mark.parametrize(
        "text", [b"", b"{", b"{}", b'{"agreed":1,"readings":[]}', b'{"readings":[],"agreed":null}']
    )
    def test_what_is_none(self, text: bytes) -> None:
        with pytest.raises(ReadingsInvalid, match="The study cannot be read"):
            read_study(text)

    def test_no_number_is_refused(self) -> None:
        text = STUDY.text().replace(b'"value":', b'"value":null,"was":', 1)
        with pytest.raises(ReadingsInvalid, match="cannot be read"):
            read_study(text)

    @pytest.mark.parametrize(
        ("old", "new", "told"),
        [
            (b'T16:00:00Z"', b'T16:00:00"', "has no time zone"),
            (b'"looks":1', b'"looks":0', "looks: are 1 to 1200"),
        ],
    )
    def test_rules_hold_for_a_text_too(self, old: bytes, new: bytes, told: str) -> None:
        with pytest.raises((ReadingsInvalid, MeasureInvalid), match=told):
            read_study(STUDY.text().replace(old, new, 1))
