"""Specific energy: values computed manually."""

import pytest

from models.mechanisms import MECHANISMS

ENERGY = MECHANISMS["specific_energy"]


def test_specific_energy_improvement_is_relative_to_baseline() -> None:
    """1200 kWh for 3000 pieces are 0.4 each, 20 % below 0.5; 1800 kWh are 0.6, 20 % above."""
    row = {"energy": [1200, 1800], "quantity": [3000, 3000], "baseline": [0.5, 0.5]}
    answer = ENERGY.evaluate(row)
    assert answer["specific_energy"].tolist() == pytest.approx([0.4, 0.6])
    assert answer["improvement"].tolist() == pytest.approx([20, -20])


def test_specific_energy_converts_megajoules() -> None:
    """3.6 MJ are 1 kWh."""
    row = {"energy": [4320], "quantity": [3000], "baseline": [0.5]}
    assert ENERGY.evaluate(row, {"energy": "MJ"})["specific_energy"][0] == pytest.approx(0.4)
