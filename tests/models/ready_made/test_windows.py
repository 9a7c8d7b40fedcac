"""Windows of a customer's series as the inputs of a ready-made model."""

import numpy as np
import pytest

from models.ready_made.values import ReadyMade
from models.ready_made.windows import MappedWindows, map_windows, require_mappable
from models.signature import InputField, InputInvalid, Signature
from models.tables.reading import read_table
from models.tables.schema import SchemaRequest
from tests.support.models.tables import csv

STEPS = 240
SIGNATURE = Signature(
    (
        InputField("pressure", "FP32", unit="bar", minimum=0, maximum=400, length=(5, 8)),
        InputField("speed", "FP32"),
    ),
    (),
    "1",
)
STATED = ReadyMade(model="rig", columns={"pressure": "p [kPa]", "speed": "n"})
TABLE: dict[str, list[object]] = {
    "p [kPa]": [100 * step for step in range(STEPS)],
    "n": list(range(STEPS)),
}


def windows_of(steps: int) -> list[np.ndarray]:
    return [np.arange(start, start + steps) for start in range(0, STEPS - steps + 1, steps)]


def mapped(steps: int, table: dict[str, list[object]] = TABLE) -> MappedWindows:
    read = read_table(csv(table))
    return map_windows(read, SIGNATURE, STATED, SchemaRequest(), windows_of(steps))


def test_windows_become_series_in_the_units_of_the_model_and_values_at_their_end() -> None:
    found = mapped(6)
    ((positions, columns),) = found.batches()
    assert positions.tolist() == list(range(40))
    assert columns["pressure"].shape == (40, 6)
    assert columns["pressure"][1].tolist() == [6, 7, 8, 9, 10, 11]
    assert columns["speed"][1] == 11


def test_longer_window_is_cut_to_what_the_model_takes() -> None:
    ends = Signature((InputField("pressure", "FP32", unit="bar", length=(2, 3)),), (), "1")
    stated = ReadyMade(model="rig", columns={"pressure": "p [kPa]"})
    found = map_windows(read_table(csv(TABLE)), ends, stated, SchemaRequest(), windows_of(6))
    ((_, columns),) = found.batches()
    assert columns["pressure"][0].tolist() == [3, 4, 5]


def test_windows_of_different_lengths_are_batches_of_their_own() -> None:
    windows = [np.arange(start, start + 5 + start % 2) for start in range(60)]
    found = map_windows(read_table(csv(TABLE)), SIGNATURE, STATED, SchemaRequest(), windows)
    batches = list(found.batches())
    assert [columns["pressure"].shape for _, columns in batches] == [(30, 5), (30, 6)]
    assert batches[0][0].tolist() == list(range(0, 60, 2))


def test_window_with_a_value_that_the_model_rejects_is_left_out() -> None:
    values = list(TABLE["p [kPa]"])
    values[7], values[20] = "", 50_000
    found = mapped(6, {**TABLE, "p [kPa]": values})
    assert np.setdiff1d(np.arange(40), found.positions).tolist() == [1, 3]


def test_model_of_single_values_gets_the_last_row_of_each_window() -> None:
    single = Signature((InputField("speed", "FP32"),), (), "1")
    stated = ReadyMade(model="rig", columns={"speed": "n"})
    found = map_windows(read_table(csv(TABLE)), single, stated, SchemaRequest(), windows_of(6))
    ((_, columns),) = found.batches()
    assert columns["speed"][:2].tolist() == [5, 11]


def test_windows_that_are_too_short_are_the_reason_of_the_refusal() -> None:
    with pytest.raises(InputInvalid, match="only 0 of 80 windows: it takes at least 5 steps"):
        mapped(3)


def test_wrong_unit_is_refused_before_the_training() -> None:
    table = read_table(csv({**TABLE, "p [kPa]": [10_000_000] * STEPS}))
    with pytest.raises(InputInvalid, match="above 400 bar"):
        require_mappable(table, SIGNATURE, STATED, SchemaRequest())
    require_mappable(read_table(csv(TABLE)), SIGNATURE, STATED, SchemaRequest())
