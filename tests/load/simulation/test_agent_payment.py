"""Agents under a contract on predicted events: only skill is paid."""

import pytest

from load.simulation.agent_payment import AGENTS
from load.simulation.prediction_payment import billed_amount

# `python -m load.simulation.agent_payment` bills a hundred seeds.
_SEEDS = (1,)


@pytest.mark.parametrize("name", [one for one in AGENTS if not one.startswith("foresees")])
def test_agent_without_knowledge_of_failures_is_billed_nothing(name: str) -> None:
    for seed in _SEEDS:
        assert billed_amount(seed, AGENTS[name])[0] == 0


@pytest.mark.parametrize("name", [one for one in AGENTS if one.startswith("foresees")])
def test_agent_that_foresees_failures_is_paid(name: str) -> None:
    for seed in _SEEDS:
        minor, found = billed_amount(seed, AGENTS[name])
        assert minor == found.hits * 1_800_00 > 0
