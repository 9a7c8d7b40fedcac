"""Series of a long table: order, missing machines and times, columns that are left out."""

import numpy as np
import pytest

from models.adaptation import TrainingFileInvalid
from models.series.life.data import LifeData, build_lives
from models.series.reading import read_series
from models.tables.reading import read_table
from models.tables.schema import LIFE_WORDS, SchemaRequest, infer_schema
from tests.support.models.histories import histories
from tests.support.models.tables import csv

Table = dict[str, list[object]]


def lives_of(columns: Table, **stated: object) -> LifeData:
    request = SchemaRequest(**stated)  # type: ignore[arg-type]
    schema = infer_schema(read_table(csv(columns)), request, target_words=LIFE_WORDS)
    return build_lives(schema, request)


def problem_codes(columns: Table, **stated: object) -> set[str]:
    with pytest.raises(TrainingFileInvalid) as caught:
        lives_of(columns, **stated)
    return {problem.code for problem in caught.value.problems.shown}


def shuffled(columns: Table) -> Table:
    order = np.random.default_rng(1).permutation(len(columns["cycle"]))
    return {name: [values[at] for at in order] for name, values in columns.items()}


class TestSeries:
    def test_rows_in_any_order_are_sorted_by_machine_and_time(self) -> None:
        columns = histories(3)
        found, same = lives_of(shuffled(columns)), lives_of(columns)
        by_machine = {one.machine: one.readings for one in found.histories.series}
        for one in same.histories.series:
            assert np.array_equal(by_machine[one.machine], one.readings)

    def test_texts_and_constant_columns_are_left_out_with_a_note(self) -> None:
        columns = histories(3)
        rows = len(columns["cycle"])
        columns |= {"grade": ["A", "B"] * (rows // 2) + ["A"] * (rows % 2), "site": [1] * rows}
        found = lives_of(columns)
        assert found.histories.names == ("vibration [mm/s]", "pressure", "hum")
        assert "'grade' has no numbers and was left out." in found.notes
        assert "'site' never changes and was left out." in found.notes

    def test_file_without_machine_is_one_series(self) -> None:
        columns = histories(1)
        del columns["machine"]
        found = read_series(infer_schema(read_table(csv(columns)), SchemaRequest(target="hum")))
        assert len(found.series) == 1

    @pytest.mark.parametrize(
        ("column", "value", "code"),
        [
            ("cycle", 1, "repeated_time"),
            ("cycle", "", "empty_time"),
            ("machine", "", "empty_machine"),
        ],
    )
    def test_rows_without_their_place_are_rejected(
        self, column: str, value: object, code: str
    ) -> None:
        columns = histories(4)
        columns[column][5] = value
        assert code in problem_codes(columns, machine="machine", time="cycle")

    def test_time_that_is_a_text_is_rejected(self) -> None:
        columns = histories(4)
        columns["cycle"] = ["early", "late"] * (len(columns["cycle"]) // 2) + ["late"] * (
            len(columns["cycle"]) % 2
        )
        assert problem_codes(columns, time="cycle") == {"wrong_type"}


class TestLives:
    def test_life_is_counted_to_the_last_row(self) -> None:
        found = lives_of(histories(3))
        for one, life in zip(found.histories.series, found.lives, strict=True):
            assert life.tolist() == list(range(len(one)))[::-1]

    def test_life_of_dates_is_in_hours(self) -> None:
        columns = histories(3)
        columns["cycle"] = [
            f"2026-03-{1 + int(str(at)) // 24:02d} {int(str(at)) % 24:02d}:00"
            for at in columns["cycle"]
        ]
        found = lives_of(columns)
        assert found.unit == "h"
        assert found.lives[0][-3:].tolist() == [2.0, 1.0, 0.0]

    def test_column_of_remaining_life_is_the_target(self) -> None:
        columns = histories(3, with_life=True)
        columns["RUL"] = [float(str(value)) * 10 for value in columns["RUL"]]
        assert lives_of(columns).lives[0][-2] == 10

    def test_ignored_column_of_remaining_life_is_no_input(self) -> None:
        found = lives_of(histories(3, with_life=True), ignored=("RUL",))
        assert "RUL" not in found.histories.names
        assert found.name == "remaining life"

    def test_machine_that_still_runs_is_censored(self) -> None:
        found = lives_of(histories(4), censored=("M2",))
        assert found.censored == (False, False, True, False)
        assert found.failed_count == 3

    @pytest.mark.parametrize(
        ("count", "stated", "code"),
        [
            (2, {}, "too_few_machines"),
            (3, {"censored": ("M0",)}, "too_few_machines"),
            (4, {"censored": ("M9",)}, "unknown_machine"),
            (4, {"target": "machine", "machine": "", "time": ""}, "wrong_type"),
        ],
    )
    def test_histories_that_cannot_be_learned_are_rejected(
        self, count: int, stated: dict[str, object], code: str
    ) -> None:
        assert code in problem_codes(histories(count), **stated)

    def test_negative_life_is_rejected(self) -> None:
        columns = histories(4, with_life=True)
        columns["RUL"][3] = -1
        assert problem_codes(columns) == {"negative_life"}
