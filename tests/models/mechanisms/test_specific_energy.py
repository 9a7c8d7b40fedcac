"""Specific energy: worked by hand."""

import pytest

from models.mechanisms import MECHANISMS

ENERGY = MECHANISMS["specific_energy"]


def test_better_and_worse_than_the_baseline() -> None:
    """1200 kWh for 3000 pieces are 0.4 each, a fifth below 0.5; 1800 are 0.6, a fifth above."""
    row = {"energy": [1200, 1800], "quantity": [3000, 3000], "baseline": [0.5, 0.5]}
    answer = ENERGY.evaluate(row)
    assert answer["specific_energy"].tolist() == pytest.approx([0.4, 0.6])
    assert answer["improvement"].tolist() == pytest.approx([20, -20])


def test_megajoules() -> None:
    """3.6 MJ are 1 kWh."""
    row = {"energy": [4320], "quantity": [3000], "baseline": [0.5]}
    assert ENERGY.evaluate(row, {"energy": "MJ"})["specific_energy"][0] == pytest.approx(0.4)
