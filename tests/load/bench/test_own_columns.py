"""The benchmark of models of own columns: its training files, and its table."""

import pytest

from load.bench.own_columns.__main__ import own_models, ready_made_model
from load.bench.own_columns.examples import EXAMPLES
from load.bench.own_columns.report import CallTimes, render
from models.own_columns import OWN_COLUMNS
from models.tables.schema import SchemaRequest


@pytest.mark.parametrize("adapter", EXAMPLES)
def test_training_file_of_each_kind_passes_its_check(adapter: str) -> None:
    example = EXAMPLES[adapter]()
    found = OWN_COLUMNS[adapter](example.csv(), SchemaRequest(**example.schema))
    assert found.examples >= 300
    assert not set(example.row) & {"machine", "run", "state", "failure", "wear"}


def test_each_kind_has_a_model_and_none_is_the_ready_made_one() -> None:
    assert sorted(own_models().values()) == sorted(EXAMPLES)
    assert ready_made_model() not in own_models()
    first = next(iter(own_models()))
    assert list(own_models(first)) == [first]


def test_table_compares_with_the_ready_made_model_and_states_missed_targets() -> None:
    ready_made = CallTimes("ready", None, [2.0] * 99 + [30.0])
    own = [CallTimes("quick", 3.25, [3.0] * 100), CallTimes("slow", 1.0, [4.0] * 98 + [26.0] * 2)]
    lines = render(ready_made, own).splitlines()
    assert lines[2] == "| ready | ready-made | 2.0 | 2.0 | 1.00 | p50 8, p99 25: met |"
    assert lines[3] == "| quick | 3.2 | 3.0 | 3.0 | 1.50 | p50 8, p99 25: met |"
    assert lines[4] == "| slow | 1.0 | 4.0 | 26.0 | 2.00 | p50 8, p99 25: missed |"
    assert lines[-1] == "100 calls of each model, one at a time, in turns."
